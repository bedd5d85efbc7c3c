"""An alarm that waits for a person: what rang, until when, and what was decided. Pure; the workflow `Triage` keeps it.

Nobody decides in time: it becomes an incident by itself.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from pydantic import Field

from firestation.alarm import Alarm, Alarms, Tally, Triaged
from firestation.credentials import holds_credential
from firestation.errors import InvalidInput
from firestation.model import Id, Line, Model, Text, Time
from firestation.storm import OTHERS, Heap, place, together
from firestation.triage_rules import Class

MOST_SPOOLS = 50
PREFIX = "triage/"
NOBODY_IN_TIME = "nobody has decided in time"
NO_REASON = "it was opened from the list of what waits"
LONGEST_REASON = 4000
Word = Literal["open", "dismiss"]


def triage_id(incident: str) -> str:
    """The id of what waits in place of this incident; no incident has such an id."""
    return f"{PREFIX}{incident}"


class Verdict(Model):
    """A person's word: it is an incident, or it is none and why."""

    word: Word
    by: Id
    reason: Text

    def secret(self) -> str | None:
        """Why this must not stand in a history; None when it may."""
        if holds_credential(self):
            return "the reason holds a credential; take it out, and revoke it"
        return None


def verdict_of(word: Word, by: str, reason: str | None) -> Verdict:
    """What a person decides. To open it needs no reason. Raises `InvalidInput` for a dismissal without one."""
    said = (reason or "").strip() or (NO_REASON if word == "open" else "")
    if not said or len(said) > LONGEST_REASON:
        problem = "it is missing" if not said else f"it is longer than {LONGEST_REASON} characters"
        raise InvalidInput("reason", problem, "Say in a few words why this is no incident")
    return Verdict(word=word, by=by, reason=said)


class Ended(Model):
    """What was decided, when, and why; `by` is None when nobody did in time."""

    word: Word
    by: Id | None
    reason: Text
    at: Time


class Owed(Model):
    """One ring that is owed to the bell, which knows its number: it counts once however often it is tried."""

    number: int
    alarm: Alarm


class Wait(Model):
    """What waits for a person in place of an incident, by which rule.

    `heaps` are the alarms with their tallies, bounded as those of an incident; one that ever fired counts as having
    begun so. `told` is the last batch of each spool. `owed` is what is still to be rung, once it was opened, `rings`
    how much ever was; `trouble` is why that could not be done.
    """

    incident: Line
    system: Id
    title: Line
    rule: Id
    class_: Class | None = None
    why: Text
    since: Time
    until: Time
    mark: Line | None = None
    heaps: dict[str, Heap] = {}
    told: dict[Id, int] = {}
    ended: Ended | None = None
    owed: tuple[Owed, ...] = ()
    rings: int = 0
    trouble: Text | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def times(self) -> int:
        """How often its alarms rang."""
        return sum(each.tally.times for each in self.heaps.values())

    @property
    def opened(self) -> bool:
        """Whether it is to be an incident."""
        return self.ended is not None and self.ended.word == "open"


def heard(wait: Wait, given: Alarms, now: datetime) -> Wait:
    """The same with these alarms. A batch that comes twice is counted once; what fires after a dismissal waits anew."""
    batch = given.batch
    if batch and wait.told.get(batch.spool, 0) >= batch.number:
        return wait
    tallies = given.tallies or tuple(_once(each, now) for each in given.alarms)
    fires = any(Heap(alarm=a, tally=t).fired for a, t in zip(given.alarms, tallies, strict=True))
    if wait.ended is not None and not wait.opened and fires:
        wait = wait.changed(since=now, until=now + (wait.until - wait.since), heaps={}, ended=None)
    heaps, touched = dict(wait.heaps), list[str]()
    for alarm, tally in zip(given.alarms, tallies, strict=True):
        where = OTHERS if tally.others else place(alarm, heaps)
        before = heaps.get(where)
        now_on = Heap(alarm=_as_kept(alarm, before, where), tally=tally)
        both = together(before.tally, tally) if before else tally
        fired = now_on.fired or (before is not None and before.fired)
        both = both.changed(others=where == OTHERS, began="firing" if fired else "resolved")
        heaps[where] = now_on.changed(tally=both)
        touched.append(where)
    told = dict(wait.told)
    if batch:
        told.pop(batch.spool, None)
        told[batch.spool] = batch.number
    found = wait.changed(heaps=heaps, told=dict(list(told.items())[-MOST_SPOOLS:]))
    return _owing(found, touched) if found.opened else found


def decided(wait: Wait, verdict: Verdict, now: datetime) -> Wait:
    """The same once a person has decided. The first word counts."""
    if wait.ended is not None:
        return wait
    ended = Ended(word=verdict.word, by=verdict.by, reason=verdict.reason, at=now)
    return _ended(wait, ended)


def overdue(wait: Wait, now: datetime) -> Wait:
    """The same once its time is over: it is an incident, unless somebody has decided."""
    if wait.ended is not None or now < wait.until:
        return wait
    return _ended(wait, Ended(word="open", by=None, reason=NOBODY_IN_TIME, at=now))


def contradicts(wait: Wait, verdict: Verdict) -> str | None:
    """Why this word comes too late; None when it counts, or says what was decided already."""
    ended = wait.ended
    if ended is None or ended.word == verdict.word:
        return None
    done = "opened" if ended.word == "open" else "dismissed"
    return f"it was {done} by {ended.by or 'itself, for nobody had decided in time'}"


def rung(wait: Wait, owed: Owed) -> Wait:
    """The same once the bell has this."""
    return wait.changed(owed=tuple(each for each in wait.owed if each.number != owed.number), trouble=None)


def _ended(wait: Wait, ended: Ended) -> Wait:
    found = wait.changed(ended=ended)
    return _owing(found, list(wait.heaps)) if found.opened else found


def _as_kept(alarm: Alarm, before: Heap | None, where: str) -> Alarm:
    if before is None:
        return alarm
    return before.alarm if where == OTHERS else alarm.again(before.alarm)


def _owing(wait: Wait, places: list[str]) -> Wait:
    """What is to be rung of these: each alarm as it fired, then its all-clear. Older words of it are over."""
    assert wait.ended is not None
    mark, number, owed = Triaged(by=wait.ended.by, why=wait.ended.reason), wait.rings, list(wait.owed)
    for where in places:
        heap = wait.heaps[where]
        owed = [
            each
            for each in owed
            if (each.alarm.source, each.alarm.key) != (heap.alarm.source, heap.alarm.key)
        ]
        for alarm in _words(heap):
            number += 1
            owed.append(Owed(number=number, alarm=alarm.changed(triaged=mark)))
    return wait.changed(owed=tuple(owed), rings=number)


def _words(heap: Heap) -> Iterator[Alarm]:
    if heap.fired:
        yield heap.alarm.changed(status="firing")
    if heap.alarm.status == "resolved":
        yield heap.alarm


def _once(alarm: Alarm, now: datetime) -> Tally:
    return Tally(times=1, first_at=now, last_at=now, began=alarm.status)
