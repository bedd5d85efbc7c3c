"""Two fires and one lever, searched closely: the hours in which the first lets go of what the second wants.

The wide search (`TwoFires` in test_lease.py) comes here seldom: the second must have read a lever while the first held
it, and somebody must decide on it, and the lever must fail, after the first has let go.
"""

from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from firestation import acts, record
from firestation.incident import next_job
from firestation.steps import Absence
from tests.property.test_lease import OneTown, approve, take, two_fires, working
from tests.property.worlds import World

FAULTS = ["none", "dead", "lost", "no effect"]
LEVERS = {"stop-refunds": "tool", "reranker-on": "reranker"}


def heard(world: World) -> str:
    """The captain; ana takes it again where she was relieved."""
    if world.incident.captain is None:
        world.attempt(acts.Acknowledge(by="ana"))
    return world.incident.captain or "ana"


class LettingGo(OneTown):
    """The first holds both levers when the second breaks out, and reads them where the first has moved them."""

    @initialize(
        at_expiry=st.sampled_from(["lift", "keep", "escalate"]),
        group=st.sampled_from([None, None, "together"]),
        if_ineffective=st.sampled_from(["hold", "put-back"]),
        lead=st.sampled_from([0, 10, 60, 110]),
        over=st.booleans(),
    )
    def open(self, at_expiry: str, group: str | None, if_ineffective: str, lead: int, over: bool) -> None:
        absence = Absence(undecided="keep")
        self.worlds = two_fires(
            group=group, if_ineffective=if_ineffective, absence=absence, at_expiry=at_expiry
        )
        first, second = self.worlds
        working(take(first))
        approve(first, "reranker-on")
        working(first)
        self.time_passes(lead)
        take(second)
        if over:
            self.the_first_stops_everything(at_once=True)

    @rule(which=st.integers(0, 1), fault=st.sampled_from(["not yet", *FAULTS]))
    def the_captain_approves(self, which: int, fault: str) -> None:
        world = self.worlds[which]
        heard(world)
        for firebreak in world.incident.pending:
            approve(world, firebreak.action.step)
        for lever in LEVERS.values() if fault != "not yet" else ():
            world.work(lever, fault)

    @rule(which=st.integers(0, 1), step=st.sampled_from(sorted(LEVERS)), fault=st.sampled_from(FAULTS))
    def the_captain_asks_again(self, which: int, step: str, fault: str) -> None:
        """What is told then of where the lever stands is true."""
        world, lever, seen = self.worlds[which], LEVERS[step], len(self.worlds[which].record)
        world.attempt(acts.Propose(by=heard(world), step=step))
        if (next_job(world.incident, lever) or ("",))[0] == "read":
            world.work(lever, fault)
        for event in world.record[seen:]:
            if isinstance(event, record.Skipped) and event.step == step and "already" in event.reason:
                assert event.reason == f"{lever} stands at {world.levers[lever]} already"
            if isinstance(event, record.Proposed) and event.action.step == step:
                assert event.action.origin.value == world.levers[lever], "the plan shows where it stands"

    @rule(which=st.integers(0, 1))
    def the_house_works(self, which: int) -> None:
        working(self.worlds[which])

    @rule(which=st.integers(0, 1), lever=st.sampled_from(["tool", "reranker"]), fault=st.sampled_from(FAULTS))
    def the_engine_works(self, which: int, lever: str, fault: str) -> None:
        self.worlds[which].work(lever, fault)

    @rule(
        which=st.integers(0, 1),
        act=st.sampled_from([acts.Lift, acts.Adopt, acts.Extend]),
        pick=st.integers(0, 1),
        at_once=st.booleans(),
    )
    def a_firebreak_is_ended(
        self, which: int, act: type[acts.Lift | acts.Adopt | acts.Extend], pick: int, at_once: bool
    ) -> None:
        world = self.worlds[which]
        by, holding = heard(world), world.incident.holding
        if holding:
            world.attempt(act(by=by, action=holding[pick % len(holding)].digest, reason="it is over"))
        if at_once:
            working(world)

    @precondition(lambda self: not self.worlds[0].incident.stopped_by)
    @rule(at_once=st.booleans())
    def the_first_stops_everything(self, at_once: bool) -> None:
        self.worlds[0].attempt(acts.Stop(by=heard(self.worlds[0]), reason="it was no fire"))
        if at_once:
            working(self.worlds[0])

    @rule(minutes=st.sampled_from([1, 10, 60, 120]))
    def time_passes(self, minutes: int) -> None:
        for world in self.worlds:
            world.wait(timedelta(minutes=minutes))


LettingGo.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLettingGo = LettingGo.TestCase
