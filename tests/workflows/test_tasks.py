"""The tasks of a running incident, on both servers: a tracker that is away, an end that comes first, a new captain."""

from datetime import timedelta

from temporalio.client import WorkflowHandle

from firestation import acts
from firestation.errors import Denied
from firestation.lock_plan import LockPlan
from firestation.runbook import FollowUp
from firestation.state import Phase
from tests.property.worlds import World, move_forward
from tests.workflows.stage import Stage, live
from tests.workflows.test_follow_up import of, short
from workflows import messages
from workflows.client import TASK_QUEUE

WITHOUT = "open, it has no ticket"
REVIEW = FollowUp(id="review", title="Review the budget", owner="search team", within=timedelta(days=9))


async def test_a_tracker_that_is_away_holds_up_nothing_and_is_asked_again(stage: Stage) -> None:
    stage.town.tasks.faults.errors.extend(Denied("403 Forbidden") for _ in range(1000))
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the lock", lambda seen: seen.lock_proved and "task" in seen.trouble)
    follower = of(stage, seen.run)
    tasks = await follower.until("the tasks to be followed all the same", lambda seen: seen.tasks)
    assert set(short(tasks).values()) == {WITHOUT}
    if stage.environment.supports_time_skipping_v2:
        await stage.turn_page()
    stage.town.tasks.faults.errors.clear()
    await follower.until("the tickets", lambda seen: set(short(seen).values()) == {"open"})
    assert "task" not in (await stage.picture()).trouble
    await live(stage, after=Phase.AFTER_ACTION)
    await stage.ended()
    assert len(stage.town.tasks.opened) == 2
    await stage.proved()


async def test_the_tickets_of_a_process_come_when_the_tracker_is_back(stage: Stage) -> None:
    """Nobody can say `prove` of a process, so nobody has to."""
    plan = LockPlan(title="Two people sign a new policy", kind="process")
    stage.brief = stage.brief.changed(runbook=stage.brief.runbook.changed(lock=plan))
    stage.town.tasks.faults.errors.extend(Denied("403 Forbidden") for _ in range(1000))
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the draft", lambda seen: seen.postmortem)
    assert "403 Forbidden" in seen.trouble["task"]
    assert not (await stage.act(acts.Prove(by="ana"))).accepted
    stage.town.tasks.faults.errors.clear()
    follower = of(stage, seen.run)
    await follower.until("the tickets", lambda seen: set(short(seen).values()) == {"open"})
    await stage.proved()


async def test_an_incident_ends_though_its_tracker_hangs(stage: Stage) -> None:
    """Its tasks go on without tickets, and none is opened any more."""
    stage.town.tasks.faults.slow_s = 900.0
    await live(stage)
    await stage.ended()
    seen = await stage.picture()
    follower = of(stage, seen.run)
    after = await follower.until("the word of the end", lambda seen: seen.ended)
    assert (after.ended, set(short(after).values())) == ("closed", {WITHOUT})
    assert not stage.town.tasks.opened
    await stage.proved()
    for task in ("postmortem", "eval-lock"):
        assert (await follower.finish(task)).accepted
    await follower.ended()
    await follower.proved()


async def test_whoever_follows_hears_of_a_new_captain_and_of_another_runbooks_tasks(stage: Stage) -> None:
    page = stage.brief.runbook
    other = page.changed(runbook="cost", pattern="cost-runaway", firebreaks=(), after_action=(REVIEW,))
    stage.brief = stage.brief.changed(alternatives=(other,))
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the lock", lambda seen: seen.lock_proved)
    follower = of(stage, seen.run)
    before = await follower.until("the tickets", lambda seen: set(short(seen).values()) == {"open"})
    assert {each.owner for each in before.tasks} == {"ana"}
    await stage.do(acts.Handover(by="ana", to="ben"))
    await stage.do(acts.Accept(by="ben"))
    await follower.until("the captain", lambda seen: {each.owner for each in seen.tasks} == {"ben"})
    assert short(await follower.picture()) == short(before)
    await stage.do(acts.Switch(by="ben", to="cost", reason="it was the budget"))
    after = await follower.until("the review", lambda seen: short(seen).get("review") == "open")
    assert len(after.tasks) == 3
    assert len(stage.town.tasks.opened) == 3
    await stage.do(acts.Close(by="ben"))
    await stage.ended()
    await stage.proved()
    await follower.proved()


async def test_a_close_that_comes_before_its_rooms_have_begun_leaves_its_tasks_to_somebody(
    stage: Stage,
) -> None:
    """The page was full when the after-action began, and a signal to close heads the next run."""
    world = World()
    while world.incident.phase is not Phase.AFTER_ACTION:
        move_forward(world)
    world.lock()
    stage.brief = world.incident.brief
    opened, *rest = world.record
    handle: WorkflowHandle[messages.Closing, messages.Closing]
    handle = await stage.environment.client.start_workflow(
        messages.WORKFLOW,
        messages.IncidentStart(brief=stage.brief, opened_at=opened.at, record=tuple(rest)),
        id=stage.brief.incident,
        task_queue=TASK_QUEUE,
        result_type=messages.Closing,
        start_signal="close",
        start_signal_args=[acts.Close(by="ana")],
    )
    run = (await handle.describe()).run_id
    assert (await handle.result()).outcome is Phase.CLOSED
    after = await of(stage, run).until("the tasks", lambda seen: seen.ended)
    assert [(each.task, each.ticket) for each in after.tasks] == [("postmortem", None), ("eval-lock", None)]
