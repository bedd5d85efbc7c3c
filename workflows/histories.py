"""An incident's whole history: every run of its chain, the oldest first, in Temporal's standard JSON."""

from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Gone


async def fetch_chain(client: Client, incident: str, run_id: str | None = None) -> list[WorkflowHistory]:
    """The runs of the incident's chain that ends with this run; without one, of its latest chain.

    Raises `Gone` when there is no such incident, or when Temporal has one of its runs no more.
    """
    chain: list[WorkflowHistory] = []
    while run_id or not chain:
        try:
            run = await client.get_workflow_handle(incident, run_id=run_id).fetch_history()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            if not chain:
                raise Gone(f"there is no incident {incident!r}; see: firestation incidents") from None
            raise Gone(
                f"Temporal has the run {run_id} of {incident} no more: its retention is over"
            ) from None
        chain.insert(0, run)
        run_id = run.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return chain


def as_json(history: WorkflowHistory) -> dict[str, Any]:
    """One run in the standard JSON form, as `temporal workflow show --output json` prints it."""
    return history.to_json_dict()
