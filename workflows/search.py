"""Search attributes: what a list of incidents, and of their tasks, shows without waking one of them.

Temporal keeps them in the clear, whatever else is encrypted: so they hold ids, and titles that stand in our files, and
since edition 4 neither positions of levers nor anybody's words.
"""

from datetime import datetime

from temporalio.common import SearchAttributeKey

from firestation.follow_up import Course
from firestation.follow_words import waits_for
from firestation.picture import Waiting, waiting_for
from firestation.state import Incident

SYSTEM = SearchAttributeKey.for_keyword("FirestationSystem")
PHASE = SearchAttributeKey.for_keyword("FirestationPhase")
SEVERITY = SearchAttributeKey.for_keyword("FirestationSeverity")
CAPTAIN = SearchAttributeKey.for_keyword("FirestationCaptain")
WAITING = SearchAttributeKey.for_keyword("FirestationWaiting")
SINCE = SearchAttributeKey.for_keyword("FirestationWaitingSince")
"""Since when that is waited for, in ISO 8601; incidents of before edition 4 do not say it."""

INCIDENT = SearchAttributeKey.for_keyword("FirestationIncident")
"""Whose tasks are followed up."""

DRILL = SearchAttributeKey.for_keyword("FirestationDrill")
"""The name of the drill, of an incident that is one; it never changes, so it is written once, at the start."""

KEYS = (SYSTEM, PHASE, SEVERITY, CAPTAIN, WAITING, SINCE, INCIDENT, DRILL)


def attributes(incident: Incident) -> dict[SearchAttributeKey[str], str]:
    """The present values."""
    waiting = waiting_for(incident)
    return {
        SYSTEM: incident.brief.system.system,
        PHASE: str(incident.phase),
        SEVERITY: str(incident.weight),
        CAPTAIN: incident.captain or "nobody",
        WAITING: in_the_clear(incident, waiting[0])[:200] if waiting else "nothing",
    }


def waited_since(incident: Incident) -> dict[SearchAttributeKey[str], str]:
    """Since when the first thing is waited for.

    It is written when what is waited for changes: some waits are always of this moment.
    """
    waiting = waiting_for(incident)
    if not waiting or not incident.since(4):
        return {}
    return {SINCE: waiting[0].since.isoformat()}


def following(course: Course, now: datetime) -> dict[SearchAttributeKey[str], str]:
    """The present values of what follows up an incident's tasks; its phase is `open`, `late` or `over`."""
    late = any(each.late(now) for each in course.open)
    return {
        INCIDENT: course.incident,
        SYSTEM: course.system,
        PHASE: "over" if course.over else "late" if late else "open",
        CAPTAIN: course.captain,
        WAITING: waits_for(course, now)[:200],
    }


def in_the_clear(incident: Incident, waiting: Waiting) -> str:
    """What is waited for, as it may stand where nothing is encrypted; older incidents go on as they were."""
    return waiting.bare or waiting.what if incident.since(4) else waiting.what
