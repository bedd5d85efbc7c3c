"""What the watch says: its alarms, with the evidence attached, and the view of a detector."""

import math
from datetime import datetime

from firestation.alarm import Alarm
from firestation.model import show_duration
from firestation.watch.detector import SAME_HOUR, Detector

SOURCE = "watch"
LARGEST_SHOWN = 15
"""Powers of ten; an e-value beyond says no more."""


def fire_alarm(
    detector: Detector,
    system: str,
    *,
    n: int,
    good: float,
    promise: float,
    log_m: float,
    since: datetime,
    until: datetime,
    request_ids: tuple[str, ...],
) -> Alarm:
    """The alarm of a promise that is not kept any more."""
    mean, kept = shown(detector, good / n), promised(detector, promise)
    once = f"one false alarm in {show_duration(detector.false_alarms)}"
    summary = (
        f"{detector.title}: {mean} over {n} outcomes since {stamp(since)}, {kept} is promised. "
        f"The evidence is {e_value(log_m)}, and it rings at {detector.threshold:.0f} ({once}, or fewer)."
    )
    return _alarm(
        detector,
        system,
        name=detector.rings.name,
        kind="fire",
        summary=summary,
        since=since,
        until=until,
        evidence={
            "n": str(n),
            "good": f"{good:g}",
            "mean": f"{good / n:g}",
            "promise": f"{promise:g}",
            "e_value": e_value(log_m),
            "e_threshold": f"{detector.threshold:.0f}",
            "false_alarms": once,
        },
        request_ids=request_ids,
    )


def silence_alarm(detector: Detector, system: str, heard_at: datetime, until: datetime, said: str) -> Alarm:
    """The alarm of a check that says nothing any more."""
    summary = (
        f"{detector.title}: nothing is heard since {stamp(heard_at)}, for {show_duration(until - heard_at)}; "
        f"it should talk every {show_duration(detector.silence)}. Last: {said}"
    )
    return _alarm(
        detector,
        system,
        name=detector.rings.silent,
        kind="silence",
        summary=summary,
        since=heard_at,
        until=until,
        evidence={"heard_at": stamp(heard_at), "talks_every": show_duration(detector.silence)},
    )


def _alarm(
    detector: Detector,
    system: str,
    *,
    name: str,
    kind: str,
    summary: str,
    since: datetime,
    until: datetime,
    evidence: dict[str, str],
    request_ids: tuple[str, ...] = (),
) -> Alarm:
    """One key a detector and window, so that it is one alarm however often it is sent."""
    return Alarm(
        source=SOURCE,
        key=f"{kind}/{detector.id}/{stamp(until)}",
        system=system,
        name=name,
        summary=summary[:4000],
        started_at=since,
        labels={**detector.rings.labels, "detector": detector.id, "watch": kind},
        annotations={**evidence, "check": detector.check, "since": stamp(since), "until": stamp(until)},
        request_ids=request_ids,
    )


def stamp(moment: datetime) -> str:
    """A time, as it is written everywhere."""
    return moment.isoformat().replace("+00:00", "Z")


def shown(detector: Detector, mean: float) -> str:
    """A mean in the check's unit: a rate as per cent."""
    return f"{100 * mean:.1f} %" if detector.most == 1 else f"{mean:g}"


def promised(detector: Detector, promise: float) -> str:
    """What is promised, in words."""
    hour = " at this hour" if detector.promise == SAME_HOUR else ""
    return f"at {'most' if detector.at_most is not None else 'least'} {shown(detector, promise)}{hour}"


def e_value(log_m: float) -> str:
    """The evidence as a number that can be read."""
    exponent = log_m / math.log(10)
    return f"{math.exp(log_m):.3g}" if exponent < LARGEST_SHOWN else f"10^{exponent:.0f}"
