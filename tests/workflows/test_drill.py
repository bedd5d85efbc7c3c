"""A drill on a real server: whatever happens to it, the fault is cleared, it is scored, and its incident ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError

from firestation import acts
from firestation.drill import DrillMark
from firestation.drill_orders import DrillOrder, GuardOrder, OpenDrillOrder, RingOrder
from firestation.drill_report import DrillResult
from firestation.drill_shelf import read
from firestation.errors import Denied, Unreachable
from firestation.firebreak import Lease
from firestation.opening import Opening, narrowed
from firestation.rehearsal import RehearsalFitting, RehearsedAlarm, rings
from firestation.signing import KeySigner
from firestation.state import Phase
from tests.workflows.stage import PATIENCE, SERVERS, Stage, short_brief, staged, stands
from worker.drills import TemporalGround
from workflows import messages
from workflows.client import TASK_QUEUE
from workflows.drill import NO_GUARD, NOT_BEGUN, STILL_THERE
from workflows.drill_guard import ENDED

SHORT, LONG = timedelta(seconds=1), timedelta(minutes=5)
ORDER = DrillOrder(
    kind="stale-policy", system="refund-agent", drillers=("ana", "ben"), ordered_by="dan", station="demo"
)


class Ground:
    """The station's files of a test: a drill on the stage's own system, for so long."""

    def __init__(self) -> None:
        self.limit = LONG

    def __call__(self, mark: DrillMark, system: str) -> Opening:
        brief = short_brief()
        mark = mark.changed(drillers=mark.drillers or ("ana", "ben"))  # they are on call
        alarm = RehearsedAlarm(name="RefundGoldenEvalFailing", summary="a case fails", request_ids=("r-1",))
        plan = RehearsalFitting(
            id="stale-policy", title="The reranker is off", driver="memory", alarm=alarm, limit=self.limit
        )
        pinned = {
            "incident": mark.drill,
            "clocks": (),
            "drill": mark,
            "roster": narrowed(brief.roster, mark.drillers),
        }
        return Opening(
            brief=type(brief)(**(dict(brief) | pinned)), alarm=rings(plan, system, mark), plan=plan
        )


class Drilling:
    """A stage on which drills are held."""

    def __init__(self, stage: Stage, ground: Ground, key: Path) -> None:
        self.stage, self.ground, self.key = stage, ground, key
        self.number = 0

    async def begin(self, limit: timedelta = LONG) -> WorkflowHandle[Any, Any]:
        self.ground.limit = limit
        self.number += 1
        order = ORDER.changed(drill=f"drill-stale-policy-{self.number:08x}")
        handle = await self.stage.client.start_workflow(
            messages.DRILL,
            order,
            id=messages.drill_workflow("refund-agent"),
            task_queue=TASK_QUEUE,
            result_type=DrillResult,
        )
        self.stage.brief = self.stage.brief.changed(incident=order.drill)
        return handle

    def guard(self) -> WorkflowHandle[Any, Any]:
        """The guard beside the drill, or the last one."""
        name = messages.drill_guard("refund-agent")
        return self.stage.client.get_workflow_handle(name, result_type=bool)

    async def over(self, handle: WorkflowHandle[Any, Any]) -> DrillResult:
        """Its result, once it has ended; it is kept, the fault is cleared, and its history is sound."""
        async with asyncio.timeout(PATIENCE):
            result: DrillResult = await handle.result()
        kept, doubts = await read(self.stage.town.shelf, (KeySigner(self.key).public_key,))
        assert (result in kept, doubts) == (True, ())
        fault = self.stage.town.fault
        assert (fault.set, result.mark.drill in fault.cleared) == (set(), True)
        if result.incident_run:
            await self.stage.ended()
            await self.stage.proved()
        return result


@pytest.fixture
async def drilling(tmp_path: Path) -> AsyncIterator[Drilling]:
    ground = Ground()
    async with SERVERS["real"]() as environment, staged(environment, tmp_path, opens=ground) as stage:
        yield Drilling(stage, ground, tmp_path / "station.key")


async def test_a_drill_that_nobody_answers_is_scored_and_called_off(drilling: Drilling) -> None:
    stage = drilling.stage
    handle = await drilling.begin(SHORT)
    with pytest.raises(WorkflowAlreadyStartedError):
        await drilling.begin(SHORT)
    result = await drilling.over(handle)
    assert result.score
    assert (result.told, result.score.ended) == ("not finished", None)
    assert [line.took for line in result.score.lines if line.what == "acknowledge"] == [None]
    seen = await stage.picture()
    assert seen.phase is Phase.DISMISSED
    assert stage.town.tool.position.value == "enabled"
    told = [message for channel in (stage.town.pager, stage.town.room) for message in channel.sent.values()]
    assert told
    assert all(message.title.startswith("DRILL") for message in told)
    assert {message.to for message in told} <= {"ana@example.org", "ben@example.org", None}
    assert (stage.town.page.sent, stage.town.tasks.opened) == ({}, {})


async def test_a_fault_that_cannot_be_set_is_cleared_all_the_same(drilling: Drilling) -> None:
    fault = drilling.stage.town.fault
    fault.errors.extend([Denied("no"), Unreachable("not now")])
    result = await drilling.over(await drilling.begin())
    assert (result.told, result.score, result.incident_run) == ("not held", None, None)
    assert "Denied" in str(result.trouble)


@pytest.mark.parametrize("opened", [True, False])
async def test_a_drill_that_may_have_opened_an_incident_leaves_none(
    drilling: Drilling, monkeypatch: pytest.MonkeyPatch, *, opened: bool
) -> None:
    ring = TemporalGround.ring

    async def lost(ground: TemporalGround, order: RingOrder) -> str:
        if opened:
            await ring(ground, order)
        raise Denied("its answer was lost")

    monkeypatch.setattr(TemporalGround, "ring", lost)
    result = await drilling.over(await drilling.begin())
    assert (result.told, result.incident_run) == ("not held", None)
    if opened:
        assert (await drilling.stage.picture()).phase is Phase.DISMISSED


async def test_a_drill_that_is_stopped_puts_back_what_it_moved(drilling: Drilling) -> None:
    stage = drilling.stage
    handle = await drilling.begin()
    await tool_is_stopped(stage)
    ground = TemporalGround(stage.client, TASK_QUEUE, drilling.ground)
    mark = (await stage.picture()).drill
    assert mark
    with pytest.raises(Unreachable, match=f"the incident {mark.drill} of refund-agent is open"):
        await beside(ground, mark)
    with pytest.raises(Unreachable, match=f"{mark.drill} is not over yet, and whoever is on call is needed"):
        await beside(ground, mark.changed(drillers=()), "another-agent")
    opening = await ground.open(OpenDrillOrder(mark=mark, system="another-agent"))
    assert opening.brief.drill == mark, "who was named is not on call"
    await handle.signal(messages.STOP)
    result = await drilling.over(handle)
    assert result.score
    assert {(each.lever, each.effective) for each in result.score.moves} == {("tool", True)}
    assert stage.town.fault.cleared == [mark.drill, mark.drill], "once more when the levers are back"
    assert stage.town.tool.position.value == "enabled"
    assert (await stage.picture()).phase is Phase.DISMISSED


async def test_a_schedule_begins_a_drill_unless_one_is_held(drilling: Drilling) -> None:
    client, drilling.ground.limit = drilling.stage.client, LONG

    async def comes(number: int) -> bool:
        begun: bool = await client.execute_workflow(
            messages.DRILL_BY_SCHEDULE,
            ORDER,
            id=f"schedule-{number}",
            task_queue=TASK_QUEUE,
            result_type=bool,
        )
        return begun

    assert await comes(1)
    assert not await comes(2)
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(
        messages.drill_workflow("refund-agent"), result_type=DrillResult
    )
    await rung(drilling)
    await handle.signal(messages.STOP)
    async with asyncio.timeout(PATIENCE):
        result: DrillResult = await handle.result()
    assert (result.mark.kind, result.mark.ordered_by, result.told) == ("stale-policy", "dan", "not finished")
    assert drilling.stage.town.fault.set == set()


async def test_a_drill_that_is_stopped_before_it_rings_pages_nobody(drilling: Drilling) -> None:
    drilling.stage.town.fault.errors.extend([Unreachable("not now")] * 2)
    handle = await drilling.begin()
    await handle.signal(messages.STOP)
    result = await drilling.over(handle)
    assert (result.told, result.trouble) == ("not held", NOT_BEGUN)
    assert drilling.stage.town.pager.sent == {}


async def test_a_drill_that_is_cancelled_is_stopped(drilling: Drilling) -> None:
    handle = await drilling.begin()
    await tool_is_stopped(drilling.stage)
    await handle.cancel()
    result = await drilling.over(handle)
    assert (result.told, result.trouble) == ("not finished", None)
    assert drilling.stage.town.tool.position.value == "enabled"


async def test_what_a_terminated_drill_leaves_is_cleared_away_by_its_guard(drilling: Drilling) -> None:
    stage = drilling.stage
    handle = await drilling.begin()
    await tool_is_stopped(stage)
    stage.town.fault.errors.append(Unreachable("not now"))
    await handle.terminate("by hand, in Temporal")
    drill = stage.brief.incident
    async with asyncio.timeout(PATIENCE):
        assert await drilling.guard().result()
    await stage.proved()
    fault = stage.town.fault
    assert (fault.set, fault.cleared) == (set(), [drill, drill])
    assert (stage.town.tool.position.value, (await stage.picture()).phase) == ("enabled", Phase.DISMISSED)
    kept, _ = await read(stage.town.shelf, (KeySigner(drilling.key).public_key,))
    assert {each.mark.drill: (each.told, each.trouble) for each in kept}[drill] == ("not finished", ENDED)
    again = await drilling.begin()
    await again.signal(messages.STOP)
    assert (await drilling.over(again)).trouble == NOT_BEGUN


async def test_a_drill_whose_guard_is_cancelled_is_stopped_and_says_so(drilling: Drilling) -> None:
    stage = drilling.stage
    handle, guard = await drilling.begin(), drilling.guard()
    await tool_is_stopped(stage)
    await guard.cancel()
    result = await drilling.over(handle)
    assert (result.told, result.trouble) == ("not finished", NO_GUARD)
    assert (stage.town.tool.position.value, (await stage.picture()).phase) == ("enabled", Phase.DISMISSED)
    async with asyncio.timeout(PATIENCE):
        assert not await guard.result(), "the drill has cleared up itself"


async def test_a_guard_that_is_cancelled_outlasts_its_drill(drilling: Drilling) -> None:
    """Temporal tells it nothing any more when the drill is terminated after that."""
    fault, guard = drilling.stage.town.fault, drilling.guard()
    handle = await drilling.begin()
    await rung(drilling)
    fault.errors.append(Denied("not now"))  # the drill tries again in five seconds
    await guard.cancel()
    await seen(lambda: not fault.errors)
    await handle.terminate("by hand, in Temporal")
    async with asyncio.timeout(PATIENCE):
        assert await guard.result()
    kept, _ = await read(drilling.stage.town.shelf, (KeySigner(drilling.key).public_key,))
    assert ([each.trouble for each in kept], fault.set) == ([ENDED], set())
    assert (await drilling.stage.picture()).phase is Phase.DISMISSED


async def test_no_drill_begins_before_the_one_before_is_cleared_away(drilling: Drilling) -> None:
    client, name = drilling.stage.client, messages.drill_guard("refund-agent")
    mark = DrillMark(
        drill="drill-stale-policy-0000000a",
        kind=ORDER.kind,
        drillers=ORDER.drillers,
        ordered_by=ORDER.ordered_by,
        ordered_at=datetime.now(UTC),
    )
    order = GuardOrder(mark=mark, system="refund-agent", opening=drilling.ground(mark, "refund-agent"))
    guard = await client.start_workflow(messages.DRILL_GUARD, order, id=name, task_queue=TASK_QUEUE)
    handle = await drilling.begin()
    async with asyncio.timeout(PATIENCE):
        result: DrillResult = await handle.result()
    assert (result.told, result.trouble) == ("not held", STILL_THERE.format("refund-agent"))
    assert drilling.stage.town.fault.cleared == []
    await guard.signal(messages.RELIEVED)
    async with asyncio.timeout(PATIENCE):
        assert not await guard.result()


async def tool_is_stopped(stage: Stage) -> None:
    """Somebody has taken it, and the move that is pre-authorized is made."""
    await stage.until("the seal", lambda seen: seen.sealed)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))
    assert stage.town.tool.position.value == "disabled"


async def rung(drilling: Drilling) -> None:
    """Whoever is on call has been paged."""
    await seen(lambda: bool(drilling.stage.town.pager.sent))


async def seen(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)


async def beside(ground: TemporalGround, mark: DrillMark, system: str = "refund-agent") -> None:
    """Open another drill, until Temporal lists that there is an incident."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await ground.open(OpenDrillOrder(mark=mark, system=system))
            await asyncio.sleep(0.05)
