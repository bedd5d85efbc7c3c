"""The state machine: what may come next, and what the engine owes a lever.

`advance` is the only door: (state, event) -> state, or a refusal that names the rule. What time and the runbook alone
make happen is in `due.py`.
"""

from typing import Literal

from firestation import acts, captaincy, legal_course, record, seconding
from firestation.authority import Role
from firestation.drill import is_drill
from firestation.errors import ORDER, Refused
from firestation.firebreak import ENDED, HOLDING, Firebreak, Lease
from firestation.fold import follow
from firestation.fold_acts import POSTS
from firestation.record import Acted, Event
from firestation.rules import CLOCK_SKEW, READ_BACK, objections
from firestation.state import Incident, Phase


def advance(incident: Incident, event: Event) -> Incident:
    """The state after this event.

    Raises `Refused` with the first rule that objects, or with rule 0 when the act makes no sense now.
    """
    if isinstance(event, Acted):
        missing = (
            _out_of_order(incident, event.act)
            or _ahead_of_time(event)
            or legal_course.cannot(incident, event.act, event.at)
        )
        if missing:
            raise Refused(0, ORDER, missing)
    for refusal in objections(incident, event):
        raise refusal
    return follow(incident, event)


def believed(incident: Incident, event: record.Probed | record.Moved) -> record.Probed | record.Moved:
    """What came from the outside world, as far as the rules believe it.

    A reading from the wrong time is inconclusive, and a lever that does not show what it should is uncertain:
    a lying target must not stop the engine, nor be taken at its word. That something else is overdue is no doubt about
    what was seen; until edition 4 it was taken for one when the answer was heard late.
    """
    doubts = objections(incident, event)
    if incident.since(4):
        doubts = tuple(each for each in doubts if each.rule == READ_BACK)
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
    drill = incident.brief.drill
    if person is None and drill and act.by == drill.ordered_by and isinstance(act, acts.Lift | acts.Dismiss):
        return _cannot_end(incident, act) if isinstance(act, acts.Lift) else None
    if person is None:
        return f"{act.by} is not on the roster of the station {incident.brief.roster.station}"
    match act:
        case acts.Acknowledge():
            return (
                _lacks(act.by, person.roles, act.role)
                or _not_theirs(incident, act)
                or _cannot_take(incident, act)
            )
        case acts.Renounce():
            return None if _holder(incident, act.role) == act.by else f"{act.by} is not the {act.role} here"
        case acts.Declare():
            same = incident.severity is act.severity and not incident.in_doubt
            return f"it is declared {act.severity} already" if same else None
        case acts.Propose():
            return _cannot_propose(incident, act.step)
        case acts.Note() | acts.Assess() | acts.Establish() if person.only_reads:
            return "an auditor reads and does not write"
        case acts.Establish():
            return _cannot_establish(incident, act)
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
        case acts.Prove() | acts.Attest():
            return _cannot_lock(incident, act, person.roles)
        case acts.Second() if seconding.waits(incident) is None:
            return "no waiver of the lock and no attestation waits for a second person"
        case acts.Merge() if act.into == incident.id:
            return "an incident cannot be merged into itself"
        case acts.Merge() if incident.since(5) and (drill or is_drill(act.into)):
            return "a drill and a fire are never one: dismiss the drill, and leave the fire open"
        case _:
            return None


def _holder(incident: Incident, role: Role) -> str | None:
    held = POSTS if incident.since(3) else {Role.SCRIBE}
    return getattr(incident, role) if role in {Role.CAPTAIN, *held} else None


def _cannot_take(incident: Incident, act: acts.Acknowledge) -> str | None:
    if incident.since(3) and act.role not in {Role.CAPTAIN, *POSTS}:
        return f"nobody takes the role {act.role} for an incident: it is asked for when it is needed"
    found = captaincy.silence(incident)
    asked = act.role is Role.CAPTAIN and found is not None and found.relieved_at is not None
    same = _holder(incident, act.role) == act.by and not asked
    return f"{act.by} is the {act.role} already" if same else None


def _ahead_of_time(event: Acted) -> str | None:
    """A note tells what has happened. The clocks of whoever writes it and of ours may be a little apart."""
    if not isinstance(event.act, acts.Note) or event.act.at is None:
        return None
    late = event.act.at > event.at + CLOCK_SKEW
    return f"{event.act.at:%Y-%m-%d %H:%M:%S} UTC has not come yet; note what has happened" if late else None


def _cannot_establish(incident: Incident, act: acts.Establish) -> str | None:
    entry = incident.entry(act.entry)
    if entry is None:
        many = len(incident.entries)
        known = f"they are numbered from 1 to {many}" if many else "nobody has noted anything yet"
        return f"there is no note {act.entry}; {known}"
    if entry.standing == "refuted":
        last = entry.vouchers[-1]
        return f"{last.by} has refuted note {act.entry} already; if it holds after all, note it anew"
    ours = [each for each in entry.stands_for_it if each.by == act.by]
    new = not act.holds or (act.cause and not entry.cause)
    if ours and not new:
        since = f"{ours[0].at:%H:%M:%S} UTC"
        return f"{act.by} has stood for note {act.entry} as a fact since {since}; somebody else may confirm it too"
    return None


def _cannot_lock(incident: Incident, act: acts.Prove | acts.Attest, roles: tuple[Role, ...]) -> str | None:
    """A lock is run by the engine, or it is a process and people attest it; either after recovery."""
    kind, attests = incident.brief.runbook.lock.kind, isinstance(act, acts.Attest)
    if attests and kind != "process":
        return f"the lock of this runbook is of the kind {kind}, which is proved by running it: firestation prove"
    if not attests and kind == "process":
        return "the lock of this runbook is a process, which no machine runs: firestation attest"
    if attests and set(roles) == {Role.AUDITOR}:
        return "an auditor reads and does not write"
    done = "attested" if attests else "proved"
    ready = incident.phase is Phase.AFTER_ACTION
    return None if ready else f"the lock is {done} after recovery, when every firebreak has ended"


def _lacks(name: str, roles: tuple[Role, ...], role: Role) -> str | None:
    return None if role in roles else f"{name} does not hold the role {role}"


def _not_theirs(incident: Incident, act: acts.Acknowledge) -> str | None:
    """Why the page that is answered cannot be answered so."""
    if act.page is None:
        return None
    page = incident.page(act.page)
    if page is None:
        return f"no page {act.page} was sent"
    if page.person != act.by:
        return f"page {act.page} was sent to {page.person}, not to {act.by}"
    if not page.answered:
        return None
    who = f"; {incident.captain} is the captain" if incident.captain not in {None, act.by} else ""
    return f"page {act.page} is answered already{who}"


def _cannot_propose(incident: Incident, name: str) -> str | None:
    steps = [step.id for step in incident.brief.runbook.firebreaks]
    if name not in steps:
        return f"the runbook has no firebreak {name!r}; it has {', '.join(steps) or 'none'}"
    taken = standing_in_the_way(incident, name)
    return f"{taken.action.lever} is {taken.state} already ({taken.digest[:12]})" if taken else None


def standing_in_the_way(incident: Incident, name: str) -> Firebreak | None:
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


Job = Literal["read", "lease", "move", "probe", "lift", "release"]


def next_job(incident: Incident, lever: str) -> tuple[Job, Firebreak | None] | None:
    """What the engine owes this lever now: one thing at a time, or nothing. An ended incident lets go of it."""
    if lever in incident.leased and _is_free(incident, lever):
        return "release", None
    if incident.ended:
        return None
    unread = lever not in incident.positions and lever not in incident.trouble
    if unread and (incident.snapshot_waiver or lever in incident.freed):
        return "read", _decided(incident, lever)
    for firebreak in reversed(incident.firebreaks):
        if firebreak.action.lever != lever:
            continue
        if firebreak.state is Lease.AUTHORIZED:
            must_lease = incident.since(2) and lever not in incident.leased
            return "lease" if must_lease else "move", firebreak
        if incident.lift_is_owed(firebreak):
            return ("lift", firebreak) if _is_newest_to_lift(incident, firebreak) else None
        if firebreak.state is Lease.APPLIED:
            return "probe", firebreak
        if firebreak.state in HOLDING and firebreak.lift_wanted_by:
            return "lift", firebreak
    return None


def _decided(incident: Incident, lever: str) -> Firebreak | None:
    """The firebreak that would be moving this lever now."""
    decided = (each for each in reversed(incident.firebreaks) if each.state is Lease.AUTHORIZED)
    return next((each for each in decided if each.action.lever == lever), None)


def _is_free(incident: Incident, lever: str) -> bool:
    """Whether this incident has nothing more to do with a lever."""
    ours = (each for each in incident.firebreaks if each.action.lever == lever)
    return incident.ended is not None or all(each.state in ENDED for each in ours)


def _is_newest_to_lift(incident: Incident, firebreak: Firebreak) -> bool:
    """Levers go back in the opposite order, each confirmed before the next: the newest first."""
    newer = incident.firebreaks[incident.firebreaks.index(firebreak) + 1 :]
    return not any(
        each.state is Lease.LIFTING
        or incident.lift_is_owed(each)
        or (each.state is Lease.MOVING and each.lift_wanted_by)
        for each in newer
    )
