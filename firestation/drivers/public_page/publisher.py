"""The publisher: keeps the public part of each incident at the place, and writes the page anew from all of them.

A part is `parts/REFERENCE/VERSION.json`, created once and never overwritten; the highest version of a reference counts.
So a late retry, which brings an older one, changes nothing. Pages are replaced one by one, the front page last: whoever
dies in between leaves a page that can be read, and the next one to write brings all of it up to date.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError

from firestation.drivers.public_page.render import FRONT_PAGE, files
from firestation.drivers.public_page.site import Site, open_site
from firestation.model import Model
from firestation.public_page.page import PublicPage, PublicSystem, Subscribing, assemble
from firestation.public_page.part import PublicIncident

log = structlog.get_logger()

PARTS, SYSTEMS = "parts", "parts/systems.json"
DIGITS = 8
FRESH_ENOUGH = timedelta(seconds=45)
MOST_ROUNDS = 5
AT_ONCE = 16

Systems = Callable[[], Sequence[PublicSystem]]
"""The systems as their files have them now; none when there is no file here, or none that can be read."""


class Systematic(Model):
    """What is kept of the systems, for whoever has no system files."""

    systems: tuple[PublicSystem, ...]


class StaticPage:
    """The public page in one place. `clock` tells the time that it is as of."""

    def __init__(
        self,
        site: Site,
        title: str,
        address: str | None = None,
        systems: Systems = tuple,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        subscribing: Subscribing | None = None,
    ) -> None:
        self.site, self.title, self.address, self.subscribing = site, title, address, subscribing
        self.systems, self.clock = systems, clock
        self._read: dict[str, PublicIncident | None] = {}  # a part never changes
        self._writing = asyncio.Lock()

    async def publish(self, part: PublicIncident) -> None:
        """Keep this part, and write the page anew. Raises `Unreachable` or `Denied`."""
        await self.site.create(_name(part), part.canonical() + b"\n")
        await self.write()
        for name in _outdated(list(await self.site.names(PARTS))):
            await self.site.delete(name)

    async def write(self, *, everything: bool = True) -> PublicPage:
        """Write the page as of now; with all that stands still, or without it. Raises `Unreachable` or `Denied`.

        When somebody has brought another part meanwhile it is written once more, so the last to write knows them all.
        """
        async with self._writing:
            names = list(await self.site.names(PARTS))
            page = await self._write(names, everything=everything)
            for _ in range(MOST_ROUNDS):
                before, names = names, list(await self.site.names(PARTS))
                if _latest(names) == _latest(before):
                    break
                page = await self._write(names, everything=True)
            return page

    async def _write(self, names: Iterable[str], *, everything: bool) -> PublicPage:
        page = await self._page(names)
        for name, content in files(page, everything=everything):
            await self.site.replace(name, content)
        return page

    async def freshen(self) -> bool:
        """Write the page anew so that it is not old; False when somebody else just did. Raises as `write`."""
        written = await self.site.written_at(FRONT_PAGE)
        if written and self.clock() - written < FRESH_ENOUGH:
            return False
        await self.write(everything=written is None)
        return True

    async def _page(self, names: Iterable[str]) -> PublicPage:
        latest = _latest(names)
        self._read = {name: part for name, part in self._read.items() if name in latest}
        new = [name for name in latest if name not in self._read]
        gate = asyncio.Semaphore(AT_ONCE)

        async def fetch(name: str) -> None:
            async with gate:
                content = await self.site.get(name)
            self._read[name] = _understood(name, content) if content else None

        await asyncio.gather(*map(fetch, new))
        parts = [part for part in self._read.values() if part]
        systems = await self._systems()
        return assemble(self.title, self.address, parts, systems, self.clock(), subscribing=self.subscribing)

    async def _systems(self) -> Sequence[PublicSystem]:
        ours = await asyncio.to_thread(self.systems)
        kept = await self.site.get(SYSTEMS)
        if not ours:
            return _kept(kept) if kept else ()
        content = Systematic(systems=tuple(ours)).canonical() + b"\n"
        if content != kept:
            await self.site.replace(SYSTEMS, content)
        return ours


def open_public_page(
    where: str, title: str, address: str | None, systems: Systems, subscribing: Subscribing | None = None
) -> StaticPage:
    """The public page in a folder or at a URL. Raises `NotConfigured`."""
    return StaticPage(open_site(where), title, address, systems, subscribing=subscribing)


def _name(part: PublicIncident) -> str:
    return f"{PARTS}/{part.reference}/{part.version:0{DIGITS}d}.json"


def _latest(names: Iterable[str]) -> list[str]:
    """The file of the highest version of each reference; other files are none of ours."""
    found: dict[str, str] = {}
    for name in sorted(names):
        _, *rest = name.split("/")
        if len(rest) == 2 and rest[1].removesuffix(".json").isdigit():  # noqa: PLR2004 - reference and version
            found[rest[0]] = name
    return list(found.values())


def _outdated(names: Iterable[str]) -> list[str]:
    all_of_them = list(names)
    latest = {name.split("/")[1]: name for name in _latest(all_of_them)}
    return [
        name
        for name in all_of_them
        if name < latest.get(name.split("/")[1], "") and name.count("/") == 2  # noqa: PLR2004
    ]


def _understood(name: str, content: bytes) -> PublicIncident | None:
    """A part; None, and a word in the log, for a file that is none: it must not take the page from the others."""
    try:
        part = PublicIncident.model_validate_json(content)
    except ValidationError as error:
        log.warning("a part of the public page cannot be read", name=name, problem=str(error)[:300])
        return None
    if _name(part) != name:
        log.warning("a part of the public page is another's", name=name, part=_name(part))
        return None
    return part


def _kept(content: bytes) -> tuple[PublicSystem, ...]:
    try:
        return Systematic.model_validate_json(content).systems
    except ValidationError:
        log.warning("the systems of the public page cannot be read", name=SYSTEMS)
        return ()
