"""The watch as people see it: each detector of the book, and the result of its last look, which Temporal keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from pydantic import ValidationError
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.service import RPCError, RPCStatusCode

from firestation.model import Model
from firestation.watch.course import Course
from firestation.watch.view import DetectorView, view
from gateway.book import Books
from gateway.temporal import CALL
from workflows import messages
from workflows.asking import in_time
from workflows.watch import schedule_id

log = structlog.get_logger()


class Detectors(Model):
    """The answer to a look at the watch."""

    detectors: tuple[DetectorView, ...]


DetectorsPort = Callable[[str | None], Awaitable[Detectors]]
"""What the route asks: the detectors of one system, or of all."""


def detectors_of(client: Client, books: Books) -> DetectorsPort:
    """How the watch is looked at.

    Raises `InvalidInput` for a system that nobody knows, `Unreachable` when Temporal does not answer.
    """

    async def looked(system: str | None) -> Detectors:
        book = await books.latest()
        if system is not None:
            book.protected(system)
        wanted = [
            (each.system, detector)
            for each in book.systems.values()
            if system in {None, each.system}
            for detector in each.watch
        ]
        seen = await in_time(
            asyncio.gather(
                *(_seen(client, book.station.station, schedule_id(name, each.id)) for name, each in wanted)
            )
        )
        now = datetime.now(UTC)
        shown = (
            view(name, each, found.course, now, made=found.made, paused=found.paused)
            for (name, each), found in zip(wanted, seen, strict=True)
        )
        return Detectors(detectors=tuple(shown))

    return looked


class _Seen(NamedTuple):
    course: Course | None = None
    made: datetime | None = None
    paused: bool = False


async def _seen(client: Client, station: str, name: str) -> _Seen:
    """Its schedule, and what the last look that has ended knows; nothing when it is another station's."""
    try:
        found = await client.get_schedule_handle(name).describe(rpc_timeout=CALL)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return _Seen()
        raise
    if (await found.memo()).get(messages.STATION) != station:
        return _Seen()
    return _Seen(await _course(client, found), found.info.created_at, found.schedule.state.paused)


async def _course(client: Client, found: ScheduleDescription) -> Course | None:
    for each in reversed(found.info.recent_actions):
        action = each.action
        if isinstance(action, ScheduleActionExecutionStartWorkflow):
            course = await _result(client, action)
            if course is not None:
                return course
    return None


async def _result(client: Client, action: ScheduleActionExecutionStartWorkflow) -> Course | None:
    handle = client.get_workflow_handle(
        action.workflow_id, run_id=action.first_execution_run_id, result_type=Course
    )
    try:
        if (await handle.describe(rpc_timeout=CALL)).status is not WorkflowExecutionStatus.COMPLETED:
            return None
        found: Course = await handle.result(rpc_timeout=CALL)
    except (ValidationError, WorkflowFailureError) as error:
        log.warning("a look of the watch cannot be read", workflow=action.workflow_id, problem=str(error))
        return None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # forgotten since
            return None
        raise
    return found
