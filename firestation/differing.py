"""What differs in the evidence of an incident: a bad request from a healthy one, things now from then, levers.

Pure: what was read is given. The command and the board show the same.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from firestation.comparison import Comparison, Difference, closest, compare
from firestation.evidence import ArtifactRef
from firestation.firebreak import HOLDING, Lease
from firestation.picture import Picture
from firestation.system import CONTROL

STANDS = HOLDING | {Lease.ADOPTED, Lease.LIFTING}
LONG_TEXT = 60
MOST_LINES = 2000
"""Lines of a text that are put beside those of another; matching more of them takes long, when somebody wants it to."""


class Stood(NamedTuple):
    """A lever: where it stood when the evidence was sealed, and where the record has it now."""

    lever: str
    then: str
    now: str


class Rank(NamedTuple):
    """An element of a list whose order differs: its place in the one list and in the other, from 1; None: not there."""

    name: str
    here: int | None
    there: int | None


class Line(NamedTuple):
    """A line that only one of two texts has; `here` is the bad one, or how it is now."""

    here: bool
    text: str


def frozen(seen: Picture) -> tuple[ArtifactRef, ...]:
    """All that is sealed, supplements too."""
    seals = ((seen.sealed,) if seen.sealed else ()) + seen.supplements
    return tuple(artifact for seal in seals for artifact in seal.artifacts)


def requests(seen: Picture) -> tuple[str, ...]:
    """The requests that the alarms name, each once."""
    return tuple(dict.fromkeys(name for rung in seen.alarms for name in rung.alarm.request_ids))


def of_request(artifacts: Sequence[ArtifactRef], request: str) -> list[ArtifactRef]:
    """What was frozen of this request."""
    return [each for each in artifacts if CONTROL not in each.provides and each.name.endswith(request)]


def healthy(artifacts: Sequence[ArtifactRef]) -> list[ArtifactRef]:
    """What was frozen of healthy requests."""
    return [each for each in artifacts if CONTROL in each.provides]


def documents(content: bytes) -> list[JsonValue]:
    """The JSON documents in an artifact: itself, or the elements of its list. What is no JSON has none."""
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        return []
    return read if isinstance(read, list) else [read]


def beside(
    bad: Sequence[tuple[ArtifactRef, JsonValue]], others: Sequence[JsonValue]
) -> tuple[ArtifactRef, Comparison | None]:
    """The one of a request's documents (at least one) that is most like a healthy one, and how they differ."""
    best, made = bad[0][0], None
    for artifact, document in bad:
        index = closest(document, others)
        if index is not None:
            here = compare(document, others[index])
            if made is None or here.same > made.same:
                best, made = artifact, here
    return best, made


def levers(seen: Picture) -> Iterator[Stood]:
    """Each lever whose position was sealed."""
    now: dict[str, str] = {}
    for each in seen.firebreaks:
        if each.state in STANDS:
            now[each.action.lever] = str(each.action.to)
        elif each.state is Lease.LIFTED:
            now[each.action.lever] = str(each.action.origin)
    for state in seen.sealed.levers if seen.sealed else ():
        then = str(state.position) if state.position else "could not be read"
        yield Stood(state.lever, then, now.get(state.lever, then))


def ranks(each: Difference) -> list[Rank]:
    """The elements of a list whose order differs: those of the bad one in its order, then what only the other has."""
    bad, other = _names(each.bad), _names(each.healthy)
    places = {name: place for place, name in enumerate(other, start=1)}
    here = set(bad)
    found = [Rank(name, place, places.get(name)) for place, name in enumerate(bad, start=1)]
    return found + [Rank(name, None, place) for name, place in places.items() if name not in here]


def changed_lines(each: Difference) -> list[Line]:
    """The lines in which two long texts differ; nothing for what is better shown as two values."""
    if each.kind != "value" or not isinstance(each.bad, str) or not isinstance(each.healthy, str):
        return []
    if len(each.bad) <= LONG_TEXT and "\n" not in each.bad:
        return []
    there, here = (text.splitlines()[:MOST_LINES] for text in (each.healthy, each.bad))
    told = list(difflib.unified_diff(there, here, lineterm="", n=0))[2:]
    return [Line(line[0] == "+", line[1:]) for line in told if not line.startswith("@@")]


def _names(value: JsonValue) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
