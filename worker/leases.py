"""Leases of levers as Temporal keeps them: one running workflow a lever."""

from datetime import datetime

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Unreachable
from firestation.orders import LeaseAnswer, LeaseOrder, ReleaseOrder
from workflows.lease import LEASE, RELEASE, Holder, LeaseStart, lease_id

HOLDER = "holder"
"""The memo that names the holder, so that nobody must wake the workflow to learn it."""

FREED_AT = "freed_at"
"""The memo of when another incident had let go of the lever, so that an answer that was lost is given again."""


class TemporalLeases:
    """The lease of a lever is a workflow with the lever's name; starting it is taking it.

    When it was let go of is when the last such workflow ended, by the server's clock; the server forgets it after the
    retention of its namespace, a day or more. We look before we take, since a running workflow hides the one before it.
    An incident that takes the lever and lets go of it between our look and our taking stays unseen. Within those few
    milliseconds a captain would have to adopt its move to leave the lever elsewhere, and then the comparison before
    our move finds it, as it finds a stranger's.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        self.client, self.task_queue = client, task_queue

    async def take(self, order: LeaseOrder) -> LeaseAnswer:
        """Have it, or name the open incident that does. An incident that ended without letting go holds nothing."""
        ours = Holder(incident=order.incident, run=order.run, action=order.action)
        name = lease_id(order.system, order.lever)
        seen = await self._seen(name)
        if seen is None or seen.status is not WorkflowExecutionStatus.RUNNING:
            freed_at = await _freed_at(seen, ours)
            if await self._begin(order, ours, freed_at):
                return LeaseAnswer(holder=None, freed_at=freed_at)
            seen = await self._seen(name)
        if seen is None or seen.status is not WorkflowExecutionStatus.RUNNING:
            raise Unreachable(f"{order.lever} was taken and let go of again in this moment")
        holder = await _holder(seen)
        if holder == ours:
            freed = await seen.memo_value(FREED_AT, None)
            return LeaseAnswer(holder=None, freed_at=freed)
        if (holder.incident, holder.run) == (ours.incident, ours.run):
            raise Unreachable(f"{order.lever} is still being let go of by this incident")
        if not await self._is_open(holder):
            await self._release(name, holder)
            raise Unreachable(f"{holder.incident} has ended, and its lease of {order.lever} ends now")
        return LeaseAnswer(holder=holder.incident)

    async def release(self, order: ReleaseOrder) -> None:
        """Let go of it. The workflow minds only its holder, so a late order frees nobody else's lever."""
        holder = Holder(incident=order.incident, run=order.run, action=order.action)
        await self._release(lease_id(order.system, order.lever), holder)

    async def _release(self, name: str, holder: Holder) -> None:
        try:
            await self.client.get_workflow_handle(name).signal(RELEASE, holder)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise Unreachable(f"the lease {name} could not be released: {error.message}") from error

    async def _begin(self, order: LeaseOrder, ours: Holder, freed_at: datetime | None) -> bool:
        """Start the workflow that is the lease; False when one runs already."""
        try:
            await self.client.start_workflow(
                LEASE,
                LeaseStart(holder=ours),
                id=lease_id(order.system, order.lever),
                task_queue=self.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                memo={HOLDER: ours, FREED_AT: freed_at},
                static_summary=f"{order.lever} of {order.system}, held by {order.incident}",
            )
        except WorkflowAlreadyStartedError:
            return False
        except RPCError as error:
            raise Unreachable(f"the lease of {order.lever} could not be taken: {error.message}") from error
        return True

    async def _seen(self, name: str) -> WorkflowExecutionDescription | None:
        """The last lease of this lever, running or ended; None when there was none, or it is forgotten."""
        try:
            return await self.client.get_workflow_handle(name).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise Unreachable(f"nobody says who holds {name}: {error.message}") from error

    async def _is_open(self, holder: Holder) -> bool:
        """Whether the incident still runs, in the chain of runs that took the lease."""
        try:
            seen = await self.client.get_workflow_handle(holder.incident).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise Unreachable(f"nobody says whether {holder.incident} is open: {error.message}") from error
        first = seen.raw_description.workflow_execution_info.first_run_id or seen.run_id
        return seen.status is WorkflowExecutionStatus.RUNNING and first == holder.run


async def _holder(seen: WorkflowExecutionDescription) -> Holder:
    return Holder.model_validate(await seen.memo_value(HOLDER, type_hint=Holder))


async def _freed_at(seen: WorkflowExecutionDescription | None, ours: Holder) -> datetime | None:
    """When this lease ended; None when the incident that asks held it: that one knows what it did with the lever."""
    if seen is None:
        return None
    last = await _holder(seen)
    return None if (last.incident, last.run) == (ours.incident, ours.run) else seen.close_time
