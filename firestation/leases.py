"""What happens to one firebreak, and to those that hold together with it: pure, from an incident to the next."""

from collections.abc import Callable

from firestation.firebreak import HOLDING, Firebreak, Lease
from firestation.state import Incident
from firestation.steps import FirebreakStep


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
