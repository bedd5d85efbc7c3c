"""One Replayer for many histories: starting one for each costs more than the replay of a short one."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowReplayResult

from worker.wiring import WORKFLOWS, workflow_runner
from workflows.codec import converter

LONGEST_SECONDS = 300.0
"""A replay that takes longer hangs: the deadlock detector of the SDK gives up after seconds."""


SAID = re.compile(r'message: "((?:[^"\\]|\\.)+)"')
"""What the Replayer says within its account of how it failed."""


class Repeater:
    """Replays histories against today's code, one after the other. A history that breaks the worker breaks no other."""

    def __init__(self) -> None:
        self._given: asyncio.Queue[WorkflowHistory] = asyncio.Queue()
        self._stack: AsyncExitStack | None = None
        self._results: AsyncIterator[WorkflowReplayResult] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def difference(self, chain: list[WorkflowHistory]) -> str | None:
        """The first difference between then and now in words, or None."""
        found = await self.first(chain)
        return f"run {chain[found[0]].run_id}: {found[1]}" if found else None

    async def first(self, chain: list[WorkflowHistory]) -> tuple[int, str] | None:
        """The index of the first run that differs, of whichever of our workflows, and how; or None."""
        for index, history in enumerate(chain):
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    result = await self._replayed(history)
            except Exception as error:  # noqa: BLE001 - whatever the worker says of it, it is about this history
                await self._stop()
                return index, f"it cannot be replayed: {type(error).__name__}: {error}"
            if result.replay_failure is not None:
                told = str(result.replay_failure)
                said = SAID.search(told)
                return index, said[1] if said else told
        return None

    async def _replayed(self, history: WorkflowHistory) -> WorkflowReplayResult:
        if self._results is None:
            self._stack, self._given = AsyncExitStack(), asyncio.Queue()
            replayer = Replayer(
                workflows=WORKFLOWS,
                data_converter=converter(),
                workflow_runner=workflow_runner(),
            )
            iterator = replayer.workflow_replay_iterator(self._histories())
            self._results = await self._stack.enter_async_context(iterator)
        await self._given.put(history)
        return await anext(self._results)

    async def _histories(self) -> AsyncIterator[WorkflowHistory]:
        while True:
            yield await self._given.get()

    async def _stop(self) -> None:
        stack, self._stack, self._results = self._stack, None, None
        if stack:
            await stack.aclose()
