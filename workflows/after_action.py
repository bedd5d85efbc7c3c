"""Convert every incident into a lock: the tasks, the lock with its proof, the postmortem."""

from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record
from firestation.after_action import LockProof, Task, Ticket
from firestation.evidence import ArtifactRef
from firestation.firebreak import effect_key
from firestation.orders import KeepOrder, LockOrder, TaskOrder
from firestation.postmortem import draft
from firestation.state import Phase
from workflows.house import House, why

TaskKind = Literal["postmortem", "eval-lock"]


async def make_the_lock(house: House) -> None:
    """Once every firebreak has ended and the checks have held; and again when the captain says `prove`."""

    def due() -> bool:
        return house.incident.phase is Phase.AFTER_ACTION and house.incident.lock_wanted

    while await house.until(due):
        for kind in ("postmortem", "eval-lock"):
            await _open_task(house, kind)
        await _prove(house)
        await _draft(house)


async def _open_task(house: House, kind: TaskKind) -> None:
    incident, runbook = house.incident, house.incident.brief.runbook
    if any(ticket.kind == kind for ticket in incident.tickets):
        return
    title = f"Lock: {runbook.lock.title}" if kind == "eval-lock" else f"Postmortem of {incident.id}"
    text = f"{runbook.title}. Opened by the incident {incident.id}."
    order = TaskOrder(
        tracker=incident.brief.system.trackers[0],
        task=Task(incident=incident.id, kind=kind, title=title[:300], text=text),
        key=effect_key(incident.id, incident.run, f"task-{kind}"),
    )
    try:
        ticket = await house.do("open_task", order, Ticket, f"open the task: {title}")
        house.happen(record.TaskOpened(at=workflow.now(), ticket=ticket))
    except ActivityError as error:
        house.happen(record.Failed(at=workflow.now(), step="task", detail=why(error)))


async def _prove(house: House) -> None:
    """Run the lock on the frozen evidence, where it must fail, and on the live system, where it must pass."""
    incident, plan = house.incident, house.incident.brief.runbook.lock
    check = incident.brief.system.check(plan.check)
    if check is None or incident.sealed is None:
        detail = "no evidence was sealed, so there is nothing to prove a lock on; waive the lock by name"
        house.happen(record.Failed(at=workflow.now(), step="lock", detail=detail))
        return
    evidence = tuple(each for each in incident.artifacts if each.source == plan.source)
    order = LockOrder(incident=incident.id, plan=plan, check=check, evidence=evidence)
    try:
        proof = await house.do("prove_lock", order, LockProof, f"prove the lock: {plan.title}")
        house.happen(record.LockTried(at=workflow.now(), proof=proof))
    except ActivityError as error:
        house.happen(record.Failed(at=workflow.now(), step="lock", detail=why(error)))


async def _draft(house: House) -> None:
    text = draft(house.incident, tuple(house.record))
    name = f"postmortem-{house.incident.id}.md"
    order = KeepOrder(name=name, media_type="text/markdown", text=text, source="after-action")
    try:
        artifact = await house.do("keep", order, ArtifactRef, "keep the draft of the postmortem")
        house.happen(record.Drafted(at=workflow.now(), artifact=artifact))
    except ActivityError as error:
        house.happen(record.Failed(at=workflow.now(), step="draft", detail=why(error)))
