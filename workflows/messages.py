"""What goes into an incident's workflow and what comes out: one model a start, update, signal and query.

Every human act is an update of its own name (answers at once) and a signal of the same name; its model is in
`firestation.acts`. An alarm is the update `ring`, delivered with update-with-start. The query `picture` answers
with `firestation.picture.Picture`.

What follows up its tasks is a workflow of its own, `AfterAction`: it hears the signal `told` of the incident, the
update and signal `finish` of people, and answers the query `picture` with `firestation.follow_words.FollowPicture`.

What waits for a person before it is an incident is a workflow too, `Triage`: it hears its alarms by the update `told`,
a person's word by the update `decide`, and answers the query `picture` with `firestation.waits.Wait`.
"""

import re

from pydantic import Field

from firestation.follow_up import Course
from firestation.model import Id, Line, Model, Text, Time
from firestation.record import Brief, Event
from firestation.state import Phase
from firestation.waits import Ended, Wait

WORKFLOW = "Incident"
RING = "ring"
PICTURE = "picture"
TURN_PAGE = "turn-page"

MOST_HANDED_ON = 1_800_000
"""Bytes that a run can hand on to the next: Temporal takes two megabytes at once, and of more it takes nothing ever."""

AFTER_ACTION = "AfterAction"
TOLD = "told"
STATION = "station"
"""Whose it is, in the memo of a workflow."""

LABELS = "labels"
"""In an incident's memo: the labels of the alarm that opened it by which inhibitions ask for it."""

FINISH = "finish"
TRIAGE = "Triage"
DECIDE = "decide"

DRILL = "Drill"
DRILL_BY_SCHEDULE = "ScheduledDrill"
DRILL_GUARD = "DrillGuard"
STOP = "stop"
RELIEVED = "relieved"
UNGUARDED = "unguarded"


def in_summary(title: str, alarm: str) -> str:
    """What Temporal's pages say of it. They read it as Markdown, and whoever rings must not make links there."""
    return re.sub(r"([\\\[\]<>`])", r"\\\1", f"{title}: {alarm}"[:200])


def after_id(incident: str, mark: str) -> str:
    """The id of the workflow that follows up the tasks of an incident; each fire of one id has its own."""
    return f"after-{incident}-{mark}"


def drill_workflow(system: str) -> str:
    """The id of the workflow of a drill: one at a time is held on a system."""
    return f"drill/{system}"


def drill_guard(system: str) -> str:
    """The id of the workflow that stands beside the drill of this system, and clears up after it."""
    return f"drill-guard/{system}"


class IncidentStart(Model):
    """The input of an incident's workflow: what it is pinned to, and after continue-as-new its record so far."""

    brief: Brief
    predecessor: str | None = None
    opened_at: Time | None = None
    record: tuple[Event, ...] = ()
    events_per_run: int = Field(default=8000, ge=50)


class Joined(Model):
    """The answer to an alarm: which incident it started or joined."""

    incident: Id
    run: str
    phase: Phase
    new: bool


class Answer(Model):
    """The answer to an act: accepted, or refused with the rule. `missing` says why, or who must approve too."""

    accepted: bool
    phase: Phase
    rule: int = 0
    title: Line | None = None
    missing: Text | None = None


class Closing(Model):
    """How an incident ended. `batches`: the last batch of alarms of each spool that it counted."""

    incident: Id
    outcome: Phase
    ended_at: Time
    merged_into: Id | None = None
    batches: dict[Id, int] = Field(default={}, exclude_if=lambda value: value == {})


class AfterStart(Model):
    """The input of the workflow that follows up an incident's tasks: everything that is known of them."""

    course: Course
    events_per_run: int = Field(default=2000, ge=50)


class Finished(Model):
    """The answer to a person's word that a task is done: taken, or not, and why."""

    accepted: bool
    task: Id
    missing: Text | None = None


class AfterEnd(Model):
    """How the following up ended: everything is done."""

    incident: Id
    mark: Line
    ended_at: Time
    dropped: bool


class TriageStart(Model):
    """The input of the workflow of an alarm that waits for a person."""

    wait: Wait
    events_per_run: int = Field(default=4000, ge=50)


class Waits(Model):
    """The answer to alarms of what waits: in place of which incident, and until when at most."""

    incident: Line
    run: str
    until: Time


class Decided(Model):
    """The answer to a person's word: it counts, or not, and why. `incident` is what it opens when it is opened."""

    accepted: bool
    incident: Line
    missing: Text | None = None


class TriageEnd(Model):
    """How the waiting ended."""

    incident: Line
    ended: Ended
