"""The public page of a station, and its keeper, which writes it anew every minute: an old page means a dead station."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from firestation.drivers.public_page import StaticPage, open_public_page
from firestation.errors import DriverError, FirestationError
from firestation.loader import load_system, system_files
from firestation.public_page.page import PublicSystem, Subscribing
from firestation.public_page.part import components
from firestation.public_page.subscriber import Kind
from firestation.settings import Settings

log = structlog.get_logger()

EVERY_SECONDS = 60.0


def public_page(settings: Settings) -> StaticPage | None:
    """The public page that the settings name; None when they name none. Raises `NotConfigured`."""
    if settings.public_page is None:
        return None

    def systems() -> Sequence[PublicSystem]:
        return public_systems(settings)

    return open_public_page(
        settings.public_page,
        settings.public_page_title,
        settings.public_page_url,
        systems,
        subscribing_of(settings),
    )


def subscribing_of(settings: Settings) -> Subscribing | None:
    """How customers subscribe; None where they cannot."""
    if settings.subscribe_url is None:
        return None
    ways: tuple[Kind, ...] = ("email", "webhook") if settings.subscriber_mail else ("webhook",)
    return Subscribing(origin=settings.subscribe_url, ways=ways)


def public_systems(settings: Settings) -> Sequence[PublicSystem]:
    """The systems that have components for the public, by their files; none when one cannot be read."""
    place = settings.systems
    try:
        files = system_files(place) if place.is_dir() or place.is_file() else []
        found = [components(load_system(file)) for file in files]
    except FirestationError as error:
        log.warning("the public page keeps the components that it has", problem=str(error))
        return ()
    return tuple(PublicSystem(components=each) for each in found if each)


@asynccontextmanager
async def kept_fresh(
    page: StaticPage | None, every: float = EVERY_SECONDS
) -> AsyncIterator[StaticPage | None]:
    """The page, written anew every so many seconds meanwhile. One that cannot be written is tried the next time."""
    if page is None:
        yield None
        return
    task = asyncio.create_task(_keep(page, every))
    try:
        yield page
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(page: StaticPage, every: float) -> None:
    while True:
        try:
            await page.freshen()
        except DriverError as error:
            log.warning("the public page grows old", problem=str(error))
        except Exception:
            log.exception("the public page grows old")
        await asyncio.sleep(every)
