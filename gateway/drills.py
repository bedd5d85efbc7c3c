"""Drills, seen from the gateway: one is ordered, stopped, looked at, or put on a schedule that nobody is told of."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import StringConstraints
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from firestation.drill import DrillId, DrillKind, DrillMark, drill_id
from firestation.drill_orders import DrillNow, DrillOrder
from firestation.drill_report import DrillResult, Readiness, drilled_steps, readiness
from firestation.errors import ORDER, FirestationError, Gone, InvalidInput, Refused, Unreachable
from firestation.model import Duration, Id, Model, show_duration
from firestation.record import Brief
from firestation.wall import Doubt
from gateway.acting import KeyHeader, person_of
from gateway.book import Books
from gateway.temporal import CALL, latest_of
from workflows import messages
from workflows.asking import in_the_way, in_time
from workflows.client import TASK_QUEUE

log = structlog.get_logger()

DAY = timedelta(days=1)
SHELF_SECONDS = 60.0
"""So long what was read of the shelf is believed, when an alarm asks: an alarm never waits for it."""

FOUND = tuple[tuple[DrillResult, ...], tuple[Doubt, ...]]
Shelved = Callable[[str | None], Awaitable[FOUND]]
"""Reads the results of one system, or of all, from the shelf."""

SCHEDULE, ORDERED, EVERY, WINDOW = "drill/", "order", "every", "window"
OVER = "it is over"
UNSEEN = "it has begun, and no worker says now where it is"
T = TypeVar("T")


ScheduleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,100}$")]
"""That of a kind and of a system, so longer than an id may be."""


class DrillBody(Model):
    """A drill that is ordered. Without `drillers` it is whoever is on call."""

    kind: DrillKind
    system: Id
    drillers: tuple[Id, ...] = ()


class ScheduleBody(DrillBody):
    """A drill that comes by itself: `every` so often, at a time within `window` that nobody is told."""

    every: Duration = timedelta(days=30)
    window: Duration = timedelta(hours=8)


class Scheduled(Model):
    """A schedule. When exactly it comes is not told: it is unannounced."""

    name: str
    order: DrillOrder
    every: Duration
    window: Duration


class Schedules(Model):
    """The answer to a list of schedules."""

    schedules: tuple[Scheduled, ...]


class Drills(Model):
    """What is held now, what was held (the newest first), and how ready each runbook is by that."""

    running: tuple[DrillNow, ...]
    results: tuple[DrillResult, ...]
    readiness: tuple[Readiness, ...]
    doubts: tuple[Doubt, ...]


class DrillDesk:
    """Orders drills, and looks at them."""

    def __init__(self, client: Client, books: Books, shelved: Shelved) -> None:
        self.client, self.books, self.shelved = client, books, shelved

    async def order(self, body: DrillBody, by: str, key: str | None = None) -> DrillNow:
        """Begin a drill. Raises `InvalidInput`, `NotConfigured`, and `Refused` when something speaks against it now.

        Ordered again under the same `key` it is the same drill, as long as it is held.
        """
        order = await self._order(body, by)
        mark = hashlib.sha256(f"{by}/{key}".encode()).hexdigest()[:8] if key else secrets.token_hex(4)
        order = order.changed(drill=drill_id(body.kind, mark))
        if key and (begun := await self._begun(order)):
            return begun
        on_call = not body.drillers
        if why := await in_the_way(self.client, body.system, order.station, CALL, on_call=on_call):
            raise Refused(0, ORDER, why)
        try:
            await in_time(
                self.client.start_workflow(
                    messages.DRILL,
                    order,
                    id=messages.drill_workflow(body.system),
                    task_queue=TASK_QUEUE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    memo={messages.STATION: order.station, ORDERED: order.model_dump(mode="json")},
                    static_summary=f"{body.kind} on {body.system}, ordered by {by}",
                    rpc_timeout=CALL,
                )
            )
        except WorkflowAlreadyStartedError:
            if key and (begun := await self._begun(order)):
                return begun
            held = f"a drill is held on {body.system} already"
            fix = "wait for it, or stop it: firestation drill report names it"
            raise Refused(0, ORDER, f"{held}; {fix}") from None
        return await self._now(messages.drill_workflow(body.system)) or _unseen(order, datetime.now(UTC))

    async def _begun(self, order: DrillOrder) -> DrillNow | None:
        """This drill, where it is held already: the order was taken, and its answer was lost."""
        name = messages.drill_workflow(order.system)
        found = await in_time(latest_of(self.client, name))
        if found is None or found.status is not WorkflowExecutionStatus.RUNNING:
            return None
        if (told := await _order_of(found)) is None or told.drill != order.drill:
            return None
        return await self._held_now(found, told)

    async def _order(self, body: DrillBody, by: str) -> DrillOrder:
        """The order, once all is seen that could be wrong with it."""
        book = await self.books.latest()
        mark = DrillMark(
            drill=drill_id(body.kind, "0" * 8),
            kind=body.kind,
            drillers=body.drillers,
            ordered_by=by,
            ordered_at=datetime.now(UTC),
        )
        book.drill(mark, body.system)
        return DrillOrder(
            kind=body.kind,
            system=body.system,
            drillers=body.drillers,
            ordered_by=by,
            station=book.station.station,
        )

    async def look(self, system: str | None) -> Drills:
        """Everything that there is of drills. Raises `InvalidInput` for a system that was never heard of."""
        book = await self.books.latest()
        results, doubts = await self.shelved(system)
        if system is not None and not results:
            book.protected(system)
        systems = {name: each for name, each in book.systems.items() if system in {None, name}}
        return Drills(
            running=await in_time(self._running(book.station.station, system)),
            results=results,
            readiness=readiness(systems, book.walls, results, datetime.now(UTC).date()),
            doubts=doubts,
        )

    async def _running(self, station: str, system: str | None) -> tuple[DrillNow, ...]:
        held = [
            await self._held_now(each, order)
            async for each, order in self._held(station)
            if system in {None, _system_of(each)}
        ]
        return tuple(each for each in held if each)

    async def _held(self, station: str) -> AsyncIterator[tuple[WorkflowExecution, DrillOrder | None]]:
        """The drills that are held, each with its order; without one it came by schedule, and a worker names it."""
        query = f"WorkflowType = '{messages.DRILL}' AND ExecutionStatus = 'Running'"
        async for found in self.client.list_workflows(query, rpc_timeout=CALL):
            if (await found.memo()).get(messages.STATION) == station:
                yield found, await _order_of(found)

    async def _held_now(self, found: WorkflowExecution, order: DrillOrder | None) -> DrillNow | None:
        """Where it is, as far as anybody can say: what was ordered is told without a worker, too."""
        return await self._now(found.id) or (_unseen(order, found.start_time) if order else None)

    async def _now(self, workflow: str) -> DrillNow | None:
        """Where it is; None when it is over, or no worker can say it now."""
        handle = self.client.get_workflow_handle(workflow)
        try:
            found: DrillNow = await handle.query(messages.PICTURE, result_type=DrillNow, rpc_timeout=CALL)
        except (RPCError, WorkflowQueryFailedError, TimeoutError):
            return None
        return found

    async def stop(self, drill: str, by: str) -> DrillNow:
        """Let a drill be over. Raises `Refused` for an auditor, `Gone` when it is not held now."""
        await self._may_end(by)
        station = (await self.books.latest()).station.station
        unseen = list[str]()
        for each, order in await in_time(_all(self._held(station))):
            if order and order.drill != drill:
                continue
            now = await self._held_now(each, order)
            if now is None:
                unseen.append(_system_of(each))
            elif now.mark.drill == drill:
                handle = self.client.get_workflow_handle(each.id)
                await in_time(handle.signal(messages.STOP, rpc_timeout=CALL), gone=OVER)
                log.info("a drill is stopped", drill=drill, by=by)
                return now
        if unseen:
            raise Unreachable(
                f"the drill on {' and on '.join(unseen)} does not say its name now: no worker answers"
            )
        raise Gone(f"no drill {drill!r} is held now. See which is: firestation drill report")

    async def _may_end(self, by: str) -> None:
        """Everybody who writes, so that a drill which does harm is ended by whoever sees it first."""
        person = (await self.books.latest()).station.person(by)
        if person is None or person.only_reads:
            raise Refused(0, ORDER, "an auditor reads and does not write")

    # Schedules ---------------------------------------------------------------------------------------

    async def schedule(self, body: ScheduleBody, by: str) -> Scheduled:
        """Let it come by itself. Raises as `order` does; what has another schedule for it already is refused."""
        order = await self._order(body, by)
        _sound(body)
        made = Scheduled(
            name=f"{order.kind}-on-{order.system}", order=order, every=body.every, window=body.window
        )
        since_epoch = datetime.now(UTC) - datetime.fromtimestamp(0, UTC)
        schedule = Schedule(
            action=ScheduleActionStartWorkflow(
                messages.DRILL_BY_SCHEDULE,
                order,
                id=f"{SCHEDULE}by-schedule/{made.name}",
                task_queue=TASK_QUEUE,
                memo={messages.STATION: order.station},
            ),
            spec=ScheduleSpec(
                intervals=[ScheduleIntervalSpec(every=body.every, offset=since_epoch % body.every)],
                jitter=body.window,
            ),
            # What a station that was down has missed is not made up for: it would come at a foreseeable time.
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
        )
        memo = {
            messages.STATION: order.station,
            ORDERED: order.model_dump(mode="json"),
            EVERY: body.every.total_seconds(),
            WINDOW: body.window.total_seconds(),
        }
        try:
            await in_time(
                self.client.create_schedule(f"{SCHEDULE}{made.name}", schedule, memo=memo, rpc_timeout=CALL)
            )
        except ScheduleAlreadyRunningError:
            missing = f"there is a schedule {made.name} already; remove it first"
            raise Refused(0, ORDER, missing) from None
        return made

    async def schedules(self) -> Schedules:
        """Those of this station, by their names."""
        station = (await self.books.latest()).station.station
        found = await in_time(self._schedules(station))
        return Schedules(schedules=tuple(sorted(found, key=lambda each: each.name)))

    async def _schedules(self, station: str) -> list[Scheduled]:
        found = list[Scheduled]()
        async for each in await self.client.list_schedules(rpc_timeout=CALL):
            memo = await each.memo()
            if each.id.startswith(SCHEDULE) and memo.get(messages.STATION) == station:
                found.append(
                    Scheduled(
                        name=each.id.removeprefix(SCHEDULE),
                        order=DrillOrder.model_validate(memo[ORDERED]),
                        every=timedelta(seconds=memo[EVERY]),
                        window=timedelta(seconds=memo[WINDOW]),
                    )
                )
        return found

    async def unschedule(self, name: str, by: str) -> Scheduled:
        """Remove it. Raises `Refused` for an auditor, `Gone` when this station has none of this name."""
        await self._may_end(by)
        for each in (await self.schedules()).schedules:
            if each.name == name:
                handle = self.client.get_schedule_handle(f"{SCHEDULE}{name}")
                await in_time(handle.delete(rpc_timeout=CALL), gone=OVER)
                log.info("a schedule of drills is removed", schedule=name, by=by)
                return each
        raise Gone(
            f"there is no schedule {name!r} of drills. See which there are: firestation drill schedule"
        )


async def _order_of(found: WorkflowExecution) -> DrillOrder | None:
    """What a drill was ordered by, with its name; None for one by schedule, or of a gateway of before."""
    told = (await found.memo()).get(ORDERED)
    return DrillOrder.model_validate(told) if told else None


def _unseen(order: DrillOrder, since: datetime) -> DrillNow:
    """A drill that is held, and of which no worker says now where it is."""
    assert order.drill is not None  # given by `order`, above
    mark = DrillMark(
        drill=order.drill,
        kind=order.kind,
        drillers=order.drillers,
        ordered_by=order.ordered_by,
        ordered_at=since,
    )
    return DrillNow(mark=mark, system=order.system, step="opening", since=since, trouble=UNSEEN)


def _system_of(found: WorkflowExecution) -> str:
    return found.id.removeprefix(messages.drill_workflow(""))


async def _all(found: AsyncIterator[T]) -> list[T]:
    return [each async for each in found]


def _sound(body: ScheduleBody) -> None:
    """Raises `InvalidInput` for spans of which nothing unannounced can come."""
    every, window = show_duration(body.every), show_duration(body.window)
    if body.every < DAY:
        raise InvalidInput("every", f"{every} is too often for those who drill", "Write 1d or more")
    if body.window <= timedelta():
        raise InvalidInput("window", f"{window} is no time to come in unannounced", "Write it like 8h")
    if body.window > body.every:
        problem = f"{window} is longer than the {every} between two drills"
        raise InvalidInput("window", problem, f"Write {every} or less")


class LastDrilled:
    """When each step was last drilled, as far as the gateway has read the shelf: an alarm never waits for that."""

    def __init__(self, shelved: Shelved) -> None:
        self.shelved = shelved
        self.results: tuple[DrillResult, ...] = ()
        self.looked = float("-inf")
        self.looking: asyncio.Task[None] | None = None

    def __call__(self, brief: Brief) -> Mapping[str, date]:
        """What is known now; where that is old, it is read again meanwhile."""
        self.look()
        return drilled_steps(self.results, brief.system.system, brief.runbooks, datetime.now(UTC).date())

    def look(self) -> None:
        """Begin to read the shelf, where what is known is old."""
        now = asyncio.get_running_loop().time()
        if self.looking is None and now - self.looked > SHELF_SECONDS:
            self.looked, self.looking = now, asyncio.create_task(self._look())

    async def _look(self) -> None:
        try:
            self.results, _ = await self.shelved(None)
        except FirestationError as error:
            log.info("the results of drills cannot be read now", problem=str(error))
        finally:
            self.looking = None


def drills(desk: DrillDesk, *, looks: Any, acts: Any, route_class: type[APIRoute]) -> APIRouter:
    """The routes. `looks` and `acts` are who may look and act."""
    router = APIRouter(prefix="/drills", tags=["drills"], route_class=route_class)

    @router.get("")
    async def look(caller: looks, system: Id | None = None) -> Drills:
        """What is held, what was held, and how ready that makes each system."""
        person_of(caller)
        return await desk.look(system)

    @router.post("", status_code=202)
    async def order(caller: acts, body: DrillBody, idempotency_key: KeyHeader = None) -> DrillNow:
        """Begin a drill."""
        return await desk.order(body, person_of(caller), idempotency_key)

    @router.get("/schedules")
    async def schedules(caller: looks) -> Schedules:
        """The drills that come by themselves."""
        person_of(caller)
        return await desk.schedules()

    @router.post("/schedules", status_code=201)
    async def schedule(caller: acts, body: ScheduleBody) -> Scheduled:
        """Let a drill come by itself, unannounced."""
        return await desk.schedule(body, person_of(caller))

    @router.delete("/schedules/{name}")
    async def unschedule(caller: acts, name: ScheduleName) -> Scheduled:
        """Let it come no more."""
        return await desk.unschedule(name, person_of(caller))

    @router.post("/{drill}/stop", status_code=202)
    async def stop(caller: acts, drill: DrillId) -> DrillNow:
        """Let a drill be over."""
        return await desk.stop(drill, person_of(caller))

    return router
