"""A detector as people see it: what it sees now, since when, and how near it is to ringing."""

from datetime import datetime
from typing import Literal

from firestation.model import Id, Line, Model, Text, Time
from firestation.watch.course import Course
from firestation.watch.detector import SAME_HOUR, Detector
from firestation.watch.words import promised, shown

Standing = Literal["waits", "learns", "quiet", "suspects", "rang", "silent"]
LATE_WINDOWS = 3


class DetectorView(Model):
    """What is known of one detector.

    `near` is how far the evidence has come on the way to ringing, 0 to 1, by the logarithm: 0.5 is one false alarm in
    the square root of the time that is stated. `late` says that it has not looked for three windows: nobody watches.
    A detector `waits` until it has heard of a first outcome. `paused`: somebody has paused its schedule.
    """

    system: Id
    detector: Id
    title: Line
    check: Id
    promise: Line
    standing: Standing
    looked_at: Time | None = None
    late: bool = False
    paused: bool = False
    seen: Line | None = None
    since: Time | None = None
    near: float = 0.0
    rang_at: Time | None = None
    incident: Line | None = None
    owed: int = 0
    said: Text = "it has not looked yet"


def view(
    system: str,
    detector: Detector,
    course: Course | None,
    now: datetime,
    *,
    made: datetime | None = None,
    paused: bool = False,
) -> DetectorView:
    """The view as of now; without a course it has not looked yet, since its schedule was `made`."""
    looked = course.until if course else made
    seen = DetectorView(
        system=system,
        detector=detector.id,
        title=detector.title,
        check=detector.check,
        promise=_promise(detector, course.promise if course else None),
        standing=_standing(detector, course) if course else "waits",
        late=looked is not None and now - looked > LATE_WINDOWS * detector.every,
        paused=paused,
    )
    if course is None:
        return seen
    last = course.last
    return seen.changed(
        looked_at=course.until,
        seen=f"{shown(detector, last.good / last.n)} of {last.n}" if last else None,
        since=course.heard_at if course.silent_at else course.change.since,
        near=near(detector, course),
        rang_at=max(filter(None, (course.rang_at, course.silent_at)), default=None),
        incident=course.incident,
        owed=len(course.owed),
        said=course.said,
    )


def _promise(detector: Detector, promise: float | None) -> str:
    if detector.promise is None:
        return "that it talks"
    if detector.promise == SAME_HOUR and promise is None:
        return "what this hour of the day has kept so far, which it still learns"
    given = promise if isinstance(detector.promise, str) else detector.promise
    assert isinstance(given, float)
    return promised(detector, given)


def _standing(detector: Detector, course: Course) -> Standing:
    if course.silent_at:
        return "silent"
    if course.rang_at and course.until - course.rang_at < detector.again:
        return "rang"
    if course.learning:
        return "learns"
    if course.last is None:  # it looks, and has heard nothing: that is no reason to be calm
        return "waits"
    return "suspects" if course.change.since else "quiet"


def near(detector: Detector, course: Course) -> float:
    """How far the evidence has come on the way to ringing, 0 to 1."""
    if course.bets.log_m is None:
        return 0.0
    return min(max(course.bets.log_m / detector.log_threshold, 0.0), 1.0)
