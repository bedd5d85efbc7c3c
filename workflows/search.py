"""Search attributes: what a list of incidents shows, without waking one of them.

Temporal keeps them in the clear, whatever else is encrypted: so they hold ids, and titles that stand in our files, and
since edition 4 neither positions of levers nor anybody's words.
"""

from temporalio.common import SearchAttributeKey

from firestation.picture import Waiting, waiting_for
from firestation.state import Incident

SYSTEM = SearchAttributeKey.for_keyword("FirestationSystem")
PHASE = SearchAttributeKey.for_keyword("FirestationPhase")
SEVERITY = SearchAttributeKey.for_keyword("FirestationSeverity")
CAPTAIN = SearchAttributeKey.for_keyword("FirestationCaptain")
WAITING = SearchAttributeKey.for_keyword("FirestationWaiting")
KEYS = (SYSTEM, PHASE, SEVERITY, CAPTAIN, WAITING)


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


def in_the_clear(incident: Incident, waiting: Waiting) -> str:
    """What is waited for, as it may stand where nothing is encrypted; older incidents go on as they were."""
    return waiting.bare or waiting.what if incident.since(4) else waiting.what
