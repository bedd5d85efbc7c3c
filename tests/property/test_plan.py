"""What a captain is shown before deciding, and the words that a runbook has ready."""

from datetime import date, timedelta
from typing import Any

from firestation.cadence import prepared
from firestation.picture import picture
from firestation.plan import plans
from firestation.system import Constraint, Place
from firestation.wording import Wording
from tests.property.worlds import World
from tests.property.worlds import runbook as page


def sealed(world: World) -> World:
    world.baseline()
    world.seal()
    return world


def test_a_plan_names_its_effect_its_cost_its_end_and_its_way_back() -> None:
    world = sealed(World(validated=date(2026, 11, 1)))
    (plan,) = plans(world.incident)
    assert plan.digest == plan.action.sha256()
    assert plan.change == "reranker: off -> on"
    assert plan.cost == "slower answers"
    assert "puts reranker back to off" in plan.way_back
    assert "asked 10m before; without an answer it is held for another span" in plan.expiry
    assert plan.approvals_missing == 2
    assert (plan.reversible, plan.stale, plan.conflicts) == (True, False, ())


def test_a_runbook_that_nobody_goes_through_turns_stale() -> None:
    today = date(2026, 11, 23)
    assert page().stale(today), "never gone through"
    assert not page(validated=date(2026, 9, 1)).stale(today)
    assert page(validated=date(2026, 8, 1)).stale(today)
    assert not page(validated=date(2026, 8, 1), stale_after=timedelta(days=365)).stale(today)


def with_constraint(world: World) -> World:
    constraint = Constraint(
        id="ranker-needs-tool",
        with_=Place(lever="reranker", at=("on",)),
        breaks=Place(lever="tool", at=("off",)),
        why="the reranker asks the tool for its features",
    )
    brief = world.incident.brief
    brief = brief.changed(system=brief.system.changed(constraints=(constraint,)))
    world.incident = world.incident.changed(brief=brief)
    return world


def test_levers_that_do_not_go_together_are_named_before_the_decision() -> None:
    world = with_constraint(sealed(World()))
    (plan,) = plans(world.incident)
    assert plan.conflicts, "the move of the tool is decided on already"
    world.work("tool")
    (plan,) = plans(world.incident)
    assert "the reranker asks the tool for its features" in plan.conflicts[0]
    free = with_constraint(World(firebreaks=page().firebreaks[1:]))
    (plan,) = plans(sealed(free).incident)
    assert plan.conflicts == ()


def test_prepared_words_are_filled_once_and_nothing_in_them_is_a_template_again() -> None:
    words = Wording(
        internal="{system}: {severity}; {firebreaks}. Next word in {next_word}.", public="We look into it."
    )
    world = sealed(World(updates=words))
    world.work("tool")
    brief = world.incident.brief
    named = brief.system.changed(title="Agent {severity}\n<b>")
    ready = prepared(world.incident.changed(brief=brief.changed(system=named)))
    assert ready["internal"] == "Agent {severity} <b>: sev2; tool at disabled. Next word in 30m."
    assert ready["public"] == "We look into it."
    assert world.incident.words[0].known.startswith("Refund agent: sev2;")


def test_the_picture_says_whose_turn_it_is_not_and_why() -> None:
    first, second = page().firebreaks
    world = sealed(World(firebreaks=(first, second.changed(after=("stop-refunds",)))))
    seen: Any = picture(world.incident, tuple(world.record))
    assert seen.turns["reranker-on"] == "it comes after stop-refunds"
    assert seen.alternatives == ("other",)
