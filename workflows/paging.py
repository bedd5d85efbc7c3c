"""Page, ask, escalate: a person is told by every way at once, and a way that hangs holds up no other.

By each way the messages go out in order, each once. Incidents of before edition 3 go on as in `words.py`.
"""

import asyncio

from temporalio import workflow

from firestation.state import Parcel
from workflows.house import House
from workflows.words import Purpose, send


async def page(house: House, purpose: Purpose) -> None:
    """Send one kind of message to people, by all their ways side by side."""
    under_way: dict[str, asyncio.Task[None]] = {}

    def next_parcels() -> dict[str, Parcel]:
        """The first parcel of each way by which nothing is under way."""
        found: dict[str, Parcel] = {}
        for parcel in house.incident.outbox if not house.turning else ():
            if parcel.message.purpose == purpose and _way(parcel) not in under_way:
                found.setdefault(_way(parcel), parcel)
        return found

    def done() -> list[str]:
        return [way for way, task in under_way.items() if task.done()]

    while True:
        await workflow.wait_condition(
            lambda: bool(done() or next_parcels()) or (house.leaving and not under_way)
        )
        for way in done():
            await under_way.pop(way)
        parcels = next_parcels()
        if not (parcels or under_way) and house.leaving:
            return
        for way, parcel in parcels.items():
            under_way[way] = asyncio.create_task(_carry(house, parcel))


async def _carry(house: House, parcel: Parcel) -> None:
    house.happen(await send(house, parcel))


def _way(parcel: Parcel) -> str:
    """What must not overtake itself: one channel, to one address."""
    return f"{parcel.channel} {parcel.pager} {parcel.message.to}"
