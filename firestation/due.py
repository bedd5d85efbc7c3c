"""What is due: all that time and the runbook alone make happen.

Deadlines missed, proposals, lapses, expiries, manual steps, pages, drafts and the engine's own words: each is an event,
and the auditor derives it again.
"""

from collections.abc import Iterator
from datetime import datetime

from firestation import cadence, legal_course, record
from firestation.captaincy import silence
from firestation.clock import NEVER
from firestation.firebreak import HOLDING, Action, Lease, asks_at, has_expired, has_lapsed
from firestation.fold import follow
from firestation.incident import standing_in_the_way
from firestation.paging import due_pages, next_page
from firestation.record import Event
from firestation.state import Incident
from firestation.steps import FirebreakStep, Standing, Turn
from firestation.system import Position


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
        yield from _due_relief(incident, now)
        yield from legal_course.due_events(incident, now)
        yield from due_pages(incident, now)
        yield from cadence.due_events(incident, now)


def _overdue(incident: Incident, now: datetime) -> Iterator[Event]:
    for deadline in incident.deadlines:
        if deadline.met_at is None and not deadline.missed and now >= deadline.due:
            yield record.Missed(at=now, milestone=deadline.milestone)
    for firebreak in incident.firebreaks:
        if has_lapsed(firebreak, now):
            absence = firebreak.step.absence
            policy = absence.at(incident.weight if incident.since(2) else firebreak.action.severity)
            if policy == "apply" and incident.since(3) and not incident.covered(absence.severities):
                policy = "deny"
            yield record.Lapsed(at=now, action=firebreak.digest, then=policy)
        ask = asks_at(firebreak)
        if incident.since(2) and ask and now >= ask:
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


def _due_relief(incident: Incident, now: datetime) -> Iterator[Event]:
    """A captain for whom something waits, and who says nothing, is asked; and in the end relieved."""
    found = silence(incident)
    if found and found.asks_at and now >= found.asks_at:
        yield record.Silent(at=now, person=found.person, since=found.since)
    if found and found.relieved_at and now >= found.relieved_at:
        yield record.Relieved(at=now, person=found.person, since=found.since)


def settled(incident: Incident, now: datetime, hearing: str = "") -> tuple[Incident, tuple[Event, ...]]:
    """The state when everything due by `now` has happened, and what happened.

    A captain who is just being heard is not silent, however late the worker is that hears them.
    """
    happened: list[Event] = []
    while event := next((each for each in settle(incident, now) if not _answered(each, hearing)), None):
        incident = follow(incident, event)
        happened.append(event)
    return incident, tuple(happened)


def spoken_by(event: Event) -> str:
    """Who says this: an act that is taken, or turned away; empty for anything else."""
    if isinstance(event, record.Acted):
        return event.act.by
    return event.by if isinstance(event, record.TurnedAway) else ""


def _answered(event: Event, hearing: str) -> bool:
    return isinstance(event, record.Silent | record.Relieved) and event.person == hearing


def next_wake(incident: Incident) -> datetime:
    """The next moment at which `settle` may have something, as far as it can be known now."""
    if incident.ended or not incident.rung:
        return NEVER
    moments = [next_page(incident), cadence.next_moment(incident), legal_course.next_moment(incident, NEVER)]
    moments += [each.due for each in incident.deadlines if each.met_at is None and not each.missed]
    moments += [each.decide_by for each in incident.firebreaks if each.state is Lease.PROPOSED]
    moments += [
        each.expires_at
        for each in incident.firebreaks
        if each.state in HOLDING and each.expires_at and each.lift_wanted_by is None
    ]
    if incident.since(2):
        moments += filter(None, map(asks_at, incident.firebreaks))
    found = silence(incident)
    moments += filter(None, (found.asks_at, found.relieved_at) if found else ())
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
    obstacle = _obstacle(incident, step) or _obstacle_of_group(incident, step)
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
        scope=f"{lever.title} of {incident.brief.title}: {step.why}"[:300],
        expires_after=step.expires_after,
        manifest=incident.sealed.manifest if incident.sealed else None,
        at_expiry=step.at_expiry if incident.since(2) else None,
    )
    return record.Proposed(
        at=now,
        action=action,
        decide_within=step.decide_within,
        approvals=step.approvals,
        preauthorized=latest is None and incident.covered(step.preauthorized),
    )


def _obstacle_of_group(incident: Incident, step: FirebreakStep) -> str | None:
    """Steps of one group hold together or not at all, so one is not begun when another cannot be."""
    members = (each for each in incident.brief.runbook.firebreaks if step.group and each.group == step.group)
    for other in members:
        if other.id == step.id:
            continue
        if incident.standing(other.id) is Standing.BAD:
            return f"{other.id} of its group came to nothing"
        obstacle = None if incident.latest(other.id) else _obstacle(incident, other)
        if obstacle:
            return f"{other.id} of its group cannot be moved: {obstacle}"
    return None


def _obstacle(incident: Incident, step: FirebreakStep) -> str | None:
    """Why this step cannot be put to the captain now; asking for it with `propose` tries again."""
    if incident.brief.system.lever(step.lever) is None:
        return f"the system has no lever {step.lever}"
    taken = standing_in_the_way(incident, step.id)
    if taken:
        return f"{step.lever} is taken by {taken.action.step}; propose this when that one has ended"
    sealed_here = incident.sealed and incident.sealed.lever(step.lever)
    if not sealed_here and not incident.snapshot_waiver:
        return f"the manifest lacks the position of {step.lever}; waive the snapshot to move it, then propose this"
    if step.lever not in incident.positions and step.lever in incident.trouble:
        return f"{step.lever} cannot be read: {incident.trouble[step.lever]}"
    return None
