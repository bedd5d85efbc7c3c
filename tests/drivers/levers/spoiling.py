"""The meddler's faults for products whose client runs in the process: what stands before one call of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.drivers.levers.meddler import SLOW_SECONDS

Call = Callable[..., Awaitable[Any]]


@dataclass
class InProcess:
    """`plan` is used up by the calls that come: what is done to each, see `Meddler`."""

    put_back: Callable[[], Awaitable[Any]]
    plan: list[str] = field(default_factory=list)
    writes: int = 0
    later: set[asyncio.Future[Any]] = field(default_factory=set)

    def spoiled(self, real: Call) -> Call:
        """The product's own call behind the plan."""

        async def call(*arguments: Any, **named: Any) -> Any:
            fault = self.plan.pop(0) if self.plan else "pass"
            if fault == "refuse":
                raise OSError("broken")
            if fault == "noop":
                return None
            if fault == "hang":
                await asyncio.sleep(30)
                raise OSError("hung")
            self.writes += 1
            if fault == "slow":
                self._kept(self._late(real, arguments, named))
                return None
            # What has begun arrives, although nobody may wait for its answer any more.
            answer = await asyncio.shield(self._kept(real(*arguments, **named)))
            if fault == "lose":
                raise OSError("broken")
            if fault == "hang-after":
                await asyncio.sleep(30)
            if fault == "flap":
                await self.put_back()
            return answer

        return call

    def _kept(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(work)
        self.later.add(task)
        task.add_done_callback(self.later.discard)
        return task

    @staticmethod
    async def _late(real: Call, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        await asyncio.sleep(SLOW_SECONDS)  # the product's own slowness is what is played here
        await real(*arguments, **named)
