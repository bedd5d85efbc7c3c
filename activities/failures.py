"""Our errors as Temporal failures: mapped here, once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from firestation.errors import DriverError, FirestationError

BEAT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
"""However long a product wants to be left alone: a message is tried for two minutes only."""


@contextmanager
def as_failures() -> Iterator[None]:
    """Let only typed failures out: a driver's error is retried when it says so, all others of ours never."""
    try:
        yield
    except FirestationError as error:
        retryable = isinstance(error, DriverError) and error.retryable
        raise ApplicationError(
            str(error),
            type=type(error).__name__,
            non_retryable=not retryable,
            next_retry_delay=_wait(error) if retryable else None,
        ) from error


def _wait(error: FirestationError) -> timedelta | None:
    """When to come again, where the product said so (429 with Retry-After); else as the retry policy has it."""
    told = error.details.get("retry_after_s") if isinstance(error, DriverError) else None
    return (
        timedelta(seconds=min(told, LONGEST_WAIT_SECONDS))
        if isinstance(told, float | int) and told > 0
        else None
    )


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat while the work inside goes on, so that a dead worker is noticed within the heartbeat timeout."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_SECONDS)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
