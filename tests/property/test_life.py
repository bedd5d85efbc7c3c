"""The life of an incident, told straight; and that every refusal names the rule and what is missing."""

from datetime import timedelta

import pytest

from firestation import acts, record
from firestation.errors import Refused
from firestation.firebreak import Lease
from firestation.severity import Severity
from firestation.state import Phase
from tests.property.worlds import World, alarm, move_forward


def walk(world: World, until: Phase, most: int = 40) -> World:
    for _ in range(most):
        if world.incident.phase is until:
            return world
        move_forward(world)
    raise AssertionError(f"{until} was not reached, only {world.incident.phase}")


def contained() -> World:
    return walk(World(), Phase.CONTAINED)


def test_a_whole_incident_from_alarm_to_lock() -> None:
    world = World()
    phases: list[Phase] = []
    for _ in range(40):
        if world.incident.phase not in phases[-1:]:
            phases.append(world.incident.phase)
        move_forward(world)
    assert phases[0] is Phase.OPEN
    assert phases[-1] is Phase.CLOSED
    for phase in (Phase.CONTAINED, Phase.RECOVERING, Phase.RESTORED, Phase.AFTER_ACTION):
        assert phase in phases
    assert world.levers == {"tool": "enabled", "reranker": "on"}
    assert {each.state for each in world.incident.firebreaks} == {Lease.LIFTED, Lease.ADOPTED}
    assert not world.refusals


def test_a_preauthorized_firebreak_moves_before_anyone_has_answered_but_not_before_the_seal() -> None:
    world = World()
    assert not world.work("tool")
    world.baseline()
    world.seal()
    assert world.work("tool")
    assert world.levers["tool"] == "disabled"
    assert world.incident.captain is None


def test_pages_climb_until_somebody_answers() -> None:
    world = World()
    for _ in range(5):
        world.wait(timedelta(minutes=1))
    paged = [event.person for event in world.record if isinstance(event, record.Paged)]
    assert paged == ["ana", "ben", "ana"]
    world.attempt(acts.Acknowledge(by="ben"))
    world.wait(timedelta(hours=1))
    assert world.incident.pages == 3


def test_a_lever_that_drifted_is_not_overwritten_and_asked_about_again() -> None:
    world = World()
    world.baseline()
    world.seal()
    world.levers["reranker"] = "half"
    world.attempt(acts.Acknowledge(by="ana"))
    first = world.incident.pending[0]
    world.attempt(acts.Approve(by="ana", action=first.digest))
    world.attempt(acts.Approve(by="ben", action=first.digest))
    world.work("reranker")
    assert world.levers["reranker"] == "half"
    again = world.incident.pending[0]
    assert again.action.origin.value == "half"
    assert again.digest != first.digest


def test_an_expired_firebreak_is_lifted_on_its_own_terms() -> None:
    world = contained()
    world.wait(timedelta(hours=1))
    assert world.incident.firebreaks[0].lift_wanted_by == "engine"
    world.work("tool")
    assert world.levers["tool"] == "enabled"
    assert world.incident.firebreaks[0].state is Lease.LIFTED


REFUSALS = [
    ("a stranger", acts.Acknowledge(by="stranger"), 0, "not on the roster"),
    ("a second captain", acts.Acknowledge(by="ben"), 2, "ana is the captain"),
    (
        "somebody else declares",
        acts.Declare(by="ben", severity=Severity.SEV1, reason="bad"),
        2,
        "captain is ana",
    ),
    ("the same severity", acts.Declare(by="ana", severity=Severity.SEV2, reason="bad"), 0, "already"),
    ("an unknown action", acts.Approve(by="ana", action="f" * 64), 4, "no action of this incident"),
    ("an unknown step", acts.Propose(by="ana", step="no-such"), 0, "no firebreak 'no-such'"),
    ("a step that holds", acts.Propose(by="ana", step="stop-refunds"), 0, "already"),
    ("an auditor writes", acts.Note(by="dan", text="hm"), 0, "does not write"),
    (
        "a cause by a scribe",
        acts.Note(by="ben", text="x", standing="fact", cause=True),
        7,
        "only the captain",
    ),
    ("a cause as hypothesis", acts.Note(by="ana", text="x", cause=True), 7, "only as a fact"),
    ("a public guess", acts.Update(by="ana", audience="public", known="caused by X"), 7, "names a cause"),
    ("an update without the role", acts.Update(by="dan", known="all is well"), 0, "role comms"),
    ("handover to a non-captain", acts.Handover(by="ana", to="cara"), 0, "role captain"),
    ("handover to oneself", acts.Handover(by="ana", to="ana"), 0, "yours already"),
    ("accept what was not offered", acts.Accept(by="ben"), 2, "not offered"),
    ("lift by another", acts.Lift(by="ben", action="f" * 64, reason="x"), 0, "no firebreak"),
    ("adopt unknown", acts.Adopt(by="ana", action="f" * 64, reason="x"), 0, "no firebreak"),
    ("waive by another", acts.Waive(by="ben", what="lock", reason="x"), 2, "captain's word"),
    ("waive a lock without date", acts.Waive(by="ana", what="lock", reason="x"), 9, "date"),
    ("prove too early", acts.Prove(by="ana"), 0, "after recovery"),
    ("dismiss while a firebreak holds", acts.Dismiss(by="ana", reason="x"), 6, "tool"),
    ("merge while a firebreak holds", acts.Merge(by="ana", into="other", reason="x"), 6, "tool"),
    ("merge into itself", acts.Merge(by="ana", into="refund-agent-1a2b3c4d", reason="x"), 0, "itself"),
    ("close too early", acts.Close(by="ana"), 6, "lifted or adopted"),
    ("a secret in a note", acts.Note(by="ana", text="key AKIAABCDEFGHIJKLMNOP"), 11, "credential"),
]


@pytest.mark.parametrize(
    ("act", "rule", "missing"), [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_refused_and_why(act: acts.Act, rule: int, missing: str) -> None:
    world = contained()
    refusal = world.attempt(act)
    assert refusal is not None
    assert (refusal.rule, missing in refusal.missing) == (rule, True), refusal
    assert isinstance(world.record[-1], record.TurnedAway)


def test_an_approval_cannot_be_replayed() -> None:
    world = contained()
    used = world.incident.firebreaks[0]
    refusal = world.attempt(acts.Approve(by="ana", action=used.digest))
    assert refusal is not None
    assert refusal.rule == 4


def test_one_person_is_not_a_quorum() -> None:
    world = World()
    for _ in range(3):  # sealed, acknowledged, declared
        move_forward(world)
    action = world.incident.pending[0].digest
    assert world.attempt(acts.Approve(by="ana", action=action)) is None
    refusal = world.attempt(acts.Approve(by="ana", action=action))
    assert refusal is not None
    assert (refusal.rule, "second person" in refusal.missing) == (3, True)
    assert world.attempt(acts.Approve(by="ben", action=action)) is None
    assert world.incident.firebreak(action).state is Lease.AUTHORIZED  # type: ignore[union-attr]


def test_the_former_captain_has_no_word() -> None:
    world = contained()
    assert world.attempt(acts.Handover(by="ana", to="ben")) is None
    assert world.attempt(acts.Accept(by="ben")) is None
    refusal = world.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="worse"))
    assert refusal is not None
    assert (refusal.rule, "captain is ben" in refusal.missing) == (2, True)


def test_a_proposal_before_the_seal_is_refused_by_rule_one() -> None:
    world = World()
    world.attempt(acts.Acknowledge(by="ana"))
    refusal = world.attempt(acts.Propose(by="ana", step="reranker-on"))
    assert refusal is not None
    assert (refusal.rule, refusal.title) == (1, "snapshot before mutate")


def test_a_waived_snapshot_stands_on_the_record_and_the_lever_is_still_read_first() -> None:
    world = World()
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Waive(by="ana", what="snapshot", reason="refunds are leaving every minute"))
    assert not world.incident.firebreaks
    world.work("tool")  # reads
    assert world.incident.firebreaks[0].action.manifest is None
    world.work("tool")  # moves
    assert world.levers["tool"] == "disabled"
    assert world.incident.snapshot_waiver is not None


def test_recovery_cannot_be_shown_by_checks_that_never_failed() -> None:
    world = World()
    world.baseline("passed")
    world.seal()
    walk(world, Phase.RECOVERING)
    with pytest.raises(Refused, match="rule 8"):
        world.soak()


def test_a_check_that_fails_after_lifting_reopens_the_recovery() -> None:
    world = walk(World(), Phase.RESTORED)
    tool = world.incident.firebreaks[0]
    world.attempt(acts.Lift(by="ana", action=tool.digest, reason="back to normal"))
    world.work("tool")
    assert world.incident.restored_at is None
    assert world.incident.phase is Phase.RECOVERING


def test_an_unproved_lock_does_not_close() -> None:
    world = walk(World(), Phase.AFTER_ACTION)
    world.lock(proved=False)
    refusal = world.attempt(acts.Close(by="ana"))
    assert refusal is not None
    assert (refusal.rule, "not proved" in refusal.missing) == (9, True)
    until = world.now + timedelta(days=30)
    assert world.attempt(acts.Waive(by="ana", what="lock", reason="needs a new eval", until=until)) is None
    alone = world.attempt(acts.Close(by="ana"))
    assert alone is not None
    assert (alone.rule, "by ana: ben; firestation second" in alone.missing) == (9, True)
    assert world.attempt(acts.Second(by="ben", reason="the eval is ordered")) is None
    assert world.attempt(acts.Close(by="ana")) is None


def test_an_alarm_repeated_counts_and_does_not_multiply() -> None:
    world = World()
    world.happen(record.Rang(at=world.now, alarm=alarm()))
    world.happen(record.Rang(at=world.now, alarm=alarm("k2")))
    assert [(each.alarm.key, each.times) for each in world.incident.rung] == [("k1", 2), ("k2", 1)]


def test_every_message_has_its_own_key_and_leaves_the_outbox_once() -> None:
    world = contained()
    keys = [parcel.key for parcel in world.incident.outbox]
    assert len(set(keys)) == len(keys) > 3
