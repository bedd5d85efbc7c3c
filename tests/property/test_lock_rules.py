"""Locks: no close without a proof or two people, two people are never one, and what comes back never weighs less."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation import acts, record
from firestation.after_action import LockProof, Run
from firestation.aftermath import handed
from firestation.authority import Role
from firestation.briefing import briefing
from firestation.expect import Expectation
from firestation.fold import fold
from firestation.history import Step
from firestation.lock_plan import Control, Judge, LockPlan
from firestation.orders import LockOrder
from firestation.paging import page_text
from firestation.picture import picture
from firestation.postmortem.causes import went_badly, went_well
from firestation.postmortem.machine import lock as told_of_lock
from firestation.postmortem.trail import Trail
from firestation.proofs import MOVED_SINCE, overtaken
from firestation.quorum import still_missing
from firestation.record import EDITION
from firestation.recurrence import broken, heavier, owed
from firestation.severity import Proposal, Severity
from firestation.state import Phase
from firestation.translated import DONE
from firestation.verdicts import _lock as judged
from firestation.wall import WallBreak, WallLock, names
from tests.property.worlds import PEOPLE, World, artifact, move_forward, proof_of, runbook, wall_lock

PROCESS = LockPlan(title="Two people sign a policy", kind="process")
DAY = timedelta(days=1)


def after_action(**changes: Any) -> World:
    """A world whose fire is out and whose lock is still to be made."""
    world = World(**changes)
    for _ in range(60):
        if world.incident.phase is Phase.AFTER_ACTION:
            return world
        move_forward(world)
    raise AssertionError(world.incident.phase)


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["waive", "attest", "second", "wait", "close"]),
        st.sampled_from((*PEOPLE, "stranger")),
        st.integers(-1, 3),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(words=WORDS, process=st.booleans())
def test_no_close_without_two_people_or_a_proof(words: list[tuple[str, str, int]], process: bool) -> None:
    """Kept beside the rules, naively: the last word of each kind, whose it is, and who stands for it."""
    world = after_action(**({"lock": PROCESS} if process else {}))
    stands: dict[str, tuple[str, Any, str | None]] = {}
    for kind, by, days in words:
        until = world.now + days * DAY
        match kind:
            case "wait":
                world.wait(DAY)
            case "waive":
                if world.attempt(acts.Waive(by=by, what="lock", reason="later", until=until)) is None:
                    assert days > 0
                    stands.pop("waive", None)
                    stands["waive"] = (by, until, None)
            case "attest":
                act = acts.Attest(by=by, change="two sign", reference="4.2", verify_by=until)
                if world.attempt(act) is None:
                    assert process
                    assert days > 0
                    stands.pop("attest", None)
                    stands["attest"] = (by, until, None)
            case "second":
                if world.attempt(acts.Second(by=by, reason="it is so")) is None:
                    open_ = [name for name, (_, _, second) in stands.items() if second is None]
                    name = picked(world, open_)
                    first, good, _ = stands[name]
                    assert by != first
                    assert by in {"ana", "ben"}
                    stands[name] = (first, good, by)
            case _:
                if world.attempt(acts.Close(by=by)) is None:
                    assert any(second and good > world.now for _, good, second in stands.values())
                    return


def picked(world: World, open_: list[str]) -> str:
    """Which of the words that waited was seconded."""
    said, waiver = world.incident.attestation, world.incident.lock_waiver
    now = {
        "attest": said.seconded_by if said else None,
        "waive": waiver.seconded_by if waiver else None,
    }
    (name,) = [each for each in open_ if now[each]]
    return name


def waived(world: World, by: str = "ana") -> None:
    until = world.now + 30 * DAY
    assert world.attempt(acts.Waive(by=by, what="lock", reason="needs a new eval", until=until)) is None


@pytest.mark.parametrize("by", [*PEOPLE, "stranger"])
def test_who_may_stand_for_a_waiver(by: str) -> None:
    world = after_action()
    waived(world)
    refusal = world.attempt(acts.Second(by=by, reason="it is so"))
    assert (refusal is None) == (by == "ben")
    if refusal and by != "stranger":
        assert (refusal.rule, "who could: ben" in refusal.missing) == (9, True)
    assert (world.attempt(acts.Close(by="ana")) is None) == (by == "ben")


def test_a_waiver_that_is_replaced_needs_a_new_second() -> None:
    world = after_action()
    waived(world)
    seen = picture(world.incident, tuple(world.record)).second
    assert seen
    assert world.attempt(acts.Second(by="ben", reason="it is so")) is None
    waived(world)
    refusal = world.attempt(acts.Close(by="ana"))
    assert refusal
    assert (refusal.rule, "a second person" in refusal.missing) == (9, True)
    late = world.attempt(acts.Second(by="ben", reason="it is so", word="f" * 64))
    assert late
    assert (late.rule, "was replaced meanwhile" in late.missing) == (9, True)
    assert world.attempt(acts.Second(by="ben", reason="it is so")) is None
    assert world.attempt(acts.Close(by="ana")) is None


def test_a_waiver_that_has_ended_closes_nothing() -> None:
    world = after_action()
    waived(world)
    assert world.attempt(acts.Second(by="ben", reason="it is so")) is None
    world.wait(31 * DAY)
    captain = world.incident.captain or "ana"
    world.attempt(acts.Acknowledge(by=captain))
    refusal = world.attempt(acts.Close(by=captain))
    assert refusal
    assert (refusal.rule, "was good until" in refusal.missing) == (9, True)


def test_who_is_missing_is_told_everywhere() -> None:
    world = after_action()
    waived(world)
    act = acts.Waive(by="ana", what="lock", reason="x", until=world.now + DAY)
    assert "a second person for the waiver of the lock" in (still_missing(world.incident, act) or "")
    seen = picture(world.incident, tuple(world.record))
    assert [(each.who, each.command) for each in seen.waiting if "second person" in each.what] == [
        ("ben", f"firestation second {seen.incident} --reason '...'")
    ]
    assert any("second person" in line for line in briefing(seen).waits)
    told = [
        each.message for each in world.incident.outbox if "waits for a second person" in each.message.title
    ]
    assert {each.to for each in told} == {"ben@example.org"}


def test_incidents_of_before_close_as_they_began() -> None:
    world = after_action(edition=3)
    waived(world)
    assert world.attempt(acts.Close(by="ana")) is None
    assert owed(world.incident) == ()


def test_a_process_is_attested_by_two_and_run_by_no_machine() -> None:
    world = after_action(lock=PROCESS)
    wanted = [world.incident.lock_wanted]
    world.draft()
    wanted.append(world.incident.lock_wanted)
    assert wanted == [True, False]
    refusal = world.attempt(acts.Prove(by="ana"))
    assert refusal
    assert "no machine runs" in refusal.missing
    for _ in range(5):
        move_forward(world)
    assert world.incident.ended == "closed"
    (lock,) = owed(world.incident)
    assert isinstance(lock, WallLock)
    assert (lock.how, lock.lock, lock.by) == ("attested", "process", ("ana", "ben"))


RUNS = st.lists(
    st.builds(
        Run,
        against=st.sampled_from(["frozen", "live", "control"]),
        outcome=st.sampled_from(["failed", "passed", "error"]),
        detail=st.just("ran"),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(runs=RUNS, kind=st.sampled_from(["eval", "guardrail"]))
def test_a_guardrail_is_proved_only_when_the_harmless_still_passes(runs: list[Run], kind: Any) -> None:
    proof = LockProof(
        lock=artifact("lock"),
        evidence="a" * 64,
        report=artifact("report"),
        runs=tuple(runs),
        at=wall_lock().at,
        kind=kind,
    )
    wanted = {"frozen": "failed", "live": "passed"} | ({"control": "passed"} if kind == "guardrail" else {})
    seen = {each.against for each in runs}
    assert proof.proved == (
        seen == set(wanted) and all(each.outcome == wanted[each.against] for each in runs)
    )


# What comes back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("severity", "many"), [*product(Severity, range(3))])
def test_a_broken_lock_weighs_one_step_heavier_and_never_less(severity: Severity, many: int) -> None:
    locks = tuple(wall_lock(incident=f"refund-agent-{number}") for number in range(many))
    before = Proposal(severity=severity, reasons=("harm 1: annoyance",))
    after = heavier(before, locks)
    assert not before.severity.graver_than(after.severity)
    steps = list(Severity)
    assert steps.index(before.severity) - steps.index(after.severity) == (
        1 if many and severity is not Severity.SEV1 else 0
    )
    assert after.reasons[:1] == before.reasons
    assert len(after.reasons) == 1 + bool(many)


HOW = st.sampled_from(["proved", "attested", "waived"])
STRANGE = st.fixed_dictionaries(
    {
        "how": HOW,
        "system": st.sampled_from(["refund-agent", "search"]),
        "pattern": st.sampled_from(["reranker-regression", "cost-runaway"]),
        "incident": st.sampled_from(["refund-agent-1a2b3c4d", "refund-agent-5e6f7a8b"]),
        "own_run": st.booleans(),
    }
)


@settings(deadline=None)
@given(found=st.lists(STRANGE, max_size=4), grades=st.integers(0, 3))
def test_only_a_lock_of_this_system_and_class_and_of_another_incident_is_broken(
    found: list[dict[str, Any]], grades: int
) -> None:
    world = World()
    locks = []
    for each in found:
        own = each.pop("own_run")
        mark = world.incident.run if own else "0198b7d2-0000-7000-8000-000000000009"
        locks.append(wall_lock(**each, mark=mark, until=world.now + DAY, by=("ana", "ben")))
    world.attempt(acts.Assess(by="ana", harm=grades, spread=grades, reason="seen"))
    before = world.incident.proposal.severity
    world.recall(*locks)
    expected = [
        lock
        for lock in locks
        if lock.how != "waived"
        and (lock.system, lock.pattern) == ("refund-agent", "reranker-regression")
        and lock.ours != (world.incident.id, world.incident.run)
    ]
    assert list(broken(world.incident)) == expected
    assert not before.graver_than(world.incident.proposal.severity)
    assert fold(tuple(world.record)) == world.incident


def test_a_broken_lock_is_told_on_every_page() -> None:
    world = World(severity=runbook().severity.changed(harm=1, spread=1))
    before = world.incident.weight
    world.recall(wall_lock())
    line = "lock broken: A refund after the window is denied, proved 2026-10-24 after refund-agent-5e6f7a8b"
    seen = picture(world.incident, tuple(world.record))
    assert seen.recalled == (line,)
    assert line in seen.timeline[-1].text
    assert any(line in each for each in briefing(seen).happened)
    assert line in page_text(world.incident, 2)
    assert any(line in reason for reason in world.incident.proposal.reasons)
    assert world.incident.weight.graver_than(before)
    assert any(line in each.message.title for each in world.incident.outbox)
    # The captain still declares, and an assessment does not make it forget.
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Assess(by="ana", harm=1, reason="as it was"))
    assert any(line in reason for reason in world.incident.proposal.reasons)
    assert world.attempt(acts.Declare(by="ana", severity=Severity.SEV4, reason="I know it")) is None
    assert world.incident.weight is Severity.SEV4


def test_deadlines_follow_the_heavier_weight() -> None:
    world = World(
        severity=runbook().severity.changed(harm=1, spread=1, reversibility=1),
        cadence_at={Severity.SEV2: timedelta(minutes=3), Severity.SEV3: timedelta(minutes=50)},
    )
    assert (world.incident.weight, world.incident.cadence) == (Severity.SEV3, timedelta(minutes=50))
    world.recall(wall_lock())
    assert (world.incident.weight, world.incident.cadence) == (Severity.SEV2, timedelta(minutes=3))


def test_a_recall_cannot_move_a_lever_by_itself() -> None:
    """A word written for a graver severity is not brought into force by the wall; one for a milder is taken away."""
    step = runbook().firebreaks[0]
    mild = runbook().severity.changed(harm=1, spread=1, reversibility=1)
    for words in ((Severity.SEV2,), (Severity.SEV3,)):
        world = World(severity=mild, firebreaks=(step.changed(preauthorized=words),))
        world.recall(wall_lock())
        world.baseline()
        world.seal()
        (firebreak,) = world.incident.firebreaks
        assert firebreak.authority is None


def test_a_lock_that_was_waived_is_told_and_weighs_nothing() -> None:
    world = World()
    before = world.incident.proposal
    world.recall(wall_lock(how="waived", until=world.now + DAY, by=("ana", "ben")))
    (line,) = picture(world.incident, ()).recalled
    assert "was waived until 2026-11-24, by ana and ben, after refund-agent-5e6f7a8b" in line
    assert world.incident.proposal == before


def test_another_class_is_asked_for_anew() -> None:
    other = runbook(runbook="other", title="Another page", pattern="cost-runaway")
    world = World()
    world.incident = world.incident.changed(brief=world.incident.brief.changed(alternatives=(other,)))
    world.recall(wall_lock())
    heavy = world.incident.proposal
    world.attempt(acts.Acknowledge(by="ana"))
    assert world.attempt(acts.Switch(by="ana", to="other", reason="it is the cost")) is None
    assert (broken(world.incident), len(world.incident.proposal.reasons)) == ((), len(heavy.reasons) - 1)
    world.recall(wall_lock(pattern="cost-runaway"))
    assert len(broken(world.incident)) == 1


def test_what_broke_hangs_once_it_is_a_fire_and_is_taken_back_when_it_was_none() -> None:
    world = World()
    world.recall(wall_lock())
    assert owed(world.incident) == ()
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Declare(by="ana", severity=Severity.SEV2, reason="again"))
    (entry,) = owed(world.incident)
    assert isinstance(entry, WallBreak)
    assert (entry.of, entry.holds) == ("refund-agent-5e6f7a8b", True)
    world.hang()
    assert owed(world.incident) == ()
    world.attempt(acts.Stop(by="ana", reason="no fire"))
    for lever in ("tool", "reranker"):
        while world.work(lever):
            pass
    assert world.attempt(acts.Dismiss(by="ana", reason="a load test")) is None
    (back,) = owed(world.incident)
    assert isinstance(back, WallBreak)
    assert (back.holds, names(back)[0] == names(entry)[0]) == (False, False)


def test_a_wall_that_does_not_answer_is_told() -> None:
    world = World()
    world.recall(trouble="the store is away")
    seen = picture(world.incident, tuple(world.record))
    assert any("the wall of locks to answer (the store is away)" in each.what for each in seen.waiting)
    assert any("whether a lock broke" in each for each in briefing(seen).unknown)
    assert isinstance(world.record[-1], record.NotRecalled)
    world.recall()
    assert world.incident.recall_trouble is None


def test_everybody_on_the_roster_has_the_roles_that_these_tests_take_for_granted() -> None:
    roles = {each.id: set(each.roles) for each in World().incident.brief.roster.people}
    assert {name for name, held in roles.items() if held & {Role.CAPTAIN, Role.APPROVER}} == {"ana", "ben"}


def test_another_runbook_demands_its_own_lock() -> None:
    """What was proved or attested for the runbook before it does not close this one."""
    world = World()
    brief = world.incident.brief
    other = brief.alternatives[0]
    for lock in (other.lock.changed(title="Another lock"), PROCESS):
        world = after_action()
        world.lock()
        brief = world.incident.brief.changed(alternatives=(other.changed(lock=lock),))
        world.incident = world.incident.changed(brief=brief)
        assert world.attempt(acts.Switch(by="ana", to="other", reason="it is the other class")) is None
        assert world.incident.lock_wanted
        for _ in range(60):
            if world.incident.phase is Phase.AFTER_ACTION:
                break
            move_forward(world)
        refusal = world.attempt(acts.Close(by="ana"))
        assert refusal
        assert refusal.rule == 9


# A proof of what was demanded ---------------------------------------------------------------------------------

JUDGE = Judge(
    rubric="It is polite.",
    url="https://judge.example.org/judge",
    passes=(Expectation(path="$.verdict", op="equals", value="polite"),),
    repetitions=20,
)
CONTROL = Control(input="hello", expect=(Expectation(path="$.verdict", op="equals", value="passed"),))


def plan(guards: bool, judge: Judge | None, runs: int) -> LockPlan:
    """A plan of any kind that a machine proves."""
    eval_ = LockPlan(title="It is denied", check="golden", source="traces", runs=runs, judge=judge)
    return eval_.changed(kind="guardrail", input="$.text", control=CONTROL) if guards else eval_


PLANS = st.builds(
    plan,
    st.booleans(),
    st.sampled_from([None, JUDGE, JUDGE.changed(repetitions=30, confidence=0.9)]),
    st.integers(1, 4),
)


def closes(world: World) -> bool:
    """Whether the captain may close it with the lock that there is, and everybody tells so."""
    refusal = world.attempt(acts.Close(by=world.incident.captain or "ana"))
    assert refusal is None or refusal.rule == 9, refusal
    closed = refusal is None
    seen = picture(world.incident, tuple(world.record))
    assert seen.lock_proved is closed
    tried = [each.text for each in seen.timeline if each.kind == "lock-tried"]
    assert tried[-1].startswith("lock proved") is closed
    assert handed(world.incident).lock_proved is closed
    assert any("The lock is proved." in each for each in went_well(world.incident, trail(world))) is closed
    assert any("not proved" in each for each in went_badly(world.incident, trail(world))) is not closed
    assert [each.how for each in owed(world.incident) if isinstance(each, WallLock)] == ["proved"] * closed
    assert judged(world.incident) == ("proved" if closed else "missing")
    return closed


def trail(world: World) -> Trail:
    return Trail(tuple(world.record))


@settings(deadline=None, max_examples=25)
@given(other=PLANS, demanded=PLANS)
def test_only_a_proof_of_what_the_plan_demands_closes(other: LockPlan, demanded: LockPlan) -> None:
    """The runs of one plan, all as they should be, are put before an incident that is pinned to another."""
    world = after_action(lock=demanded)
    proof = proof_of(other, world.now)
    assert proof.proved
    world.lock(**{name: getattr(proof, name) for name in ("runs", "kind", "confidence")})

    def sides(each: LockPlan) -> tuple[int, int, int]:
        return each.frozen_runs, each.live_runs, each.live_runs if each.kind == "guardrail" else 0

    def sure(each: LockPlan) -> tuple[float, float] | None:
        return (each.judge.confidence, each.judge.at_least) if each.judge else None

    enough = all(made >= wanted for made, wanted in zip(sides(other), sides(demanded), strict=True))
    wanted = enough and other.kind == demanded.kind and sure(other) == sure(demanded)
    assert closes(world) == wanted


@pytest.mark.parametrize(
    ("edition", "says"),
    [(3, None), (EDITION, "1 of 3 runs on the live system")],
)
def test_too_few_runs_prove_nothing_any_more(edition: int, says: str | None) -> None:
    world = after_action(edition=edition)
    frozen, live, *_ = proof_of(world.incident.brief.runbook.lock, world.now).runs
    world.lock(runs=(frozen, live))
    refusal = world.attempt(acts.Close(by="ana"))
    assert (refusal is None) == (says is None)
    if refusal and says:
        assert (refusal.rule, says in refusal.missing) == (9, True)
        seen = picture(world.incident, tuple(world.record))
        assert any(says in each.what for each in seen.waiting)


def test_a_machine_proves_no_process() -> None:
    proof = proof_of(LockPlan(title="x", check="golden", source="traces"), wall_lock().at)
    assert "two people attest it" in (PROCESS.lacks(proof.changed(kind="process")) or "")


def test_a_judge_that_asks_less_than_the_plan_proves_nothing() -> None:
    world = after_action(lock=LockPlan(title="x", check="golden", source="traces", judge=JUDGE))
    proof = proof_of(world.incident.brief.runbook.lock, world.now)
    assert proof.confidence
    world.lock(confidence=proof.confidence.changed(wanted=0.1))
    assert not closes(world)
    assert "a share of 10%" in world.refusals[-1].missing


# A proof of the system as it is -------------------------------------------------------------------------------


def moved_again(world: World) -> None:
    """The captain moves a lever once more and puts it back, and the recovery is measured anew."""
    assert world.attempt(acts.Propose(by="ana", step="stop-refunds")) is None
    before = world.incident.restored_at
    for _ in range(30):
        if world.incident.phase is Phase.AFTER_ACTION and world.incident.restored_at != before:
            return
        if world.incident.pending or not world.work("tool"):
            move_forward(world)
    raise AssertionError(world.incident.phase)


@pytest.mark.parametrize("edition", [3, EDITION])
def test_a_lever_that_moves_after_the_proof_makes_it_void(edition: int) -> None:
    world = after_action(edition=edition)
    world.lock()
    assert picture(world.incident, tuple(world.record)).lock_proved
    before = world.incident.changes
    moved_again(world)
    assert world.incident.changes > before
    if edition < EDITION:
        assert not world.incident.lock_wanted
        assert world.attempt(acts.Close(by="ana")) is None
        return
    assert world.incident.lock_wanted, "the engine tries it again"
    refusal = world.attempt(acts.Close(by="ana"))
    assert refusal
    assert (refusal.rule, MOVED_SINCE in refusal.missing) == (9, True)
    assert not picture(world.incident, tuple(world.record)).lock_proved
    assert not handed(world.incident).lock_proved
    assert judged(world.incident) == "missing"
    assert any(MOVED_SINCE in each for each in told_of_lock(world.incident, trail(world)))
    world.lock()
    assert closes(world)


@pytest.mark.parametrize("edition", [3, EDITION])
def test_what_a_moving_lever_has_overtaken_proves_nothing_live_or_in_the_audit(edition: int) -> None:
    """Its runs began before the lever moved, and its answer came after the next soak."""
    world = after_action(edition=edition)
    plan, check = world.incident.brief.runbook.lock, world.incident.brief.system.check("golden")
    assert check
    order = LockOrder(
        incident=world.incident.id, plan=plan, check=check, evidence=(), changes=world.incident.changes
    )

    def answered() -> bool:
        answer = proof_of(plan, world.now).model_dump(mode="json")
        step = Step(1, world.now, "done", "prove_lock", order.model_dump(mode="json"), answer)
        believed = DONE["prove_lock"](step, world.incident) is not None
        assert believed is not overtaken(world.incident, order)
        return believed

    assert answered()
    moved_again(world)
    assert answered() is (edition < EDITION)
