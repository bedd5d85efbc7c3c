"""Levers: compare, move, read back, probe. Exactly once, whatever dies."""

import asyncio
from datetime import UTC, datetime

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.errors import Drifted
from firestation.firebreak import MoveOrder, MoveOutcome, Reading
from firestation.orders import LeverOrder, ProbeOrder
from firestation.ports import Bench, Lever, Stepwise, Window
from firestation.system import Position


class LeverActivities:
    """Moves levers. The idempotency key and the comparison make a second attempt harmless."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @activity.defn(name="move_lever")
    async def move_lever(self, order: LeverOrder) -> MoveOutcome:
        """Move the lever as ordered, unless somebody else has moved it.

        A later attempt that finds the lever where it should be takes that as its own work: an earlier attempt
        died between the move and the read-back. On a first attempt it is somebody else's.
        """
        async with beating():
            with as_failures():
                return await moved(self.bench.lever(order.lever), order.order, activity.info().attempt)

    @activity.defn(name="probe")
    async def probe(self, order: ProbeOrder) -> Reading:
        """Measure until the check passes or the deadline is over; the last reading tells."""
        async with beating():
            with as_failures():
                check = self.bench.check(order.check)
                while True:
                    window = Window(since=order.moved_at, until=datetime.now(UTC))
                    reading = await check.measure(window)
                    now = datetime.now(UTC)
                    if now >= order.deadline and reading.verdict == "passed":
                        detail = f"passed only after the deadline: {reading.detail}"
                        return reading.changed(verdict="inconclusive", detail=detail)
                    if reading.verdict == "passed" or now >= order.deadline:
                        return reading
                    left = (order.deadline - now).total_seconds()
                    await asyncio.sleep(min(order.every.total_seconds(), left))


async def moved(lever: Lever, order: MoveOrder, attempt: int) -> MoveOutcome:
    """One attempt at a move, read back. Raises `DriverError`."""
    found = await lever.read()
    if found.same_as(order.to):
        return _already_there(order, attempt, found)
    if not found.same_as(order.expected) and not _begun(lever, order, attempt, found):
        return _drifted(order, found)
    try:
        shown = await lever.move(order.to, found, order.key)
    except Drifted:
        found = await lever.read()
        return _already_there(order, attempt, found) if found.same_as(order.to) else _drifted(order, found)
    return MoveOutcome(result="done", found=shown, detail=f"moved from {found} to {shown} and read back")


def _begun(lever: Lever, order: MoveOrder, attempt: int, found: Position) -> bool:
    """Whether an earlier attempt of ours died between the steps of this move. On its first attempt nobody of us did."""
    ours = attempt > 1 or order.purpose == "lift"
    return ours and isinstance(lever, Stepwise) and lever.between(found, order.expected, order.to)


def _already_there(order: MoveOrder, attempt: int, found: Position) -> MoveOutcome:
    if attempt > 1:
        detail = f"an earlier attempt moved it to {found}; read back now"
        return MoveOutcome(result="done", found=found, detail=detail)
    if order.purpose == "lift":
        detail = f"it stands at {found} already; read back"
        return MoveOutcome(result="done", found=found, detail=detail)
    return _drifted(order, found)


def _drifted(order: MoveOrder, found: Position) -> MoveOutcome:
    detail = f"expected {order.expected} and found {found}: somebody else moved it, nothing was overwritten"
    return MoveOutcome(result="drifted", found=found, detail=detail)
