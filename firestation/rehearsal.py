"""Where a system may be rehearsed: for each kind of drill the fault that is set, and the alarm that rings for it."""

from typing import Any

from pydantic import Field

from firestation.alarm import SUBJECTS, Alarm, Subjects
from firestation.drill import DrillKind, DrillMark, marked
from firestation.fitting import Fitting
from firestation.model import Duration, Id, Line, Model, Plain, Text

PLACE = "{drill}"
"""Stands for the drill's name, in what an alarm is about and in the requests that set the fault."""

SOURCE = "drill"
LONGEST_SUMMARY = 4000


class RehearsedAlarm(Model):
    """What rings when the fault is set: it finds the runbook as the real one would."""

    name: Line = Field(description="the name of the alarm")
    summary: Text = Field(description="what it says")
    labels: dict[Plain, Plain] = Field(
        default_factory=dict, max_length=32, description="its labels, by which the runbook is found"
    )
    request_ids: Subjects = Field(default=(), description="what it is about; {drill} is the drill's name")
    trace_ids: Subjects = ()
    tenants: Subjects = ()
    users: Subjects = ()
    queries: Subjects = ()


class RehearsalFitting(Fitting):
    """One kind of drill: how its fault is set and cleared, what rings, and what the fault itself has moved.

    `stays` are levers that the fault moves away from where they belong, so that their firebreak is kept for good.
    """

    id: DrillKind = Field(description="the kind of drill")
    alarm: RehearsedAlarm = Field(description="the alarm that rings once the fault is set")
    stays: tuple[Id, ...] = Field(
        default=(), description="levers that the fault moves; their firebreak is kept and not lifted"
    )
    limit: Duration = Field(
        default="2h", validate_default=True, description="how long the drill may take before it is called off"
    )


def rings(plan: RehearsalFitting, system: str, mark: DrillMark) -> Alarm:
    """The alarm of a drill. It has the drill's name as its key, so that ringing it again rings nothing."""
    about: dict[str, Any] = {
        name: tuple(each.replace(PLACE, mark.drill) for each in getattr(plan.alarm, name))
        for name in SUBJECTS
    }
    return Alarm(
        source=SOURCE,
        key=mark.drill,
        system=system,
        name=plan.alarm.name,
        summary=marked(plan.alarm.summary, LONGEST_SUMMARY),
        started_at=mark.ordered_at,
        labels=plan.alarm.labels,
        **about,
    )
