"""Locks on both servers: a waiver of two people, a process that people attest, the wall that remembers."""

import asyncio
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus

from firestation import acts
from firestation.errors import Denied
from firestation.firebreak import Lease
from firestation.lock_plan import LockPlan
from firestation.picture import Picture
from firestation.severity import Severity
from firestation.state import Phase
from tests.property import worlds
from tests.workflows.stage import ON_THE_REAL_SERVER, PATIENCE, Stage, firebreak, live, short_brief, stands
from workflows import messages

MONTH = timedelta(days=30)
CHILD_ORDERED = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
TASK_DONE = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


def next_fire(stage: Stage) -> Stage:
    """Another incident of the same town, on the same worker, after the town was set on fire again."""
    stage.town.reranker.moved_by_other("off")
    return Stage(stage.environment, stage.town, short_brief())


def on_the_wall(stage: Stage) -> list[str]:
    """What hangs there; the drafts of postmortems lie on the same shelf."""
    return sorted(name for name in stage.town.shelf.kept if name.startswith(("locks/", "broken/")))


def told(seen: Picture, kind: str) -> list[str]:
    return [each.text for each in seen.timeline if each.kind == kind]


async def test_a_close_during_a_prove_keeps_the_lock_that_it_closed_with(stage: Stage) -> None:
    """A run that the end overtakes, and that would fail, takes no lock from the wall."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the lock", lambda seen: seen.lock_proved and seen.postmortem)
    stage.town.reranker.moved_by_other("off")
    await stage.do(acts.Prove(by="ana"))
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    assert (await stage.picture()).lock_proved
    assert on_the_wall(stage)
    assert (await stage.proved()).phase is Phase.CLOSED


async def test_a_close_while_a_page_turns_is_told_to_everybody(stage: Stage) -> None:
    """The rooms that speak have gone home for the turn of the page; the next run says what is left to be said."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the lock", lambda seen: seen.lock_proved and seen.postmortem)
    stage.town.room.faults.slow_s = 1  # what is being sent holds the page
    await stage.do(acts.Update(by="ana", audience="internal", known="the lock is proved"))
    await stage.handle.signal(messages.TURN_PAGE)
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    town = stage.town
    sent = [each.title for channel in (town.pager, town.room, town.page) for each in channel.sent.values()]
    assert [title for title in sent if title.endswith(": closed")], sent
    assert (await stage.proved()).phase is Phase.CLOSED


async def waived(stage: Stage) -> None:
    until = (await stage.picture()).as_of + MONTH
    await stage.do(acts.Waive(by="ana", what="lock", reason="the eval is not ready", until=until))


async def test_a_lock_that_did_not_hold_is_named_by_the_next_incident_and_weighs_heavier(
    stage: Stage,
) -> None:
    """The whole way: one incident closes with its lock, the next one of its class opens, and says so at once."""
    await live(stage)
    await stage.ended()
    first = f"locks/refund-agent/reranker-regression/{stage.brief.incident}-"
    (hung,) = on_the_wall(stage)
    assert hung.startswith(first)
    assert told(await stage.picture(), "hung")[0].startswith(
        "hung on the wall of locks: A late refund is denied"
    )
    assert told(await stage.picture(), "recalled") == [
        "no lock of the class reranker-regression hangs on the wall"
    ]

    again = next_fire(stage)
    again.brief = again.brief.changed(
        runbook=again.brief.runbook.changed(severity=worlds.runbook().severity.changed(harm=1, spread=1))
    )
    await again.ring()
    seen = await again.until("the recall", lambda seen: seen.recall)
    day = seen.recall.locks[0].at if seen.recall else seen.as_of
    line = f"lock broken: A late refund is denied, proved {day:%Y-%m-%d} after {stage.brief.incident}"
    assert seen.recalled == (line,)
    assert line in told(seen, "recalled")[0]
    assert seen.proposal.severity is Severity.SEV1
    assert any(f"{line}: one step graver than sev2" in each for each in seen.proposal.reasons)
    await again.until(
        "the pager to be told",
        lambda _: any(line in each.title for each in again.town.pager.sent.values()),
    )
    assert len(on_the_wall(again)) == 1, "it is no fire before somebody has declared it"
    await live(again, after=Phase.OPEN, until=Phase.CLOSED)
    await again.ended()
    mark = (await again.picture()).run
    names = on_the_wall(again)
    assert names == sorted(
        [
            hung,
            f"locks/refund-agent/reranker-regression/{again.brief.incident}-{mark}.json",
            f"broken/{hung.removeprefix('locks/').removesuffix('.json')}/{again.brief.incident}-{mark}.json",
        ]
    )
    await stage.proved()
    await again.proved()


async def test_a_waiver_waits_for_a_second_person(stage: Stage) -> None:
    await live(stage, until=Phase.AFTER_ACTION)
    stage.town.traces.artifacts = ()
    await stage.until("the lock", lambda seen: seen.lock or "lock" in seen.trouble)
    answer = await stage.act(
        acts.Waive(
            by="ana",
            what="lock",
            reason="the eval is not ready",
            until=(await stage.picture()).as_of + MONTH,
        )
    )
    assert (answer.accepted, "a second person for the waiver" in str(answer.missing)) == (True, True)
    if stage.environment.supports_time_skipping_v2:
        await stage.turn_page()
    again = await stage.act(acts.Second(by="ana", reason="it is mine"))
    assert (again.accepted, again.rule) == (False, 9)
    await stage.do(acts.Second(by="ben", reason="it is ordered for next week"))
    (waiver,) = (await stage.picture()).waivers
    assert (waiver.by, waiver.seconded_by) == ("ana", "ben")
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    report = await stage.proved()
    (found,) = [each.what for each in report.findings if each.rule == 9]
    assert "lock waived by ana, seconded by ben" in found


def process(stage: Stage) -> None:
    """Let the lock of its runbook be one that people attest."""
    plan = LockPlan(title="Two people sign a new policy", kind="process")
    stage.brief = stage.brief.changed(runbook=stage.brief.runbook.changed(lock=plan))


async def test_a_process_is_attested_by_two_people_and_told_to_the_next(stage: Stage) -> None:
    process(stage)
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the draft", lambda seen: seen.postmortem)
    assert seen.lock is None
    assert (await stage.act(acts.Close(by="ana"))).rule == 9
    attest = acts.Attest(
        by="cara",
        change="two people sign a new policy",
        reference="Handbook 4.2",
        document="e" * 64,
        verify_by=seen.as_of + 3 * MONTH,
    )
    answer = await stage.act(attest)
    assert (answer.accepted, "ana or ben" in str(answer.missing)) == (True, True)
    refused = await stage.act(acts.Close(by="ana"))
    assert (refused.rule, "a second person" in str(refused.missing)) == (9, True)
    await stage.do(acts.Second(by="ana", reason="I have read it"))
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    report = await stage.proved()
    assert any("lock attested by cara, seconded by ana" in each.what for each in report.findings)
    again = next_fire(stage)
    await again.ring()
    seen = await again.until("the recall", lambda seen: seen.recalled)
    assert "lock broken: Two people sign a new policy, attested" in seen.recalled[0]


def away(stage: Stage) -> None:
    """Nothing can be read from the shelf nor put on it."""
    stage.town.shelf.faults.errors.extend([Denied("the store is away") for _ in range(100)])


async def test_a_wall_that_is_away_holds_nobody_and_is_asked_again(stage: Stage) -> None:
    away(stage)
    await stage.ring()
    await stage.do(acts.Acknowledge(by="ana"))
    seen = await stage.until("the trouble on the record", lambda seen: seen.recall_trouble)
    assert "the wall of locks could not be asked: Denied: the store is away" in told(seen, "not-recalled")[0]
    assert any("the wall of locks to answer" in each.what for each in seen.waiting)
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))
    if stage.environment.supports_time_skipping_v2:
        await stage.turn_page()
    stage.town.shelf.faults.errors.clear()
    seen = await stage.until("the recall", lambda seen: seen.recall)
    assert seen.recall_trouble is None
    await stage.proved()


async def test_an_incident_ends_though_its_lock_cannot_be_hung_yet(stage: Stage) -> None:
    """A workflow of its own goes on, so that the incident's id is free for the next alarm of this fire."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the lock", lambda seen: seen.lock_proved and seen.postmortem)
    away(stage)
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    report = await stage.proved()
    assert any("not on the wall of locks when it ended" in each.what for each in report.findings)
    seen = await stage.picture()
    name = f"locks/refund-agent/reranker-regression/{seen.incident}-{seen.run}.json"
    hanger = stage.environment.client.get_workflow_handle(f"wall/{name}")
    assert (await hanger.describe()).status is WorkflowExecutionStatus.RUNNING
    stage.town.shelf.faults.errors.clear()
    async with asyncio.timeout(PATIENCE):
        await hanger.result()
    assert on_the_wall(stage) == [name]


@ON_THE_REAL_SERVER
async def test_an_end_that_is_lived_again_finds_its_lock_being_hung_already(stage: Stage) -> None:
    """Somebody resets the workflow to before its end, while the work that it has left behind goes on."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the lock", lambda seen: seen.lock_proved and seen.postmortem)
    away(stage)
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    before = (await stage.handle.describe()).run_id
    history = await stage.handle.fetch_history()
    ordered = [each.event_id for each in history.events if each.event_type == CHILD_ORDERED][-2]
    task = [
        each.event_id for each in history.events if each.event_type == TASK_DONE and each.event_id < ordered
    ]
    await stage.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=stage.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=stage.brief.incident, run_id=before),
            reason="a test",
            request_id=before,
            workflow_task_finish_event_id=task[-1],
        )
    )
    again = stage.client.get_workflow_handle(stage.brief.incident, result_type=messages.Closing)
    assert (await again.result()).outcome is Phase.CLOSED
    assert (await again.describe()).run_id != before


async def test_a_forged_lock_breaks_nothing(stage: Stage) -> None:
    """It is told, and it neither weighs nor keeps the incident's own lock away."""
    name = "locks/refund-agent/reranker-regression/refund-agent-00000000-x.json"
    stage.town.shelf.kept[name] = b"{}", worlds.START
    await live(stage)
    await stage.ended()
    seen = await stage.picture()
    assert seen.recall
    assert [each.name for each in seen.recall.doubts] == [name]
    assert seen.recalled == ()
    assert len(on_the_wall(stage)) == 2
    await stage.proved()


async def test_the_other_runbooks_class_is_asked_for_when_the_captain_switches(stage: Stage) -> None:
    await live(stage)
    await stage.ended()
    again = next_fire(stage)
    page = again.brief.runbook
    again.brief = again.brief.changed(
        runbook=page.changed(runbook="cost", pattern="cost-runaway", firebreaks=()), alternatives=(page,)
    )
    await again.ring()
    await again.until("the recall", lambda seen: seen.recall)
    assert (await again.picture()).recalled == ()
    await again.do(acts.Acknowledge(by="ana"))
    await again.do(acts.Switch(by="ana", to=page.runbook, reason="it is the reranker"))
    seen = await again.until("the other recall", lambda seen: seen.recalled)
    assert len(told(seen, "recalled")) == 2
    await again.until("a proposal", stands("reranker", Lease.PROPOSED))
    await again.proved()


async def moved_again(stage: Stage) -> None:
    """The captain stops the tool once more, and lifts that again."""
    await stage.do(acts.Propose(by="ana", step="stop-refunds"))
    wanted = firebreak(await stage.until("the proposal", stands("tool", Lease.PROPOSED)), "tool")
    assert wanted is not None
    await stage.do(acts.Approve(by="ana", action=wanted.digest))
    await stage.until("the tool to be stopped again", stands("tool", Lease.EFFECTIVE))
    await stage.do(acts.Lift(by="ana", action=wanted.digest, reason="it was not needed"))
    await stage.until("the tool to be back", stands("tool", Lease.LIFTED))


async def test_a_lever_that_moves_after_the_proof_has_it_tried_again(stage: Stage) -> None:
    """What it passed on is not the system any more, and the engine tries it on what there is now."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the lock", lambda seen: seen.lock_proved and seen.postmortem)
    await moved_again(stage)
    await stage.until("the proof of the system as it is", lambda seen: len(told(seen, "lock-tried")) == 2)
    await live(stage, after=Phase.AFTER_ACTION)
    await stage.ended()
    assert (await stage.proved()).phase is Phase.CLOSED


@ON_THE_REAL_SERVER
async def test_a_proof_that_a_turn_of_the_page_and_a_move_overtake_is_made_again(stage: Stage) -> None:
    """No page waits for it, and what began before the move counts for nothing, neither live nor in the audit."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the lock", lambda seen: seen.lock_proved and seen.postmortem)
    stage.town.answering.clear()
    await stage.do(acts.Prove(by="ana"))
    await stage.turn_page()
    await moved_again(stage)
    stage.town.answering.set()
    seen = await stage.until("the proof", lambda seen: seen.lock_proved and seen.phase is Phase.AFTER_ACTION)
    assert len(told(seen, "lock-tried")) == 2
    await live(stage, after=Phase.AFTER_ACTION)
    await stage.ended()
    assert (await stage.proved()).phase is Phase.CLOSED
