"""What an engine that was lied to, or bypassed, might have let happen: by the rule that should have forbidden it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from firestation import acts, record, release
from firestation.board import Receipt
from firestation.firebreak import Action, Lease, MoveOrder, effect_key, order_lift, order_move
from firestation.incident import next_job
from firestation.record import Event
from firestation.severity import Severity
from firestation.system import Position
from tests.property.recorded import Recorded
from tests.property.worlds import alarm

SECRET = "AKIAABCDEFGHIJKLMNOP"
Lie = Callable[[Recorded], Event | None]


def acted(world: Recorded, act: acts.Act) -> Event:
    return record.Acted(at=world.now, act=act)


def captain(world: Recorded) -> str:
    return world.incident.captain or "ana"


def somebody_else(world: Recorded) -> str:
    return "ben" if captain(world) == "ana" else "ana"


def ordered(world: Recorded, order: MoveOrder, **changes: Any) -> Event:
    return record.Ordered(at=world.now, order=order.changed(**changes))


def in_state(world: Recorded, *states: Lease) -> Any:
    return next((each for each in world.incident.firebreaks if each.state in states), None)


def invented(world: Recorded, **changes: Any) -> MoveOrder:
    """An order for an action that nobody was ever asked about."""
    incident, step = world.incident, world.incident.brief.runbook.firebreaks[0]
    manifest = incident.sealed.manifest if incident.sealed else None
    action = Action(
        incident=incident.id,
        run=incident.run,
        step=step.id,
        attempt=7,
        lever="tool",
        origin=Position(value=world.levers["tool"]),
        to=Position(value="limited"),
        scope="nobody knows of it",
        severity=incident.weight,
        expires_after=timedelta(hours=1),
        manifest=manifest,
    ).changed(**changes)
    key = effect_key(incident.id, incident.mark, f"move-{step.id}-7")
    return MoveOrder(
        purpose="move", action=action, to=action.to, expected=action.origin, authority="captain", key=key
    )


# Rule 1 ------------------------------------------------------------------------------------------------


def it_is_proposed_before_the_seal(world: Recorded) -> Event:
    return acted(world, acts.Propose(by=captain(world), step="reranker-on"))


def a_lever_is_ordered_before_the_seal(world: Recorded) -> Event | None:
    return ordered(world, invented(world)) if world.incident.sealed is None else None


def a_lever_is_ordered_by_another_manifest(world: Recorded) -> Event:
    return ordered(world, invented(world, manifest="9" * 64))


# Rule 2 ------------------------------------------------------------------------------------------------


def there_are_two_captains(world: Recorded) -> Event:
    return acted(world, acts.Acknowledge(by=somebody_else(world)))


def somebody_takes_what_was_not_offered(world: Recorded) -> Event:
    return acted(world, acts.Accept(by=somebody_else(world)))


def somebody_else_declares(world: Recorded) -> Event:
    return acted(world, acts.Declare(by="cara", severity=Severity.SEV1, reason="it looks bad"))


# Rule 3 ------------------------------------------------------------------------------------------------


def a_lever_is_ordered_that_nobody_was_asked_about(world: Recorded) -> Event:
    return ordered(world, invented(world))


def a_lever_is_ordered_before_the_decision(world: Recorded) -> Event | None:
    waiting = in_state(world, Lease.PROPOSED)
    return ordered(world, order_move(waiting, "captain")) if waiting else None


def a_lever_is_ordered_by_an_authority_that_the_runbook_does_not_give(world: Recorded) -> Event | None:
    waiting = in_state(world, Lease.PROPOSED, Lease.AUTHORIZED)
    beforehand = waiting is not None and waiting.authority == "preauthorized"
    return (
        ordered(world, order_move(waiting, "absence" if beforehand else "preauthorized")) if waiting else None
    )


def a_lever_goes_back_and_nobody_asked_for_it(world: Recorded) -> Event | None:
    holding = in_state(world, Lease.APPLIED, Lease.EFFECTIVE)
    return ordered(world, order_lift(holding)) if holding and not holding.lift_wanted_by else None


def one_person_is_a_quorum(world: Recorded) -> Event | None:
    waiting = in_state(world, Lease.PROPOSED)
    by = waiting.approved_by[0] if waiting and waiting.approved_by else None
    return acted(world, acts.Approve(by=by, action=waiting.digest)) if by else None


def a_stranger_to_the_decision_approves(world: Recorded) -> Event | None:
    waiting = in_state(world, Lease.PROPOSED)
    return acted(world, acts.Approve(by="cara", action=waiting.digest)) if waiting else None


# Rule 4 ------------------------------------------------------------------------------------------------


def an_unknown_action_is_approved(world: Recorded) -> Event:
    return acted(world, acts.Approve(by=captain(world), action="f" * 64))


def a_used_approval_is_given_again(world: Recorded) -> Event | None:
    used = in_state(world, Lease.EFFECTIVE, Lease.LIFTED, Lease.REFUSED, Lease.INEFFECTIVE)
    return acted(world, acts.Approve(by=captain(world), action=used.digest)) if used else None


def a_lever_goes_elsewhere_than_was_approved(world: Recorded) -> Event | None:
    decided = in_state(world, Lease.AUTHORIZED)
    order = order_move(decided, decided.authority or "captain") if decided else None
    return ordered(world, order, to=Position(value="wide open")) if order else None


def a_decision_moves_a_lever_twice(world: Recorded) -> Event | None:
    used = in_state(world, Lease.EFFECTIVE, Lease.INEFFECTIVE)
    return ordered(world, order_move(used, used.authority or "captain")) if used else None


# Rule 5 ------------------------------------------------------------------------------------------------


def a_lever_is_ordered_that_is_not_leased(world: Recorded) -> Event | None:
    decided = in_state(world, Lease.AUTHORIZED)
    free = decided is not None and decided.action.lever not in world.incident.leased
    return ordered(world, order_move(decided, decided.authority or "captain")) if free else None


def what_nobody_can_read_is_adopted(world: Recorded) -> Event | None:
    lost = in_state(world, Lease.UNCERTAIN)
    return (
        acted(world, acts.Adopt(by=captain(world), action=lost.digest, reason="it will be fine"))
        if lost
        else None
    )


# Rule 6 ------------------------------------------------------------------------------------------------


def it_is_closed_while_a_firebreak_holds(world: Recorded) -> Event:
    return acted(world, acts.Close(by=captain(world)))


def it_is_dismissed_while_a_firebreak_holds(world: Recorded) -> Event:
    return acted(world, acts.Dismiss(by=captain(world), reason="it was nothing"))


def it_is_merged_while_a_firebreak_holds(world: Recorded) -> Event:
    return acted(world, acts.Merge(by=captain(world), into="refund-agent-ffffffff", reason="the same"))


# Rule 7 ------------------------------------------------------------------------------------------------


def a_cause_is_public_that_is_no_fact(world: Recorded) -> Event:
    return acted(world, acts.Update(by=captain(world), audience="public", known="caused by the reranker"))


def a_cause_is_marked_by_somebody_else(world: Recorded) -> Event:
    return acted(world, acts.Note(by="cara", text="the reranker", standing="fact", cause=True))


def waiting_word(world: Recorded) -> Any:
    return next(iter(release.waiting(world.incident)), None)


def its_author_lets_a_public_word_out(world: Recorded) -> Event | None:
    waits = waiting_word(world)
    return acted(world, acts.Release(by=waits.by, word=waits.digest)) if waits else None


def somebody_else_lets_a_public_word_out(world: Recorded) -> Event | None:
    waits = waiting_word(world)
    return acted(world, acts.Release(by=somebody_else(world), word=waits.digest)) if waits else None


def somebody_else_withholds_a_public_word(world: Recorded) -> Event | None:
    waits = waiting_word(world)
    by = somebody_else(world)
    return acted(world, acts.Withhold(by=by, word=waits.digest, reason="not now")) if waits else None


def a_public_word_is_let_out_that_does_not_wait(world: Recorded) -> Event:
    return acted(world, acts.Release(by=captain(world), word="f" * 64))


def a_public_word_is_let_out_again(world: Recorded) -> Event | None:
    used = next((each for each in world.incident.held_words if each.state != "waits"), None)
    return acted(world, acts.Release(by=captain(world), word=used.digest)) if used else None


def a_drill_is_told_to_the_public(world: Recorded) -> Event | None:
    said = acts.Update(by=captain(world), audience="public", known="we are looking into it")
    return acted(world, said) if world.incident.brief.drill else None


def a_word_of_a_drill_reaches_a_public_channel(world: Recorded) -> Event | None:
    owed = world.incident.outbox
    if not owed or world.incident.brief.drill is None:
        return None
    receipt = Receipt(channel="page", reference="taken")
    return record.Sent(at=world.now, message=owed[0].message, key=owed[0].key, receipt=receipt)


# Rules 8 and 9 -----------------------------------------------------------------------------------------


def it_is_closed(world: Recorded) -> Event:
    return acted(world, acts.Close(by=captain(world)))


def the_lock_is_waived_without_a_date(world: Recorded) -> Event:
    return acted(world, acts.Waive(by=captain(world), what="lock", reason="there is no time"))


# Rule 10 -----------------------------------------------------------------------------------------------


def a_message_is_sent_again(world: Recorded) -> Event | None:
    sent = [each for each in world.record if isinstance(each, record.Sent)]
    return sent[-1].changed(at=world.now) if sent else None


def a_message_is_sent_under_the_key_of_another_incident(world: Recorded) -> Event | None:
    owed = world.incident.outbox
    receipt = Receipt(channel="room", reference="taken")
    message = owed[0].message if owed else None
    key = "refund-agent-00000000/0198/word"
    return record.Sent(at=world.now, message=message, key=key, receipt=receipt) if message else None


def a_lever_goes_back_under_a_key_of_another_incident(world: Recorded) -> Event | None:
    jobs = (next_job(world.incident, lever) for lever in world.levers)
    lift = next((job[1] for job in jobs if job and job[0] == "lift"), None)
    return ordered(world, order_lift(lift), key="refund-agent-00000000/0198/lift") if lift else None


# Rule 11 -----------------------------------------------------------------------------------------------


def a_note_holds_a_credential(world: Recorded) -> Event:
    return acted(world, acts.Note(by=captain(world), text=f"the key is {SECRET}"))


def an_alarm_holds_a_credential(world: Recorded) -> Event:
    return record.Rang(at=world.now, alarm=alarm("k4").changed(summary=f"denied for {SECRET}"))


LIES: dict[int, tuple[Lie, ...]] = {
    1: (
        it_is_proposed_before_the_seal,
        a_lever_is_ordered_before_the_seal,
        a_lever_is_ordered_by_another_manifest,
    ),
    2: (there_are_two_captains, somebody_takes_what_was_not_offered, somebody_else_declares),
    3: (
        a_lever_is_ordered_that_nobody_was_asked_about,
        a_lever_is_ordered_before_the_decision,
        a_lever_is_ordered_by_an_authority_that_the_runbook_does_not_give,
        a_lever_goes_back_and_nobody_asked_for_it,
        one_person_is_a_quorum,
        a_stranger_to_the_decision_approves,
    ),
    4: (
        an_unknown_action_is_approved,
        a_used_approval_is_given_again,
        a_lever_goes_elsewhere_than_was_approved,
        a_decision_moves_a_lever_twice,
    ),
    5: (a_lever_is_ordered_that_is_not_leased, what_nobody_can_read_is_adopted),
    6: (
        it_is_closed_while_a_firebreak_holds,
        it_is_dismissed_while_a_firebreak_holds,
        it_is_merged_while_a_firebreak_holds,
    ),
    7: (
        a_cause_is_public_that_is_no_fact,
        a_cause_is_marked_by_somebody_else,
        its_author_lets_a_public_word_out,
        somebody_else_lets_a_public_word_out,
        somebody_else_withholds_a_public_word,
        a_public_word_is_let_out_that_does_not_wait,
        a_public_word_is_let_out_again,
        a_drill_is_told_to_the_public,
        a_word_of_a_drill_reaches_a_public_channel,
    ),
    8: (it_is_closed,),
    9: (it_is_closed, the_lock_is_waived_without_a_date),
    10: (
        a_message_is_sent_again,
        a_message_is_sent_under_the_key_of_another_incident,
        a_lever_goes_back_under_a_key_of_another_incident,
    ),
    11: (a_note_holds_a_credential, an_alarm_holds_a_credential),
}
"""Each lie under the rule that live enforcement names for it, at some moment of an incident's life."""
