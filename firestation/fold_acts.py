"""The fold of what people do: an act that was accepted, and the state after it."""

from functools import singledispatch

from firestation import acts, release
from firestation.after_action import Attestation
from firestation.authority import Role
from firestation.board import Entry, Voucher
from firestation.captaincy import left, taken
from firestation.firebreak import Decided, Lease
from firestation.leases import asked_for, fail_together, lease, withdraw
from firestation.legal_course import start, worded
from firestation.model import Model, without
from firestation.quorum import enough
from firestation.recurrence import weighed
from firestation.seconding import seconded
from firestation.severity import Assessment, Axis, Declaration
from firestation.state import Incident, Page, Waiver

POSTS = frozenset({Role.SCRIBE, Role.COMMS, Role.INVESTIGATOR})
"""What one may be here besides the captain. Approvers are asked for with each decision, auditors only read."""


@singledispatch
def acted(act: Model, incident: Incident) -> Incident:  # noqa: ARG001 - the fallback of a dispatch
    """The state after a person's act that was accepted."""
    raise TypeError(type(act).__name__)


def with_page(incident: Incident, page: Page) -> Incident:
    """The state with this page in the place of the one of its number."""
    index = page.step - 1
    paging = (*incident.paging[:index], page, *incident.paging[index + 1 :])
    return incident.changed(paging=paging)


@acted.register
def _(act: acts.Acknowledge, incident: Incident) -> Incident:
    page = incident.page(act.page) if act.page else None
    incident = with_page(incident, page.changed(answered=True)) if page else incident
    if act.role is Role.CAPTAIN:
        return incident if act.by == incident.captain else taken(incident, act.by)
    return incident.changed(**{str(act.role): act.by}) if act.role in POSTS else incident


@acted.register
def _(act: acts.Declare, incident: Incident) -> Incident:
    declaration = Declaration(
        by=act.by,
        was=incident.severity,
        now=act.severity,
        proposed=incident.proposal.severity,
        reason=act.reason,
        at=incident.now,
    )
    incident = incident.changed(severity=act.severity, declarations=(*incident.declarations, declaration))
    incident = start(incident, act.severity, act.by, act.reason, incident.now)
    return covered(incident) if incident.since(2) else incident


def covered(incident: Incident) -> Incident:
    """What waits to be moved on a word that was written beforehand, and not for this weight, is put to the captain."""
    for firebreak in incident.firebreaks:
        beforehand = firebreak.state is Lease.AUTHORIZED and firebreak.authority != "captain"
        if beforehand and not incident.covered(firebreak.written_beforehand):
            decide_by = incident.now + firebreak.step.decide_within
            fields = {"authority": None, "decide_by": decide_by, "uncovered_at": incident.now}
            incident = lease(incident, firebreak.digest, state=Lease.PROPOSED, **fields)
    return incident


@acted.register
def _(act: acts.Assess, incident: Incident) -> Incident:
    assessed: dict[Axis, Assessment] = {
        axis: Assessment(grade=grade, by=act.by, reason=act.reason, at=incident.now)
        for axis, grade in act.grades.items()
    }
    incident = weighed(incident.changed(assessed={**incident.assessed, **assessed}), act.by, act.reason)
    return covered(incident) if incident.since(2) else incident


@acted.register
def _(act: acts.Propose, incident: Incident) -> Incident:
    step = incident.brief.runbook.step(act.step)
    trouble = {name: text for name, text in incident.trouble.items() if step is None or name != step.lever}
    incident = incident.changed(wanted=(*incident.wanted, act.step), trouble=trouble)
    return asked_for(incident, step.lever) if step else incident


@acted.register
def _(act: acts.Approve, incident: Incident) -> Incident:
    firebreak = incident.firebreak(act.action)
    if firebreak is None:
        return incident
    decisions = (*firebreak.decisions, _decided(act, incident))
    decided = enough(incident, firebreak, decisions)
    state = Lease.AUTHORIZED if decided else firebreak.state
    authority = "captain" if decided else None
    return lease(incident, act.action, decisions=decisions, state=state, authority=authority)


@acted.register
def _(act: acts.Refuse, incident: Incident) -> Incident:
    firebreak = incident.firebreak(act.action)
    decisions = (*(firebreak.decisions if firebreak else ()), _decided(act, incident))
    refused = lease(incident, act.action, state=Lease.REFUSED, trouble=act.reason, decisions=decisions)
    return fail_together(refused, act.action)


def _decided(act: acts.Approve | acts.Refuse, incident: Incident) -> Decided:
    captains = act.by == incident.captain
    return Decided(
        kind=act.kind, by=act.by, captain=captains, at=incident.now, reason=act.reason, signed=act.signed
    )


@acted.register
def _(act: acts.Note, incident: Incident) -> Incident:
    now = incident.now
    own = Voucher(by=act.by, holds=True, reason=None, at=now)
    entry = Entry(
        number=len(incident.entries) + 1,
        text=act.text,
        standing=act.standing,
        cause=act.cause,
        by=act.by,
        at=min(act.at or now, now),
        written_at=now,
        vouchers=(own,) if act.standing == "fact" else (),
    )
    return incident.changed(entries=(*incident.entries, entry))


@acted.register
def _(act: acts.Establish, incident: Incident) -> Incident:
    voucher = Voucher(by=act.by, holds=act.holds, reason=act.reason, at=incident.now)
    return incident.changed(
        entries=tuple(
            each.changed(
                standing="fact" if act.holds else "refuted",
                cause=each.cause or act.cause,
                vouchers=(*each.vouchers, voucher),
            )
            if each.number == act.entry
            else each
            for each in incident.entries
        )
    )


@acted.register
def _(act: acts.Update, incident: Incident) -> Incident:
    return release.told(incident, act)


@acted.register
def _(act: acts.Release | acts.Withhold, incident: Incident) -> Incident:
    return release.answered(incident, act)


@acted.register
def _(act: acts.Handover, incident: Incident) -> Incident:
    return incident.changed(offered_to=act.to)


@acted.register
def _(act: acts.Accept, incident: Incident) -> Incident:
    return taken(incident, act.by)


@acted.register
def _(act: acts.Decline, incident: Incident) -> Incident:  # noqa: ARG001 - the act is its own meaning
    return incident.changed(offered_to=None)


@acted.register
def _(act: acts.Renounce, incident: Incident) -> Incident:
    if act.role is Role.CAPTAIN:
        return left(incident, "renounced it")
    return incident.changed(**{str(act.role): None})


@acted.register
def _(act: acts.Lift, incident: Incident) -> Incident:
    return lease(incident, act.action, lift_wanted_by=act.by)


@acted.register
def _(act: acts.Adopt, incident: Incident) -> Incident:
    return lease(incident, act.action, state=Lease.ADOPTED, expires_at=None)


@acted.register
def _(act: acts.Extend, incident: Incident) -> Incident:
    firebreak = incident.firebreak(act.action)
    if firebreak is None:
        return incident
    until = incident.now + firebreak.action.expires_after
    return lease(incident, act.action, expires_at=until, asked_at=None, escalations=0)


@acted.register
def _(act: acts.Stop, incident: Incident) -> Incident:
    for firebreak in incident.firebreaks:
        incident = withdraw(incident, firebreak, act.by, act.reason)
    return incident.changed(stopped_by=act.by, wanted=())


@acted.register
def _(act: acts.Switch, incident: Incident) -> Incident:
    brief = incident.brief
    runbook = next((each for each in brief.alternatives if each.runbook == act.to), None)
    if runbook is None:
        return incident
    others = tuple(each for each in brief.runbooks if each is not runbook)
    matched = (f"chosen by {act.by}: {act.reason}",)
    incident = incident.changed(brief=brief.changed(runbook=runbook, alternatives=others, matched=matched))
    incident = weighed(incident, act.by, f"the runbook {act.to}: {act.reason}"[:4000])
    incident = covered(incident) if incident.since(3) else incident
    for firebreak in incident.firebreaks:  # what is not decided yet was the other runbook's proposal
        if firebreak.state is Lease.PROPOSED:
            why = f"{act.by} went on by the runbook {act.to}"
            incident = lease(incident, firebreak.digest, state=Lease.REFUSED, trouble=why)
    if (
        incident.since(4) and brief.runbook.lock != runbook.lock
    ):  # another lock is demanded, and is still to be made
        incident = unsettled(incident).changed(lock=None, attestations=(), lock_wanted=True)
    return incident.changed(
        wanted=(),
        skipped={},
        duties={},
        stopped_by=None,
        restored_at=None,
    )


def unsettled(incident: Incident) -> Incident:
    """The state after what a lock is proved on has changed: it is to be tried again, once recovery was measured."""
    incident = incident.changed(changes=incident.changes + 1)
    if not incident.since(4) or incident.brief.runbook.lock.kind == "process":
        return incident
    return incident.changed(lock_wanted=True, trouble=without(incident.trouble, "lock"))


@acted.register
def _(act: acts.Confirm, incident: Incident) -> Incident:
    if act.step not in incident.duties:
        return incident
    answered = incident.duties[act.step].changed(confirmed_by=act.by, done=act.done, note=act.note)
    return incident.changed(duties={**incident.duties, act.step: answered})


@acted.register
def _(act: acts.Waive, incident: Incident) -> Incident:
    waiver = Waiver(what=act.what, by=act.by, reason=act.reason, until=act.until, at=incident.now)
    return incident.changed(waivers=(*incident.waivers, waiver))


@acted.register
def _(act: acts.Attest, incident: Incident) -> Incident:
    fields = act.model_dump(exclude={"kind"})
    said = Attestation(at=incident.now, **fields)
    return incident.changed(attestations=(*incident.attestations, said))


@acted.register
def _(act: acts.Second, incident: Incident) -> Incident:
    return seconded(incident, act)


@acted.register
def _(act: acts.Categorize | acts.Withdraw | acts.Inform, incident: Incident) -> Incident:
    return worded(incident, act)


@acted.register
def _(act: acts.Prove, incident: Incident) -> Incident:  # noqa: ARG001 - the act is its own meaning
    return incident.changed(lock_wanted=True, trouble={})


@acted.register
def _(act: acts.Dismiss, incident: Incident) -> Incident:  # noqa: ARG001
    return incident.changed(ended="dismissed", ended_at=incident.now)


@acted.register
def _(act: acts.Merge, incident: Incident) -> Incident:
    return incident.changed(ended="merged", ended_at=incident.now, merged_into=act.into)


@acted.register
def _(act: acts.Close, incident: Incident) -> Incident:  # noqa: ARG001
    return incident.changed(ended="closed", ended_at=incident.now)
