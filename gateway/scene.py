"""The incident's page, drawn from its picture: what is known, what is waited for, what to do next."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from firestation.board import Entry
from firestation.briefing import briefing
from firestation.clock import Deadline
from firestation.firebreak import ENDED, HOLDING, Firebreak, Lease
from firestation.picture import Picture, Waiting
from firestation.timeline import Moment
from gateway.forms import Form, form_id
from gateway.may import OVER

SHOWN = 150
"""Lines of the timeline on one page; all of them are one link away."""

GROUPS: dict[str, frozenset[str]] = {
    "people": frozenset({"acted", "turned-away", "called"}),
    "levers": frozenset(
        {
            "lever-read",
            "proposed",
            "skipped",
            "lapsed",
            "leased",
            "released",
            "ordered",
            "moved",
            "probed",
            "asked",
            "expired",
            "soaked",
            "measured",
        }
    ),
    "evidence": frozenset(
        {"sealed", "supplemented", "not-sealed", "drafted", "lock-tried", "hung", "recalled"}
    ),
    "words": frozenset(
        {
            "sent",
            "unsent",
            "said",
            "word-drafted",
            "word-overdue",
            "paged",
            "unreached",
            "silent",
            "relieved",
        }
    ),
    "trouble": frozenset(
        {
            "turned-away",
            "missed",
            "failed",
            "unsent",
            "unreached",
            "not-sealed",
            "not-recalled",
            "not-hung",
            "overdue",
            "word-overdue",
        }
    ),
}
"""What of the timeline can be picked out, by the kinds of its events."""


class Mark(NamedTuple):
    """A step of the first fifteen minutes: its name, how it stands in a word, and the time that tells it."""

    name: str
    stands: str
    told: str
    due: datetime


class Owed(NamedTuple):
    """Something that is waited for. `form` is what this reader can do about it, `over` whether it is overdue."""

    waiting: Waiting
    over: bool
    form: Form | None


class Lines(NamedTuple):
    """The timeline as it was asked for: its lines, the newest first, and how many there are of how many."""

    moments: tuple[Moment, ...]
    found: int
    all: int
    group: str
    words: str
    whole: bool


class Scene(NamedTuple):
    """Everything that the page shows besides the picture itself."""

    now: datetime
    over: bool
    known: tuple[str, ...]
    waits: tuple[Owed, ...]
    next: Owed | None
    clock: tuple[Mark, ...]
    active: tuple[Firebreak, ...]
    before: tuple[Firebreak, ...]
    facts: tuple[Entry, ...]
    hypotheses: tuple[Entry, ...]
    refuted: tuple[Entry, ...]
    brief: tuple[tuple[str, tuple[str, ...]], ...]
    lines: Lines


def scene(seen: Picture, forms: Mapping[str, Form], asked: Mapping[str, str], now: datetime) -> Scene:
    """Draw it. `asked` are the parameters of the address: `show`, `words` and `all` pick out of the timeline."""
    waits = tuple(_owed(each, forms, now) for each in seen.waiting)
    entries = {
        standing: tuple(each for each in seen.entries if each.standing == standing) for standing in STANDINGS
    }
    return Scene(
        now=now,
        over=seen.phase in OVER,
        known=tuple(_known(seen)),
        waits=waits,
        next=_next(waits),
        clock=tuple(_mark(each, now) for each in seen.deadlines),
        active=tuple(each for each in reversed(seen.firebreaks) if _active(each)),
        before=tuple(each for each in reversed(seen.firebreaks) if each.state in ENDED),
        facts=entries["fact"],
        hypotheses=entries["hypothesis"],
        refuted=entries["refuted"],
        brief=_brief(seen),
        lines=lines(seen.timeline, asked),
    )


SHOWN_ALARMS = 2
STANDINGS = ("fact", "hypothesis", "refuted")


def _known(seen: Picture) -> Iterable[str]:
    """What is known, in a few lines: what rang, what the cause is, what was said last, what stands now."""
    for each in seen.alarms[:SHOWN_ALARMS]:
        resolved = " (resolved)" if each.alarm.status == "resolved" else ""
        often = f" ({each.often})" if each.times > 1 else ""
        yield f"{each.alarm.name}{resolved}: {each.alarm.summary}{often}"
        if each.flapping:
            yield f"{each.alarm.name} {each.flapping}"
    if len(seen.alarms) > SHOWN_ALARMS:
        rings = sum(each.times for each in seen.alarms) + (seen.beyond.times if seen.beyond else 0)
        kinds = f"{len(seen.alarms)} kinds of alarms{' and others' if seen.beyond else ''}"
        yield f"{kinds} rang {rings:,} times in all"
    facts = [each for each in seen.entries if each.standing == "fact"]
    yield from (f"The cause: {each.text}" for each in facts if each.cause)
    yield from (f"Fact: {each.text}" for each in facts[-1:] if not each.cause)
    held = [each for each in seen.firebreaks if each.state in HOLDING]
    yield from (f"{each.action.lever} stands at {each.action.to} ({each.state})" for each in held)
    if seen.restored_at:
        yield f"The checks have held for the whole soak; restored at {seen.restored_at:%H:%M} UTC"
    if not facts:
        yield "Nobody knows the cause yet."


def _owed(waiting: Waiting, forms: Mapping[str, Form], now: datetime) -> Owed:
    """The form behind the command that a waiting names, if it is on this reader's page."""
    form, words = None, (waiting.command or "").split()
    if len(words) > 1:
        act, subject = words[1], words[3] if len(words) > 3 and not words[3].startswith("-") else ""  # noqa: PLR2004
        names = (form_id(act, subject), form_id(act), "acknowledge-captain" if act == "ack" else "")
        form = next((forms[name] for name in names if name in forms), None)
    return Owed(waiting, bool(waiting.due and now >= waiting.due), form)


def _next(waits: Iterable[Owed]) -> Owed | None:
    """What this reader should do now: the first thing that is waited for and that they can do."""
    return next((each for each in waits if each.form), None)


def _mark(deadline: Deadline, now: datetime) -> Mark:
    name, due = str(deadline.milestone), deadline.due
    if deadline.met_at:
        late = deadline.met_at > due
        return Mark(name, "done late" if late else "done", f"at {deadline.met_at:%H:%M:%S}", due)
    if deadline.missed or now >= due:
        return Mark(name, "overdue", f"since {due:%H:%M:%S}", due)
    return Mark(name, "runs", f"until {due:%H:%M:%S}", due)


def _active(each: Firebreak) -> bool:
    return each.state not in ENDED and each.state is not Lease.PROPOSED


def _brief(seen: Picture) -> tuple[tuple[str, tuple[str, ...]], ...]:
    drawn = briefing(seen)
    return (
        ("What happened", drawn.happened),
        ("What was changed", drawn.moved),
        ("What holds now, and until when", drawn.holds),
        ("What is waited for", drawn.waits),
        ("What is due next", drawn.due),
        ("What is not known", drawn.unknown),
    )


def lines(timeline: tuple[Moment, ...], asked: Mapping[str, str]) -> Lines:
    """The lines of one group, with some words in them, the newest first."""
    group, words = asked.get("show", ""), asked.get("words", "")[:100].strip()
    kinds, wanted = GROUPS.get(group), words.casefold()
    found = [
        each
        for each in reversed(timeline)
        if (kinds is None or each.kind in kinds) and (not wanted or wanted in each.text.casefold())
    ]
    whole = asked.get("all") == "1" or len(found) <= SHOWN
    return Lines(
        tuple(found if whole else found[:SHOWN]),
        len(found),
        len(timeline),
        group if kinds is not None else "",
        words,
        whole,
    )
