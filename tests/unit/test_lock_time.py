"""How long the trial of a lock may take: as long as its plan needs, and never longer than lint lets it."""

from datetime import timedelta

import pytest
from hypothesis import given, settings

from activities import toolbox
from firestation.lint import holes
from firestation.lock_plan import LONGEST_TRIAL, ONE_RUN, LockPlan
from firestation.orders import LockOrder
from tests.property.test_lock_rules import JUDGE, PLANS, PROCESS, plan
from tests.property.worlds import proof_of, runbook, system, wall_lock
from workflows.options import OPTIONS, options


def limit(demanded: LockPlan) -> timedelta:
    check = system().check("golden")
    assert check
    order = LockOrder(incident="refund-agent-1", plan=demanded, check=check, evidence=())
    return options("prove_lock", order)["schedule_to_close_timeout"]


@settings(deadline=None)
@given(demanded=PLANS)
def test_every_run_of_a_plan_has_its_time(demanded: LockPlan) -> None:
    runs = proof_of(demanded, wall_lock().at).runs
    times = sum(2 if run.against == "control" else 1 for run in runs)  # a control is asked both ways
    assert limit(demanded) > times * timedelta(seconds=toolbox.RUN_SECONDS)


@pytest.mark.parametrize(
    ("demanded", "field"),
    [
        (plan(False, None, 100), None),
        (plan(False, JUDGE.changed(repetitions=80), 1), None),
        (plan(False, JUDGE.changed(repetitions=100), 1), "lock.judge.repetitions"),
        (plan(True, JUDGE.changed(repetitions=60), 1), "lock.judge.repetitions"),
        (plan(True, None, 100), "lock.runs"),
        (PROCESS, None),
    ],
)
def test_what_would_take_longer_is_refused_by_lint_and_bounded_for_who_has_it(
    demanded: LockPlan, field: str | None
) -> None:
    assert [each.field for each in holes(runbook(lock=demanded))] == ([field] if field else [])
    assert limit(demanded) == min(demanded.trial, LONGEST_TRIAL)
    assert (demanded.trial > LONGEST_TRIAL) == (field is not None)


def test_whoever_is_no_lock_has_the_options_of_the_table() -> None:
    assert options("seal", object()) == OPTIONS["seal"]
    assert timedelta(seconds=toolbox.RUN_SECONDS) == ONE_RUN
