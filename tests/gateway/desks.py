"""A desk with a spool of its own, which is closed when the test is over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client

from gateway.book import Books
from gateway.desk import Desk
from gateway.ringing import Ringing
from gateway.spool import Spool


@asynccontextmanager
async def a_desk(
    client: Client, books: Books, folder: Path, coalesce: timedelta = timedelta(seconds=30)
) -> AsyncIterator[Desk]:
    """The desk of a gateway whose spool is in this folder."""
    ringing = Ringing(client, books, Spool(folder / "spool" / "alarms.sqlite"), coalesce)
    await ringing.resume()
    try:
        yield Desk(client, books, ringing)
    finally:
        await ringing.close()
