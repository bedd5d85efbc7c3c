"""The lease of a lever: whatever happens, it is put back or adopted, and never moved without somebody's word."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from firestation import acts, record
from firestation.errors import Refused
from firestation.firebreak import ENDED, HOLDING, Firebreak, Lease, MoveOutcome, order_move
from firestation.incident import next_job
from firestation.picture import picture
from firestation.plan import plans
from firestation.severity import Severity
from firestation.steps import Absence, When
from firestation.system import Position
from tests.property import worlds
from tests.property.worlds import World, move_forward, tries

FAULTS = ["none", "dead", "lost", "stolen", "taken", "liar", "no effect"]
MOST_ROUNDS = 60


def steps(**changes: Any) -> dict[str, Any]:
    """The usual runbook, with changes to its second step."""
    first, second = worlds.runbook().firebreaks
    return {"firebreaks": (first, second.changed(**changes))}


def working(world: World) -> None:
    """The house does all that it owes, and nothing goes wrong."""
    while any(world.work(lever) for lever in world.levers):
        pass


def way_back(world: World) -> None:
    """What a captain does who only wants it to end: refuse what is asked, put back what moved, adopt what cannot be."""
    for _ in range(MOST_ROUNDS):
        incident = world.incident
        if incident.ended or all(each.state in ENDED for each in incident.firebreaks):
            return
        if incident.captain is None:
            world.attempt(acts.Acknowledge(by="ana"))
            continue
        by = incident.captain
        for firebreak in incident.pending:
            world.attempt(acts.Refuse(by=by, action=firebreak.digest, reason="it ends here"))
        working(world)
        for firebreak in reversed(world.incident.holding):
            end = acts.Adopt if firebreak.state is Lease.UNCERTAIN and firebreak.found else acts.Lift
            world.attempt(end(by=by, action=firebreak.digest, reason="it ends here"))
        working(world)
    raise AssertionError([(each.action.step, each.state, each.trouble) for each in world.incident.firebreaks])


class TwoFires(RuleBasedStateMachine):
    """Two incidents in one town, with the same levers; people, faults, crashes and expiries as they come."""

    @initialize(
        absence=st.sampled_from(
            [
                Absence(),
                Absence(undecided="escalate"),
                Absence(undecided="keep"),
                Absence(undecided="apply", severities=(Severity.SEV1, Severity.SEV2)),
            ]
        ),
        at_expiry=st.sampled_from(["lift", "keep", "escalate"]),
        group=st.sampled_from([None, "together"]),
        if_ineffective=st.sampled_from(["hold", "put-back"]),
    )
    def open(self, absence: Absence, at_expiry: str, group: str | None, if_ineffective: str) -> None:
        first, second = worlds.runbook().firebreaks
        alone = {"approvals": 1} if absence.severities else {}
        plan = (
            first.changed(group=group, if_ineffective=if_ineffective),
            second.changed(absence=absence, at_expiry=at_expiry, group=group, **alone),
        )
        one = World(firebreaks=plan)
        other = (plan[0].changed(to="limited", preauthorized=()), plan[1].changed(to="off"))
        self.worlds = [one, World(one, firebreaks=other)]

    @rule(data=st.data(), which=st.integers(0, 1))
    def somebody_tries_something(self, data: Any, which: int) -> None:
        self.worlds[which].attempt(data.draw(tries(self.worlds[which])))

    @rule(which=st.integers(0, 1), times=st.integers(1, 6))
    def the_house_does_what_is_waited_for(self, which: int, times: int) -> None:
        for _ in range(times):
            move_forward(self.worlds[which])

    @rule(minutes=st.integers(1, 300))
    def time_passes(self, minutes: int) -> None:
        for world in self.worlds:
            world.wait(timedelta(minutes=minutes))

    @rule(which=st.integers(0, 1), lever=st.sampled_from(["tool", "reranker"]), fault=st.sampled_from(FAULTS))
    def the_engine_works(self, which: int, lever: str, fault: str) -> None:
        self.worlds[which].work(lever, fault)

    @rule(which=st.integers(0, 1))
    def the_words_go_out(self, which: int) -> None:
        self.worlds[which].deliver()

    @invariant()
    def no_lever_has_two_incidents(self) -> None:
        for lever in ("tool", "reranker"):
            holding = [
                world.incident.id
                for world in getattr(self, "worlds", ())
                if any(
                    each.action.lever == lever and each.state in HOLDING for each in world.incident.firebreaks
                )
            ]
            assert len(holding) <= 1, f"{lever} is moved by {holding}"

    def teardown(self) -> None:
        if not hasattr(self, "worlds"):
            return
        for world in self.worlds:
            way_back(world)
            working(world)
            world.deliver()
        for world in self.worlds:
            every_move_had_a_word(world)
            assert not world.incident.leased, "a lever that nobody holds is free for the next incident"
        adopted = {
            each.action.lever
            for world in self.worlds
            for each in world.incident.firebreaks
            if each.state is Lease.ADOPTED
        }
        for lever, origin in (("tool", "enabled"), ("reranker", "off")):
            if lever not in adopted | self.worlds[0].meddled:
                stands = [
                    (each.action.origin.value, each.action.to.value, each.state, each.trouble)
                    for world in self.worlds
                    for each in world.incident.firebreaks
                    if each.action.lever == lever
                ]
                assert self.worlds[0].levers[lever] == origin, (lever, stands)


def every_move_had_a_word(world: World) -> None:
    """Authority, told a second time and naively: who said yes before the order, or what the runbook says."""
    events: list[Any] = world.record
    for index, event in enumerate(events):
        if not isinstance(event, record.Ordered):
            continue
        order, before = event.order, events[:index]
        firebreak = world.incident.firebreak(order.action.sha256())
        assert firebreak is not None
        if order.purpose == "lift":
            said = {"captain": ("lift", "stop"), "expiry": ("expired",), "compensation": ()}[order.authority]
            assert order.authority == "compensation" or any(
                getattr(each, "kind", "") in said or getattr(getattr(each, "act", None), "kind", "") in said
                for each in before
            )
            continue
        approvals = {
            each.act.by
            for each in before
            if isinstance(each, record.Acted)
            and isinstance(each.act, acts.Approve)
            and each.act.action == firebreak.digest
        }
        enough = len(approvals) >= firebreak.step.approvals
        lapsed = any(isinstance(each, record.Lapsed) and each.then == "apply" for each in before)
        beforehand = {
            "captain": enough,
            "preauthorized": order.action.severity in firebreak.step.preauthorized,
            "absence": lapsed and order.action.severity in firebreak.step.absence.severities,
        }
        assert beforehand[order.authority], (order.authority, approvals)


TwoFires.TestCase.settings = settings(
    max_examples=400,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTwoFires = TwoFires.TestCase


# Told straight ---------------------------------------------------------------------------------------------


def taken(**changes: Any) -> World:
    """An incident that ana has taken and declared, its evidence sealed."""
    world = World(**changes)
    world.baseline()
    world.seal()
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    return world


def latest(world: World, step: str) -> Firebreak:
    found = world.incident.latest(step)
    assert found is not None, world.incident.turn(world.incident.brief.runbook.step(step))  # type: ignore[arg-type]
    return found


def approve(world: World, step: str) -> None:
    for person in ("ana", "ben"):
        world.attempt(acts.Approve(by=person, action=latest(world, step).digest))


def test_a_move_whose_answer_is_lost_is_put_back_by_itself() -> None:
    world = taken()
    world.work("tool", "lost")
    assert world.levers["tool"] == "disabled"
    lost = latest(world, "stop-refunds")
    assert (lost.state, lost.lift_wanted_by, lost.compensating) == (Lease.UNCERTAIN, "engine", True)
    world.work("tool")
    assert world.levers["tool"] == "enabled"
    assert latest(world, "stop-refunds").state is Lease.LIFTED
    lifts = [
        each.order
        for each in world.record
        if isinstance(each, record.Ordered)
        if each.order.purpose == "lift"
    ]
    assert [each.authority for each in lifts] == ["compensation"]


def test_a_way_back_that_fails_waits_for_a_person_and_does_not_spin() -> None:
    world = taken()
    world.work("tool", "lost")
    world.work("tool", "dead")
    stuck = latest(world, "stop-refunds")
    assert (stuck.state, stuck.lift_wanted_by) == (Lease.UNCERTAIN, None)
    assert not world.work("tool")
    assert world.attempt(acts.Lift(by="ana", action=stuck.digest, reason="it answers again")) is None
    working(world)
    assert world.levers["tool"] == "enabled"


def test_a_way_back_that_failed_after_the_expiry_is_put_to_the_captain_who_comes_then() -> None:
    world = World()
    world.baseline()
    world.seal()
    working(world)
    world.wait(timedelta(hours=1))
    world.work("tool", "dead")
    assert latest(world, "stop-refunds").expires_at is None
    assert world.attempt(acts.Acknowledge(by="ana")) is None
    told = [each.message for each in world.incident.outbox if "was not put back" in each.message.title]
    assert [(each.to, each.text.splitlines()[0]) for each in told] == [
        ("ana@example.org", "no answer")
    ] * len(told)
    assert told


def test_stop_everything_puts_back_the_newest_first_each_confirmed() -> None:
    world = taken()
    working(world)
    approve(world, "reranker-on")
    working(world)
    assert world.levers == {"tool": "disabled", "reranker": "on"}
    assert world.attempt(acts.Stop(by="ana", reason="this makes it worse")) is None
    assert next_job(world.incident, "tool") is None, "the newer one goes first"
    working(world)
    assert world.levers == {"tool": "enabled", "reranker": "off"}
    lifts = [
        each.order.action.lever
        for each in world.record
        if isinstance(each, record.Moved)
        if each.order.purpose == "lift"
    ]
    assert lifts == ["reranker", "tool"]
    world.wait(timedelta(hours=1))
    assert not world.incident.pending, "nothing is proposed by itself any more"
    assert world.attempt(acts.Propose(by="ana", step="reranker-on")) is None
    assert latest(world, "reranker-on").state is Lease.PROPOSED


def test_stop_while_a_lever_moves_still_finds_its_way_back() -> None:
    world = taken()
    working(world)
    approve(world, "reranker-on")
    firebreak = latest(world, "reranker-on")
    world.happen(record.Leased(at=world.now, lever="reranker", action=firebreak.digest))
    order = order_move(latest(world, "reranker-on"), "captain")
    world.happen(record.Ordered(at=world.now, order=order))
    world.attempt(acts.Stop(by="ana", reason="no"))
    world.levers["reranker"] = "on"
    outcome = MoveOutcome(result="done", found=Position(value="on"), detail="moved")
    world.happen(record.Moved(at=world.now, order=order, outcome=outcome))
    working(world)
    assert world.levers == {"tool": "enabled", "reranker": "off"}


def test_the_captain_is_asked_before_the_expiry_and_may_extend() -> None:
    world = taken()
    working(world)
    world.wait(timedelta(minutes=49))
    assert latest(world, "stop-refunds").asked_at is None
    world.wait(timedelta(minutes=2))
    assert latest(world, "stop-refunds").asked_at
    asked = [each.message.text for each in world.incident.outbox if "expires soon" in each.message.title]
    assert any("put back" in text and "extend" in text for text in asked)
    digest = latest(world, "stop-refunds").digest
    assert world.attempt(acts.Extend(by="ana", action=digest, reason="not yet safe")) is None
    world.wait(timedelta(minutes=40))
    assert latest(world, "stop-refunds").lift_wanted_by is None
    world.wait(timedelta(minutes=21))
    assert latest(world, "stop-refunds").lift_wanted_by == "engine"


def test_an_expiry_that_nobody_answers_climbs_the_ladder_more_and_more_slowly() -> None:
    world = taken(**steps(at_expiry="escalate", expires_after=timedelta(hours=1)))
    working(world)
    approve(world, "reranker-on")
    working(world)
    world.wait(timedelta(hours=1))
    told = [
        each.message.to for each in world.incident.outbox if each.message.title.endswith("nobody answers")
    ]
    assert told == ["ben@example.org"], "the captain is ana"
    for _ in range(100):
        world.wait(timedelta(hours=1))
    expiries = [each for each in world.record if isinstance(each, record.Expired) if each.then == "escalate"]
    assert 4 < len(expiries) < 30
    assert world.levers["reranker"] == "on"


@pytest.mark.parametrize(
    ("absence", "state"),
    [
        (Absence(), Lease.LAPSED),
        (Absence(undecided="escalate"), Lease.PROPOSED),
        (Absence(undecided="keep"), Lease.PROPOSED),
        (Absence(undecided="apply", severities=(Severity.SEV2,)), Lease.AUTHORIZED),
        (Absence(undecided="apply", severities=(Severity.SEV1,)), Lease.LAPSED),
    ],
)
def test_when_nobody_decides_the_runbook_says_what_follows(absence: Absence, state: Lease) -> None:
    world = taken(**steps(absence=absence, approvals=1))
    world.wait(timedelta(minutes=13))
    assert latest(world, "reranker-on").state is state
    working(world)
    moved = latest(world, "reranker-on")
    assert (moved.authority == "absence") == (state is Lease.AUTHORIZED)
    assert world.levers["reranker"] == ("on" if state is Lease.AUTHORIZED else "off")


def test_the_second_incident_sees_the_lease_of_the_first() -> None:
    first = taken()
    working(first)
    second = World(first)
    second.baseline()
    second.seal()
    second.attempt(acts.Acknowledge(by="ben"))
    assert first.levers["tool"] == "disabled"
    assert second.incident.skipped["stop-refunds"] == "tool stands at disabled already"
    approve(first, "reranker-on")
    working(first)
    for person in ("ben", "ana"):
        second.attempt(acts.Approve(by=person, action=latest(second, "reranker-on").digest))
    second.work("reranker")
    beaten = latest(second, "reranker-on")
    assert beaten.state is Lease.TAKEN
    assert first.incident.id in (beaten.trouble or "")
    assert any("another incident" in each.message.title for each in second.incident.outbox)
    first.attempt(acts.Stop(by="ana", reason="over"))
    working(first)
    assert second.attempt(acts.Propose(by="ben", step="reranker-on")) is None


def let_go(**changes: Any) -> tuple[World, World]:
    """Two fires: the second read the reranker while the first held it at "on", and the first has let go of it since."""
    first = taken(**steps(at_expiry="lift"))
    working(first)
    approve(first, "reranker-on")
    working(first)
    second = World(first, **steps(to="off", **changes))
    second.baseline()
    second.seal()
    second.attempt(acts.Acknowledge(by="ana"))
    for world in (first, second):
        world.wait(timedelta(minutes=119))
    for person in ("ana", "ben"):
        second.attempt(acts.Approve(by=person, action=latest(second, "reranker-on").digest))
    approved = latest(second, "reranker-on")
    assert (approved.state, approved.action.origin.value) == (Lease.AUTHORIZED, "on")
    for world in (first, second):
        world.wait(timedelta(minutes=1))
    working(first)
    assert (first.levers["reranker"], first.leases) == ("off", {})
    return first, second


@pytest.mark.parametrize("fault", ["dead", "lost", "none"])
def test_what_was_read_before_another_incident_let_go_is_worth_nothing(fault: str) -> None:
    _, second = let_go(decide_within=timedelta(hours=3))
    while second.work("reranker", fault) and latest(second, "reranker-on").state is Lease.AUTHORIZED:
        pass
    assert not [each for each in second.record if isinstance(each, record.Ordered)], "nothing was moved"
    working(second)
    way_back(second)
    assert second.levers["reranker"] == "off", "both have let go of it, and so it stood before the first"
    assert second.incident.sealed is not None
    sealed = second.incident.sealed.lever("reranker")
    assert sealed is not None
    assert sealed.value == "on", "the manifest stays as it was sealed"


def test_a_lever_that_was_let_go_of_and_stands_elsewhere_is_asked_for_again() -> None:
    _, second = let_go(decide_within=timedelta(hours=3))
    second.levers["reranker"] = "half"
    first_try = latest(second, "reranker-on")
    working(second)
    void = second.incident.firebreak(first_try.digest)
    assert void is not None
    assert void.state is Lease.DRIFTED
    assert (void.trouble or "").startswith(
        "reranker shows half, not on as it was read before: another incident"
    )
    assert any(each.message.title == "move of reranker: drifted" for each in second.incident.outbox)
    again = latest(second, "reranker-on")
    assert (again.state, again.action.origin.value, again.action.attempt) == (Lease.PROPOSED, "half", 2)
    approve(second, "reranker-on")
    working(second)
    assert second.levers["reranker"] == "off"
    assert latest(second, "reranker-on").state is Lease.EFFECTIVE


def test_a_lever_that_cannot_be_read_anew_waits_for_a_person() -> None:
    _, second = let_go(decide_within=timedelta(hours=3))
    second.work("reranker", "dead")
    unread = latest(second, "reranker-on")
    assert unread.state is Lease.DRIFTED
    assert "propose it again when it answers" in (unread.trouble or "")
    working(second)
    assert second.leases == {}
    assert "reranker" not in second.incident.positions
    assert second.attempt(acts.Propose(by="ana", step="reranker-on")) is None
    assert second.work("reranker"), "it is read without any waiver"
    assert second.incident.skipped["reranker-on"] == "reranker stands at off already"


def test_a_lever_that_stands_where_it_was_read_moves_on_the_word_that_was_given() -> None:
    first = taken()
    second = World(first, **steps(to="on", decide_within=timedelta(hours=3)))
    second.baseline()
    second.seal()
    second.attempt(acts.Acknowledge(by="ana"))
    working(first)
    approve(first, "reranker-on")
    working(first)
    first.attempt(acts.Stop(by="ana", reason="over"))
    working(first)
    approve(second, "reranker-on")
    working(second)
    assert latest(second, "reranker-on").state is Lease.EFFECTIVE
    kinds = [each.kind for each in second.record if each.kind in {"leased", "lever-read", "ordered"}]
    assert kinds[-3:] == ["leased", "lever-read", "ordered"]


def test_a_move_on_a_reading_that_is_worth_nothing_is_refused_by_name() -> None:
    _, second = let_go(decide_within=timedelta(hours=3))
    firebreak, (_, at) = latest(second, "reranker-on"), second.freed["reranker"]
    leased = record.Leased(at=second.now, lever="reranker", action=firebreak.digest, freed_at=at)
    second.happen(leased)
    with pytest.raises(Refused, match="was not read anew: another incident let go of it at") as refusal:
        second.happen(record.Ordered(at=second.now, order=order_move(firebreak, "captain")))
    assert refusal.value.rule == 1


@pytest.mark.parametrize(("hours", "job"), [(23, "move"), (24, "read")])
def test_a_reading_of_a_day_ago_is_made_anew_since_nobody_remembers_who_let_go(hours: int, job: str) -> None:
    world = taken(**steps(decide_within=timedelta(days=2)))
    world.wait(timedelta(hours=hours))
    approve(world, "reranker-on")
    firebreak = latest(world, "reranker-on")
    world.happen(record.Leased(at=world.now, lever="reranker", action=firebreak.digest))
    assert next_job(world.incident, "reranker") == (job, firebreak)
    working(world)
    assert world.levers["reranker"] == "on"


def test_a_seal_that_comes_late_does_not_bring_a_worthless_reading_back() -> None:
    world = World(**steps(decide_within=timedelta(hours=3)))
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Waive(by="ana", what="snapshot", reason="it burns"))
    while world.work("reranker") or world.work("tool"):
        pass
    approve(world, "reranker-on")
    firebreak = latest(world, "reranker-on")
    world.happen(record.Leased(at=world.now, lever="reranker", action=firebreak.digest, freed_at=world.now))
    world.seal()
    assert next_job(world.incident, "reranker") == ("read", firebreak)


def test_steps_come_in_turn_as_fallbacks_and_on_conditions() -> None:
    first, second = worlds.runbook().firebreaks
    after = second.changed(after=("stop-refunds",))
    world = World(firebreaks=(first, after))
    world.baseline()
    world.seal()
    assert world.incident.latest("reranker-on") is None
    working(world)
    assert latest(world, "reranker-on").state is Lease.PROPOSED

    fallback = World(firebreaks=(first, second.changed(fallback_for="stop-refunds")))
    fallback.baseline()
    fallback.seal()
    working(fallback)
    assert fallback.incident.latest("reranker-on") is None
    declared = taken(firebreaks=(first, second.changed(fallback_for="stop-refunds")))
    working(declared)
    assert declared.incident.ready_to_soak, "the fallback is not called for"

    failed = World(firebreaks=(first, second.changed(fallback_for="stop-refunds")))
    failed.baseline()
    failed.seal()
    failed.work("tool")
    failed.work("tool", "no effect")
    assert latest(failed, "reranker-on").state is Lease.PROPOSED

    grave = When(severity=(Severity.SEV1,))
    world = taken(**steps(when=grave))
    assert world.incident.latest("reranker-on") is None
    world.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="it spreads"))
    world.wait(timedelta(seconds=1))
    assert latest(world, "reranker-on").state is Lease.PROPOSED


def test_a_group_holds_together_or_not_at_all() -> None:
    first, second = worlds.runbook().firebreaks
    world = taken(firebreaks=(first.changed(group="pair"), second.changed(group="pair")))
    working(world)
    assert world.levers["tool"] == "disabled"
    world.attempt(acts.Refuse(by="ana", action=latest(world, "reranker-on").digest, reason="too slow"))
    working(world)
    assert world.levers["tool"] == "enabled"
    assert latest(world, "stop-refunds").state is Lease.LIFTED


def test_a_manual_step_is_called_again_until_somebody_says_what_became_of_it() -> None:
    world = taken()
    duty = world.incident.duties["call-support"]
    assert not duty.confirmed_by
    refusal = world.attempt(acts.Confirm(by="ben", step="call-support"))
    assert refusal is not None
    assert "comms" in refusal.missing
    for _ in range(20):
        world.wait(timedelta(hours=1))
    called = [each.times for each in world.record if isinstance(each, record.Called)]
    assert called == [1, 2, 3, 4, 5, 6]
    assert world.attempt(acts.Confirm(by="cara", step="call-support", note="they know")) is None
    assert world.incident.duties["call-support"].done
    assert world.attempt(acts.Confirm(by="cara", step="call-support")) is not None


def test_the_captain_switches_the_runbook_and_what_holds_goes_on_by_its_own_terms() -> None:
    world = taken()
    working(world)
    waiting = latest(world, "reranker-on")
    assert world.attempt(acts.Switch(by="ana", to="other", reason="it is another pattern")) is None
    assert world.incident.brief.runbook.runbook == "other"
    assert world.incident.firebreak(waiting.digest).state is Lease.REFUSED  # type: ignore[union-attr]
    again = latest(world, "reranker-on")
    assert (again.runbook, again.action.attempt) == ("other", 2)
    held = world.incident.firebreaks[0]
    assert (held.runbook, held.state) == ("stale-policy", Lease.EFFECTIVE)
    assert world.incident.skipped["stop-refunds"].startswith("tool is taken by stop-refunds")
    refusal = world.attempt(acts.Switch(by="ana", to="no-such", reason="x"))
    assert refusal is not None
    assert "it has stale-policy" in refusal.missing


def test_two_incidents_of_one_fire_share_no_idempotency_key() -> None:
    """Run ids begin with a time: two that begin within a minute have the same first characters."""
    keys = []
    for run in ("0198b7d2-0000-7000-8000-000000000001", "0198b7d2-0000-7000-8000-000000000002"):
        world = World(run=run)
        world.baseline()
        world.seal()
        world.work("tool")
        moves = [each.order.key for each in world.record if isinstance(each, record.Ordered)]
        keys.append({*moves, *(parcel.key for parcel in world.incident.outbox)})
    assert keys[0]
    assert not keys[0] & keys[1]


def test_silence_that_is_answered_and_comes_again_has_words_of_its_own() -> None:
    world = taken(**steps(at_expiry="escalate", expires_after=timedelta(hours=1)))
    working(world)
    approve(world, "reranker-on")
    working(world)
    for _ in range(3):
        world.wait(timedelta(hours=2))
        world.deliver()
        digest = latest(world, "reranker-on").digest
        assert world.attempt(acts.Extend(by="ana", action=digest, reason="not yet")) is None


def test_what_drifts_after_the_switch_is_not_asked_for_by_the_other_runbook() -> None:
    world = taken()
    working(world)
    approve(world, "reranker-on")
    firebreak = latest(world, "reranker-on")
    world.happen(record.Leased(at=world.now, lever="reranker", action=firebreak.digest))
    order = order_move(latest(world, "reranker-on"), "captain")
    world.happen(record.Ordered(at=world.now, order=order))
    assert world.attempt(acts.Switch(by="ana", to="other", reason="another pattern")) is None
    outcome = MoveOutcome(result="drifted", found=Position(value="half"), detail="somebody else moved it")
    world.happen(record.Moved(at=world.now, order=order, outcome=outcome))
    assert world.incident.wanted == ()


def test_nothing_moves_without_a_word_at_a_severity_that_nobody_wrote_down() -> None:
    world = World()
    world.baseline()
    world.seal()
    world.attempt(acts.Acknowledge(by="ana"))
    assert latest(world, "stop-refunds").state is Lease.AUTHORIZED
    world.attempt(acts.Declare(by="ana", severity=Severity.SEV4, reason="it is small"))
    assert latest(world, "stop-refunds").state is Lease.PROPOSED
    working(world)
    assert world.levers["tool"] == "enabled"
    world.attempt(acts.Approve(by="ana", action=latest(world, "stop-refunds").digest))
    working(world)
    assert world.levers["tool"] == "disabled"
    absent = taken(**steps(absence=Absence(undecided="apply", severities=(Severity.SEV2,)), approvals=1))
    absent.attempt(acts.Declare(by="ana", severity=Severity.SEV4, reason="it is small"))
    absent.wait(timedelta(minutes=13))
    assert latest(absent, "reranker-on").state is Lease.LAPSED


def test_a_lift_that_fails_calls_for_no_fallback() -> None:
    first, second = worlds.runbook().firebreaks
    world = taken(firebreaks=(first, second.changed(fallback_for="stop-refunds")))
    working(world)
    world.attempt(acts.Lift(by="ana", action=latest(world, "stop-refunds").digest, reason="over"))
    world.work("tool", "dead")
    assert latest(world, "stop-refunds").state is Lease.UNCERTAIN
    assert world.incident.latest("reranker-on") is None


def test_a_member_of_a_group_that_is_ineffective_does_not_stay_behind() -> None:
    first, second = worlds.runbook().firebreaks
    world = taken(firebreaks=(first.changed(group="pair"), second.changed(group="pair")))
    working(world)
    approve(world, "reranker-on")
    world.work("reranker")
    world.work("reranker", "no effect")
    working(world)
    assert world.levers == {"tool": "enabled", "reranker": "off"}
    unread = World(firebreaks=(first.changed(group="pair"), second.changed(group="pair")))
    unread.seal(without=("reranker",))
    assert set(unread.incident.skipped) == {"stop-refunds", "reranker-on"}


def test_an_incident_that_ends_lets_go_of_its_levers() -> None:
    world = taken()
    working(world)
    approve(world, "reranker-on")
    firebreak = latest(world, "reranker-on")
    world.happen(record.Leased(at=world.now, lever="reranker", action=firebreak.digest))
    world.attempt(acts.Lift(by="ana", action=latest(world, "stop-refunds").digest, reason="no fire"))
    world.work("tool")
    assert world.attempt(acts.Dismiss(by="ana", reason="no fire")) is None
    assert next_job(world.incident, "reranker") == ("release", None)


def test_a_position_as_long_as_a_document_is_shown_cut() -> None:
    world = World()
    world.levers["reranker"] = "x" * 9000
    world.baseline()
    world.seal()
    (plan,) = plans(world.incident)
    assert "more characters" in plan.change
    assert picture(world.incident, tuple(world.record)).model_dump_json()
