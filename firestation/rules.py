"""The rules of the house, each stated once: a pure predicate over the incident so far and the event that comes next.

A rule returns what is missing, or None. The live workflow refuses an event that a rule objects to, the property
tests try to get one past, and the audit judges the raw history with the same functions.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from firestation import acts, cadence, proofs, record, release, seconding
from firestation.authority import Role
from firestation.board import TO, names_cause
from firestation.captaincy import former
from firestation.clock import Milestone
from firestation.credentials import held_credential, holds_credential
from firestation.errors import Refused
from firestation.firebreak import HOLDING, Firebreak, Lease, MoveOrder, effect_key
from firestation.model import Model, count
from firestation.quorum import quorum
from firestation.record import Acted, Event
from firestation.signed import misdirected, unproven
from firestation.state import Incident

CAPTAINS_ACTS = (
    acts.Declare,
    acts.Propose,
    acts.Refuse,
    acts.Handover,
    acts.Renounce,
    acts.Lift,
    acts.Adopt,
    acts.Extend,
    acts.Stop,
    acts.Switch,
    acts.Waive,
    acts.Categorize,
    acts.Withdraw,
    acts.Prove,
    acts.Dismiss,
    acts.Merge,
    acts.Close,
)

CLOCK_SKEW = timedelta(seconds=5)
"""How far the clocks of a worker and of the Temporal server may be apart before a reading's time is disbelieved."""

MEASURING = timedelta(seconds=30)
"""How long the measuring itself may take, on top of the pause between two readings."""

FEWEST_READINGS = 2

READ_BACK = 5
"""The number of the rule by which an answer from outside is doubted."""


class Rule(Model):
    """One rule: its number in DESIGN.md §3, its title, and the predicate."""

    number: int
    title: str
    objection: Callable[[Incident, Event], str | None]


def snapshot_before_mutate(incident: Incident, event: Event) -> str | None:
    """No lever moves before the manifest with its own state is sealed, or a waiver and its own reading are kept."""
    if isinstance(event, Acted) and isinstance(event.act, acts.Propose):
        if incident.sealed or incident.snapshot_waiver:
            return None
        return "the snapshot is not sealed yet; wait for it, or waive it by name with a reason"
    if not isinstance(event, record.Ordered) or event.order.purpose != "move":
        return None
    action = event.order.action
    if action.lever in incident.freed:
        return f"the lever {action.lever} was not read anew: {incident.freed[action.lever]}"
    if action.lever not in incident.kept:
        return f"the position of the lever {action.lever} was never read and kept"
    if incident.snapshot_waiver:
        return None
    if incident.sealed is None:
        return "no manifest is sealed, and nobody waived it"
    if incident.sealed.lever(action.lever) is None:
        return f"the sealed manifest does not hold the position of the lever {action.lever}"
    if action.manifest != incident.sealed.manifest:
        return "the action names another manifest than the one that is sealed"
    return None


def one_captain(incident: Incident, event: Event) -> str | None:
    """At most one captain; a handover is offered and accepted; only the captain's word counts."""
    if not isinstance(event, Acted):
        return None
    act, captain = event.act, incident.captain
    if isinstance(act, acts.Acknowledge) and act.role is Role.CAPTAIN and captain not in {None, act.by}:
        return f"{captain} is the captain; {act.by} can take over only by handover and accept"
    if isinstance(act, acts.Accept | acts.Decline) and act.by != incident.offered_to:
        return f"the captaincy was not offered to {act.by}"
    if isinstance(act, acts.Renounce) and act.role is not Role.CAPTAIN:
        return None
    if isinstance(act, CAPTAINS_ACTS) and act.by != captain and not _calls_off(incident, act):
        return f"{act.kind} is the captain's word, and {_captain(incident, act.by)}"
    return None


def authority(incident: Incident, event: Event) -> str | None:
    """Every move carries the decision of the then captain, with a second person where asked, or a pre-authorization."""
    if isinstance(event, Acted) and isinstance(event.act, acts.Approve):
        return _may_approve(incident, event.act, event.at)
    if isinstance(event, Acted) and isinstance(event.act, acts.Refuse):
        return unproven(incident, None, event.act, event.at)
    if (
        isinstance(event, record.Proposed)
        and event.preauthorized
        and event.action.severity != incident.weight
    ):
        return f"pre-authorized at {event.action.severity}, and the incident weighs {incident.weight}"
    if not isinstance(event, record.Ordered):
        return None
    order = event.order
    firebreak = incident.firebreak(order.action.sha256())
    if firebreak is None:
        return "nobody was ever asked about this action"
    if order.purpose == "lift":
        return _may_lift(firebreak, order)
    return _may_move(incident, firebreak, order)


def _may_move(incident: Incident, firebreak: Firebreak, order: MoveOrder) -> str | None:
    if order.authority in {"preauthorized", "absence"}:
        words = firebreak.written_beforehand
        covered = firebreak.authority == order.authority and order.action.severity in words
        covered = covered and (incident.covered(words) or not incident.since(2))
        if covered and firebreak.step.lever == order.action.lever:
            return None
        return f"the pinned runbook does not pre-authorize {order.action.step} at {order.action.severity}"
    captains = any(each.captain for each in firebreak.decisions if each.kind == "approve")
    if not captains and incident.since(3):
        return "no captain has said yes to this"
    if order.authority != "captain" or len(set(firebreak.approved_by)) < firebreak.approvals_needed:
        return (
            f"{count(firebreak.approvals_needed, 'approval')} needed, {len(set(firebreak.approved_by))} given"
        )
    return None


def _may_approve(incident: Incident, act: acts.Approve, at: datetime) -> str | None:
    firebreak = incident.firebreak(act.action)
    waits = firebreak is not None and firebreak.state is Lease.PROPOSED
    # Of an action that waits for nobody rule 4 says what is wrong; here it only matters who speaks.
    if firebreak and waits and act.by in firebreak.approved_by:
        return f"{act.by} has already approved this; a second person is needed"
    second = firebreak is not None and waits and act.by in quorum(incident, firebreak).who
    if act.by != incident.captain and not second:
        return f"approve is the captain's word, and {_captain(incident, act.by)}"
    return unproven(incident, firebreak if waits else None, act, at)


def _may_lift(firebreak: Firebreak, order: MoveOrder) -> str | None:
    if order.authority in {"expiry", "compensation"}:
        return (
            None if firebreak.lift_wanted_by == "engine" else "the firebreak has neither expired nor failed"
        )
    return None if firebreak.lift_wanted_by else "no captain asked for this firebreak to be lifted"


def approved_is_applied(incident: Incident, event: Event) -> str | None:
    """A decision names the digest of an action that waits for it, once; what is ordered is that action."""
    if isinstance(event, Acted) and isinstance(event.act, acts.Approve | acts.Refuse):
        firebreak = incident.firebreak(event.act.action)
        if firebreak is None:
            return f"no action of this incident has the digest {event.act.action[:12]}"
        if firebreak.state is not Lease.PROPOSED:
            return f"the action {event.act.action[:12]} is {firebreak.state} and waits for no decision"
        return misdirected(incident, event.act, event.at)
    if isinstance(event, record.Proposed):
        ours = (incident.id, incident.run)
        named = (event.action.incident, event.action.run)
        return None if named == ours else "the action belongs to another incident or run"
    if not isinstance(event, record.Ordered):
        return None
    order, firebreak = event.order, incident.firebreak(event.order.action.sha256())
    if firebreak is None:
        return "the ordered action is not one that was decided on"
    action, wanted = firebreak.action, (firebreak.action.origin, firebreak.action.to)
    if order.purpose == "move":
        if firebreak.state is not Lease.AUTHORIZED:
            return f"the action is {firebreak.state}; a decision moves a lever once"
        return None if (order.expected, order.to) == wanted else "the order differs from what was approved"
    if firebreak.state not in HOLDING:
        return f"the firebreak is {firebreak.state}; there is nothing to put back"
    return None if (order.expected, order.to) == (action.to, action.origin) else "the lift does not go back"


def read_back_then_probe(incident: Incident, event: Event) -> str | None:
    """Applied only when the lever shows it; effective only when its probe passed within its deadline."""
    if isinstance(event, record.Ordered):
        return _not_where_expected(incident, event.order)
    if isinstance(event, record.Moved) and event.outcome.result == "done":
        found = event.outcome.found
        if found is None or not found.same_as(event.order.to):
            return f"the lever read back shows {found}, not {event.order.to}"
    if isinstance(event, record.Probed):
        firebreak = incident.firebreak(event.action)
        if firebreak is None or firebreak.state is not Lease.APPLIED or firebreak.moved_at is None:
            return "only an applied firebreak can be probed"
        limit = firebreak.moved_at + firebreak.step.probe.deadline
        earliest, latest = firebreak.moved_at - CLOCK_SKEW, limit + CLOCK_SKEW
        if event.reading.verdict == "passed" and not earliest <= event.reading.at <= latest:
            return "the probe's reading is not from the time between the move and its deadline"
    if isinstance(event, Acted) and isinstance(event.act, acts.Adopt):
        firebreak = incident.firebreak(event.act.action)
        if firebreak and firebreak.state is Lease.UNCERTAIN and firebreak.found is None:
            return "nobody knows where the lever stands; lift it, or make it readable first"
    return None


def _not_where_expected(incident: Incident, order: MoveOrder) -> str | None:
    """Nobody else moves the lever meanwhile: this incident has it alone, and it was last seen where it is expected."""
    lever = order.action.lever
    if incident.since(2) and lever not in incident.leased:
        return f"this incident has not leased {lever}: another one may be moving it"
    shown = incident.positions.get(lever)
    if order.purpose == "move" and (shown is None or not shown.same_as(order.expected)):
        return f"the lever was last seen at {shown}, not at {order.expected}: ask again"
    return None


def every_firebreak_ends(incident: Incident, event: Event) -> str | None:
    """An incident ends only when each firebreak is put back and confirmed, or adopted."""
    if not _ends(event) or not incident.holding:
        return None
    names = ", ".join(f"{each.action.lever} ({each.digest[:12]}, {each.state})" for each in incident.holding)
    return f"still to be lifted or adopted: {names}"


def communicate_before_certainty(incident: Incident, event: Event) -> str | None:
    """The words are out in time, or the breach stands on the record; no public cause before the captain's fact.

    A public word is judged when it is written and when it is released. One that waits for a yes is let out by whom it
    waits for, by its digest. In a drill there is no public word at all.
    """
    in_public = _public_in_a_drill(incident, event)
    if in_public:
        return in_public
    deadline = incident.deadline(Milestone.FIRST_UPDATE)
    said = isinstance(event, record.Missed | record.Said) or (
        isinstance(event, Acted) and isinstance(event.act, acts.Update)
    )
    open_still = deadline.met_at is None and not deadline.missed and not incident.ended
    if open_still and event.at > deadline.due and not said:
        return "the first update is overdue and the breach is not on the record"
    unrecorded = _unrecorded(incident, event)
    if unrecorded:
        return unrecorded
    if not isinstance(event, Acted):
        return None
    if isinstance(event.act, acts.Note | acts.Establish):
        return _whose_cause(incident, event.act)
    if isinstance(event.act, acts.Release | acts.Withhold):
        return release.may_not(incident, event.act)
    if isinstance(event.act, acts.Update) and event.act.audience == "public" and not incident.cause_is_fact:
        words = " ".join(filter(None, (event.act.known, event.act.unknown, event.act.doing)))
        cause = names_cause(words)
        return (
            f"the public text names a cause ({cause!r}) that the captain has not marked as a fact"
            if cause
            else None
        )
    if isinstance(event.act, acts.Close) and incident.last_word("internal") is None:
        return "no update ever went out"
    return None


def _unrecorded(incident: Incident, event: Event) -> str | None:
    """The word that was due before this event, of which the record does not say that nobody said it."""
    if isinstance(event, record.WordDrafted | record.WordOverdue | record.Said) or incident.ended:
        return None
    for each in cadence.promises(incident):
        if event.at > each.due and incident.late_word(each.audience) is None:
            return f"the word to {TO[each.audience]} is overdue and the breach is not on the record"
    return None


def _public_in_a_drill(incident: Incident, event: Event) -> str | None:
    """A drill says nothing to the public: customers would take it for a fire."""
    if incident.brief.drill is None:
        return None
    if isinstance(event, Acted) and isinstance(event.act, acts.Update) and event.act.audience == "public":
        return (
            "this is a drill, and nothing of it is said to the public; say it to the team, without --public"
        )
    public = {each.id for each in incident.brief.system.channels_for("public")}
    if isinstance(event, record.Sent) and event.receipt.channel in public:
        return f"a word of a drill went to the public channel {event.receipt.channel}"
    return None


def _whose_cause(incident: Incident, act: acts.Note | acts.Establish) -> str | None:
    """Only the captain says what the cause is, and only the captain takes it back."""
    fact = act.standing == "fact" if isinstance(act, acts.Note) else act.holds
    if act.cause and (act.by != incident.captain or not fact):
        return "only the captain marks a cause, and only as a fact"
    if isinstance(act, acts.Establish) and not act.holds and act.by != incident.captain:
        entry = incident.entry(act.entry)
        if entry and entry.cause:
            only = f"only the captain refutes it, and {_captain(incident, act.by)}"
            return f"note {act.entry} is marked as the cause; {only}"
    return None


def recovery_is_measured(incident: Incident, event: Event) -> str | None:
    """Restored only when all checks held for the whole soak after the last move, and had not all passed before."""
    if isinstance(event, record.Soaked) and event.report.held:
        return _soak_objection(incident, event)
    if isinstance(event, Acted) and isinstance(event.act, acts.Close) and incident.restored_at is None:
        return "recovery has not been measured since the last lever was moved"
    return None


def _soak_objection(incident: Incident, event: record.Soaked) -> str | None:
    plan, report = incident.brief.runbook.recovery, event.report
    if set(report.checks) != set(plan.checks):
        return f"the soak measured {', '.join(report.checks)}, the runbook asks for {', '.join(plan.checks)}"
    if report.until - report.since < plan.soak:
        return f"the checks held for {report.until - report.since}, the runbook asks for {plan.soak}"
    if incident.changed_at and report.since < incident.changed_at - CLOCK_SKEW:
        return "the soak began before the last lever was moved"
    widest = timedelta(seconds=report.widest_hole_s)
    if report.readings < FEWEST_READINGS or widest > 2 * plan.every + MEASURING:
        return "the soak has a hole: no data is not a pass"
    before = [incident.baseline.get(check) for check in plan.checks]
    if all(reading is not None and reading.verdict == "passed" for reading in before):
        return "every check passed before anything was moved, so they cannot show a recovery"
    return None


def no_close_without_lock(incident: Incident, event: Event) -> str | None:
    """The lock is proved, or two people stand for it: attested where it is a process, or waived until a date."""
    if not isinstance(event, Acted):
        return None
    act = event.act
    if isinstance(act, acts.Waive) and act.what == "lock" and (act.until is None or act.until <= event.at):
        return "a waiver of the lock needs a date in the future: --until"
    if isinstance(act, acts.Attest) and act.verify_by <= event.at:
        return "somebody has to look again whether it is still done so, on a day in the future: --verify-by"
    if isinstance(act, acts.Second):
        return seconding.may_not(incident, act)
    return _lock_objection(incident, event.at) if isinstance(act, acts.Close) else None


def _lock_objection(incident: Incident, at: datetime) -> str | None:
    """Why the incident may not be closed with the lock that there is."""
    unproved = proofs.unproved(incident)
    if unproved is None or seconding.good(incident, at):
        return None
    missing = seconding.waits(incident)
    if missing:
        return f"{missing.missing()}; firestation second"
    waiver, said = incident.lock_waiver, incident.attestation
    ended = [each for each in (waiver and waiver.until, said and said.verify_by) if each and each <= at]
    if ended:
        return (
            f"the word of two people that stood for the lock was good until {max(ended):%Y-%m-%d %H:%M} UTC"
        )
    if incident.brief.runbook.lock.kind == "process":
        return "nobody has attested the change of process yet"
    return unproved


def exactly_once(incident: Incident, event: Event) -> str | None:
    """Each outside effect has its own key, and no key takes effect twice."""
    key = event.order.key if isinstance(event, record.Ordered) else None
    if isinstance(event, record.Sent):
        key = event.key
    if key is None:
        return None
    if key in incident.done_keys:
        return f"the effect {key} has already happened"
    if not key.startswith(effect_key(incident.id, incident.mark, "")):
        return f"the key {key} belongs to another incident"
    return None


def no_secrets(incident: Incident, event: Event) -> str | None:
    """Nothing that people or machines put on the record has the form of a credential."""
    if not isinstance(event, Acted | record.Rang):
        return None
    found = holds_credential(event) if incident.since(3) else held_credential(event)
    return (
        "the text holds a credential; refer to it by name and revoke it, since it was sent" if found else None
    )


def _calls_off(incident: Incident, act: acts.Act) -> bool:
    """Whether somebody ends the drill that they ordered: puts back what it moved, and dismisses it."""
    drill = incident.brief.drill
    return drill is not None and act.by == drill.ordered_by and isinstance(act, acts.Lift | acts.Dismiss)


def _captain(incident: Incident, by: str) -> str:
    was = former(incident, by) if incident.since(3) else None
    ending = f"; {was}" if was else ""
    if incident.captain:
        return f"the captain is {incident.captain}{ending}"
    return f"there is no captain {'now' if incident.tenures else 'yet'}: acknowledge first{ending}"


def _ends(event: Event) -> bool:
    return isinstance(event, Acted) and isinstance(event.act, acts.Close | acts.Dismiss | acts.Merge)


RULES: tuple[Rule, ...] = (
    Rule(number=1, title="snapshot before mutate", objection=snapshot_before_mutate),
    Rule(number=2, title="one captain", objection=one_captain),
    Rule(number=3, title="no move without authority", objection=authority),
    Rule(number=4, title="what was approved is what was applied", objection=approved_is_applied),
    Rule(number=READ_BACK, title="read back, then probe", objection=read_back_then_probe),
    Rule(number=6, title="every firebreak ends", objection=every_firebreak_ends),
    Rule(number=7, title="communicate before certainty", objection=communicate_before_certainty),
    Rule(number=8, title="recovery is measured", objection=recovery_is_measured),
    Rule(number=9, title="no close without a lock", objection=no_close_without_lock),
    Rule(number=10, title="exactly once, whatever dies", objection=exactly_once),
    Rule(number=11, title="no secrets in history", objection=no_secrets),
)


def objections(incident: Incident, event: Event) -> tuple[Refused, ...]:
    """Every rule that objects to this event coming next."""
    found = ((rule, rule.objection(incident, event)) for rule in RULES)
    return tuple(Refused(rule.number, rule.title, missing) for rule, missing in found if missing)
