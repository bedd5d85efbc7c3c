"""Whether a proof stands for the lock of an incident: what rule 9 asks, and what everybody tells of the lock.

A proof counts when it shows what the pinned plan demands, and of the system as it is: no lever was moved since.
Incidents of before edition 4 believe the proof alone.
"""

from datetime import datetime

from firestation.after_action import LockProof
from firestation.orders import LockOrder
from firestation.record import LockTried
from firestation.state import Incident

MOVED_SINCE = "a lever was moved since it was tried; it is tried again once the checks have held"


def stands(incident: Incident) -> bool:
    """Whether a proof stands for the lock."""
    return unproved(incident) is None


def unproved(incident: Incident) -> str | None:
    """Why no proof stands for the lock, in words; None when one does."""
    proof = incident.lock
    if proof is None:
        return "there is no lock yet"
    why = lacking(incident) if proof.proved else proof.verdict
    return f"the lock is not proved ({why})" if why else None


def lacking(incident: Incident) -> str | None:
    """What the last proof lacks, though its runs ended as they should; None when it is nothing."""
    proof = incident.lock
    if proof is None:
        return None
    moved = incident.since(4) and proof.proved and incident.lock_changes != incident.changes
    return _falls_short(incident, proof) or (MOVED_SINCE if moved else None)


def tried(incident: Incident, at: datetime, proof: LockProof) -> LockTried:
    """What came of trying the lock."""
    return LockTried(at=at, proof=proof, lacks=_falls_short(incident, proof))


def overtaken(incident: Incident, order: LockOrder) -> bool:
    """Whether what this order shows is nothing any more: the incident ended, or what it is proved on has changed.

    It keeps the lock that it closed with; and what runs while a lever moves says nothing of the system after it.
    """
    return incident.since(4) and (incident.ended is not None or order.changes != incident.changes)


def _falls_short(incident: Incident, proof: LockProof) -> str | None:
    return incident.brief.runbook.lock.lacks(proof) if incident.since(4) and proof.proved else None
