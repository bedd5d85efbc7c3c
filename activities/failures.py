"""Our errors as Temporal failures: mapped here, once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from temporalio import activity
from temporalio.exceptions import ApplicationError

from firestation.errors import DriverError, FirestationError

BEAT_SECONDS = 0.5


@contextmanager
def as_failures() -> Iterator[None]:
    """Let only typed failures out: a driver's error is retried when it says so, all others of ours never."""
    try:
        yield
    except FirestationError as error:
        retryable = isinstance(error, DriverError) and error.retryable
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=not retryable) from error


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
