"""An incident's whole history: every run of its chain, the oldest first, readable, in Temporal's standard JSON."""

import json
from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Gone
from workflows.reading import decoded


async def fetch_chain(client: Client, incident: str) -> list[WorkflowHistory]:
    """The runs of the incident's latest chain, decrypted.

    Raises `Gone` when there is no such incident, and as `decoded` when the client has not the keys of its history.
    """
    try:
        latest = await client.get_workflow_handle(incident).fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Gone(f"there is no incident {incident!r}; see: firestation incidents") from None
        raise
    started = latest.events[0].workflow_execution_started_event_attributes
    chain = [latest]
    run_id = started.continued_execution_run_id
    while run_id:
        before = await client.get_workflow_handle(incident, run_id=run_id).fetch_history()
        chain.insert(0, before)
        run_id = before.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return [await decoded(each, client.data_converter) for each in chain]


def as_json(history: WorkflowHistory) -> dict[str, Any]:
    """One run in the standard JSON form, as `temporal workflow show --output json` prints it."""
    found: dict[str, Any] = json.loads(history.to_json())
    return found
