"""How long a caller is waited for who says nothing: else a few hundred silent connections would close the bell."""

import asyncio
import resource
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""So long may pass until the head of a request is whole; how long a body takes, the guard sees to."""


class Impatient(H11Protocol):
    """HTTP as uvicorn speaks it; who does not get to the point is hung up on."""

    _hanging_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody is there."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """They say something."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        super().connection_lost(exc)
        self._stop()

    @property
    def _is_asked(self) -> bool:
        """Whether a request is being answered; before the first there is no cycle, whatever its type says."""
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _wait(self) -> None:
        if self._is_asked or self.transport.is_closing():
            self._stop()
        elif self._hanging_up is None:
            self._hanging_up = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _stop(self) -> None:
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            self._hanging_up = None

    def _hang_up(self) -> None:
        self._hanging_up = None
        if not self._is_asked:
            self.transport.close()


def hold_many() -> None:
    """Hold as many connections as the machine lets us: what a process has by itself is often a thousand."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a system that says "without end" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
