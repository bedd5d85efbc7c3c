"""The plan: what a captain sees before deciding on one exact move.

It is drawn from what is pinned and known; asking for it touches nothing.
"""

from collections.abc import Iterator
from datetime import date

from firestation.firebreak import Action, Firebreak, Lease
from firestation.legal_course import before_altering
from firestation.model import Id, Model, Sha256, Text, show_duration
from firestation.quorum import quorum
from firestation.state import Incident
from firestation.system import Place

UNDECIDED = {
    "deny": "it lapses",
    "escalate": "the next one on call is asked too, and it goes on waiting",
    "apply": "the engine does it",
    "keep": "it goes on waiting",
}
AT_EXPIRY = {
    "lift": "it is put back",
    "keep": "it is held for another span",
    "escalate": "the next one on call is asked too, and it is held",
}


class Plan(Model):
    """One move, before it is decided on: `digest` is what an approval names, `action` the exact effect.

    `drilled` is when it was last rehearsed, by the runbook's word or by a drill that the station has held of
    the runbook as it is pinned; `drilled_days` is how many days ago that was.
    """

    digest: Sha256
    step: Id
    change: Text
    affects: Text
    why: Text
    cost: Text
    reversible: bool
    way_back: Text
    conflicts: tuple[Text, ...]
    law: tuple[Text, ...]
    effective: Text
    expiry: Text
    undecided: Text
    approvals_needed: int
    approvals_missing: int
    approvers: tuple[Id, ...]
    signed: bool
    drilled: date | None
    drilled_days: int | None = None
    drill_stale: bool = False
    validated: date | None
    stale: bool
    action: Action


def plans(incident: Incident) -> tuple[Plan, ...]:
    """The plan of each move that waits for a decision, the oldest first."""
    return tuple(_plan(incident, each) for each in incident.pending)


def _plan(incident: Incident, firebreak: Firebreak) -> Plan:
    missing = quorum(incident, firebreak)
    action, step, brief = firebreak.action, firebreak.step, incident.brief
    lever, runbook = brief.system.lever(action.lever), brief.runbook
    days = (step.drilled, brief.drilled.get(f"{runbook.runbook}/{step.id}"))
    drilled = max((day for day in days if day), default=None)
    reversible = lever is None or lever.reversible
    back = f"the engine puts {action.lever} back to {action.origin}, reads it back and says so"
    usual = show_duration(lever.effective_within) if lever and lever.effective_within else None
    probe = f"seen when {step.probe.check} passes, within {show_duration(step.probe.deadline)} after the move"
    return Plan(
        digest=firebreak.digest,
        step=step.id,
        change=f"{action.lever}: {action.origin} -> {action.to}",
        affects=(lever.affects if lever else None) or f"everybody who uses {brief.system.title}",
        why=step.why,
        cost=step.cost,
        reversible=reversible,
        way_back=step.way_back or (back if reversible else "nobody has written how to undo it"),
        conflicts=tuple(_conflicts(incident, action)),
        law=before_altering(incident),
        effective=f"{probe}; as a rule it takes {usual}" if usual else probe,
        expiry=(
            f"after {show_duration(action.expires_after)}; the captain may lift or adopt it at any time and is asked "
            f"{show_duration(min(step.ask_before, action.expires_after / 2))} before; without an answer "
            f"{AT_EXPIRY[step.at_expiry]}"
        ),
        undecided=UNDECIDED[step.absence.at(action.severity)],
        approvals_needed=firebreak.approvals_needed,
        approvals_missing=missing.missing,
        approvers=missing.who,
        signed=step.signed,
        drilled=drilled,
        drilled_days=(incident.now.date() - drilled).days if drilled else None,
        drill_stale=drilled is None or incident.now.date() - drilled > runbook.stale_after,
        validated=runbook.validated,
        stale=runbook.stale(incident.now.date()),
        action=action,
    )


def _conflicts(incident: Incident, action: Action) -> Iterator[str]:
    """What this move would break, or be broken by: declared constraints, and other incidents."""
    holder = incident.taken.get(action.lever)
    if holder:
        yield f"the incident {holder} was holding {action.lever} when we last asked"
    for constraint in incident.brief.system.constraints:
        places = (constraint.with_, constraint.breaks)
        for ours, theirs in (places, places[::-1]):
            if ours.lever == action.lever and all(_stands(incident, action, place) for place in places):
                here, there = " or ".join(ours.at), f"{theirs.lever} at {' or '.join(theirs.at)}"
                yield f"{action.lever} at {here} does not go with {there}: {constraint.why}"


def _stands(incident: Incident, action: Action, place: Place) -> bool:
    """Whether a lever would stand there: after this move, after another that is decided, or as it is."""
    lever = incident.brief.system.lever(place.lever)
    decided = (
        each.action.to
        for each in reversed(incident.firebreaks)
        if each.action.lever == place.lever and each.state in {Lease.AUTHORIZED, Lease.MOVING}
    )
    present = next(decided, incident.positions.get(place.lever))
    position = action.to if action.lever == place.lever else present
    return lever is not None and position is not None and bool(set(lever.named(position)) & set(place.at))
