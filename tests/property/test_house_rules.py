"""No sequence of acts, faults and waits reaches a state that breaks a rule of the house."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from firestation import record
from firestation.due import next_wake
from firestation.errors import Refused
from firestation.firebreak import ENDED, HOLDING, Lease
from firestation.fold import fold, follow
from firestation.lock_plan import LockPlan
from firestation.picture import picture
from firestation.postmortem import draft
from firestation.record import Record
from firestation.recurrence import owed
from firestation.severity import propose
from firestation.state import ENDS, Incident, Phase
from firestation.timeline import moments, tell
from tests.property.worlds import GRAVER, World, alarm, more_at_sev1, move_forward, proof_of, tries, wall_lock

ARROWS = {
    Phase.OPEN: {Phase.DECLARED, Phase.CONTAINED, Phase.RECOVERING},
    Phase.DECLARED: {Phase.CONTAINED, Phase.RECOVERING},
    Phase.CONTAINED: {Phase.RECOVERING},
    Phase.RECOVERING: {Phase.CONTAINED, Phase.DECLARED, Phase.RESTORED, Phase.AFTER_ACTION},
    Phase.RESTORED: {Phase.CONTAINED, Phase.RECOVERING, Phase.AFTER_ACTION, Phase.DECLARED},
    Phase.AFTER_ACTION: {Phase.CLOSED, Phase.CONTAINED, Phase.DECLARED, Phase.RECOVERING, Phase.RESTORED},
}
FAULTS = ["none", "dead", "lost", "stolen", "taken", "liar", "no effect"]


class House(RuleBasedStateMachine):
    """People try anything, the outside world does its worst, and the rules hold."""

    @initialize(graver=st.booleans(), process=st.booleans())
    def open(self, graver: bool, process: bool) -> None:
        plan = LockPlan(title="Two people sign a policy", kind="process")
        lock: dict[str, Any] = {"lock": plan} if process else {}
        self.world = World(people=more_at_sev1(), **GRAVER, **lock) if graver else World(**lock)

    @rule(data=st.data())
    def somebody_tries_something(self, data: Any) -> None:
        refusal = self.world.attempt(data.draw(tries(self.world)))
        if refusal:
            assert refusal.missing
            assert refusal.title

    @rule(steps=st.integers(1, 6))
    def the_house_does_what_is_waited_for(self, steps: int) -> None:
        for _ in range(steps):
            move_forward(self.world)

    @precondition(lambda self: not self.world.incident.ended)
    @rule(key=st.sampled_from(["k1", "k2"]), status=st.sampled_from(["firing", "resolved"]))
    def an_alarm_rings(self, key: str, status: str) -> None:
        self.world.happen(record.Rang(at=self.world.now, alarm=alarm(key, status)))

    @rule(minutes=st.integers(1, 200))
    def time_passes(self, minutes: int) -> None:
        self.world.wait(timedelta(minutes=minutes))

    @precondition(lambda self: not self.world.incident.ended)
    @rule(verdict=st.sampled_from(["passed", "failed", "inconclusive"]))
    def the_baseline_is_measured(self, verdict: str) -> None:
        self.world.baseline(verdict)

    @rule(without=st.sampled_from([(), ("tool",), ("tool", "reranker")]))
    def the_manifest_is_sealed(self, without: tuple[str, ...]) -> None:
        self.world.seal(without=without)

    @rule(
        lever=st.sampled_from(["tool", "reranker"]),
        fault=st.sampled_from(FAULTS),
    )
    def the_engine_works(self, lever: str, fault: str) -> None:
        self.world.work(lever, fault)

    @rule(held=st.booleans())
    def the_checks_soak(self, held: bool) -> None:
        with suppress(Refused):  # rule 8 refuses a soak that cannot show a recovery
            self.world.soak(held=held)

    @rule(proved=st.booleans(), short=st.booleans())
    def the_lock_is_run(self, proved: bool, short: bool) -> None:
        whole = proof_of(self.world.incident.brief.runbook.lock, self.world.now, proved=proved).runs
        self.world.lock(proved=proved, runs=whole[:2] if short else whole)

    @rule(how=st.lists(st.sampled_from(["proved", "attested", "waived"]), max_size=2))
    def the_wall_answers(self, how: list[str]) -> None:
        before = self.world.incident.proposal.severity
        until = self.world.now + timedelta(days=9)
        locks = (
            wall_lock(how=each, incident=f"refund-agent-{number}", until=until, by=("ana", "ben"))
            for number, each in enumerate(how)
        )
        self.world.recall(*locks)
        axes = propose(self.world.incident.brief.runbook.severity, self.world.incident.assessed).severity
        assert not axes.graver_than(self.world.incident.proposal.severity), "milder through a recall"
        assert set(how) <= {"waived"} or not before.graver_than(self.world.incident.proposal.severity)

    @rule()
    def the_wall_does_not_answer(self) -> None:
        self.world.recall(trouble="the store is away")

    @rule()
    def what_is_owed_to_the_wall_is_hung(self) -> None:
        self.world.hang()
        assert not owed(self.world.incident)

    @rule()
    def the_postmortem_is_drafted(self) -> None:
        self.world.draft()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        incident, events = self.world.incident, tuple(self.world.record)
        check_the_rules_afresh(self.world)
        assert walked(events) == incident, "the state is the fold of the record"
        assert picture(incident, events).model_dump_json()
        assert draft(incident, events)
        assert all(tell(event) for event in events)
        assert len(moments(events)) == len(events)


def walked(events: Record) -> Incident:
    """The fold, step by step: no event takes the incident along a road that is not drawn."""
    state = fold(events[:1])
    for event in events[1:]:
        after = follow(state, event)
        assert after.phase == state.phase or after.phase in ARROWS[state.phase] | ENDS, (state.phase, event)
        state = after
    return state


def check_the_rules_afresh(world: World) -> None:
    """The rules, stated a second time and naively, over the whole record. This does not call `rules.py`."""
    incident = world.incident
    events: list[Any] = list(world.record)
    sealed = [each for each in events if isinstance(each, record.SealedUp)]
    waived = [i for i, each in enumerate(events) if acted(each, "waive") and each.act.what == "snapshot"]
    captain = None
    approvals: dict[str, set[str]] = {}
    keys: set[str] = set()
    for index, event in enumerate(events):
        if acted(event, "acknowledge") and event.act.role == "captain":
            assert captain is None, "rule 2: a second captain"
            captain = event.act.by
        if acted(event, "accept"):
            captain = event.act.by
        if isinstance(event, record.Relieved):
            captain = None
        if acted(event, "approve"):
            assert event.act.by in {captain, "ana", "ben"}, "rule 3: a stranger approved"
            approvals.setdefault(event.act.action, set()).add(event.act.by)
        if isinstance(event, record.Ordered) and event.order.purpose == "move":
            action = event.order.action
            assert any(events.index(s) < index for s in sealed) or any(w < index for w in waived), "rule 1"
            firebreak = incident.firebreak(action.sha256())
            assert firebreak is not None
            step = firebreak.step
            enough = len(approvals.get(action.sha256(), ())) >= step.approvals
            assert enough or (event.order.authority == "preauthorized" and step.preauthorized), "rule 3"
            assert event.order.to == action.to, "rule 4"
        if isinstance(event, record.Ordered):
            assert event.order.key not in keys, "rule 10"
            keys.add(event.order.key)
        if acted(event, "close"):
            assert whole_proof(events[:index]) or two_people(events[: index + 1]), "rule 9"
            assert any(isinstance(e, record.Soaked) and e.report.held for e in events), "rule 8"
    if incident.ended:
        states = {each.state for each in incident.firebreaks}
        assert states <= ENDED | {Lease.PROPOSED, Lease.AUTHORIZED}, "rule 6: a firebreak was left behind"
        assert not states & HOLDING


def whole_proof(events: list[Any]) -> bool:
    """Whether the last try of the lock failed on what was frozen, and passed three times on what is live, and is."""
    tries = [each for each in events if isinstance(each, record.LockTried)]
    if not tries:
        return False
    moved = [each for each in events[events.index(tries[-1]) :] if isinstance(each, record.Moved)]
    if any(each.order.purpose == "lift" or each.outcome.result != "drifted" for each in moved):
        return False
    said = [(run.against, run.outcome) for run in tries[-1].proof.runs]
    return said == [("frozen", "failed"), *[("live", "passed")] * 3]


def two_people(events: list[Any]) -> bool:
    """Whether the last waiver of the lock, or the last attestation, is of one person and seconded by another."""
    words: dict[str, tuple[Any, str | None]] = {}
    for event in events:
        if acted(event, "waive") and event.act.what == "lock":
            words["waive"] = (event, None)
        if acted(event, "attest"):
            words["attest"] = (event, None)
        if acted(event, "second"):
            kind = max(
                (each for each in words if words[each][1] is None),
                key=lambda each: (words[each][0].at, each == "waive"),
            )
            words[kind] = (words[kind][0], event.act.by)
    now = events[-1].at
    return any(
        second in {"ana", "ben", "eve"} and second != word.act.by and (until_of(word.act) > now)
        for word, second in words.values()
    )


def until_of(act: Any) -> Any:
    return act.until if act.kind == "waive" else act.verify_by


def acted(event: Any, kind: str) -> bool:
    return isinstance(event, record.Acted) and event.act.kind == kind


House.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestHouse = House.TestCase


def test_the_clock_always_moves_on() -> None:
    """The next wake is never in the past once everything due has happened, so the engine cannot spin."""
    world = World()
    for _ in range(40):
        world.wait(timedelta(minutes=7))
        assert next_wake(world.incident) > world.now
