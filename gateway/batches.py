"""Alarms of one incident that come while a delivery to it is under way go together in the next one.

So a storm costs an incident's history one update for as many alarms as came meanwhile, and an alarm that comes alone
waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")
R = TypeVar("R")


class Batches(Generic[T, R]):
    """Gathers what is sent to the same place. `deliver` answers for each thing, in order, or raises for all of them."""

    def __init__(self, deliver: Callable[[str, Sequence[T]], Awaitable[Sequence[R]]], most: int) -> None:
        self.deliver, self.most = deliver, most
        self._forming: dict[str, _Batch[T, R]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def send(self, place: str, thing: T) -> R:
        """The answer for this one thing. A caller that goes away takes nothing back from the others."""
        batch = self._forming.get(place)
        if batch is None or len(batch.things) >= self.most:
            turn = self._turns.setdefault(place, asyncio.Lock())
            batch = _Batch[T, R]()
            batch.sent = asyncio.create_task(self._in_turn(place, batch, turn))
            self._forming[place] = batch
        index = len(batch.things)
        batch.things.append(thing)
        return (await asyncio.shield(batch.sent))[index]

    async def _in_turn(self, place: str, batch: "_Batch[T, R]", turn: asyncio.Lock) -> Sequence[R]:
        async with turn:
            if self._forming.get(place) is batch:
                del self._forming[place]
            return await self.deliver(place, batch.things)


class _Batch(Generic[T, R]):
    def __init__(self) -> None:
        self.things: list[T] = []
        self.sent: asyncio.Task[Sequence[R]]
