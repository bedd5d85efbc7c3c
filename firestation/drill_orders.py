"""What a drill is started with, and what its workflow orders: one model an activity."""

from typing import Literal

from firestation.alarm import Alarm
from firestation.drill import DrillId, DrillKind, DrillMark
from firestation.drill_report import DrillResult
from firestation.model import Id, Line, Model, Time
from firestation.opening import Opening
from firestation.record import Brief
from firestation.rehearsal import RehearsalFitting

Step = Literal["opening", "setting the fault", "burning", "repaired", "scoring", "calling it off", "over"]


class DrillOrder(Model):
    """The input of a drill's workflow. Without a name it gets one when it begins, as one that comes by schedule does.

    `station` is whose it is; `drillers` are the people who drill, or whoever is on call when it begins.
    """

    kind: DrillKind
    system: Id
    drillers: tuple[Id, ...] = ()
    ordered_by: Id
    station: Id
    drill: DrillId | None = None


class DrillNow(Model):
    """Where a drill is: the answer to the query `picture` of its workflow.

    `stays` are levers that the fault has moved.
    """

    mark: DrillMark
    system: Id
    step: Step
    since: Time
    runbook: Id | None = None
    stays: tuple[Id, ...] = ()
    trouble: Line | None = None


class OpenDrillOrder(Model):
    """See that this drill may be held now, and pin what its incident goes by. Answer: `Opening`."""

    mark: DrillMark
    system: Id


class FaultOrder(Model):
    """Set, or clear, the fault of this drill. Answer: the drill's name."""

    plan: RehearsalFitting
    drill: DrillId


class RingOrder(Model):
    """Ring the bell for this drill. Answer: the run of its incident."""

    brief: Brief
    alarm: Alarm


class GuardOrder(Model):
    """The input of the workflow that stands beside a drill, and clears up after it if it is terminated."""

    mark: DrillMark
    system: Id
    opening: Opening


class FollowOrder(Model):
    """Wait until the incident of this drill is so far. Answer: the phase that it is in."""

    drill: DrillId
    until: Literal["restored", "ended"]


class ScoreOrder(Model):
    """Compute the score of this drill from the history of its incident. Answer: `Score`."""

    drill: DrillId


class CallOffOrder(Model):
    """End the incident of this drill: what it moved is put back, and it is dismissed. Answer: the drill's name."""

    mark: DrillMark


class KeepDrillOrder(Model):
    """Sign and keep this result. Answer: the name under which it is kept."""

    result: DrillResult
