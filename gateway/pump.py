"""The pump: tells Temporal what the spool holds, each incident in its order, and no oftener than its pace allows.

What is new goes at once. What only rings again gathers, and is told at growing intervals. While Temporal is away the
same batch is tried again and again: it has a number, and is counted once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, NoReturn

import structlog

from firestation.errors import FirestationError, Unreachable
from firestation.storm import Pace
from gateway.spool import Frozen, Left, Spool

log = structlog.get_logger()

AT_ONCE = 16
"""So many incidents are told something at the same time, and as many again of those that could not be told before."""

LOOK_SECONDS = 5.0
"""So often an incident that repeats are held back for is looked at: once it has ended they are another fire."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
IDLE_SECONDS = 900.0


class Told(NamedTuple):
    """What came of a batch: the run that was told, and what could not be told and never can."""

    run: str | None
    left: tuple[Left, ...] = ()


Tell = Callable[[str, Frozen, Collection[str]], Awaitable[Told]]
"""Tells an incident a batch, of which its open run knows these alarms. Raises `Unreachable`: try it again."""


class _Lane:
    def __init__(self) -> None:
        self.pace = Pace()
        self.woken = asyncio.Event()
        self.empty = asyncio.Event()
        self.hurry = False
        self.trouble: str | None = None
        self.worker: asyncio.Task[None] | None = None


class Pump:
    """One lane an incident; the lanes do not wait for each other."""

    def __init__(
        self, spool: Spool, tell: Tell, runs: Callable[[str], Awaitable[bool]], first: timedelta
    ) -> None:
        """`runs`: whether an incident is open, `first`: how long repeats gather at first."""
        self.spool, self.tell, self.runs, self.first = spool, tell, runs, first
        self._lanes: dict[str, _Lane] = {}
        self._turns, self._more_turns = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)
        self._stopping = False

    def wake(self, incident: str) -> None:
        """Something waits for this incident."""
        lane = self._lanes.setdefault(incident, _Lane())
        lane.empty.clear()
        lane.woken.set()
        if lane.worker is None or lane.worker.done():
            lane.worker = asyncio.create_task(self._work(incident, lane), name=f"lane {incident}")

    def resume(self) -> None:
        """Go on with what waits and nobody is at: the spool may hold what no ring has woken us for."""
        for incident in self.spool.incidents():
            lane = self._lanes.get(incident)
            if lane is None or lane.worker is None or lane.worker.done() or lane.empty.is_set():
                self.wake(incident)

    async def keep_on(self, every: float = LOOK_SECONDS) -> NoReturn:
        """Resume every so many seconds, until it is cancelled."""
        while True:
            await self.spool.look_again()
            self.resume()
            await asyncio.sleep(every)

    async def hand_over(self, incident: str, seconds: float, *, repeats: bool) -> None:
        """Have it told now what waits for it, but wait no longer than this; `repeats`: also if it is open already."""
        lane = self._lanes.get(incident)
        if lane is None or lane.empty.is_set() or lane.trouble or (lane.pace.run is not None and not repeats):
            return
        lane.hurry = True
        lane.woken.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(lane.empty.wait(), seconds)

    def forget(self, incident: str) -> None:
        """It has ended: whatever rings from now on is another fire, and no repeat."""
        if lane := self._lanes.get(incident):
            lane.pace = Pace()

    def trouble(self) -> str | None:
        """Why something cannot be told now."""
        return next((lane.trouble for lane in self._lanes.values() if lane.trouble), None)

    async def stop(self) -> None:
        """Leave everything to the spool. The SDK may take a cancellation for a call that was not answered in time."""
        self._stopping = True
        workers = [lane.worker for lane in self._lanes.values() if lane.worker]
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, incident: str, lane: _Lane) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            try:
                await self._once(incident, lane)
            except Unreachable as error:
                lane.trouble = str(error)
            except FirestationError as error:  # of what waits nothing is lost: it stays in the spool
                lane.trouble = str(error)
                log.warning("an incident cannot be told", incident=incident, problem=str(error))
            except Exception as error:
                lane.trouble = f"{type(error).__name__}: {error}"
                log.exception("an incident cannot be told", incident=incident)
            else:
                lane.trouble, pause = None, FIRST_PAUSE
                if lane.empty.is_set():
                    try:
                        await asyncio.wait_for(lane.woken.wait(), IDLE_SECONDS)
                    except TimeoutError:
                        if not lane.woken.is_set():  # just now
                            del self._lanes[incident]
                            return
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _once(self, incident: str, lane: _Lane) -> None:
        lane.woken.clear()
        batch = await self.spool.on_its_way(incident)
        if batch is None:
            if not self.spool.forming(incident):
                lane.empty.set()
                return
            await self._its_moment(incident, lane)
            batch = await self.spool.freeze(incident)
            if batch is None:
                return
        async with self._more_turns if lane.trouble else self._turns:  # who does not answer holds up no other
            told = await self.tell(incident, batch, lane.pace.told)
        await self.spool.done(incident, told.left)
        lane.pace = lane.pace.after(batch.heaps, time.monotonic(), told.run, self.first)
        if not self.spool.forming(incident):
            lane.hurry = False
            lane.empty.set()

    async def _its_moment(self, incident: str, lane: _Lane) -> None:
        """Wait until what gathers for this incident is to be told."""
        looked = time.monotonic()
        while not lane.hurry:
            now = time.monotonic()
            left = lane.pace.due(self.spool.forming(incident), now, self.first) - now
            if left <= 0:
                return
            if left > LOOK_SECONDS and now - looked >= LOOK_SECONDS:  # however often it rings meanwhile
                looked = now
                with suppress(Unreachable):
                    if not await self.runs(incident):
                        return
            lane.woken.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(lane.woken.wait(), min(left, LOOK_SECONDS))
