"""Convert every incident into a lock: the tasks, the lock with its proof, the postmortem."""

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from firestation import proofs, record
from firestation.after_action import LockProof, Task, Ticket
from firestation.aftermath import course, handed, is_left, tasks
from firestation.evidence import ArtifactRef
from firestation.firebreak import effect_key
from firestation.orders import KeepOrder, LockOrder, TaskOrder
from firestation.postmortem import draft
from firestation.state import Phase
from workflows import messages
from workflows.house import House, why
from workflows.search import following


async def make_the_lock(house: House) -> None:
    """Once every firebreak has ended and the checks have held; and again when the captain says `prove`."""

    def due() -> bool:
        return house.incident.phase is Phase.AFTER_ACTION and house.incident.lock_wanted

    while await house.until(due):
        for task in tasks(house.incident):
            await _open_task(house, task)
        await _follow_up(house)
        await _prove(house)
        if not house.incident.since(4):
            await _draft(house)
        else:  # what is left of a process is its draft, which is made in the other room
            await house.until(lambda: not (due() and house.incident.brief.runbook.lock.kind == "process"))


async def _open_task(house: House, task: Task) -> None:
    incident = house.incident
    if any((ticket.kind, ticket.name) == (task.kind, task.name) for ticket in incident.tickets):
        return
    step = f"task-{task.kind}" + (f"-{task.name}" if task.name else "")
    order = TaskOrder(
        tracker=incident.brief.system.trackers[0],
        task=task,
        key=effect_key(incident.id, incident.mark, step),
    )
    try:
        ticket = await house.do("open_task", order, Ticket, f"open the task: {task.title}")
        house.happen(record.TaskOpened(at=workflow.now(), ticket=ticket.changed(name=task.name)))
    except ActivityError as error:
        house.happen(record.Failed(at=workflow.now(), step="task", detail=why(error)))


async def _follow_up(house: House) -> None:
    """Let the tasks be followed up by a workflow of their own, which outlives this one. Started once a fire.

    The id says so, whatever is continued or tried again: it outlives the incident, so it is never free meanwhile.
    """
    if not is_left(house.incident):
        return
    found = course(house.incident)
    values = following(found, workflow.now())
    try:
        await workflow.start_child_workflow(
            messages.AFTER_ACTION,
            messages.AfterStart(course=found),
            id=messages.after_id(found.incident, found.mark),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            memo={"title": found.title, messages.STATION: found.roster.station},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(key, value) for key, value in values.items()]
            ),
            static_summary=f"the tasks of {found.incident}",
        )
    except WorkflowAlreadyStartedError:
        await hand_over(house)  # it was tried again, and more of the tasks may stand in the tracker now


async def hand_over(house: House) -> None:
    """Tell whoever follows up the tasks what they cannot know: the tickets, the captain, and how it ended."""
    incident = house.incident
    if not is_left(incident):
        return
    follower = workflow.get_external_workflow_handle(messages.after_id(incident.id, incident.mark))
    try:
        await follower.signal(messages.TOLD, handed(incident))
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        workflow.logger.warning("nobody follows up the tasks of %s any more: %s", incident.id, error)


async def _prove(house: House) -> None:
    """Run the lock on the frozen evidence, where it must fail, and on the live system, where it must pass."""
    incident, plan = house.incident, house.incident.brief.runbook.lock
    if plan.kind == "process":  # two people attest it
        return
    check = incident.brief.system.check(plan.check) if plan.check else None
    if check is None or incident.sealed is None:
        detail = "no evidence was sealed, so there is nothing to prove a lock on; waive the lock by name"
        house.happen(record.Failed(at=workflow.now(), step="lock", detail=detail))
        return
    evidence = tuple(each for each in incident.artifacts if each.source == plan.source)
    order = LockOrder(
        incident=incident.id, plan=plan, check=check, evidence=evidence, changes=incident.changes
    )
    proving = _run(house, order)
    if incident.since(4):  # it may take hours: no page waits for it, and the next run tries it again
        await house.whilst(lambda: not proofs.overtaken(house.incident, order), proving)
    else:
        await proving


async def _run(house: House, order: LockOrder) -> None:
    event: record.LockTried | record.Failed
    try:
        proof = await house.do("prove_lock", order, LockProof, f"prove the lock: {order.plan.title}")
        event = proofs.tried(house.incident, workflow.now(), proof)
    except ActivityError as error:
        event = record.Failed(at=workflow.now(), step="lock", detail=why(error))
    if not proofs.overtaken(house.incident, order):
        house.happen(event)


async def _draft(house: House) -> None:
    """The draft of before edition 4; since then there is `workflows/postmortem.py`."""
    text = draft(house.incident, tuple(house.record))
    name = f"postmortem-{house.incident.id}.md"
    order = KeepOrder(name=name, media_type="text/markdown", text=text, source="after-action")
    try:
        artifact = await house.do("keep", order, ArtifactRef, "keep the draft of the postmortem")
        house.happen(record.Drafted(at=workflow.now(), artifact=artifact))
    except ActivityError as error:
        house.happen(record.Failed(at=workflow.now(), step="draft", detail=why(error)))
