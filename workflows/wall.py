"""The wall of locks: ask it when an incident opens, hang on it what broke, and at the end the lock that it became.

The last entry is hung when the incident has ended and before its workflow completes, so that whoever says `close` does
not wait for the store. When the store is away the incident does not wait either, for the next alarm of the same fire
needs its id: a workflow of its own, which nothing waits for, goes on trying for as long as it takes.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record, recurrence
from firestation.orders import HangOrder, RecallOrder
from firestation.wall import Entry, Hanging, Recall, names
from workflows.house import House, why
from workflows.perseverance import FIRST_PAUSE, leave, longer, persevere

HANGER = "LockHanger"


async def recall_the_locks(house: House) -> None:
    """Ask at once, side by side with everything else, and again when the captain goes on by another class's runbook.

    A wall that does not answer is asked again, less and less often, and holds nobody.
    """
    pause = FIRST_PAUSE
    while await house.until(lambda: recurrence.recall_is_owed(house.incident)):
        await house.whilst(lambda: True, _recall(house))
        if recurrence.recall_is_owed(house.incident) and house.incident.recall_trouble:
            pattern = house.incident.brief.runbook.pattern
            await house.until_or_after(
                lambda pattern=pattern: house.incident.brief.runbook.pattern != pattern,  # type: ignore[misc]
                pause.total_seconds(),
            )
            pause = longer(pause)
        else:
            pause = FIRST_PAUSE


async def _recall(house: House) -> None:
    incident, brief = house.incident, house.incident.brief
    order = RecallOrder(
        system=brief.system.system,
        pattern=brief.runbook.pattern,
        incident=incident.id,
        mark=incident.run,
    )
    summary = f"recall the locks of the class {order.pattern}"
    try:
        recall = await house.do("recall_locks", order, Recall, summary)
        house.happen(record.Recalled(at=workflow.now(), recall=recall))
    except ActivityError as error:
        house.happen(record.NotRecalled(at=workflow.now(), detail=why(error)))


async def keep_the_wall(house: House) -> None:
    """Hang each lock that broke, as soon as it is declared a fire."""
    pause = FIRST_PAUSE
    while await house.until(lambda: bool(recurrence.owed(house.incident))):
        if await _hang(house, recurrence.owed(house.incident)[0]):
            pause = FIRST_PAUSE
            continue
        await house.until_or_after(lambda: False, pause.total_seconds())
        pause = longer(pause)


async def leave_the_lock(house: House) -> None:
    """Hang what the ended incident still owes; what cannot be hung now is left to a workflow of its own."""
    while left := recurrence.owed(house.incident):
        if not await _hang(house, left[0]):
            break
    for entry in left:
        name = names(entry)[0]
        await leave(HANGER, HangOrder(entry=entry), f"wall/{name}", f"hang {name}")


async def _hang(house: House, entry: Entry) -> bool:
    try:
        hanging = await house.do("hang_lock", HangOrder(entry=entry), Hanging, f"hang {names(entry)[0]}")
    except ActivityError as error:
        house.happen(record.NotHung(at=workflow.now(), detail=why(error)))
        return False
    house.happen(record.Hung(at=workflow.now(), hanging=hanging))
    return True


@workflow.defn(name=HANGER)
class LockHanger:
    """Hangs one entry, for as long as it takes."""

    @workflow.run
    async def run(self, order: HangOrder) -> Hanging:
        """Tried for as long as it takes."""
        hanging: Hanging = await persevere("hang_lock", order, Hanging, f"hang {names(order.entry)[0]}")
        return hanging
