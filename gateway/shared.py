"""What many look at, asked for once: answers that are shared for a moment, and one question at a time for each."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, NamedTuple, TypeVar

from firestation.errors import Unreachable

MOST_KEPT = 200
Key = TypeVar("Key")
Value = TypeVar("Value")


class _Kept(NamedTuple, Generic[Value]):
    at: float
    value: Value
    changed: bool = False


class Shared(Generic[Key, Value]):
    """Answers to a question, by its key. However many ask at once, it is asked once; its answer is good for a moment.

    An error is told to everybody who waited, and is not kept.
    """

    def __init__(
        self,
        ask: Callable[[Key], Awaitable[Value]],
        fresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ask, self.fresh_seconds, self.clock = ask, fresh_seconds, clock
        self._kept: OrderedDict[Key, _Kept[Value]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """The answer of just now, or a new one. Who goes away meanwhile takes it from nobody else."""
        kept = self._kept.get(key)
        if kept and not kept.changed and self.clock() - kept.at < self.fresh_seconds:
            return kept.value
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def last(self, key: Key) -> tuple[float, Value] | None:
        """The last answer, however old, with its age in seconds: for when there is no newer one to be had."""
        kept = self._kept.get(key)
        return None if kept is None else (self.clock() - kept.at, kept.value)

    async def seen(self, key: Key) -> tuple[Value, timedelta, str]:
        """What `get` gives; or the last answer, its age, and why there is no newer one: raised where there was none."""
        try:
            return await self.get(key), timedelta(), ""
        except Unreachable as error:
            last = self.last(key)
            if last is None:
                raise
            age, value = last
            return value, timedelta(seconds=age), str(error)

    def forget(self, key: Key) -> None:
        """It has changed: who asks from now on gets an answer that was asked for from now on."""
        if kept := self._kept.get(key):
            self._kept[key] = kept._replace(changed=True)
        self._asking.pop(key, None)

    async def _ask(self, key: Key) -> Value:
        task = asyncio.current_task()
        value = await self.ask(key)
        if self._asking.get(key) is task:  # else it was asked before something changed
            self._kept.pop(key, None)
            self._kept[key] = _Kept(self.clock(), value)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return value

    def _asked(self, key: Key, task: asyncio.Task[Value]) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            task.exception()  # everybody who waited was told; nobody may have
