"""What happens to one firebreak, and to those that hold together with it: pure, from an incident to the next."""

from collections.abc import Callable
from datetime import datetime, timedelta

from firestation.firebreak import HOLDING, Firebreak, Lease
from firestation.model import without
from firestation.orders import LeaseAnswer, LeaseOrder, ReadOrder
from firestation.record import Leased, LeverRead
from firestation.rules import CLOCK_SKEW
from firestation.state import Incident
from firestation.steps import FirebreakStep
from firestation.system import Position

REMEMBERED = timedelta(days=1)
"""So long at least Temporal knows who let go of a lever and when: no namespace forgets what ended sooner."""

READ_FOR = {
    "waived": "read and kept, since the snapshot was waived",
    "freed": "read anew and kept, since another incident may have moved it",
}


def lease(incident: Incident, digest: str, **fields: object) -> Incident:
    """The incident with one firebreak changed."""
    return incident.changed(
        firebreaks=tuple(
            each.changed(**fields) if each.digest == digest else each for each in incident.firebreaks
        )
    )


def compensate(incident: Incident, digest: str, asked_for: Callable[[FirebreakStep], bool]) -> Incident:
    """The way back, which was decided on together with the move, where the step asks for it; its group goes too."""
    firebreak = incident.firebreak(digest)
    if firebreak and (asked_for(firebreak.step) or firebreak.step.group):
        incident = withdraw(incident, firebreak, "engine", firebreak.trouble or "it failed")
    return fail_together(incident, digest)


def fail_together(incident: Incident, digest: str) -> Incident:
    """Steps of one group hold together or not at all: when one fails, the others are withdrawn or put back."""
    failed = incident.firebreak(digest)
    if failed is None or failed.step.group is None:
        return incident
    for other in incident.firebreaks:
        same = (other.step.group, other.runbook) == (failed.step.group, failed.runbook)
        if same and other.digest != digest:
            incident = withdraw(incident, other, "engine", f"{failed.action.step} of its group failed")
    return incident


def withdraw(incident: Incident, firebreak: Firebreak, by: str, why: str) -> Incident:
    """What was not begun is refused; what holds, or is on its way, is put back, where it can be put back."""
    if firebreak.state in {Lease.PROPOSED, Lease.AUTHORIZED}:
        return lease(incident, firebreak.digest, state=Lease.REFUSED, trouble=why)
    lever = incident.brief.system.lever(firebreak.action.lever)
    one_way = lever is not None and not lever.reversible
    if firebreak.state in HOLDING | {Lease.MOVING} and firebreak.lift_wanted_by is None and not one_way:
        return lease(incident, firebreak.digest, lift_wanted_by=by, compensating=by == "engine")
    return incident


def outdated(incident: Incident, event: Leased) -> str | None:
    """Why what we read of a lever is worth nothing now that we have it alone; None when it still holds.

    While another incident had it, it may have stood where that one had moved it. The reading has the time of a
    worker's clock, the letting go that of the server's: where they are close, it counts as read before.
    """
    read = incident.kept.get(event.lever)
    if not incident.since(3) or read is None:
        return None
    if event.freed_at and read < event.freed_at + CLOCK_SKEW:
        return f"another incident let go of it at {event.freed_at:%Y-%m-%d %H:%M:%S} UTC"
    if event.at >= read + REMEMBERED - CLOCK_SKEW:
        return "it was read a day ago, and nobody knows any more who had it since"
    return None


def forget(incident: Incident, lever: str, why: str) -> Incident:
    """The incident without the position of this lever, so that nothing moves it before it is read anew."""
    return incident.changed(
        positions=without(incident.positions, lever),
        kept=without(incident.kept, lever),
        freed={**incident.freed, lever: why},
        trouble=without(incident.trouble, lever),
    )


def leased(at: datetime, order: LeaseOrder, answer: LeaseAnswer) -> Leased:
    """The event of an answer to the asking for a lever."""
    return Leased(
        at=at, lever=order.lever, action=order.action, holder=answer.holder, freed_at=answer.freed_at
    )


def reading(at: datetime, order: ReadOrder, position: Position | None) -> LeverRead:
    """The event of a lever's own reading, apart from the snapshot."""
    detail = READ_FOR[order.purpose] if position else "it cannot be read"
    return LeverRead(at=at, lever=order.lever.id, position=position, detail=detail, action=order.action)


def go_on(incident: Incident, event: LeverRead, why: str | None) -> Incident:
    """What is decided and waits for this reading goes on only when the lever stands where it was decided on.

    `why` is the reason for which it was read anew.
    """
    firebreak = incident.firebreak(event.action) if event.action else None
    if firebreak is None or firebreak.state is not Lease.AUTHORIZED:
        return incident  # withdrawn meanwhile
    lever, origin = event.lever, firebreak.action.origin
    if event.position is None:
        trouble = f"{lever} cannot be read, and {why}: nothing was moved; propose it again when it answers"
        failed = lease(incident, firebreak.digest, state=Lease.DRIFTED, trouble=trouble)
        return fail_together(failed, firebreak.digest)
    if event.position.same_as(origin):
        return incident
    trouble = f"{lever} shows {event.position}, not {origin} as it was read before: {why}; nothing was moved"
    return drifted(incident, firebreak.digest, trouble)


def drifted(incident: Incident, digest: str, trouble: str) -> Incident:
    """Nothing was overwritten: ask again, with what the lever shows now."""
    firebreak = incident.firebreak(digest)
    ours = firebreak is not None and firebreak.runbook == incident.brief.runbook.runbook
    if ours and firebreak and not (incident.stopped_by or firebreak.lift_wanted_by):
        incident = incident.changed(wanted=(*incident.wanted, firebreak.action.step))
    return lease(incident, digest, state=Lease.DRIFTED, trouble=trouble)
