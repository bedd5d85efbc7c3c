"""The course of legal clocks in an incident: who may say what, what starts and ends one, whom it reminds.

Pure, from an incident to the next, as everywhere in the core. A category's clocks run each by themselves, and nothing
but informing the authority, or withdrawing the category with a reason, ends one.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from firestation import acts, record
from firestation.authority import Role
from firestation.legal import Informed, LegalRun, is_role
from firestation.model import Text, count, show_duration
from firestation.record import Acted, Event
from firestation.severity import Severity
from firestation.state import Altering, Incident

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SKEW = timedelta(seconds=5)
"""How far the clock of whoever gives a time may be ahead of the server's."""

Word = acts.Categorize | acts.Withdraw | acts.Inform
Ends = acts.Close | acts.Dismiss | acts.Merge


# What may be said --------------------------------------------------------------------------------------------


def cannot(incident: Incident, act: acts.Act, now: datetime) -> str | None:
    """Why this act makes no sense now, as far as legal clocks go; None when it does."""
    match act:
        case acts.Categorize():
            return _cannot_categorize(incident, act, now)
        case acts.Withdraw():
            standing = sorted({each.cause for each in incident.legal if each.withdrawn_by is None})
            found = act.category in standing
            there_is = f"nothing that stands is {act.category}; there is {', '.join(standing) or 'none'}"
            return None if found else there_is
        case acts.Inform():
            return _cannot_inform(incident, act, now)
        case acts.Close() | acts.Dismiss() | acts.Merge() if incident.counting:
            names = ", ".join(dict.fromkeys(each.clock.id for each in incident.counting))
            return (
                f"{count(len(incident.counting), 'legal clock')} still runs down: {names}; record that the authority "
                f"was informed (firestation inform), or withdraw the category with a reason (firestation withdraw)"
            )
        case _:
            return None


def _cannot_categorize(incident: Incident, act: acts.Categorize, now: datetime) -> str | None:
    known = dict.fromkeys(name for each in incident.brief.clocks for name in each.categories)
    if act.category in set(Severity):
        return f"{act.category} is a severity: firestation declare"
    if act.category not in known:
        return f"no legal clock is for {act.category!r}; there are clocks for {', '.join(known) or 'nothing'}"
    if any(each.cause == act.category and each.withdrawn_by is None for each in incident.legal):
        return f"it is {act.category} already, and its clocks run; to count anew, withdraw it first"
    return _in_the_future("aware", act.aware_at, now)


def _cannot_inform(incident: Incident, act: acts.Inform, now: datetime) -> str | None:
    runs = [each for each in incident.legal if each.clock.id == act.clock]
    running = ", ".join(dict.fromkeys(each.clock.id for each in incident.counting)) or "none"
    if not runs:
        known = [each.id for each in incident.brief.clocks]
        if act.clock not in known:
            return f"there is no legal clock {act.clock!r}; there is {', '.join(known) or 'none'}"
        return f"the clock {act.clock} was not started; there runs {running}"
    if not any(each.running for each in runs):
        last = runs[-1]
        if last.informed and not last.withdrawn_by:
            told = last.informed
            return f"{told.by} has recorded already that {told.authority} was informed: {told.reference}"
        return f"the clock {act.clock} was stopped when {last.withdrawn_by} withdrew {last.cause}"
    if not any(_may_inform(incident, act.by, each) for each in runs if each.running):
        owner = runs[-1].clock.owner
        return f"{act.by} is neither the captain, nor comms, nor the owner of {act.clock} ({owner})"
    since = min(each.since for each in runs if each.running)
    if act.at and act.at < since:
        return f"--at {moment(act.at)} is before somebody became aware of it ({moment(since)}); give the right time"
    return _in_the_future("at", act.at, now)


def _may_inform(incident: Incident, name: str, run: LegalRun) -> bool:
    person = incident.brief.roster.person(name)
    roles = set(person.roles) if person else set()
    owner = run.clock.owner
    by_role = owner is not None and is_role(owner) and owner != Role.CAPTAIN and Role(owner) in roles
    return name in {incident.captain, owner} or Role.COMMS in roles or by_role


def _in_the_future(field: str, moment: datetime | None, now: datetime) -> str | None:
    if moment is None or moment <= now + SKEW:
        return None
    return f"--{field} {moment:%Y-%m-%d %H:%M:%S} UTC is in the future; give the time at which it was"


# The fold ----------------------------------------------------------------------------------------------------


def start(incident: Incident, cause: str, by: str, reason: Text, since: datetime) -> Incident:
    """Start every clock that this category or severity starts, unless it has started one that stands."""
    stands = {(each.clock.id, each.cause) for each in incident.legal if each.withdrawn_by is None}
    runs = tuple(
        LegalRun(clock=clock, cause=cause, reason=reason, by=by, since=since, started_at=incident.now)
        for clock in incident.brief.clocks
        if cause in clock.starts_at and (clock.id, cause) not in stands
    )
    return incident.changed(legal=incident.legal + runs)


def worded(incident: Incident, act: Word) -> Incident:
    """The state after a category was declared or withdrawn, or an authority informed."""
    now = incident.now
    if isinstance(act, acts.Categorize):
        return start(incident, act.category, act.by, act.reason, act.aware_at or now)
    if isinstance(act, acts.Withdraw):
        gone = {"withdrawn_by": act.by, "withdrawn_at": now, "withdrawn_reason": act.reason}
        runs = (
            each.changed(**gone) if each.cause == act.category and each.withdrawn_by is None else each
            for each in incident.legal
        )
        return incident.changed(legal=tuple(runs))
    runs = (
        each.changed(informed=_informed(act, each, now))
        if each.running and each.clock.id == act.clock
        else each
        for each in incident.legal
    )
    return incident.changed(legal=tuple(runs))


def _informed(act: acts.Inform, run: LegalRun, now: datetime) -> Informed:
    authority = act.authority or run.clock.authority
    return Informed(
        at=act.at or now, by=act.by, authority=authority, reference=act.reference, recorded_at=now
    )


def counted(incident: Incident, event: record.Reminded | record.Overdue) -> Incident:
    """The state after a reminder, or after the time of a clock has passed."""
    named = (event.clock, event.cause)
    if isinstance(event, record.Overdue):
        changes: dict[str, object] = {"overdue_at": event.at}
    else:
        changes = {"reminded": event.number, "reminded_at": event.at}
    runs = (
        each.changed(**changes) if each.running and (each.clock.id, each.cause) == named else each
        for each in incident.legal
    )
    return incident.changed(legal=tuple(runs))


def altered(incident: Incident, event: Acted | record.Ordered) -> Incident:
    """Keep that a move was decided on, or made, while nothing was to be altered before informing."""
    held = tuple(dict.fromkeys(each.clock.id for each in untouchable(incident)))
    altering = _altering(event)
    return (
        incident.changed(altering=(*incident.altering, altering.changed(clocks=held))) if held else incident
    )


def _altering(event: Acted | record.Ordered) -> Altering:
    if isinstance(event, record.Ordered):
        order = event.order
        return Altering(what=order.purpose, action=order.action.sha256(), by=order.authority, at=event.at)
    act = event.act
    assert isinstance(act, acts.Approve | acts.Lift)
    what: Literal["move", "lift"] = "lift" if isinstance(act, acts.Lift) else "move"
    return Altering(what=what, decided=True, action=act.action, by=act.by, at=event.at)


# What time makes due -----------------------------------------------------------------------------------------


def due_events(incident: Incident, now: datetime) -> Iterator[record.Reminded | record.Overdue]:
    """The reminders that are due, and the ends that have passed: each once, and none after informing."""
    for run in incident.counting:
        name, cause = run.clock.id, run.cause
        if now >= run.next_reminder and (run.overdue_at or not run.reminded or run.next_reminder < run.due):
            yield record.Reminded(at=now, clock=name, cause=cause, number=run.reminded + 1)
        elif now >= run.due and run.overdue_at is None:
            yield record.Overdue(at=now, clock=name, cause=cause)


def next_moment(incident: Incident, never: datetime) -> datetime:
    """When a clock has something next."""
    return min((each.next_moment for each in incident.counting), default=never)


# What is said ------------------------------------------------------------------------------------------------


class Reminder(NamedTuple):
    """A message to one person; `step` makes its idempotency key."""

    person: str
    step: str
    title: str
    text: str


def reminders(incident: Incident, event: Event) -> Iterator[Reminder]:
    """What the owner of a clock is told when it starts, before its end, and when its time has passed."""
    for number, run in enumerate(incident.legal, start=1):
        found = _said(incident, event, run)
        if found is None:
            continue
        step, title = found
        text = (
            f"{run.clock.title} ({run.clock.source}), for {run.cause}.\nTo inform: {run.clock.authority}, by "
            f"{moment(run.due)}.\nWhen it is done: firestation inform {incident.id} {run.clock.id} --reference '...'"
        )
        for person in owners(incident, run):
            yield Reminder(person, f"legal-{number}-{step}-{person}", f"{incident.id}: {title}", text)


def _said(incident: Incident, event: Event, run: LegalRun) -> tuple[str, str] | None:
    if not run.running:
        return None
    name, left = run.clock.id, run.due - incident.now
    if abs(left) > HOUR:  # a timer fires a moment late, and 7 days are to be said as 7 days
        left = MINUTE * round(left / MINUTE)
    time = f"{show_duration(left)} left" if left > timedelta() else f"OVERDUE by {show_duration(-left)}"
    match event:
        case record.Reminded(clock=clock, cause=cause) if (clock, cause) == (name, run.cause):
            word = "has started" if event.number == 1 else "runs"
            return f"reminded-{event.number}", f"the legal clock {name} {word}: {time}"
        case record.Overdue(clock=clock, cause=cause) if (clock, cause) == (name, run.cause):
            return "overdue", f"the legal clock {name} is OVERDUE: the authority was not informed in time"
        case _:
            return None


def owners(incident: Incident, run: LegalRun) -> tuple[str, ...]:
    """Whom a clock reminds: its owner, whoever holds the role that owns it, or else the captain."""
    owner, roster = run.clock.owner or Role.CAPTAIN, incident.brief.roster
    holders = {Role.CAPTAIN: incident.captain, Role.SCRIBE: incident.scribe}
    if owner in holders:
        found = tuple(filter(None, [holders[Role(owner)]]))
    elif is_role(owner):
        found = tuple(each.id for each in roster.people if Role(owner) in each.roles)
    else:
        found = (owner,) if roster.person(owner) else ()
    return found or (incident.captain or incident.paged or roster.escalation[0],)


def untouchable(incident: Incident) -> tuple[LegalRun, ...]:
    """The running clocks for which nothing is to be altered before the authority is informed."""
    if not incident.brief.system.legal.do_not_alter:
        return ()
    return tuple(each for each in incident.counting if each.clock.do_not_alter)


def before_altering(incident: Incident) -> tuple[Text, ...]:
    """What whoever decides on a move has in sight: it is the captain's to weigh, and is not refused."""
    frozen = f"manifest {incident.sealed.manifest[:12]}" if incident.sealed else "nothing yet"
    return tuple(
        f"do not alter before informing applies ({each.clock.do_not_alter}): {each.clock.id} for {each.cause}, due "
        f"{moment(each.due)}; not informed yet: {each.clock.authority}; what was frozen: {frozen}"
        for each in untouchable(incident)
    )


def in_sight(incident: Incident, event: Event) -> str:
    """What the law said when a move was decided on or made, to be added to its sentence; empty for anything else."""
    if not isinstance(event, record.Ordered) and not (
        isinstance(event, Acted) and isinstance(event.act, acts.Approve | acts.Lift)
    ):
        return ""
    wanted = _altering(event)
    held = next((each.clocks for each in incident.altering if each.changed(clocks=()) == wanted), ())
    return f" (in sight: do not alter before informing, {', '.join(held)} not informed)" if held else ""


def standing(run: LegalRun) -> str:
    """How a clock stands, in a sentence of facts."""
    said = [
        f"{run.clock.id} ({run.clock.source}), for {run.cause}: aware {moment(run.since)}, due {moment(run.due)}"
    ]
    if run.informed:
        late = "LATE, " if run.late else ""
        informed = run.informed
        said.append(
            f"{informed.authority} informed {late}{moment(informed.at)}, by the word of {informed.by}, "
            f"reference {informed.reference}"
        )
    if run.overdue_at:
        said.append("its time passed before anybody recorded that the authority was informed")
    if run.withdrawn_by:
        said.append(f"{run.cause} withdrawn by {run.withdrawn_by}: {run.withdrawn_reason}")
    if run.running:
        said.append("not informed yet")
    return "; ".join(said)


def breaches(incident: Incident) -> Iterator[str]:
    """What an audit finds on the record: ends that passed, categories withdrawn, moves made before informing."""
    for run in incident.legal:
        if run.overdue_at or run.late or run.withdrawn_by:
            yield standing(run)
    for each in incident.altering:
        if not each.decided:
            firebreak = incident.firebreak(each.action)
            lever = firebreak.action.lever if firebreak else each.action[:12]
            held = ", ".join(each.clocks)
            yield f"{each.what} of {lever} on the word of {each.by} before the authority was informed: {held}"


def moment(at: datetime) -> str:
    """A moment of the law, with its date and zone: to the second, for hours are counted."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
