"""Asking Temporal from outside of a workflow: its troubles as ours. The gateway and the worker ask in these words."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowQueryFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Gone, Unreachable
from firestation.state import ENDS, Phase
from workflows import messages, search

Result = TypeVar("Result")

RECOVERED = frozenset({Phase.RESTORED, Phase.AFTER_ACTION})
LATE = frozenset({RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED})
"""What the SDK says when its own time for a call is over, and the server when the time of a worker is."""

BURNING = f"{search.PHASE.name} IN {tuple(str(each) for each in Phase if each not in RECOVERED | ENDS)}"


async def in_time(call: Awaitable[Result], incident: str = "", *, gone: str = "") -> Result:
    """The result; Temporal's troubles as ours. Raises `Gone`, which says `gone` where that is given; `Unreachable`."""
    clock = asyncio.get_running_loop().time
    asked = clock()
    try:
        return await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Gone(gone or f"there is no incident {incident!r}") from error
        if error.status in LATE:
            raise Unreachable(_late(clock() - asked)) from error
        raise Unreachable(f"Temporal does not answer ({error.status.name})") from error
    except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as error:
        raise Unreachable(f"{_late(clock() - asked)}; it may still happen") from error
    except WorkflowQueryFailedError as error:
        raise Unreachable(f"the incident cannot be shown now: {error}") from error
    except RuntimeError as error:  # of the SDK, when the first connection of a client fails
        if "client connect" not in str(error):
            raise
        raise Unreachable("Temporal does not answer (no connection)") from error


def _late(seconds: float) -> str:
    """Which of the two it is nobody can tell from here: Temporal answers a question when a worker has."""
    return f"Temporal, or a worker behind it, has not answered within {int(seconds)} s"


async def our_memo(found: WorkflowExecution, station: str) -> Mapping[str, Any] | None:
    """The memo of an incident; None for anything else, and another station's. Those of before do not say whose."""
    if found.workflow_type != messages.WORKFLOW:
        return None
    memo = await found.memo()
    return memo if memo.get(messages.STATION, station) == station else None


async def in_the_way(
    client: Client, system: str, station: str, within: timedelta, *, on_call: bool
) -> str | None:
    """What speaks against a drill now: an open incident of the system, whose levers are not to play with.

    Where whoever is `on_call` is to drill: also a fire at which they are needed, or another drill, on any system.
    """
    if name := await in_time(_open(client, f"{search.SYSTEM.name} = '{system}'", station, within)):
        return f"the incident {name} of {system} is open: no drill is held beside it"
    if on_call and (name := await in_time(_open(client, BURNING, station, within))):
        return f"{name} is not over yet, and whoever is on call is needed there: no drill now"
    return None


async def _open(client: Client, where: str, station: str, within: timedelta) -> str | None:
    query = f"WorkflowType = '{messages.WORKFLOW}' AND ExecutionStatus = 'Running' AND {where}"
    async for found in client.list_workflows(query, rpc_timeout=within):
        if await our_memo(found, station) is not None:
            return found.id
    return None
