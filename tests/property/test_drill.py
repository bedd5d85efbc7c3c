"""A drill is marked wherever it is told of, reaches nobody outside, and is scored by its record alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from pydantic import ValidationError

from firestation import acts
from firestation.aftermath import is_left, unopened
from firestation.audit import recomputed
from firestation.authority import Bell, Member, Role, Station
from firestation.drill import DrillMark
from firestation.drill_report import DrillResult, Readiness, by_system, drilled_steps, readiness
from firestation.drill_score import score
from firestation.errors import InvalidInput, NotConfigured, Refused
from firestation.firebreak import Lease
from firestation.loader import load_runbook
from firestation.opening import drill_opened
from firestation.picture import picture
from firestation.postmortem import draft
from firestation.public_page.part import public_part
from firestation.record import Brief, Probed, Soaked
from firestation.recurrence import owed, recall_is_owed
from firestation.rehearsal import RehearsalFitting, RehearsedAlarm
from firestation.runbook import Runbook
from tests.property.recorded import Recorded
from tests.property.test_agreement import walk
from tests.property.test_house_rules import House
from tests.property.worlds import (
    DRILL,
    GRAVER,
    START,
    World,
    brief,
    more_at_sev1,
    move_forward,
    runbook,
    system,
)

SPANS = st.integers(0, 40).map(lambda minutes: timedelta(minutes=minutes))
PLAN = RehearsalFitting(
    id="stale-policy",
    title="The reranker is off",
    driver="memory",
    alarm=RehearsedAlarm(name="RefundGoldenEvalFailing", summary="a case fails", request_ids=("{drill}-1",)),
)
STATION = Station(
    station="demo",
    people=tuple(
        Member(id=name, name=name, roles=roles, address=f"{name}@example.org")
        for name, roles in (
            ("ana", (Role.CAPTAIN,)),
            ("ben", (Role.CAPTAIN,)),
            ("cara", (Role.COMMS,)),
            ("dan", (Role.CAPTAIN,)),
        )
    ),
    escalation=("ben", "ana"),
    bells=(Bell(id="bell"),),
)


class DrillHouse(House):
    """People try anything in a drill, and nobody outside hears of it."""

    @initialize(graver=st.booleans(), process=st.booleans())
    def open(self, graver: bool, process: bool) -> None:
        del process
        self.world = World(people=more_at_sev1(), drill=True, **GRAVER) if graver else World(drill=True)

    @invariant()
    def nobody_outside_hears_of_it(self) -> None:
        incident = self.world.incident
        people = {each.address for each in incident.brief.roster.people}
        assert people == {"ana@example.org", "ben@example.org"}
        for parcel in incident.outbox:
            assert parcel.message.title.startswith("DRILL")
            assert parcel.message.text.startswith("This is a drill")
            assert parcel.message.to in people | {None}
            assert parcel.channel in {"pager", "room"}
        assert all(word.audience == "internal" for word in incident.words)
        assert (owed(incident), recall_is_owed(incident)) == ((), False)
        assert (unopened(incident), is_left(incident), incident.legal) == ((), False, ())
        assert public_part(incident, len(self.world.record)) is None

    def teardown(self) -> None:
        told = score(tuple(self.world.record))
        for line in told.lines:
            assert (line.took is None) == (line.verdict == "not reached")
            if line.took is not None and line.allowed is not None:
                assert (line.verdict == "late") == (line.took >= line.allowed)
        assert told.sentence()
        assert bool(told.improve()) >= (told.verdict != "in time")


DrillHouse.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestDrillHouse = DrillHouse.TestCase


def ended(waits: list[timedelta]) -> World:
    """A drill that was walked to its end, with these waits on the way."""
    world = World(drill=True)
    for number in range(60):
        if number < len(waits):
            world.wait(waits[number])
        move_forward(world)
        if world.incident.captain and world.incident.scribe is None:
            world.attempt(acts.Acknowledge(by="ben", role=Role.SCRIBE))
        if world.incident.ready_to_soak and not world.incident.restored_at:
            world.wait(timedelta(minutes=6))
    assert world.incident.ended == "closed"
    return world


@settings(max_examples=25, deadline=None)
@given(waits=st.lists(SPANS, max_size=6))
def test_the_score_is_the_clock_of_the_pinned_runbook(waits: list[timedelta]) -> None:
    world = ended(waits)
    told = score(tuple(world.record))
    assert [each.what for each in told.lines][:2] == ["acknowledge", "staff"]
    missed = {deadline.missed for deadline in world.incident.deadlines if deadline.met_at}
    late = [each for each in told.lines[:6] if each.verdict == "late"]
    assert bool(late) == (True in missed)
    assert told.ended == "closed"
    assert {each.lever for each in told.moves} <= {"tool", "reranker"}
    assert told.verdict in {"in time", "late", "not finished"}
    assert (told.verdict == "not finished") == any(each.took is None for each in told.lines)


@pytest.mark.parametrize("seed", range(0, 20, 5))
def test_an_auditor_comes_to_the_same_score(seed: int) -> None:
    world = Recorded(seed, drill=True)
    for _ in walk(world):
        continue
    assert score(tuple(recomputed(world.histories()).record)) == score(tuple(world.record))


def test_wrong_decisions_and_words_that_were_missed_are_counted() -> None:
    world = ended([timedelta(), timedelta(), timedelta(minutes=30), timedelta(hours=2)])
    before = score(tuple(world.record))
    assert before.updates_missed > 0
    assert any("the engine spoke" in each for each in before.improve())
    other = World(drill=True)
    other.attempt(acts.Acknowledge(by="ana"))
    assert other.attempt(acts.Approve(by="ben", action="f" * 64))
    (refused,) = score(tuple(other.record)).refused
    assert (refused.by, refused.act) == ("ben", "approve")
    assert score(tuple(other.record)).verdict == "not finished"


def test_a_recovery_after_which_another_lever_had_to_be_moved_was_none() -> None:
    world = ended([timedelta(minutes=1)] * 12)
    events = tuple(world.record)
    held = next(each for each in events if isinstance(each, Soaked) and each.report.held)
    first, *_, last = (index for index, each in enumerate(events) if isinstance(each, Probed))
    assert first < last < events.index(held)
    early = held.changed(at=events[first].at)
    relapsed = (*events[: first + 1], early, *events[first + 1 :])
    found = (
        next(each for each in score(each).lines if each.what == "restore") for each in (events, relapsed)
    )
    true, told = found
    assert (told, told.took) == (true, held.at - world.incident.opened_at)


def test_what_took_no_time_was_done() -> None:
    told = score(tuple(ended([]).record))
    at_once = tuple(each.changed(took=timedelta(), verdict="in time") for each in told.lines)
    assert "never" not in told.changed(lines=at_once).sentence()
    never = tuple(each.changed(took=None, verdict="not reached") for each in told.lines)
    assert "it never recovered" in told.changed(lines=never).sentence()


def test_the_score_of_a_fire_is_refused() -> None:
    with pytest.raises(ValueError, match="is no drill"):
        score(tuple(World().record))


def test_it_says_drill_wherever_it_is_told_of() -> None:
    world = ended([])
    seen = picture(world.incident, tuple(world.record))
    assert (seen.title, seen.drill) == ("DRILL: Refund agent", DRILL)
    assert "opened for DRILL: Refund agent" in seen.timeline[0].text
    assert "DRILL: Refund agent" in draft(world.incident, tuple(world.record)).splitlines()[0]
    assert all("DRILL" in each.action.scope for each in world.incident.firebreaks)


def test_nothing_of_a_drill_is_said_to_the_public() -> None:
    world = World(drill=True)
    world.attempt(acts.Acknowledge(by="ana"))
    refusal = world.attempt(acts.Update(by="ana", audience="public", known="we are looking"))
    assert refusal
    assert (refusal.rule, "this is a drill" in refusal.missing) == (7, True)
    assert world.attempt(acts.Update(by="ana", audience="internal", known="we are looking")) is None


def test_whoever_ordered_it_calls_it_off_and_does_nothing_else() -> None:
    world = World(drill=True)
    while not any(each.state is Lease.EFFECTIVE for each in world.incident.firebreaks):
        move_forward(world)
    moved = world.incident.holding[0]
    assert world.attempt(acts.Dismiss(by="dan", reason="over")), "what it moved is not back yet"
    assert world.attempt(acts.Adopt(by="dan", action=moved.digest, reason="over"))
    assert world.attempt(acts.Dismiss(by="cara", reason="over")), "nobody else"
    assert world.attempt(acts.Lift(by="dan", action=moved.digest, reason="over")) is None
    while world.work(moved.action.lever):
        continue
    assert world.attempt(acts.Dismiss(by="dan", reason="over")) is None
    assert world.incident.ended == "dismissed"
    fire = World()
    assert fire.attempt(acts.Dismiss(by="dan", reason="over"))


def test_a_drill_and_a_fire_are_never_merged() -> None:
    for drill, into in ((True, "refund-agent-ffffffff"), (False, DRILL.drill)):
        world = World(drill=drill)
        world.attempt(acts.Acknowledge(by="ana"))
        refusal = world.attempt(acts.Merge(by="ana", into=into, reason="the same"))
        assert refusal
        assert "a drill and a fire are never one" in refusal.missing


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"incident": "refund-agent-1a2b3c4d", "clocks": ()}, "both have one name"),
        ({"incident": DRILL.drill, "clocks": ()}, "cara, dan stand on the roster and do not drill"),
    ],
)
def test_a_mark_that_contradicts_what_is_pinned_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Brief(**(dict(brief()) | {"drill": DRILL} | changes))


def opening(**changes: Any) -> Brief:
    mark = DRILL.changed(**changes)
    found = drill_opened(mark, STATION, system().changed(rehearsal=(PLAN,)), (runbook(),))
    assert found.alarm.request_ids == (f"{mark.drill}-1",)
    assert found.alarm.summary == "DRILL: a case fails"
    return found.brief


def test_only_those_who_drill_are_on_the_roster_in_the_usual_order() -> None:
    named = opening(drillers=("ana", "cara"))
    assert [each.id for each in named.roster.people] == ["ana", "cara"]
    assert named.roster.escalation == ("ana",)
    on_call = opening(drillers=())
    assert on_call.drill
    assert (on_call.drill.drillers, on_call.roster.escalation) == (("ben", "ana"), ("ben", "ana"))
    assert (on_call.clocks, on_call.incident) == ((), DRILL.drill)


@pytest.mark.parametrize(
    ("changes", "plan", "error", "says"),
    [
        ({"drillers": ("eve",)}, PLAN, InvalidInput, "there is no eve"),
        ({"drillers": ("cara",)}, PLAN, InvalidInput, "nobody of those who drill may be the captain"),
        ({"kind": "cost-spike"}, PLAN, InvalidInput, "says nowhere how cost-spike is rehearsed"),
        ({}, None, InvalidInput, "Add `rehearsal` to its system file"),
    ],
)
def test_what_cannot_be_drilled_is_refused(
    changes: dict[str, Any], plan: RehearsalFitting | None, error: type[Exception], says: str
) -> None:
    rehearsed = system().changed(rehearsal=(plan,) if plan else ())
    with pytest.raises(error, match=says):
        drill_opened(DRILL.changed(**changes), STATION, rehearsed, (runbook(),))


@pytest.mark.parametrize("orders", ["cara", "eve"])
def test_whoever_ordered_it_must_be_a_captain_when_it_begins(orders: str) -> None:
    """A schedule outlives the role of whoever made it, and their being one of the people at all."""
    with pytest.raises(Refused, match=f"{orders} does not hold the role captain"):
        opening(ordered_by=orders)


def test_a_drill_for_which_there_is_no_runbook_is_refused() -> None:
    general = runbook(pattern="general", match=runbook().match.changed(names=()))
    with pytest.raises(NotConfigured, match="no runbook is for the alarm"):
        drill_opened(DRILL, STATION, system().changed(rehearsal=(PLAN,)), (general,))


def result(world: World, mark: DrillMark = DRILL) -> DrillResult:
    return DrillResult(
        mark=mark,
        system="refund-agent",
        runbook="stale-policy",
        incident_run="r",
        kept_at=START,
        score=score(tuple(world.record)),
    )


DONE = result(ended([]))


def test_a_drill_that_was_held_and_could_not_be_scored_says_so() -> None:
    done = result(ended([]))
    assert done.changed(score=None).told == "not scored"
    assert done.changed(score=None, incident_run=None).told == "not held"


def test_what_was_not_drilled_for_too_long_is_stale_and_so_it_is_in_the_plan() -> None:
    done = result(ended([]))
    protected = {"refund-agent": system().changed(rehearsal=(PLAN,))}
    walls = {"refund-agent": (runbook(), runbook(runbook="other"))}
    age = runbook().stale_after

    def standings(after: timedelta) -> list[str]:
        return [each.standing for each in readiness(protected, walls, (done,), (START + after).date())]

    assert standings(age) == ["ready", "never drilled"]
    assert standings(age + timedelta(days=1)) == ["stale", "never drilled"]
    assert standings(timedelta(days=-1)) == ["never drilled"] * 2, (
        "a clock was wrong, and tomorrow proves nothing"
    )
    assert readiness({"refund-agent": system()}, walls, (done,), START.date()) == (), "it cannot be rehearsed"
    steps = drilled_steps((done,), "refund-agent", (runbook(),), START.date())
    assert steps == dict.fromkeys(("stale-policy/stop-refunds", "stale-policy/reranker-on"), START.date())
    assert drilled_steps((done,), "another", (runbook(),), START.date()) == {}
    assert drilled_steps((done,), "refund-agent", (runbook(),), START.date() - timedelta(days=1)) == {}, (
        "nor does it for a lever"
    )
    unfinished = result(World(drill=True))
    first, other = readiness(protected, walls, (unfinished,), START.date())
    assert first.standing == "never drilled"
    assert {first.kinds, other.kinds} == {(), ("stale-policy",)}, "the alarm of the drill finds one of them"


def stands(today: Runbook, *results: DrillResult, after: timedelta = timedelta()) -> Readiness:
    """How ready the system is by this runbook of today."""
    protected, day = {"refund-agent": system().changed(rehearsal=(PLAN,))}, (START + after).date()
    (found,) = readiness(protected, {"refund-agent": (today,)}, results, day)
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_another_order_and_a_comment_are_no_change_of_a_runbook(tmp_path: Path, data: st.DataObject) -> None:
    def mixed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: mixed(value[name]) for name in data.draw(st.permutations(sorted(value)))}
        return [mixed(each) for each in value] if isinstance(value, list) else value

    file = tmp_path / "runbook.yaml"
    file.write_text(f"# a word\n{yaml.safe_dump(mixed(runbook().model_dump(mode='json')), sort_keys=False)}")
    found = stands(load_runbook(file), DONE)
    assert (found.standing, found.levers) == ("ready", ())


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Another title"},
        {"firebreaks": tuple(each.changed(lever="tool", to="off") for each in runbook().firebreaks)},
        {"recovery": runbook().recovery.changed(soak=timedelta(minutes=6))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_was_drilled_before_the_runbook_was_changed_proves_nothing(changes: dict[str, Any]) -> None:
    today = runbook(**changes)
    found = stands(today, DONE)
    assert (found.standing, found.last, found.went) == ("changed", START.date(), DONE.told)
    assert found.levers == ("stop-refunds", "reranker-on")
    assert stands(today, DONE, after=timedelta(days=400)).standing == "changed", "and so it stays"
    assert drilled_steps((DONE,), "refund-agent", (today,), START.date()) == {}
    assert by_system((stands(runbook(), DONE), found))["refund-agent"][0] == found, "it comes first"


def test_whose_a_runbook_is_and_when_it_was_gone_through_is_no_change() -> None:
    steps = tuple(each.changed(drilled=START.date()) for each in runbook().firebreaks)
    today = runbook(firebreaks=steps, validated=START.date(), owners=("ana",), stale_after=timedelta(days=30))
    assert stands(today, DONE).standing == "ready"
    assert DONE.score
    before = DONE.changed(score=DONE.score.changed(runbook_digest=runbook().sha256()))
    assert stands(runbook(), before).standing == "ready", (
        "a score from before has the digest of all that it said"
    )
    assert stands(today, before).standing == "changed"


def test_a_runbook_that_is_as_it_was_again_was_drilled_as_it_was() -> None:
    assert DONE.score
    later = START + timedelta(days=9)
    other = DONE.score.changed(runbook_digest=runbook(title="Tried").to_do(), opened_at=later)
    found = stands(runbook(), DONE.changed(score=other), DONE, after=timedelta(days=10))
    assert (found.standing, found.last, found.levers) == ("ready", START.date(), ())


def test_why_a_drill_was_not_held_is_said_without_the_name_of_our_error() -> None:
    failed = result(World(drill=True)).changed(score=None, trouble="Unreachable: the incident x is open")
    assert failed.hindered == "the incident x is open"
    assert failed.changed(trouble=None).hindered is None
    assert failed.changed(trouble="DRILL: as it is").hindered == "DRILL: as it is"


@pytest.mark.parametrize(("ago", "stale"), [(None, True), (40, False), (91, True)])
def test_the_plan_says_when_its_lever_was_last_drilled(ago: int | None, stale: bool) -> None:
    world = World()
    if ago is not None:
        day = START.date() - timedelta(days=ago)
        world.incident = world.incident.changed(
            brief=world.incident.brief.changed(drilled={"stale-policy/reranker-on": day})
        )
    while not world.incident.pending:
        move_forward(world)
    plan = next(each for each in picture(world.incident, ()).plans if each.step == "reranker-on")
    assert (plan.drilled_days, plan.drill_stale) == (ago, stale)
