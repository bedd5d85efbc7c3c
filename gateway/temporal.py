"""What the desks share of Temporal: how long it is waited for, and why it took nothing."""

from datetime import timedelta

from temporalio.client import Client, WorkflowExecution, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Nonsense, NotConfigured, Refused

CALL = timedelta(seconds=4)
"""Alert systems give up after five seconds, so the gateway does before."""

NOT_TAKEN = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
"""Temporal's answers when a run ended, or turned its page, before it could take what was sent to it."""

PAUSE_SECONDS = 0.2


async def latest_of(client: Client, incident: str) -> WorkflowExecution | None:
    """The latest run of this id, whoever's it is."""
    try:
        return await client.get_workflow_handle(incident).describe(rpc_timeout=CALL)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def refused(error: WorkflowUpdateFailedError) -> Refused | NotConfigured:
    """Why an incident did not take what was sent to it."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == "Refused":
        rule = int(cause.details[0]) if cause.details else 0
        return Refused(rule, "refused", cause.message)
    return NotConfigured(f"the incident could not take it: {cause}")


def not_told(error: WorkflowUpdateFailedError) -> Refused | Nonsense:
    """Why alarms were not taken: refused for good; or not understood, by a worker of before perhaps, which changes."""
    found = refused(error)
    return found if isinstance(found, Refused) else Nonsense(f"{found}; is there a worker of before still?")
