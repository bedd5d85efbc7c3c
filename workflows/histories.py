"""Whole histories, in Temporal's standard JSON: every run of an incident's chain, and of the workflows that it started.

This is the only place that fetches them; they come decrypted.
"""

from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import Gone
from firestation.history import children, continued_to
from workflows.reading import decoded

History = dict[str, Any]


async def fetch_chain(client: Client, incident: str, run_id: str | None = None) -> list[WorkflowHistory]:
    """The runs of the incident's chain that ends with this run, or of its latest chain; the oldest first, decrypted.

    Raises `Gone` when there is no such incident or Temporal has a run of it no more, and as `decoded` when the client
    has not the keys of its history.
    """
    chain: list[WorkflowHistory] = []
    missing = f"there is no incident {incident!r}; see: firestation incidents"
    while run_id or not chain:
        chain.insert(0, await _fetch(client, incident, run_id, missing))
        run_id = chain[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        missing = f"Temporal has the run {run_id} of {incident!r} no more: its retention is over"
    return chain


async def fetch_family(client: Client, incident: str) -> list[list[History]]:
    """The incident's chain, and that of each workflow that one of these started, in the order of their starts.

    Each chain is its runs, the oldest first, as JSON. Raises `Gone` when there is no such incident, or a run of it, or
    of a child, is not kept any more.
    """
    family = [[as_json(run) for run in await fetch_chain(client, incident)]]
    for chain in family:  # it grows meanwhile: a child may have children
        for run in chain:
            for child in children(run):
                family.append(await _forward(client, child.workflow, child.run))  # noqa: PERF401 - it is read above
    return family


async def _forward(client: Client, workflow: str, run_id: str) -> list[History]:
    """A chain from its first run on."""
    chain, following = list[History](), run_id or None
    while following:
        missing = f"Temporal has the run {following} of {workflow!r} no more: its retention is over"
        chain.append(as_json(await _fetch(client, workflow, following, missing)))
        following = continued_to(chain[-1])
    return chain


async def _fetch(client: Client, workflow: str, run_id: str | None, missing: str) -> WorkflowHistory:
    try:
        history = await client.get_workflow_handle(workflow, run_id=run_id).fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Gone(missing) from None
        raise
    return await decoded(history, client.data_converter)


def as_json(history: WorkflowHistory) -> History:
    """One run in the standard JSON form, as `temporal workflow show --output json` prints it."""
    return history.to_json_dict()
