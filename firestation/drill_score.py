"""The score of a drill, from the record of its incident alone: whoever has the history comes to the same.

There is no number for the whole. Each line is a time beside the time that the pinned runbook allows for it, and the
verdict is that of the worst line.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from firestation import record, seconding
from firestation.after_action import Attestation
from firestation.board import Word
from firestation.clock import Milestone
from firestation.drill import DrillMark
from firestation.firebreak import Firebreak
from firestation.fold import begin, fold, follow
from firestation.model import Duration, Id, Line, Model, Sha256, Text, Time, count, show_duration
from firestation.record import Record
from firestation.state import Incident

What = Literal[
    "acknowledge", "staff", "declare", "seal", "decide", "effective", "first word", "restore", "lock"
]
LineVerdict = Literal["in time", "late", "not reached", "no limit"]
Verdict = Literal["in time", "late", "not finished"]

BY_CLOCK: dict[Milestone, What] = {
    Milestone.ACKNOWLEDGED: "acknowledge",
    Milestone.STAFFED: "staff",
    Milestone.DECLARED: "declare",
    Milestone.SEALED: "seal",
    Milestone.DECIDED: "decide",
    Milestone.FIRST_UPDATE: "first word",
}
WORDS: dict[What, str] = {
    "acknowledge": "somebody took it",
    "staff": "captain and scribe were there",
    "declare": "the severity was declared",
    "seal": "the evidence was sealed",
    "decide": "the first move was decided",
    "effective": "the harm was seen to stop",
    "first word": "the first word went out",
    "restore": "the recovery was proved",
    "lock": "it became a lock",
}
"""Each of these things, as the report says it."""
DECISIONS = frozenset({"approve", "refuse"})
TENTHS = 10.0
"""Seconds below which a tenth of one is worth saying."""

IMPROVE: dict[What, str] = {
    "acknowledge": "look at who is paged and by which ways: firestation oncall",
    "staff": "name a scribe for each shift; the captain cannot write it down as well",
    "declare": "read the runbook's guidance on severity together; declaring early and correcting is right",
    "seal": "look at which source was slow or silent, and at its time box: firestation show",
    "decide": "go through the plan of each move beforehand; one that is always approved may be pre-authorized",
    "effective": "look at the lever and its probe: how long the move takes, and whether the check sees it",
    "first word": "have the words ready in the runbook (`updates`), and somebody on comms who sends them",
    "restore": "look at which check did not hold, or whether the firebreak expires sooner than a recovery takes",
    "lock": "look at why the lock is not proved; the evidence that it fails on may be missing",
}


class ScoreLine(Model):
    """One thing that had to be done: how long it took from the bell on, and how long the runbook allows.

    `why` says where the limit comes from; without one there is none, or nothing began it.
    """

    what: What
    took: Duration | None
    allowed: Duration | None
    why: Line
    verdict: LineVerdict

    @property
    def taken(self) -> str:
        """How long it took, in words: below ten seconds with a tenth; or that it never came."""
        if self.took is None:
            return "never"
        seconds = self.took.total_seconds()
        return f"{seconds:.1f}s" if seconds < TENTHS else show_duration(self.took)


class DrilledMove(Model):
    """A lever that was moved by a step of the runbook, and whether the move was seen to work."""

    step: Id
    lever: Id
    effective: bool


class TurnedDown(Model):
    """A decision that the rules refused, as they should."""

    by: Id
    act: Line
    rule: int
    missing: Text


class Score(Model):
    """How a drill went. `ended` is how its incident did, None while it was still open when the score was taken.

    `updates_missed`: how often the cadence ran off without anybody's word, so that the engine spoke. `runbook_digest`
    is of what the runbook says to do (`Runbook.to_do`); in scores from before there was that, of all that it says.
    """

    drill: DrillMark
    system: Id
    runbook: Id
    runbook_digest: Sha256
    pattern: Id
    title: Line
    opened_at: Time
    ended: Literal["closed", "dismissed", "merged"] | None
    lines: tuple[ScoreLine, ...]
    moves: tuple[DrilledMove, ...]
    refused: tuple[TurnedDown, ...]
    updates_missed: int

    @property
    def verdict(self) -> Verdict:
        """The verdict of the worst line; a cadence that was missed is late."""
        found = {each.verdict for each in self.lines}
        if "not reached" in found:
            return "not finished"
        return "late" if "late" in found or self.updates_missed else "in time"

    def sentence(self) -> str:
        """How it went, in one sentence."""
        known = [each for each in self.lines if each.allowed is not None]
        good = [each for each in known if each.verdict == "in time"]
        head = f"{len(good)} of {count(len(known), 'thing')} with a limit were done in time"
        found = {each.what: each.took for each in self.lines}
        took = found.get("restore")
        if took is None:
            return f"{head}; it never recovered."
        return f"{head}; recovery was proved {show_duration(took)} after the bell."

    def ending(self) -> str:
        """How its incident ended, in one sentence."""
        if self.ended:
            return f"It was {self.ended}."
        return "It was called off, or its time was over, before it was closed."

    def improve(self) -> tuple[str, ...]:
        """What to do better, the first thing first."""
        found = []
        for each in self.lines:
            if each.verdict == "late" and each.took is not None and each.allowed is not None:
                late = f"{show_duration(each.took)} instead of {show_duration(each.allowed)}"
                found.append(f"{WORDS[each.what]}: {late}; {IMPROVE[each.what]}")
            elif each.verdict == "not reached":
                found.append(f"{WORDS[each.what]}: never; {IMPROVE[each.what]}")
        if self.updates_missed:
            times = count(self.updates_missed, "time")
            found.append(f"the words to the team: nobody had one {times}, and the engine spoke instead")
        found += [f"{each.lever}: the move was not seen to work" for each in self.moves if not each.effective]
        return tuple(found)


def score(events: Record) -> Score:
    """The score of this record. Raises `ValueError` for that of an incident which is no drill."""
    incident = fold(events)
    mark, runbook = incident.brief.drill, incident.brief.runbook
    if mark is None:
        msg = f"{incident.id} is no drill"
        raise ValueError(msg)
    moved = tuple(each for each in incident.firebreaks if each.moved_at)
    return Score(
        drill=mark,
        system=incident.brief.system.system,
        runbook=runbook.runbook,
        runbook_digest=runbook.to_do(),
        pattern=runbook.pattern,
        title=runbook.title,
        opened_at=incident.opened_at,
        ended=incident.ended,
        lines=tuple(_lines(incident, events, moved)),
        moves=tuple(
            DrilledMove(
                step=each.action.step, lever=each.action.lever, effective=each.effective_at is not None
            )
            for each in moved
        ),
        refused=tuple(
            TurnedDown(by=each.by, act=each.act, rule=each.rule, missing=each.missing)
            for each in events
            if isinstance(each, record.TurnedAway) and each.act in DECISIONS
        ),
        updates_missed=_missed(events),
    )


def _lines(incident: Incident, events: Record, moved: tuple[Firebreak, ...]) -> Iterator[ScoreLine]:
    since = incident.opened_at
    for deadline in incident.deadlines:
        what = BY_CLOCK[deadline.milestone]
        yield _line(what, since, deadline.met_at, deadline.due, "the first-fifteen clock of the runbook")
    yield _effective(incident, moved)
    restored = _restored(events, moved)
    ends = [each.moved_at + each.action.expires_after for each in moved if each.moved_at]
    yield _line(
        "restore", since, restored, min(ends, default=None), "before the first firebreak would expire"
    )
    due = restored + incident.brief.runbook.lock.within if restored else None
    yield _line("lock", since, _locked(events), due, "`lock.within` of the runbook, after the recovery")


def _effective(incident: Incident, moved: tuple[Firebreak, ...]) -> ScoreLine:
    """When the last move was seen to work, beside the time to decide and the deadline of the slowest probe."""
    seen = [each.effective_at for each in moved]
    at = max((each for each in seen if each), default=None) if all(seen) else None
    steps = [each.step for each in moved] or list(incident.brief.runbook.firebreaks)
    slowest = max((each.probe.deadline for each in steps), default=timedelta())
    due = incident.deadline(Milestone.DECIDED).due + slowest
    why = "the time to decide, and the deadline of the slowest probe"
    return _line("effective", incident.opened_at, at, due, why)


def _restored(events: Record, moved: tuple[Firebreak, ...]) -> datetime | None:
    """When recovery was proved, with the last move made: one that had to be followed by another move was none."""
    last = max((each.moved_at for each in moved if each.moved_at), default=None)
    held = (each.at for each in events if isinstance(each, record.Soaked) and each.report.held)
    return next((at for at in held if last is None or at >= last), None)


def _locked(events: Record) -> datetime | None:
    """When a lock was first proved, or two people stood for the change of process. A waiver is no lock."""
    incident: Incident | None = None
    for event in events:
        incident = begin(event) if isinstance(event, record.Opened) else follow(_whole(incident), event)
        attested = isinstance(seconding.good(incident, event.at), Attestation)
        if attested or (isinstance(event, record.LockTried) and event.proved):
            return event.at
    return None


def _whole(incident: Incident | None) -> Incident:
    if incident is None:
        msg = "a record begins with opened"
        raise TypeError(msg)
    return incident


def _line(what: What, since: datetime, at: datetime | None, due: datetime | None, why: str) -> ScoreLine:
    took = at - since if at else None
    verdict: LineVerdict = "not reached"
    if took is not None:
        verdict = "no limit" if due is None or at is None else "in time" if at < due else "late"
    return ScoreLine(what=what, took=took, allowed=due - since if due else None, why=why, verdict=verdict)


def _missed(events: Record) -> int:
    """How often the engine had to speak, beside its first word, which is always its own to say."""
    words = [each for each in _words(events) if each.audience == "internal"]
    return sum(each.by is None for each in words[1:])


def _words(events: Record) -> tuple[Word, ...]:
    return fold(events).words
