"""How long a caller is waited for who says nothing, or does not take what is answered.

Else a few hundred silent connections would close the bell.
"""

import asyncio
import resource
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""So long may pass until the head of a request is whole; how long a body takes, the guard sees to."""

TAKING_SECONDS = 10.0
"""So long, and a second more for each `SLOWEST` bytes, what was answered may lie here until they have taken it."""

SLOWEST = 5_000
"""Bytes a second: who is slower, in speaking or in listening, is hung up on."""


class Impatient(H11Protocol):
    """HTTP as uvicorn speaks it; who does not get to the point is hung up on."""

    _hanging_up: asyncio.TimerHandle | None = None
    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody is there."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # we are told as soon as something is not taken
        self._wait()

    def data_received(self, data: bytes) -> None:
        """They say something."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        super().connection_lost(exc)
        self._stop()
        self._taken()

    def pause_writing(self) -> None:
        """They do not take it as fast as it is said. To close would wait for them; so it is broken off."""
        super().pause_writing()
        self._taken()
        seconds = TAKING_SECONDS + self.transport.get_write_buffer_size() / SLOWEST
        self._giving_up = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """They have taken all of it."""
        super().resume_writing()
        self._taken()

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

    def _taken(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _hang_up(self) -> None:
        self._hanging_up = None
        if not self._is_asked:
            self.transport.close()


def hold_many() -> None:
    """Hold as many connections as the machine lets us: what a process has by itself is often a thousand."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a system that says "without end" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
