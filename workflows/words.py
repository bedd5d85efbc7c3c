"""Page, ask, escalate, inform: the record says what must be said, this room says it, each word once."""

from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record
from firestation.board import Receipt
from firestation.orders import SendOrder
from firestation.record import Event
from firestation.state import Parcel
from workflows.house import House, why

Purpose = Literal["page", "decision", "escalation", "update"]
PURPOSES: tuple[Purpose, ...] = ("page", "decision", "escalation", "update")


async def deliver(house: House, purpose: Purpose) -> None:
    """Send one kind of message, in order. A pager that hangs does not hold up the board."""

    def next_parcel() -> Parcel | None:
        return next((each for each in house.incident.outbox if each.message.purpose == purpose), None)

    while not house.turning:
        await workflow.wait_condition(lambda: house.leaving or next_parcel() is not None)
        parcel = next_parcel()
        if parcel is None or house.turning:
            return
        house.happen(await _send(house, parcel))


async def _send(house: House, parcel: Parcel) -> Event:
    fitting = next(each for each in house.incident.brief.system.channels if each.id == parcel.channel)
    order = SendOrder(channel=fitting, message=parcel.message, key=parcel.key)
    try:
        receipt = await house.do("send", order, Receipt, parcel.message.title)
    except ActivityError as error:
        return record.Unsent(at=workflow.now(), message=parcel.message, key=parcel.key, detail=why(error))
    return record.Sent(at=workflow.now(), message=parcel.message, key=parcel.key, receipt=receipt)
