"""What waits for a person: it is told what rings again, listed for all gateways, and hears what a person decides."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError

from firestation import waits
from firestation.alarm import Alarms, Batch
from firestation.errors import ORDER, Gone, Refused
from firestation.model import Line, Model
from firestation.system import System
from firestation.triage_rules import TriageRule
from firestation.waits import Verdict, Wait, triage_id
from gateway.book import Books
from gateway.spool import Frozen
from gateway.temporal import CALL, NOT_TAKEN, latest_of, not_told, refused
from workflows import messages, search
from workflows.asking import in_time
from workflows.client import TASK_QUEUE

SHOWN = 200
AT_ONCE = 8
OVER = "what waited there was decided before it was told of this"


class WaitList(Model):
    """What waits for a person, the first to become an incident first; and what cannot be shown now.

    With `more` still others wait, and one of them may come first.
    """

    waiting: tuple[Wait, ...]
    not_shown: tuple[Line, ...] = ()
    more: bool = False


class Sorted(NamedTuple):
    """The places of a batch: what is to wait, all-clears of what does not wait, and what came too late."""

    waits: list[str]
    orphans: list[str]
    late: list[str]


class WaitDesk:
    """Tells, lists and decides what waits for a person at this station."""

    def __init__(self, client: Client, books: Books) -> None:
        self.client, self.books = client, books

    async def running(self, incident: str) -> WorkflowExecution | None:
        """What waits in place of this incident, or did last. Raises `Gone` for another station's."""
        found = await latest_of(self.client, triage_id(incident))
        if found is not None and not await self._is_ours(found):
            raise Gone(f"{incident} is another station's")
        return found

    async def has(self, incident: str, batch: Batch) -> bool:
        """Whether what waited there last was told this batch; no where nobody can say: better twice than never."""
        latest = await latest_of(self.client, triage_id(incident))
        if latest is None or not await self._is_ours(latest):
            return False
        wait = await self._picture(latest.id)
        return wait is not None and batch.number <= wait.told.get(batch.spool, 0)

    async def tell(self, wait: Wait, alarms: Alarms) -> messages.Waits:
        """Tell what waits, or have it wait from now on. A batch that is told twice is counted once."""
        batch = alarms.batch
        try:
            told: messages.Waits = await self.client.execute_update_with_start_workflow(
                messages.TOLD,
                alarms,
                start_workflow_operation=self._start(wait, alarms),
                id=f"told/{batch.spool}/{batch.number}" if batch else None,
                result_type=messages.Waits,
                rpc_timeout=CALL,
            )
        except WorkflowUpdateFailedError as error:
            raise not_told(error) from error
        return told

    def _start(self, wait: Wait, alarms: Alarms) -> WithStartWorkflowOperation[Any, Any]:
        first = alarms.alarms[0]
        return WithStartWorkflowOperation(
            messages.TRIAGE,
            messages.TriageStart(wait=wait),
            id=triage_id(wait.incident),
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            memo={
                "title": wait.title,
                "alarm": first.name,
                messages.STATION: self.books.book.station.station,
            },
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(search.SYSTEM, wait.system),
                    SearchAttributePair(search.INCIDENT, wait.incident),
                    SearchAttributePair(search.WAITING, "a person: open it, or say why it is none"),
                ]
            ),
            static_summary=messages.in_summary(wait.title, first.name),
            static_details=f"Type: firestation triage open {wait.incident}",
        )

    async def listing(self) -> WaitList:
        """What waits now, at whichever gateway it rang."""
        return await in_time(self._listing())

    async def _listing(self) -> WaitList:
        query = f"WorkflowType = '{messages.TRIAGE}' AND ExecutionStatus = 'Running'"
        found = list[str]()
        async for each in self.client.list_workflows(query, rpc_timeout=CALL):
            if await self._is_ours(each):
                found.append(each.id)
            if len(found) > SHOWN:
                break
        more, found = len(found) > SHOWN, found[:SHOWN]
        at_once = asyncio.Semaphore(AT_ONCE)

        async def seen(id_: str) -> Wait | None:
            async with at_once:
                return await self._picture(id_)

        pictures = await asyncio.gather(*(seen(each) for each in found))
        shown = sorted((each for each in pictures if each is not None), key=lambda each: each.until)
        rest = (
            id_.removeprefix(waits.PREFIX) for id_, each in zip(found, pictures, strict=True) if each is None
        )
        return WaitList(waiting=tuple(shown), not_shown=tuple(rest), more=more)

    async def _picture(self, id_: str) -> Wait | None:
        handle = self.client.get_workflow_handle(id_)
        try:
            seen: Wait = await handle.query(messages.PICTURE, result_type=Wait, rpc_timeout=CALL)
        except (RPCError, WorkflowQueryFailedError):
            return None
        return seen

    async def decide(self, incident: str, verdict: Verdict, key: str | None) -> messages.Decided:
        """A person decides. Raises `Gone` when nothing waits there, `Refused` when it is decided otherwise."""
        missing = f"nothing waits for a person in place of {incident!r}. See what does: firestation triage"
        latest = await in_time(self.running(incident))
        if latest is None:
            raise Gone(missing)
        if latest.status is not WorkflowExecutionStatus.RUNNING:
            raise Refused(0, ORDER, "it was decided already, and waits no more")
        try:
            return await in_time(self._decide(incident, verdict, key))
        except WorkflowUpdateFailedError as error:
            raise refused(error) from error

    async def _decide(self, incident: str, verdict: Verdict, key: str | None) -> messages.Decided:
        handle = self.client.get_workflow_handle(triage_id(incident))
        try:
            answer: messages.Decided = await handle.execute_update(
                messages.DECIDE, verdict, id=key, result_type=messages.Decided, rpc_timeout=CALL
            )
        except RPCError as error:
            if error.status in NOT_TAKEN:
                raise Refused(0, ORDER, "it was decided just now, and waits no more") from error
            raise
        return answer

    async def _is_ours(self, found: WorkflowExecution) -> bool:
        station = (await found.memo()).get(messages.STATION)
        return found.workflow_type == messages.TRIAGE and station == self.books.book.station.station


def wait_of(incident: str, system: System, rule: TriageRule) -> Wait:
    """What begins to wait now, by this rule."""
    assert rule.within is not None  # the system file was refused otherwise
    now = datetime.now(UTC)
    return Wait(
        incident=incident,
        system=system.system,
        title=system.title,
        rule=rule.id,
        class_=rule.class_,
        why=rule.why,
        since=now,
        until=now + rule.within,
    )


def sort_out(batch: Frozen, known: Collection[str], latest: WorkflowExecution | None) -> Sorted:
    """What of a batch is to wait. What waits already is told everything."""
    places = list(batch.heaps)
    if latest is not None and latest.status is WorkflowExecutionStatus.RUNNING:
        return Sorted(places, [], [])
    closed = latest.close_time if latest is not None else None
    late = [
        where
        for where, heap in batch.heaps.items()
        if closed and where in known and heap.tally.last_at < closed
    ]
    rest = [where for where in places if where not in late]
    first = next((index for index, where in enumerate(rest) if batch.heaps[where].fired), len(rest))
    return Sorted(rest[first:], rest[:first], late)
