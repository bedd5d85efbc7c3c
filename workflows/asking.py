"""Asking Temporal from outside of a workflow: its troubles as ours. The gateway and the worker ask in these words."""

from collections.abc import Awaitable
from typing import TypeVar

from temporalio.client import WorkflowQueryFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Gone, Unreachable

Result = TypeVar("Result")


async def in_time(call: Awaitable[Result], incident: str = "", *, gone: str = "") -> Result:
    """The result; Temporal's troubles as ours. Raises `Gone`, which says `gone` where that is given; `Unreachable`."""
    try:
        return await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Gone(gone or f"there is no incident {incident!r}") from error
        raise Unreachable(f"Temporal does not answer ({error.status.name})") from error
    except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as error:
        raise Unreachable(
            "no worker has answered in time; it may still happen, so look before you repeat"
        ) from error
    except WorkflowQueryFailedError as error:
        raise Unreachable(f"the incident cannot be shown now: {error}") from error
    except RuntimeError as error:  # of the SDK, when the first connection of a client fails
        if "client connect" not in str(error):
            raise
        raise Unreachable("Temporal does not answer (no connection)") from error
