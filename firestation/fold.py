"""The fold: a record in, a state out. What happened, happened: nothing is refused here."""

from collections.abc import Iterator
from functools import reduce, singledispatch

from firestation import cadence, record, recurrence
from firestation.acts import Approve, Lift
from firestation.aftermath import unopened
from firestation.alarm import MOST_KINDS, Alarm, Tally
from firestation.board import Message
from firestation.captaincy import left
from firestation.clock import Deadline, Milestone
from firestation.firebreak import Firebreak, Lease, effect_key
from firestation.fold_acts import acted, covered, unsettled, with_page
from firestation.leases import compensate, drifted, fail_together, forget, go_on, lease, outdated
from firestation.legal_course import altered, counted
from firestation.model import Model, without
from firestation.notices import Notice, notices
from firestation.record import Event, Opened, Record
from firestation.severity import propose
from firestation.state import Beyond, Duty, Incident, Page, Parcel, Rung

MOST_DOUBLINGS = 6
"""Whoever does not answer is asked less and less often: weeks of silence must not fill the record."""


def fold(events: Record) -> Incident:
    """The state after these events; the first of them must be `Opened`."""
    first, *rest = events
    if not isinstance(first, Opened):
        msg = f"a record begins with opened, not with {first.kind}"
        raise TypeError(msg)
    return reduce(follow, rest, begin(first))


def begin(event: Opened) -> Incident:
    """The state of an incident that has just opened."""
    clock, proposal = event.brief.runbook.clock, propose(event.brief.runbook.severity)
    deadlines = tuple(
        Deadline(milestone=each, due=clock.due(each, event.at, proposal.severity)) for each in Milestone
    )
    return Incident(
        brief=event.brief,
        run=event.run,
        opened_at=event.at,
        now=event.at,
        predecessor=event.predecessor,
        deadlines=deadlines,
        proposal=proposal,
    )


def follow(incident: Incident, event: Event) -> Incident:
    """The state after one more event."""
    after = _apply(event, incident)
    after = after.changed(now=max(incident.now, event.at))
    after = after.changed(deadlines=_met(after))
    if after.since(3) and (after.weight, after.brief) != (incident.weight, incident.brief):
        after = after.changed(deadlines=_moved(after), weighed_at=after.now)
    parcels = _parcels(after, event)
    if isinstance(event, record.Paged) and not parcels:
        after = after.changed(lost=(*after.lost, event.step))
    return after.changed(outbox=after.outbox + parcels)


def _met(incident: Incident) -> tuple[Deadline, ...]:
    decided = any(each.state is not Lease.PROPOSED for each in incident.firebreaks)
    reached = {
        Milestone.ACKNOWLEDGED: incident.captain is not None,
        Milestone.STAFFED: incident.captain is not None and incident.scribe is not None,
        Milestone.DECLARED: incident.severity is not None,
        Milestone.SEALED: incident.sealed is not None,
        Milestone.DECIDED: decided or incident.ready_to_soak,
        Milestone.FIRST_UPDATE: incident.last_word("internal") is not None,
    }
    return tuple(
        each.changed(met_at=incident.now) if each.met_at is None and reached[each.milestone] else each
        for each in incident.deadlines
    )


def _moved(incident: Incident) -> tuple[Deadline, ...]:
    """The deadlines as they are at the present weight. What was met or missed stays so."""
    clock = incident.brief.runbook.clock
    return tuple(
        each
        if each.met_at or each.missed
        else each.changed(due=clock.due(each.milestone, incident.opened_at, incident.weight))
        for each in incident.deadlines
    )


def _parcels(incident: Incident, event: Event) -> tuple[Parcel, ...]:
    return tuple(parcel for notice in notices(incident, event) for parcel in _sheets(incident, notice))


def _sheets(incident: Incident, notice: Notice) -> Iterator[Parcel]:
    """One message, by every way in which the station reaches its person, else by the system's channels."""

    def parcel(way: str, channel: str, message: Message, *, pager: bool) -> Parcel:
        key = effect_key(incident.id, incident.mark, f"{notice.step}/{way}")
        return Parcel(key=key, channel=channel, message=message, pager=pager, page=notice.page)

    ways = incident.brief.roster.ways(notice.person) if notice.person else ()
    for way in ways:
        yield parcel(way.id, way.pager.id, notice.message.changed(to=way.to), pager=True)
    if ways:
        return
    system = incident.brief.system
    channels = system.channels_for(notice.audience)
    for channel in channels or (system.channels_for("internal") if notice.audience == "pager" else ()):
        yield parcel(channel.id, channel.id, notice.message, pager=False)


@singledispatch
def _apply(event: Model, incident: Incident) -> Incident:  # noqa: ARG001 - the fallback of a dispatch
    raise TypeError(type(event).__name__)


@_apply.register
def _(event: record.Rang, incident: Incident) -> Incident:
    tally = event.tally or Tally(times=1, first_at=event.at, last_at=event.at, began=event.alarm.status)
    if event.batch:
        batches = {**incident.batches, event.batch.spool: event.batch.number}
        incident = incident.changed(batches=batches)
    known = next((each for each in incident.rung if each.alarm.key == event.alarm.key), None)
    if tally.others or (known is None and len(incident.rung) >= MOST_KINDS and incident.since(5)):
        return incident.changed(beyond=_beyond(incident.beyond, event.alarm, tally))
    if known is None:
        rung = Rung(
            alarm=event.alarm,
            first_at=tally.first_at,
            last_at=tally.last_at,
            times=tally.times,
            changes=tally.changes,
        )
        return incident.changed(rung=(*incident.rung, rung))
    turned = tally.changes + (known.alarm.status != tally.began)
    again = known.changed(
        alarm=event.alarm.again(known.alarm),
        first_at=min(known.first_at, tally.first_at),
        last_at=max(known.last_at, tally.last_at),
        times=known.times + tally.times,
        changes=known.changes + turned if incident.since(5) else 0,
    )
    return incident.changed(rung=tuple(again if each is known else each for each in incident.rung))


def _beyond(before: Beyond | None, alarm: Alarm, tally: Tally) -> Beyond:
    if before is None:
        return Beyond(alarm=alarm, first_at=tally.first_at, last_at=tally.last_at, times=tally.times)
    return before.changed(
        first_at=min(before.first_at, tally.first_at),
        last_at=max(before.last_at, tally.last_at),
        times=before.times + tally.times,
    )


@_apply.register
def _(event: record.Acted, incident: Incident) -> Incident:
    incident = incident.changed(now=event.at, heard={**incident.heard, event.act.by: event.at})
    if isinstance(event.act, Approve | Lift):
        incident = altered(incident, event)
    return acted(event.act, incident)


@_apply.register
def _(event: record.TurnedAway, incident: Incident) -> Incident:
    return incident.changed(heard={**incident.heard, event.by: event.at})  # whoever is refused is there


@_apply.register
def _(event: record.Silent, incident: Incident) -> Incident:
    return incident.changed(silence_asked_at=event.at)


@_apply.register
def _(event: record.Relieved, incident: Incident) -> Incident:
    return left(incident.changed(now=event.at), "was relieved of it")


@_apply.register
def _(event: record.Sent | record.Unsent, incident: Incident) -> Incident:
    rest = tuple(parcel for parcel in incident.outbox if parcel.key != event.key)
    parcel = next((parcel for parcel in incident.outbox if parcel.key == event.key), None)
    page = incident.page(parcel.page) if parcel and parcel.page else None
    incident = incident.changed(outbox=rest, done_keys=incident.done_keys | {event.key})
    if page is None:
        return incident
    if isinstance(event, record.Sent):
        return with_page(incident, page.changed(sent=page.sent + 1))
    if not page.sent and all(parcel.page != page.step for parcel in rest):
        incident = incident.changed(lost=(*incident.lost, page.step))
    return with_page(incident, page.changed(unsent=(*page.unsent, event.detail)))


@_apply.register
def _(event: record.Paged, incident: Incident) -> Incident:
    page = Page(step=event.step, person=event.person, at=event.at)
    return incident.changed(
        pages=event.step, paged=event.person, paged_at=event.at, paging=(*incident.paging, page)
    )


@_apply.register
def _(event: record.Unreached, incident: Incident) -> Incident:
    page = incident.page(event.step)
    incident = incident.changed(lost=tuple(step for step in incident.lost if step != event.step))
    return with_page(incident, page.changed(unreached=True)) if page else incident


@_apply.register
def _(event: record.Said, incident: Incident) -> Incident:
    return cadence.spoken(incident, event.word)


@_apply.register
def _(event: record.WordDrafted, incident: Incident) -> Incident:
    return cadence.drafted(incident, event.draft)


@_apply.register
def _(event: record.WordOverdue, incident: Incident) -> Incident:
    return cadence.missed(incident, event)


@_apply.register
def _(event: record.Measured, incident: Incident) -> Incident:
    if incident.changed_at or incident.holding:
        return incident  # too late to say how it was before the first move
    return incident.changed(baseline={**incident.baseline, event.reading.check: event.reading})


@_apply.register
def _(event: record.SealedUp, incident: Incident) -> Incident:
    levers = (state for state in event.sealed.levers if state.lever not in incident.freed)
    read = {state.lever: state for state in levers if state.position is not None}
    positions = {name: state.position for name, state in read.items() if name not in incident.kept}
    return incident.changed(
        sealed=event.sealed,
        seal_trouble=None,
        positions={**incident.positions, **positions},
        kept={**{name: state.read_at for name, state in read.items()}, **incident.kept},
    )


@_apply.register
def _(event: record.Supplemented, incident: Incident) -> Incident:
    return incident.changed(supplements=(*incident.supplements, event.sealed), seal_trouble=None)


@_apply.register
def _(event: record.NotSealed, incident: Incident) -> Incident:
    return incident.changed(seal_trouble=event.detail)


@_apply.register
def _(event: record.LeverRead, incident: Incident) -> Incident:
    if event.position is None:
        trouble = {**incident.trouble, event.lever: event.detail}
        return go_on(incident.changed(trouble=trouble), event, incident.freed.get(event.lever))
    read = incident.changed(
        positions={**incident.positions, event.lever: event.position},
        kept={**incident.kept, event.lever: event.at},
        freed=without(incident.freed, event.lever),
        trouble=without(incident.trouble, event.lever),
    )
    return go_on(read, event, incident.freed.get(event.lever))


@_apply.register
def _(event: record.Proposed, incident: Incident) -> Incident:
    runbook = incident.brief.runbook
    step = runbook.step(event.action.step)
    if step is None:
        raise LookupError(event.action.step)  # only steps of the pinned runbook are ever proposed
    firebreak = Firebreak(
        digest=event.action.sha256(),
        action=event.action,
        mark=incident.mark,
        runbook=runbook.runbook,
        step=step,
        state=Lease.AUTHORIZED if event.preauthorized else Lease.PROPOSED,
        proposed_at=event.at,
        decide_by=event.at + event.decide_within,
        approvals_needed=event.approvals,
        authority="preauthorized" if event.preauthorized else None,
    )
    wanted = tuple(step for step in incident.wanted if step != event.action.step)
    return incident.changed(firebreaks=(*incident.firebreaks, firebreak), wanted=wanted)


@_apply.register
def _(event: record.Skipped, incident: Incident) -> Incident:
    wanted = tuple(step for step in incident.wanted if step != event.step)
    return incident.changed(skipped={**incident.skipped, event.step: event.reason}, wanted=wanted)


@_apply.register
def _(event: record.Lapsed, incident: Incident) -> Incident:
    firebreak = incident.firebreak(event.action)
    if firebreak is None or event.then == "deny":
        return fail_together(lease(incident, event.action, state=Lease.LAPSED), event.action)
    if event.then == "apply":
        return lease(incident, event.action, state=Lease.AUTHORIZED, authority="absence")
    again = event.at + firebreak.step.decide_within * 2 ** min(firebreak.escalations, MOST_DOUBLINGS)
    return lease(incident, event.action, decide_by=again, escalations=firebreak.escalations + 1)


@_apply.register
def _(event: record.Leased, incident: Incident) -> Incident:
    if event.holder is None:
        taken = without(incident.taken, event.lever)
        incident = incident.changed(leased={**incident.leased, event.lever: event.action}, taken=taken)
        why = outdated(incident, event)
        return forget(incident, event.lever, why) if why else incident
    incident = incident.changed(taken={**incident.taken, event.lever: event.holder})
    firebreak = incident.firebreak(event.action)
    if firebreak is None or firebreak.state is not Lease.AUTHORIZED:
        return incident  # withdrawn meanwhile
    trouble = f"the incident {event.holder} holds this lever; propose it again when that one has let go"
    return fail_together(lease(incident, event.action, state=Lease.TAKEN, trouble=trouble), event.action)


@_apply.register
def _(event: record.Released, incident: Incident) -> Incident:
    return incident.changed(leased=without(incident.leased, event.lever))


@_apply.register
def _(event: record.Called, incident: Incident) -> Incident:
    step = incident.brief.runbook.duty(event.step)
    if step is None:
        raise LookupError(event.step)  # only steps of the pinned runbook are ever called
    known = incident.duties.get(step.id)
    duty = Duty(
        step=step.id,
        called_at=known.called_at if known else event.at,
        due=event.at + step.within * 2 ** min(event.times - 1, MOST_DOUBLINGS),
        times=event.times,
    )
    return incident.changed(duties={**incident.duties, step.id: duty})


@_apply.register
def _(event: record.Ordered, incident: Incident) -> Incident:
    digest = event.order.action.sha256()
    incident = altered(incident, event)
    firebreak = incident.firebreak(digest)
    if event.order.purpose == "move" or firebreak is None:
        return lease(incident, digest, state=Lease.MOVING, authority=event.order.authority)
    return lease(incident, digest, state=Lease.LIFTING, lifts=firebreak.lifts + 1)


@_apply.register
def _(event: record.Moved, incident: Incident) -> Incident:
    order, outcome = event.order, event.outcome
    digest = order.action.sha256()
    positions = incident.positions
    if outcome.found is not None:
        positions = {**positions, order.action.lever: outcome.found}
    incident = incident.changed(positions=positions, done_keys=incident.done_keys | {order.key})
    if outcome.result == "drifted" and order.purpose == "move":
        return drifted(incident, digest, outcome.detail)
    incident = unsettled(incident.changed(changed_at=event.at, restored_at=None))
    if outcome.result == "done" and order.purpose == "lift":
        return lease(incident, digest, state=Lease.LIFTED, trouble=None, found=outcome.found)
    if outcome.result == "done":
        state, trouble = Lease.APPLIED, None
    else:
        state, trouble = Lease.UNCERTAIN, outcome.detail
    fields: dict[str, object] = {"state": state, "trouble": trouble, "found": outcome.found}
    if order.purpose == "lift":
        return lease(incident, digest, **fields, lift_wanted_by=None, compensating=False)
    fields |= {"moved_at": event.at, "expires_at": event.at + order.action.expires_after}
    incident = lease(incident, digest, **fields)
    if state is Lease.UNCERTAIN and incident.since(2):
        return compensate(incident, digest, lambda step: step.on_failure == "put-back")
    return incident


@_apply.register
def _(event: record.Probed, incident: Incident) -> Incident:
    if event.reading.verdict == "passed":
        return lease(incident, event.action, state=Lease.EFFECTIVE, effective_at=event.at, trouble=None)
    incident = lease(incident, event.action, state=Lease.INEFFECTIVE, trouble=event.reading.detail)
    return compensate(incident, event.action, lambda step: step.if_ineffective == "put-back")


@_apply.register
def _(event: record.Asked, incident: Incident) -> Incident:
    return lease(incident, event.action, asked_at=event.at)


@_apply.register
def _(event: record.Expired, incident: Incident) -> Incident:
    firebreak = incident.firebreak(event.action)
    if firebreak is None:
        return incident
    if event.then == "lift":
        return lease(incident, event.action, expires_at=None, lift_wanted_by="engine")
    span = firebreak.action.expires_after if event.then == "keep" else firebreak.step.ask_before
    wait = min(span, firebreak.action.expires_after) * 2 ** min(firebreak.escalations, MOST_DOUBLINGS)
    if event.then == "keep":
        return lease(incident, event.action, expires_at=event.at + span, asked_at=None)
    return lease(incident, event.action, expires_at=event.at + wait, escalations=firebreak.escalations + 1)


@_apply.register
def _(event: record.Soaked, incident: Incident) -> Incident:
    if event.report.held:
        return incident.changed(restored_at=event.at, soak_trouble=None)
    return incident.changed(soak_trouble=event.report.detail)


@_apply.register
def _(event: record.Missed, incident: Incident) -> Incident:
    deadlines = tuple(
        each.changed(missed=True) if each.milestone is event.milestone else each
        for each in incident.deadlines
    )
    return incident.changed(deadlines=deadlines)


@_apply.register
def _(event: record.Reminded | record.Overdue, incident: Incident) -> Incident:
    return counted(incident, event)


@_apply.register
def _(event: record.Drafted, incident: Incident) -> Incident:
    return _no_run(incident.changed(postmortem=event.artifact))


def _no_run(incident: Incident) -> Incident:
    """No machine runs a lock that is a process: with the draft, which comes last, all is done that an engine can do."""
    return incident.changed(lock_wanted=False) if incident.brief.runbook.lock.kind == "process" else incident


@_apply.register
def _(event: record.TaskOpened, incident: Incident) -> Incident:
    incident = incident.changed(tickets=(*incident.tickets, event.ticket))
    if incident.since(4) and not unopened(incident):  # the tracker is back
        return incident.changed(trouble=without(incident.trouble, "task"))
    return incident


@_apply.register
def _(event: record.LockTried, incident: Incident) -> Incident:
    return incident.changed(lock=event.proof, lock_wanted=False, lock_changes=incident.changes)


@_apply.register
def _(event: record.Failed, incident: Incident) -> Incident:
    incident = incident.changed(trouble={**incident.trouble, event.step: event.detail})
    if event.step == "draft":
        return _no_run(incident)
    return incident.changed(lock_wanted=False) if event.step == "lock" else incident


@_apply.register
def _(event: record.Recalled, incident: Incident) -> Incident:
    incident = recurrence.followed(incident.changed(now=max(incident.now, event.at)), event)
    return covered(incident)


@_apply.register
def _(event: record.NotRecalled, incident: Incident) -> Incident:
    return incident.changed(recall_trouble=event.detail)


@_apply.register
def _(event: record.Hung, incident: Incident) -> Incident:
    return recurrence.hung(incident, event)


@_apply.register
def _(event: record.NotHung, incident: Incident) -> Incident:
    return incident.changed(wall_trouble=event.detail)
