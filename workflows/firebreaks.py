"""Contain before you theorize: each lever is moved, probed and put back by its own guard, one thing at a time."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record
from firestation.firebreak import Firebreak, MoveOrder, MoveOutcome, Reading, order_lift, order_move
from firestation.incident import awaits_probe, believed, next_job
from firestation.leases import leased, reading
from firestation.orders import LeaseAnswer, LeaseOrder, LeverOrder, ProbeOrder, ReadOrder, ReleaseOrder
from firestation.system import LeverFitting
from workflows.house import House, why
from workflows.snapshot import read_lever


async def guard(house: House, lever: LeverFitting) -> None:
    """Do what this lever is owed, until the run ends. What was begun on a lever is finished first."""

    def owed() -> bool:
        return next_job(house.incident, lever.id) is not None

    while await house.until(owed) or (house.incident.ended and owed()):
        match next_job(house.incident, lever.id):
            case "lease", Firebreak() as firebreak:
                await _lease(house, lever, firebreak)
            case "release", _:
                await _release(house, lever)
            case "move", Firebreak() as firebreak:
                await _move(house, lever, order_move(firebreak, firebreak.authority or "captain"))
            case "lift", Firebreak() as firebreak:
                await _move(house, lever, order_lift(firebreak))
            case "probe", Firebreak() as firebreak:
                await _probe(house, firebreak)
            case "read", waiting:
                await _keep_position(house, lever, waiting)


async def _lease(house: House, lever: LeverFitting, firebreak: Firebreak) -> None:
    """Two incidents never fight over one lever: the second learns of the first."""
    incident = house.incident
    order = LeaseOrder(
        system=incident.brief.system.system,
        lever=lever.id,
        incident=incident.id,
        run=incident.run,
        action=firebreak.digest,
    )
    answer = await house.do("take_lease", order, LeaseAnswer, f"lease {lever.title}")
    house.happen(leased(workflow.now(), order, answer))


async def _release(house: House, lever: LeverFitting) -> None:
    incident = house.incident
    order = ReleaseOrder(
        system=incident.brief.system.system,
        lever=lever.id,
        incident=incident.id,
        run=incident.run,
        action=incident.leased[lever.id],
    )
    await house.do("release_lease", order, str, f"let go of {lever.title}")
    house.happen(record.Released(at=workflow.now(), lever=lever.id))


async def _move(house: House, lever: LeverFitting, order: MoveOrder) -> None:
    house.happen(record.Ordered(at=workflow.now(), order=order))
    what = LeverOrder(lever=lever, order=order)
    try:  # the summary names no position: where a lever stands may be a whole prompt
        outcome = await house.do("move_lever", what, MoveOutcome, f"{order.purpose} {lever.title}")
    except ActivityError as error:
        outcome = MoveOutcome(result="uncertain", found=None, detail=why(error))
    house.happen(believed(house.incident, record.Moved(at=workflow.now(), order=order, outcome=outcome)))


async def _probe(house: House, firebreak: Firebreak) -> None:
    """A move that is answered with 200 is not effective yet: the harm must be seen to stop."""
    step = firebreak.step
    check = house.incident.brief.system.check(step.probe.check)
    if check is None or firebreak.moved_at is None:  # no such brief is ever pinned
        raise AssertionError(step.id)
    order = ProbeOrder(
        action=firebreak.digest,
        check=check,
        moved_at=firebreak.moved_at,
        deadline=firebreak.moved_at + step.probe.deadline,
        every=step.probe.every,
    )

    def due() -> bool:
        return awaits_probe(house.incident, firebreak.digest)

    async def see() -> None:
        try:
            reading = await house.do("probe", order, Reading, f"probe {check.title}")
        except ActivityError as error:
            reading = Reading(check=check.id, verdict="inconclusive", detail=why(error), at=workflow.now())
        if due():
            probed = record.Probed(at=workflow.now(), action=firebreak.digest, reading=reading)
            house.happen(believed(house.incident, probed))

    await house.whilst(due, see())


async def _keep_position(house: House, lever: LeverFitting, waiting: Firebreak | None) -> None:
    """The lever's own position is read and kept before it moves, when there is none that is worth anything.

    The snapshot was waived, or another incident has let go of the lever since it was read, or may have: then it is
    read before the step that moves it is put to the captain again.
    """
    freed = lever.id in house.incident.freed
    order = ReadOrder(
        lever=lever, purpose="freed" if freed else "waived", action=waiting.digest if waiting else None
    )
    state = await read_lever(house, order)
    house.happen(reading(workflow.now(), order, state.position))
