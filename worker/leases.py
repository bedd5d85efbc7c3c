"""Leases of levers as Temporal keeps them: one running workflow a lever."""

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Unreachable
from firestation.orders import LeaseAnswer, LeaseOrder, ReleaseOrder
from workflows.lease import LEASE, RELEASE, Holder, LeaseStart, lease_id

HOLDER = "holder"
"""The memo that names the holder, so that nobody must wake the workflow to learn it."""


class TemporalLeases:
    """The lease of a lever is a workflow with the lever's name; starting it is taking it."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self.client, self.task_queue = client, task_queue

    async def take(self, order: LeaseOrder) -> LeaseAnswer:
        """Have it, or name the open incident that does. An incident that ended without letting go holds nothing."""
        ours = Holder(incident=order.incident, run=order.run, action=order.action)
        name = lease_id(order.system, order.lever)
        try:
            await self.client.start_workflow(
                LEASE,
                LeaseStart(holder=ours),
                id=name,
                task_queue=self.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                memo={HOLDER: ours},
                static_summary=f"{order.lever} of {order.system}, held by {order.incident}",
            )
        except WorkflowAlreadyStartedError:
            holder = await self._holder(name)
        except RPCError as error:
            raise Unreachable(f"the lease of {order.lever} could not be taken: {error.message}") from error
        else:
            return LeaseAnswer(holder=None)
        if holder == ours:
            return LeaseAnswer(holder=None)
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

    async def _holder(self, name: str) -> Holder:
        handle: WorkflowHandle[object, object] = self.client.get_workflow_handle(name)
        try:
            seen = await handle.describe()
            return Holder.model_validate(await seen.memo_value(HOLDER, type_hint=Holder))
        except RPCError as error:
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
