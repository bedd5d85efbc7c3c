"""A desk with a spool of its own, which is closed when the test is over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from gateway import desk, ringing, tasks, temporal, waiting
from gateway.book import Books
from gateway.spool import Spool

PATIENT = timedelta(seconds=30)
"""So long a test waits for Temporal, not the gateway's four seconds: it is not about how busy its machine is."""


@asynccontextmanager
async def a_desk(
    client: Client,
    books: Books,
    folder: Path,
    coalesce: timedelta = timedelta(seconds=30),
    patience: timedelta = PATIENT,
) -> AsyncIterator[desk.Desk]:
    """The desk of a gateway whose spool is in this folder."""
    rings = ringing.Ringing(client, books, Spool(folder / "spool" / "alarms.sqlite"), coalesce)
    with pytest.MonkeyPatch.context() as patched:
        for module in (desk, ringing, tasks, temporal, waiting):
            patched.setattr(module, "CALL", patience)
        await rings.resume()
        try:
            yield desk.Desk(client, books, rings)
        finally:
            await rings.close()
