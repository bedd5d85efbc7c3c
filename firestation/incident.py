"""The state machine: what may come next, what must come next, and what is waited for.

`advance` is the only door: (state, event) -> state, or a refusal that names the rule. `settle` says what time
and the runbook alone make happen: deadlines missed, proposals due, expiries, pages, the engine's own words.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from firestation import acts, record
from firestation.authority import Role
from firestation.board import Word
from firestation.clock import Milestone
from firestation.errors import Refused
from firestation.firebreak import ENDED, HOLDING, Action, Firebreak, Lease, asks_at, has_expired, has_lapsed
from firestation.fold import follow
from firestation.model import count, show_duration
from firestation.plan import prepared
from firestation.record import Acted, Event
from firestation.rules import objections
from firestation.state import Incident, Phase
from firestation.steps import FirebreakStep, Turn
from firestation.system import Position

NEVER = datetime.max.replace(tzinfo=UTC)
ORDER = "the order of things"
ROUNDS_BEFORE_SLOWING = 2
SLOWER = 5


def advance(incident: Incident, event: Event) -> Incident:
    """The state after this event.

    Raises `Refused` with the first rule that objects, or with rule 0 when the act makes no sense now.
    """
    if isinstance(event, Acted):
        missing = _out_of_order(incident, event.act)
        if missing:
            raise Refused(0, ORDER, missing)
    for refusal in objections(incident, event):
        raise refusal
    return follow(incident, event)


def believed(incident: Incident, event: record.Probed | record.Moved) -> record.Probed | record.Moved:
    """What came from the outside world, as far as the rules believe it.

    A reading from the wrong time is inconclusive, and a lever that does not show what it should is uncertain:
    a lying target must not stop the engine, nor be taken at its word.
    """
    doubts = objections(incident, event)
    if not doubts:
        return event
    if isinstance(event, record.Probed):
        reading = event.reading.changed(verdict="inconclusive", detail=doubts[0].missing)
        return event.changed(reading=reading)
    outcome = event.outcome.changed(result="uncertain", detail=doubts[0].missing)
    return event.changed(outcome=outcome)


def awaits_probe(incident: Incident, action: str) -> bool:
    """Whether the effect of this action is still to be seen: a probe that comes too late for it is void."""
    firebreak = incident.firebreak(action)
    waits = firebreak is not None and firebreak.state is Lease.APPLIED and not incident.ended
    return waits and not (firebreak is not None and incident.lift_is_owed(firebreak))


def awaits_soak(incident: Incident) -> bool:
    """Whether recovery is still to be measured: a soak that something has come between is void."""
    return incident.ready_to_soak and incident.restored_at is None and not incident.ended


def _out_of_order(incident: Incident, act: acts.Act) -> str | None:  # noqa: C901, PLR0912 - one case an act
    """Why this act makes no sense now, whoever does it; None when it does."""
    person = incident.brief.roster.person(act.by)
    if incident.ended:
        return f"the incident is {incident.ended}"
    if person is None:
        return f"{act.by} is not on the roster of the station {incident.brief.roster.station}"
    match act:
        case acts.Acknowledge():
            holds = {Role.CAPTAIN: incident.captain, Role.SCRIBE: incident.scribe}.get(act.role)
            already = f"{act.by} is the {act.role} already" if holds == act.by else None
            return _lacks(act.by, person.roles, act.role) or already
        case acts.Declare():
            same = incident.severity is act.severity
            return f"it is declared {act.severity} already" if same else None
        case acts.Propose():
            return _cannot_propose(incident, act.step)
        case acts.Note() if set(person.roles) == {Role.AUDITOR}:
            return "an auditor reads and does not write"
        case acts.Update() if act.by != incident.captain:
            return _lacks(act.by, person.roles, Role.COMMS)
        case acts.Handover():
            return _cannot_offer(incident, act)
        case acts.Lift() | acts.Adopt() | acts.Extend():
            return _cannot_end(incident, act)
        case acts.Stop() if incident.stopped_by and not (incident.pending or incident.holding):
            return f"{incident.stopped_by} has stopped everything already"
        case acts.Switch():
            return _cannot_switch(incident, act.to)
        case acts.Confirm():
            return _cannot_confirm(incident, act, person.roles)
        case acts.Prove():
            ready = incident.phase is Phase.AFTER_ACTION
            return None if ready else "the lock is proved after recovery, when every firebreak has ended"
        case acts.Merge() if act.into == incident.id:
            return "an incident cannot be merged into itself"
        case _:
            return None


def _lacks(name: str, roles: tuple[Role, ...], role: Role) -> str | None:
    return None if role in roles else f"{name} does not hold the role {role}"


def _cannot_propose(incident: Incident, name: str) -> str | None:
    steps = [step.id for step in incident.brief.runbook.firebreaks]
    if name not in steps:
        return f"the runbook has no firebreak {name!r}; it has {', '.join(steps) or 'none'}"
    taken = _taken(incident, name)
    return f"{taken.action.lever} is {taken.state} already ({taken.digest[:12]})" if taken else None


def _taken(incident: Incident, name: str) -> Firebreak | None:
    """The firebreak that this step would have to share its lever with."""
    step = incident.brief.runbook.step(name)
    same = (each for each in incident.firebreaks if step and each.action.lever == step.lever)
    return next((each for each in same if each.state not in ENDED), None)


def _cannot_offer(incident: Incident, act: acts.Handover) -> str | None:
    person = incident.brief.roster.person(act.to)
    if person is None:
        return f"{act.to} is not on the roster"
    if act.to == act.by:
        return "the captaincy is yours already"
    return _lacks(act.to, person.roles, Role.CAPTAIN)


def _cannot_switch(incident: Incident, to: str) -> str | None:
    if to == incident.brief.runbook.runbook:
        return f"it goes by the runbook {to} already"
    known = [each.runbook for each in incident.brief.alternatives]
    if to not in known:
        return (
            f"the wall of that hour has no other runbook {to!r} for it; it has {', '.join(known) or 'none'}"
        )
    return None


def _cannot_confirm(incident: Incident, act: acts.Confirm, roles: tuple[Role, ...]) -> str | None:
    duty, step = incident.duties.get(act.step), incident.brief.runbook.duty(act.step)
    if step is None or duty is None:
        called = [name for name, each in incident.duties.items() if not each.confirmed_by]
        return f"no manual step {act.step!r} waits to be confirmed; there is {', '.join(called) or 'none'}"
    if duty.confirmed_by:
        return f"{duty.confirmed_by} has confirmed it already"
    return None if act.by == incident.captain else _lacks(act.by, roles, step.confirmed_by)


def _cannot_end(incident: Incident, act: acts.Lift | acts.Adopt | acts.Extend) -> str | None:
    firebreak = incident.firebreak(act.action)
    if firebreak is None:
        return f"no firebreak has the digest {act.action[:12]}"
    if firebreak.state not in HOLDING:
        return f"the firebreak {act.action[:12]} is {firebreak.state}"
    if firebreak.lift_wanted_by:
        return f"{firebreak.lift_wanted_by} has asked to lift it already"
    newer = [each for each in incident.holding if each.action.lever == firebreak.action.lever][-1]
    if newer is not firebreak and not isinstance(act, acts.Extend):
        return f"a newer firebreak ({newer.digest[:12]}) holds the same lever; lift the newest first"
    return None


def settle(incident: Incident, now: datetime) -> Iterator[Event]:
    """Every event that time and the runbook alone have made due by `now`, one after the other.

    The caller follows each event before it asks for the next, so an event may make another one due. Before the
    first alarm is on the record there is nothing to say.
    """
    if incident.rung and not incident.ended:
        yield from _overdue(incident, now)
        yield from filter(
            None, (_due_step(incident, step, now) for step in incident.brief.runbook.firebreaks)
        )
        yield from _due_duties(incident, now)
        yield from _due_words(incident, now)


def _overdue(incident: Incident, now: datetime) -> Iterator[Event]:
    for deadline in incident.deadlines:
        if deadline.met_at is None and not deadline.missed and now >= deadline.due:
            yield record.Missed(at=now, milestone=deadline.milestone)
    for firebreak in incident.firebreaks:
        if has_lapsed(firebreak, now):
            policy = firebreak.step.absence.at(firebreak.action.severity)
            yield record.Lapsed(at=now, action=firebreak.digest, then=policy)
        ask = asks_at(firebreak)
        if incident.modern and ask and now >= ask:
            yield record.Asked(at=now, action=firebreak.digest)
        if has_expired(firebreak, now) and firebreak.lift_wanted_by is None:
            yield record.Expired(at=now, action=firebreak.digest, then=firebreak.step.at_expiry)


def _due_duties(incident: Incident, now: datetime) -> Iterator[Event]:
    """Manual steps are called in their turn, once the severity is declared, and again when their time is over."""
    if incident.severity is None or incident.stopped_by:
        return
    for step in incident.brief.runbook.manual:
        duty = incident.duties.get(step.id)
        if duty is None and incident.turn(step)[0] is Turn.NOW:
            yield record.Called(at=now, step=step.id)
        elif duty and not duty.confirmed_by and now >= duty.due:
            yield record.Called(at=now, step=step.id, times=duty.times + 1)


def _due_words(incident: Incident, now: datetime) -> Iterator[Event]:
    if now >= next_page(incident):
        ranks = incident.brief.roster.escalation
        yield record.Paged(at=now, step=incident.pages + 1, person=ranks[incident.pages % len(ranks)])
    if now >= next_word(incident):
        yield record.Said(at=now, word=_own_word(incident, now))


def settled(incident: Incident, now: datetime) -> tuple[Incident, tuple[Event, ...]]:
    """The state when everything due by `now` has happened, and what happened."""
    happened: list[Event] = []
    while event := next(settle(incident, now), None):
        incident = follow(incident, event)
        happened.append(event)
    return incident, tuple(happened)


def next_page(incident: Incident) -> datetime:
    """When the next page is due: at once, then up the ladder until a captain has it; slower after two rounds."""
    if incident.captain or incident.ended:
        return NEVER
    if incident.paged_at is None:
        return incident.opened_at
    every, ranks = incident.brief.roster.page_every, len(incident.brief.roster.escalation)
    return incident.paged_at + (every if incident.pages < ROUNDS_BEFORE_SLOWING * ranks else SLOWER * every)


def next_word(incident: Incident) -> datetime:
    """When the engine speaks by itself: when the seal is there (or most of the time is gone), then on the cadence."""
    last = incident.last_word("internal")
    if last and last.next_due:
        return last.next_due
    if incident.sealed:
        return incident.opened_at
    allowed = incident.deadline(Milestone.FIRST_UPDATE).due - incident.opened_at
    return incident.opened_at + allowed * 2 / 3


def next_wake(incident: Incident) -> datetime:
    """The next moment at which `settle` may have something, as far as it can be known now."""
    if incident.ended or not incident.rung:
        return NEVER
    moments = [next_page(incident), next_word(incident)]
    moments += [each.due for each in incident.deadlines if each.met_at is None and not each.missed]
    moments += [each.decide_by for each in incident.firebreaks if each.state is Lease.PROPOSED]
    moments += [
        each.expires_at
        for each in incident.firebreaks
        if each.state in HOLDING and each.expires_at and each.lift_wanted_by is None
    ]
    if incident.modern:
        moments += filter(None, map(asks_at, incident.firebreaks))
    if not incident.stopped_by:
        moments += [each.due for each in incident.duties.values() if not each.confirmed_by]
    return min(moments)


def _due_step(
    incident: Incident, step: FirebreakStep, now: datetime
) -> record.Proposed | record.Skipped | None:
    """The proposal of a runbook step, once the evidence is safe; or why the step makes no sense here."""
    latest = incident.latest(step.id)
    asked = step.id in incident.wanted
    if not (incident.sealed or incident.snapshot_waiver):
        return None
    if not asked and (latest or step.id in incident.skipped or incident.stopped_by):
        return None
    if not asked and incident.turn(step)[0] is not Turn.NOW:
        return None
    lever = incident.brief.system.lever(step.lever)
    origin = incident.positions.get(step.lever)
    obstacle = _obstacle(incident, step)
    if obstacle:
        return record.Skipped(at=now, step=step.id, reason=obstacle)
    if lever is None or origin is None:
        return None  # the lever's own position is being read
    to = Position(value=lever.positions[step.to])
    if origin.same_as(to):
        return record.Skipped(at=now, step=step.id, reason=f"{step.lever} stands at {to} already")
    attempt = 1 + max(
        (each.action.attempt for each in incident.firebreaks if each.action.step == step.id), default=0
    )
    action = Action(
        incident=incident.id,
        run=incident.run,
        step=step.id,
        attempt=attempt,
        lever=step.lever,
        origin=origin,
        to=to,
        severity=incident.weight,
        scope=f"{lever.title} of {incident.brief.system.title}: {step.why}"[:300],
        expires_after=step.expires_after,
        manifest=incident.sealed.manifest if incident.sealed else None,
        at_expiry=step.at_expiry if incident.modern else None,
    )
    return record.Proposed(
        at=now,
        action=action,
        decide_within=step.decide_within,
        approvals=step.approvals,
        preauthorized=latest is None and incident.weight in step.preauthorized,
    )


def _obstacle(incident: Incident, step: FirebreakStep) -> str | None:
    """Why this step cannot be put to the captain now; asking for it with `propose` tries again."""
    if incident.brief.system.lever(step.lever) is None:
        return f"the system has no lever {step.lever}"
    taken = _taken(incident, step.id)
    if taken:
        return f"{step.lever} is taken by {taken.action.step}; propose this when that one has ended"
    sealed_here = incident.sealed and incident.sealed.lever(step.lever)
    if not sealed_here and not incident.snapshot_waiver:
        return f"the manifest lacks the position of {step.lever}; waive the snapshot to move it, then propose this"
    if step.lever not in incident.positions and step.lever in incident.trouble:
        return f"{step.lever} cannot be read: {incident.trouble[step.lever]}"
    return None


Job = Literal["read", "lease", "move", "probe", "lift", "release"]


def next_job(incident: Incident, lever: str) -> tuple[Job, Firebreak | None] | None:
    """What the engine owes this lever now: one thing at a time, or nothing. An ended incident lets go of it."""
    if lever in incident.leased and _is_free(incident, lever):
        return "release", None
    if incident.ended:
        return None
    unread = lever not in incident.positions and lever not in incident.trouble
    if incident.snapshot_waiver and unread:
        return "read", None
    for firebreak in reversed(incident.firebreaks):
        if firebreak.action.lever != lever:
            continue
        if firebreak.state is Lease.AUTHORIZED:
            must_lease = incident.modern and lever not in incident.leased
            return "lease" if must_lease else "move", firebreak
        if incident.lift_is_owed(firebreak):
            return ("lift", firebreak) if _is_newest_to_lift(incident, firebreak) else None
        if firebreak.state is Lease.APPLIED:
            return "probe", firebreak
        if firebreak.state in HOLDING and firebreak.lift_wanted_by:
            return "lift", firebreak
    return None


def _is_free(incident: Incident, lever: str) -> bool:
    """Whether this incident has nothing more to do with a lever."""
    return all(each.state in ENDED for each in incident.firebreaks if each.action.lever == lever)


def _is_newest_to_lift(incident: Incident, firebreak: Firebreak) -> bool:
    """Levers go back in the opposite order, each confirmed before the next: the newest first."""
    newer = incident.firebreaks[incident.firebreaks.index(firebreak) + 1 :]
    return not any(each.state is Lease.LIFTING or incident.lift_is_owed(each) for each in newer)


def _own_word(incident: Incident, now: datetime) -> Word:
    """What the engine can say without a guess: what rang, what was frozen, what was moved, what is not known."""
    rung = ", ".join(each.alarm.name for each in incident.rung[:3]) or "an alarm"
    ready = prepared(incident).get("internal")
    known = [ready] if ready else []
    known.append(f"{rung} rang at {incident.opened_at:%H:%M:%S} UTC; severity {_severity(incident)}.")
    if incident.sealed:
        held = count(len(incident.sealed.artifacts), "artifact")
        gaps = count(len(incident.sealed.gaps), "gap")
        known.append(f"Evidence is frozen: manifest {incident.sealed.manifest[:12]}, {held}, {gaps}.")
    known += [f"{each.action.lever} is at {each.action.to} ({each.state})." for each in incident.holding]
    facts = [entry.text for entry in incident.entries if entry.standing == "fact"]
    known += facts[-3:]
    cadence = incident.cadence
    return Word(
        audience="internal",
        known=" ".join(known)[:4000],
        unknown=None if incident.cause_is_fact else "The cause. Whom else it reached.",
        doing=f"Phase {incident.phase}; {'captain ' + incident.captain if incident.captain else 'no captain yet'}; "
        f"next word in {show_duration(cadence)}.",
        next_due=now + cadence,
        by=None,
        at=now,
    )


def _severity(incident: Incident) -> str:
    return (
        str(incident.severity)
        if incident.severity
        else f"not declared ({incident.proposal.severity} proposed)"
    )
