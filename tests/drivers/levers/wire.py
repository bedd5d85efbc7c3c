"""The meddler's faults for products that are not asked over HTTP: a proxy of bytes in front of a port."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.drivers.levers.meddler import SLOW_SECONDS


@dataclass
class Wire:
    """`plan` is used up by the messages that write: what is done to each, see `Meddler`.

    `write` finds the words that write, `instead` makes harmless ones of them, `late` is what a slow product does
    after it has answered, `put_back` what somebody else does at once.
    """

    write: re.Pattern[bytes]
    instead: Callable[[bytes], bytes]
    late: Callable[[], Any]
    put_back: Callable[[], Any]
    plan: list[str] = field(default_factory=list)
    writes: int = 0
    port: int = 0
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    later: set[asyncio.Future[Any]] = field(default_factory=set)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from both sides."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", target)
        spoilt: list[str] = []
        sides: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._there(reader, back, spoilt)),
            asyncio.create_task(self._back(there, writer, spoilt)),
            asyncio.create_task(self.over.wait()),
        ]
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        for side in sides:
            side.cancel()
        await asyncio.gather(*sides, return_exceptions=True)
        writer.close()
        back.close()
        self.tasks.discard(task)

    async def _there(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, spoilt: list[str]
    ) -> None:
        while data := await reader.read(65536):
            if self.write.search(data):
                fault = self.plan.pop(0) if self.plan else "pass"
                if fault == "refuse":
                    return
                if fault == "hang":
                    await asyncio.sleep(30)
                    return
                if fault in {"noop", "slow"}:
                    data = self.write.sub(lambda found: self.instead(found[0]), data)
                    if fault == "slow":
                        task = asyncio.create_task(self._late())
                        self.later.add(task)
                        task.add_done_callback(self.later.discard)
                else:
                    self.writes += 1
                    spoilt.append(fault)
            back.write(data)
            await back.drain()
        await asyncio.Event().wait()  # the other side may still have something to say

    async def _back(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, spoilt: list[str]
    ) -> None:
        while data := await there.read(65536):
            fault = spoilt.pop() if spoilt else "pass"
            if fault == "lose":
                return
            if fault == "hang-after":
                await asyncio.sleep(30)
            if fault == "flap":
                await asyncio.to_thread(self.put_back)
            writer.write(data)
            await writer.drain()

    async def _late(self) -> None:
        await asyncio.sleep(SLOW_SECONDS)  # the product's own slowness is what is played here
        self.writes += 1
        await asyncio.to_thread(self.late)


@asynccontextmanager
async def wired(wire: Wire, target: int) -> AsyncIterator[Wire]:
    """The proxy in front of a port of this machine, from ready to stopped."""
    server = await asyncio.start_server(lambda *pair: wire.serve(target, *pair), "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        wire.over.set()  # a connection that is cancelled while it is closed would be left open
        await asyncio.gather(*wire.tasks, *wire.later)
