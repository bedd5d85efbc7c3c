"""Who may end a drill, or its schedule: everybody who writes, and nobody who only reads."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Self, cast

import httpx
import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from firestation.authority import Station
from firestation.drill_orders import DrillOrder
from firestation.errors import Gone, InvalidInput, Refused, Unreachable
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.drills import UNSEEN, DrillBody, DrillDesk, LastDrilled, ScheduleBody
from gateway.front import Front
from tests.gateway.conftest import TOKENS, Remembering, books_of
from tests.property.test_drill import DONE
from tests.property.worlds import START, brief, runbook
from workflows.messages import DRILL, STATION, STOP, WORKFLOW


class Away:
    """A Temporal that does not answer: whoever comes so far may do it."""

    async def list_schedules(self, **_: Any) -> Any:
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")

    def list_workflows(self, *_: Any, **__: Any) -> Any:
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")


async def nothing(system: str | None) -> tuple[Any, Any]:
    del system
    return (), ()


@pytest.fixture
def drills(station: Station) -> DrillDesk:
    return DrillDesk(cast("Client", Away()), books_of(station), nothing)


@pytest.mark.parametrize("by", ["noname", "eve"])
async def test_an_auditor_and_a_stranger_end_no_drill(drills: DrillDesk, by: str) -> None:
    with pytest.raises(Refused):
        await drills.stop("drill-stale-policy-1a2b3c4d", by)
    with pytest.raises(Refused):
        await drills.unschedule("stale-policy-on-refund-agent", by)


async def test_whoever_writes_ends_a_drill_that_they_did_not_order(drills: DrillDesk) -> None:
    with pytest.raises(Unreachable):
        await drills.stop("drill-stale-policy-1a2b3c4d", "cara")
    with pytest.raises(Unreachable):
        await drills.unschedule("stale-policy-on-refund-agent", "cara")


async def test_an_incident_is_told_of_drills_of_its_runbooks_as_they_are_pinned() -> None:
    async def shelved(system: str | None) -> tuple[Any, Any]:
        assert system is None
        return (DONE,), ()

    told, pinned = LastDrilled(shelved), brief()
    assert told(pinned) == {}, "an alarm does not wait for the shelf"
    assert told.looking
    await told.looking
    day = START.date()
    steps = {"stale-policy/stop-refunds": day, "stale-policy/reranker-on": day}
    assert told(pinned) == steps
    assert told(pinned.changed(runbook=runbook(title="Another"))) == {}
    other = pinned.changed(runbook=runbook(runbook="other"), alternatives=(pinned.runbook,))
    assert told(other) == steps, "the captain may switch to it"


async def test_a_schedule_of_a_system_with_a_long_id_can_be_removed(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front, drills: DrillDesk
) -> None:
    app = create_app(desk, door, store, front, shelf=MemoryShelf(), drill_desk=drills)
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://fire.example.org") as client:
        answer = await client.delete(
            f"/drills/schedules/prompt-rollback-on-{'s' * 63}",
            headers={"Authorization": f"Bearer {TOKENS['ana']}"},
        )
    assert answer.status_code == 503, answer.text


class Burning:
    """A Temporal that lists one open incident, and is asked for nothing else."""

    async def list_workflows(self, query: str, **_: Any) -> AsyncIterator[Any]:
        if "FirestationSystem = 'refund-agent'" in query:
            yield Burning()

    id, workflow_type = "refund-agent-1a2b3c4d", WORKFLOW

    async def memo(self) -> Mapping[str, Any]:
        return {}


class Rehearsable(DrillDesk):
    """For a system that can be rehearsed, whatever its file says."""

    async def _order(self, body: DrillBody, by: str) -> DrillOrder:
        return DrillOrder(kind=body.kind, system=body.system, drillers=(), ordered_by=by, station="test")


async def test_no_drill_is_begun_beside_a_fire(station: Station) -> None:
    desk = Rehearsable(cast("Client", Burning()), books_of(station), nothing)
    with pytest.raises(Refused, match="the incident refund-agent-1a2b3c4d of refund-agent is open"):
        await desk.order(DrillBody(kind="stale-policy", system="refund-agent", drillers=("cara",)), "ana")


class Stalled:
    """A Temporal that keeps what it is sent, and whose answers and workers come too late."""

    status, start_time = WorkflowExecutionStatus.RUNNING, datetime(2026, 11, 26, 3, 0, tzinfo=UTC)

    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, Any]] = {}
        self.signals: list[str] = []
        self.id = ""

    async def list_workflows(self, query: str, **_: Any) -> AsyncIterator[Any]:
        if f"'{DRILL}'" in query and self.kept:
            yield self

    async def start_workflow(self, _: str, order: DrillOrder, **said: Any) -> None:
        assert not self.kept, "it was begun twice"
        self.id = str(said["id"])
        self.kept[self.id] = said["memo"]
        raise RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")

    def get_workflow_handle(self, _: str) -> Self:
        return self

    async def describe(self, **_: Any) -> Self:
        if not self.kept:
            raise RPCError("none", RPCStatusCode.NOT_FOUND, b"")
        return self

    async def memo(self) -> Mapping[str, Any]:
        return self.kept[self.id]

    async def query(self, *_: Any, **__: Any) -> None:
        raise RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")

    async def signal(self, name: str, **_: Any) -> None:
        self.signals.append(name)


async def test_an_order_whose_answer_was_lost_is_given_again_and_is_one_drill(station: Station) -> None:
    temporal = Stalled()
    desk = Rehearsable(cast("Client", temporal), books_of(station), nothing)
    body = DrillBody(kind="stale-policy", system="refund-agent", drillers=("cara",))
    with pytest.raises(Unreachable, match=r"has not answered within \d+ s"):
        await desk.order(body, "ana", "one-key-of-ana")
    begun = await desk.order(body, "ana", "one-key-of-ana")
    assert (begun.trouble, begun.since) == (UNSEEN, temporal.start_time)
    assert [each.mark.drill for each in (await desk.look(None)).running] == [begun.mark.drill]


async def test_a_drill_is_stopped_though_no_worker_answers(station: Station) -> None:
    temporal = Stalled()
    desk = Rehearsable(cast("Client", temporal), books_of(station), nothing)
    with pytest.raises(Unreachable):
        await desk.order(DrillBody(kind="stale-policy", system="refund-agent"), "ana", "one-key-of-ana")
    drill = (await desk.look(None)).running[0].mark.drill
    with pytest.raises(Gone):
        await desk.stop("drill-stale-policy-00000000", "cara")
    assert (await desk.stop(drill, "cara")).mark.drill == drill
    assert temporal.signals == [STOP]
    temporal.kept[temporal.id] = {STATION: "test"}
    with pytest.raises(Unreachable, match="the drill on refund-agent does not say its name now"):
        await desk.stop(drill, "cara")


@pytest.mark.parametrize(
    ("spans", "field", "fix"),
    [
        ({"every": "1h"}, "every", "Write 1d or more"),
        ({"window": "0s"}, "window", "Write it like 8h"),
        ({"every": "2d", "window": "3d"}, "window", "Write 2d or less"),
    ],
)
async def test_spans_of_which_nothing_unannounced_can_come_are_refused_with_the_fix(
    station: Station, spans: dict[str, str], field: str, fix: str
) -> None:
    desk = Rehearsable(cast("Client", Away()), books_of(station), nothing)
    body = ScheduleBody.model_validate({"kind": "stale-policy", "system": "refund-agent"} | spans)
    with pytest.raises(InvalidInput) as wrong:
        await desk.schedule(body, "ana")
    assert (wrong.value.field, wrong.value.fix) == (field, fix)


async def test_a_system_that_nobody_knows_is_not_told_to_have_no_drill(drills: DrillDesk) -> None:
    with pytest.raises(InvalidInput, match=r"there is no system 'refund-agnt'\. The station protects"):
        await drills.look("refund-agnt")
