"""Three-way merge: what people wrote is kept when the engine drafts the document again.

Both sides are compared with what they began from, line by line. Where only one of them changed something, that counts;
where both did, both are kept, with a line between them that says so and renders in its place. What one of them only
added beside it contradicts nobody.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from firestation.model import Model, count

Lines = list[str]


class Merged(Model):
    """The merged document. `conflicts` is how often both sides changed the same lines, and both are in it."""

    text: str
    conflicts: int


class Names(NamedTuple):
    """How the two sides are called where both have a version."""

    people: str = "by people"
    engine: str = "from the record"


def merge(base: str, people: str, engine: str, names: Names = Names()) -> Merged:  # noqa: B008 - it never changes
    """`people` and `engine` both began with `base`. No line that either added or changed is lost."""
    made, conflicts = Lines(), 0
    for before, theirs, ours in _chunks(base.split("\n"), people.split("\n"), engine.split("\n")):
        if theirs in (before, ours):
            made += ours
        elif ours == before:
            made += theirs
        elif (added := _beside(before, theirs, ours)) is not None:
            made += added
        else:
            made += _both(theirs, ours, names)
            conflicts += 1
    return Merged(text="\n".join(made), conflicts=conflicts)


def _beside(before: Lines, theirs: Lines, ours: Lines) -> Lines | None:
    """Both, where one of them only added lines before or after what the other changed; None where neither did."""
    size = len(before)
    if ours[:size] == before:
        return theirs + ours[size:]
    if theirs[:size] == before:
        return ours + theirs[size:]
    if ours[-size:] == before:
        return ours[:-size] + theirs
    if theirs[-size:] == before:
        return theirs[:-size] + ours
    return None


def _chunks(base: Lines, people: Lines, engine: Lines) -> Iterator[tuple[Lines, Lines, Lines]]:
    """The three documents in pieces that belong together: what all have is a piece, and what is between is one."""
    at = [0, 0, 0]
    for here, there, beyond, length in _shared(base, people, engine):
        yield from _peeled(base[at[0] : here], people[at[1] : there], engine[at[2] : beyond])
        same = base[here : here + length]
        yield same, same, same
        at = [here + length, there + length, beyond + length]
    yield from _peeled(base[at[0] :], people[at[1] :], engine[at[2] :])


def _peeled(*sides: Lines) -> Iterator[tuple[Lines, Lines, Lines]]:
    """A piece, with the lines apart that all three end with: empty ones, which were no sign before."""
    end, shortest = 0, min(map(len, sides))
    while end < shortest and len({side[-1 - end] for side in sides}) == 1:
        end += 1
    before, theirs, ours = (side[: len(side) - end] for side in sides)
    yield before, theirs, ours
    same = sides[0][len(before) :]
    yield same, same, same


def _shared(base: Lines, people: Lines, engine: Lines) -> Iterator[tuple[int, int, int, int]]:
    """Where a run of lines of the base stands in all three, and how long it is."""
    theirs, ours = _matches(base, people), _matches(base, engine)
    one = other = 0
    while one < len(theirs) and other < len(ours):
        (left, there, length), (right, beyond, width) = theirs[one], ours[other]
        start, end = max(left, right), min(left + length, right + width)
        if start < end:
            yield start, there + start - left, beyond + start - right, end - start
        if left + length < right + width:
            one += 1
        else:
            other += 1


def _matches(base: Lines, changed: Lines) -> list[tuple[int, int, int]]:
    """The runs of lines that two documents share. An empty line alone is no sign that they belong together."""
    matcher = SequenceMatcher(_says_nothing, base, changed, autojunk=False)
    return [(each.a, each.b, each.size) for each in matcher.get_matching_blocks() if each.size]


def _says_nothing(line: str) -> bool:
    return not line.strip()


def _both(theirs: Lines, ours: Lines, names: Names) -> Lines:
    """Both versions of a passage; what they begin and end with alike stands once."""
    start = 0
    while start < min(len(theirs), len(ours)) and theirs[start] == ours[start]:
        start += 1
    end = 0
    while end < min(len(theirs), len(ours)) - start and theirs[-1 - end] == ours[-1 - end]:
        end += 1
    mine, its = theirs[start : len(theirs) - end], ours[start : len(ours) - end]
    return [*theirs[:start], *mine, *_mark(mine, its, names), *its, *(theirs[-end:] if end else [])]


def _mark(theirs: Lines, ours: Lines, names: Names) -> Lines:
    """The line between the two, in the form of what it stands in: a row of a table, an item of a list, a paragraph."""
    above = f"{count(len(theirs), 'line')} above {names.people}" if theirs else f"taken out {names.people}"
    below = (
        f"{count(len(ours), 'line')} below {names.engine}" if ours else f"not there any more {names.engine}"
    )
    says = f"**Two versions: {above}; {below}. Settle it, and take this line out.**"
    beside = [line.lstrip() for line in (*theirs, *ours) if line.strip()]
    if beside and all(line.startswith("|") for line in beside):
        return [f"| {says} |"]
    if beside and all(line.startswith("- ") for line in beside):
        return [f"- {says}"]
    return ["", says, ""]
