"""Ringing: alarms start an incident or join it, in one request. The bell and the drill ring in the same way."""

from datetime import timedelta
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from firestation.alarm import Alarms
from firestation.severity import propose
from firestation.state import Phase
from firestation.triage import told_labels
from workflows import messages, search
from workflows.client import TASK_QUEUE


async def ring(
    client: Client,
    alarms: Alarms,
    start: messages.IncidentStart,
    within: timedelta,
    *,
    task_queue: str = TASK_QUEUE,
    key: str | None = None,
    once: bool = False,
) -> messages.Joined:
    """Join the open run of this incident, or start one. `once`: never start another when one has ended.

    Under the same `key` the alarms ring once. Raises Temporal's own errors.
    """
    brief, first = start.brief, alarms.alarms[0]
    severity = propose(brief.runbook.severity).severity
    memo: dict[str, Any] = {"title": brief.title, "alarm": first.name, messages.STATION: brief.roster.station}
    if labels := told_labels(brief.system, first):
        memo[messages.LABELS] = labels
    drill = [SearchAttributePair(search.DRILL, brief.drill.drill)] if brief.drill else []
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        messages.WORKFLOW,
        start,
        id=brief.incident,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE
        if once
        else WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        memo=memo,
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(search.SYSTEM, brief.system.system),
                SearchAttributePair(search.PHASE, str(Phase.OPEN)),
                SearchAttributePair(search.SEVERITY, str(severity)),
                SearchAttributePair(search.CAPTAIN, "nobody"),
                SearchAttributePair(search.WAITING, "a captain: nobody has acknowledged"),
                *drill,
            ]
        ),
        static_summary=messages.in_summary(brief.title, first.name),
        static_details=f"Type: firestation show {brief.incident}",
    )
    joined: messages.Joined = await client.execute_update_with_start_workflow(
        messages.RING,
        alarms,
        id=key,
        start_workflow_operation=operation,
        result_type=messages.Joined,
        rpc_timeout=within,
    )
    return joined
