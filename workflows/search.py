"""Search attributes: what a list of incidents shows, without waking one of them."""

from temporalio.common import SearchAttributeKey

from firestation.picture import waiting_for
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
        WAITING: waiting[0].what[:200] if waiting else "nothing",
    }
