"""The course of a detector: what it has seen until now, and what one look more makes of it. Time is an argument."""

from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, Self

from pydantic import Field, ValidationError

from firestation.alarm import MOST_SUBJECTS, Alarm
from firestation.model import Id, Line, Model, Sha256, Text, Time
from firestation.watch.baseline import EMPTY, HOURS, Hour, with_more
from firestation.watch.betting import Bets, bets, log_factor, log_factors, spread_factors
from firestation.watch.detector import SAME_HOUR, Detector
from firestation.watch.sample import Sample
from firestation.watch.words import fire_alarm, silence_alarm

MOST_OWED = 10
SKEW = timedelta(minutes=1)
"""Two clocks of one cluster may differ by so much."""


class Heard(Model):
    """What came of one look: a sample, or none, and in words what the check said."""

    sample: Sample | None = None
    said: Text


class Change(Model):
    """The outcomes since things began to go wrong, if they did: `since` is the most likely moment (Page's CUSUM).

    `log_likely` is how much likelier they are with half of the change that matters than without; 0 while they are not.
    """

    log_likely: float = 0.0
    since: Time | None = None
    n: int = 0
    good: float = 0.0
    request_ids: tuple[str, ...] = Field(default=(), max_length=MOST_SUBJECTS)


class Course(Model):
    """All that a detector knows. `definition` is the digest of what it counts, and against what.

    `until` is the end of its last window, `heard_at` of the last one in which it heard something. `good` of the last
    sample and of the change are in the check's own unit. `owed` are alarms that the bell does not have yet.
    """

    definition: Sha256
    system: Id
    began: Time
    until: Time
    heard_at: Time
    said: Text = "it has not looked yet"
    key: str | None = None
    last: Sample | None = None
    bets: Bets = Bets()
    change: Change = Change()
    hours: tuple[Hour, ...] = ()
    learning: bool = False
    promise: float | None = None
    rang_at: Time | None = None
    silent_at: Time | None = None
    incident: Line | None = None
    owed: tuple[Alarm, ...] = ()

    def rung(self, alarm: Alarm, incident: str | None) -> Self:
        """The bell has it."""
        return self.changed(
            owed=tuple(each for each in self.owed if each.key != alarm.key),
            incident=incident or self.incident,
        )

    def owing(self, alarm: Alarm) -> Self:
        """The bell is to have it. Of many that it could not be given the newest are kept."""
        return self.changed(owed=(*self.owed, alarm)[-MOST_OWED:])


def fresh(detector: Detector, definition: str, system: str, now: Time) -> Course:
    """The course of a detector that looks for the first time, at a window that ends now."""
    hours = EMPTY if detector.promise == SAME_HOUR else ()
    began = now - detector.every
    return Course(definition=definition, system=system, began=began, until=began, heard_at=began, hours=hours)


def owed_in(found: object) -> tuple[Alarm, ...]:
    """The alarms that are owed in a course that cannot be read otherwise, such as one of a later version."""
    given = found.get("owed") if isinstance(found, dict) else None
    alarms = []
    for each in given if isinstance(given, list) else ():
        with suppress(ValidationError):
            alarms.append(Alarm.model_validate(each))
    return tuple(alarms)[-MOST_OWED:]


def put_back(course: Course, detector: Detector, clock: Time) -> Course:
    """The course by a clock that was wrong, and has been put back: else it would be deaf until it is so late again."""
    if course.until - clock <= max(detector.every, SKEW):
        return course
    until = clock - detector.every
    return course.changed(
        began=min(course.began, until),
        until=until,
        heard_at=min(course.heard_at, until),
        change=Change(),
        rang_at=course.rang_at and min(course.rang_at, until),
        silent_at=course.silent_at and min(course.silent_at, until),
    )


def look(course: Course, detector: Detector, heard: Heard, now: Time) -> Course:
    """The course after the window that ends now. One that was counted already changes nothing."""
    if now <= course.until:
        return course
    since, sample, said = course.until, heard.sample, heard.said
    if sample is not None and not detector.believes(sample.n, sample.good):
        said = f"{said[:3800]}; {sample.good:g} of {sample.n} cannot be, so nothing is counted"
        sample = None
    if sample is not None and (sample.n == 0 or (sample.key and sample.key == course.key)):
        sample = None
    course = course.changed(until=now, said=said)
    if sample is None:
        return _silent(course, detector, now)
    gone = min(now - course.heard_at, detector.silence) / detector.every
    course = course.changed(heard_at=now, silent_at=None, last=sample, key=sample.key)
    if detector.promise is None:
        return course
    return _judged(course, detector, _Window(since, now, gone), sample)


class _Window(NamedTuple):
    """`gone` are the windows since the last sample; of a time when it was silent, or nobody looked, no more count."""

    since: Time
    until: Time
    gone: float

    def hours(self, every: timedelta) -> tuple[int, ...]:
        """The hours of the day that it is compared with: one, or of each look that it stands for, as none was made."""
        if self.until - self.since <= every:
            return (self.since.hour,)
        step = max(every, timedelta(hours=1))
        begins = (self.since + number * step for number in range(HOURS))
        found = [each.hour for each in begins if each < self.until]
        return tuple(dict.fromkeys((*found, (self.until - every).hour)))


def _silent(course: Course, detector: Detector, now: Time) -> Course:
    """Nothing was heard. After too long that is an alarm of its own, and again after a while."""
    if now - course.heard_at < detector.silence or _lately(course.silent_at, detector.again, now):
        return course
    alarm = silence_alarm(detector, course.system, course.heard_at, now, course.said)
    return course.changed(silent_at=now).owing(alarm)


def _judged(course: Course, detector: Detector, window: _Window, sample: Sample) -> Course:
    good = detector.scaled(sample.n, sample.good)
    promise = detector.scaled_promise()
    if promise is None:
        hours = [course.hours[each] for each in window.hours(detector.every)]
        learns = window.until - course.began <= detector.learn
        matters = detector.scaled_matters()
        promise = 0.0 if learns else min(each.promise(matters, detector.together) for each in hours)
        if promise == 0 or min(each.n for each in hours) < detector.minimum:
            learned = course.hours
            if len(hours) == 1:  # of more nobody can tell what belongs to which
                learned = with_more(learned, window.since.hour, sample.n, good)
            return course.changed(hours=learned, learning=True, promise=None)
    matters = min(detector.scaled_matters(), promise / 2)
    course = course.changed(
        learning=False,
        promise=detector.unscaled(promise),
        bets=course.bets.after(_factors(detector, promise, matters, sample), window.gone),
        change=_changed(course.change, window, sample, _likely(promise, matters, sample.n, good)),
    )
    return _rung(course, detector, window)


def _factors(detector: Detector, promise: float, matters: float, sample: Sample) -> tuple[float, ...]:
    """What each bet has won by this sample; by the spread where it is known, which asks nothing of `most`."""
    if sample.squares is None:
        found = log_factors(promise, matters, sample.n, detector.scaled(sample.n, sample.good))
    else:
        squares = detector.scaled_squares(sample.n, sample.good, sample.squares)
        found = spread_factors(promise, sample.n, detector.scaled_sum(sample.n, sample.good), squares)
    return tuple(each / detector.together for each in found)


def _likely(promise: float, matters: float, n: int, good: float) -> float:
    return log_factor(promise, bets(promise, matters)[0], n, good)


def _changed(before: Change, window: _Window, sample: Sample, likely: float) -> Change:
    log_likely = before.log_likely + likely
    if log_likely <= 0:
        return Change()
    newest = dict.fromkeys((*sample.request_ids, *before.request_ids))
    return Change(
        log_likely=log_likely,
        since=before.since or window.since,
        n=before.n + sample.n,
        good=before.good + sample.good,
        request_ids=tuple(newest)[:MOST_SUBJECTS],
    )


def _rung(course: Course, detector: Detector, window: _Window) -> Course:
    """Ring when the bets have come far enough and enough was seen; then they begin anew."""
    found, change = course.bets.log_m, course.change
    if found is None or found < detector.log_threshold or change.n < detector.minimum:
        return course
    course = course.changed(bets=Bets(), change=Change())
    if _lately(course.rang_at, detector.again, window.until):
        return course
    assert change.since is not None
    assert course.promise is not None
    alarm = fire_alarm(
        detector,
        course.system,
        n=change.n,
        good=change.good,
        promise=course.promise,
        log_m=found,
        since=change.since,
        until=window.until,
        request_ids=change.request_ids,
    )
    return course.changed(rang_at=window.until).owing(alarm)


def _lately(at: Time | None, again: timedelta, now: Time) -> bool:
    return at is not None and now - at < again
