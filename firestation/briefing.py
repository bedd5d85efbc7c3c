"""The briefing: one screen for whoever takes over."""

from collections.abc import Callable, Iterable
from datetime import datetime

from firestation.firebreak import HOLDING, Firebreak, Lease
from firestation.model import Line, Model
from firestation.picture import Picture

MOST = 4
"""Lines of a part: with six parts it is one screen, and what is left out is counted."""

LONGEST = 150


class Briefing(Model):
    """One screen. Each part is a few lines; `lines` puts them under their headings."""

    title: Line
    happened: tuple[Line, ...]
    moved: tuple[Line, ...]
    holds: tuple[Line, ...]
    waits: tuple[Line, ...]
    due: tuple[Line, ...]
    unknown: tuple[Line, ...]

    def lines(self) -> tuple[str, ...]:
        """The screen as plain text, a heading and its lines after the other."""
        parts = {
            "What happened": self.happened,
            "What was changed": self.moved,
            "What holds now, and until when": self.holds,
            "What is waited for": self.waits,
            "What is due next": self.due,
            "What is not known": self.unknown,
        }
        return (self.title, *(line for name, part in parts.items() for line in _part(name, part)))


def _part(name: str, lines: tuple[str, ...]) -> Iterable[str]:
    yield f"{name}: nothing" if not lines else f"{name}:"
    yield from (f"  {line}" for line in lines)


def in_utc(moment: datetime) -> str:
    """A time for people whose zone is not known."""
    return f"{moment:%H:%M} UTC"


def briefing(seen: Picture, clock: Callable[[datetime], str] = in_utc) -> Briefing:
    """Draw the briefing; `clock` writes a time in the reader's zone."""
    severity = seen.severity or f"{seen.proposal.severity} proposed"
    captain = f"captain {seen.captain}" if seen.captain else "NO CAPTAIN"
    return Briefing(
        title=_short(f"{seen.incident}: {seen.title}, {severity}, {seen.phase}, {captain}"),
        happened=_few(_happened(seen, clock)),
        moved=_few(
            [_moved(each) for each in seen.firebreaks if each.state not in HOLDING | {Lease.PROPOSED}]
        ),
        holds=_few([_holds(each, clock) for each in seen.firebreaks if each.state in HOLDING]),
        waits=_few([f"{each.what} [{each.who}]" for each in seen.waiting]),
        due=_few(_due(seen, clock)),
        unknown=_few(_unknown(seen)),
    )


def _happened(seen: Picture, clock: Callable[[datetime], str]) -> list[str]:
    rung = [f"{clock(each.first_at)} {each.alarm.name}: {each.alarm.summary}" for each in seen.alarms[:2]]
    facts = [each for each in seen.entries if each.standing == "fact"]
    causes = [f"the cause: {each.text} ({each.by})" for each in facts if each.cause]
    return (
        rung
        + list(seen.recalled[:1])
        + causes
        + [f"{each.text} ({each.by})" for each in facts[::-1] if not each.cause]
    )


def _moved(each: Firebreak) -> str:
    return f"{each.action.lever}: {each.action.origin} to {each.action.to}: {each.state}"


def _holds(each: Firebreak, clock: Callable[[datetime], str]) -> str:
    until = f"until {clock(each.expires_at)}" if each.expires_at else "with no expiry"
    return f"{each.action.lever} at {each.action.to}, {each.state}, {until} ({each.digest[:12]})"


def _due(seen: Picture, clock: Callable[[datetime], str]) -> list[str]:
    """What comes next, the soonest first."""
    coming = [(each.due, str(each.milestone)) for each in seen.deadlines if each.met_at is None]
    coming += [(each.due, each.what) for each in seen.waiting if each.due]
    words = [each for each in seen.words if each.audience == "internal" and each.next_due]
    coming += [(words[-1].next_due, "the next word to the team")] if words and words[-1].next_due else []
    return [f"{clock(moment)} {what}" for moment, what in sorted(coming)]


def _unknown(seen: Picture) -> list[str]:
    cause = [] if any(each.cause for each in seen.entries) else ["the cause"]
    guesses = [f"whether {each.text} ({each.by})" for each in seen.entries if each.standing == "hypothesis"]
    gaps = [f"not captured: {each.item}: {each.detail}" for each in seen.sealed.gaps] if seen.sealed else []
    trouble = [f"{name}: {text}" for name, text in seen.trouble.items()]
    doubts = [f"what hangs as {each.name}: {each.why}" for each in seen.recall.doubts] if seen.recall else []
    wall = [f"whether a lock broke: {seen.recall_trouble}"] if seen.recall_trouble else []
    return cause + wall + guesses[::-1] + trouble + gaps + doubts


def _few(lines: Iterable[str]) -> tuple[str, ...]:
    """The first lines; the last of them says how many more there are."""
    found = [_short(" ".join(line.split())) for line in lines]
    more = len(found) - MOST
    return tuple(found) if more <= 0 else (*found[: MOST - 1], f"and {more + 1} more: firestation show")


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
