"""Convert every incident into a lock: written from the frozen evidence, and proved on it and on the live system."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import proofs, record
from firestation.after_action import LockProof
from firestation.aftermath import unopened
from firestation.evidence import ArtifactRef
from firestation.orders import KeepOrder, LockOrder
from firestation.postmortem import draft, shortened
from firestation.state import Phase
from workflows.house import House, why
from workflows.tasks import open_task


async def make_the_lock(house: House) -> None:
    """Once every firebreak has ended and the checks have held; and again when the captain says `prove`."""

    def due() -> bool:
        return house.incident.phase is Phase.AFTER_ACTION and house.incident.lock_wanted

    def by_machine() -> bool:  # since edition 4 what else is owed is done in rooms of its own
        return due() and not (house.incident.since(4) and house.incident.brief.runbook.lock.kind == "process")

    while await house.until(by_machine):
        if house.incident.since(4):
            await _prove(house)
            continue
        for task in unopened(house.incident):
            await open_task(house, task)
        await _prove(house)
        await _draft(house)


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
    text = shortened(draft(house.incident, tuple(house.record)))
    name = f"postmortem-{house.incident.id}.md"
    order = KeepOrder(name=name, media_type="text/markdown", text=text, source="after-action")
    try:
        artifact = await house.do("keep", order, ArtifactRef, "keep the draft of the postmortem")
        house.happen(record.Drafted(at=workflow.now(), artifact=artifact))
    except ActivityError as error:
        house.happen(record.Failed(at=workflow.now(), step="draft", detail=why(error)))
