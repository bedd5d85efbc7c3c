"""The book: what the gateway knows of the world, as its files say it, read again when one of them has changed."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import structlog
from pydantic import Field

from firestation.alarm import OWN_BELL, Alarm, incident_id
from firestation.allowed_signers import AllowedSigner
from firestation.authority import Station
from firestation.drill import DrillMark
from firestation.drivers import pager_problems, problems
from firestation.errors import FirestationError, InvalidFile, InvalidInput, NotConfigured
from firestation.keyring import read_keyring
from firestation.legal import strangers
from firestation.lint import fitting
from firestation.loader import load_station, load_system, load_wall, system_files, yaml_files
from firestation.model import Id, Model
from firestation.opening import Opening, drill_opened, keep_out_credentials, opened
from firestation.record import Brief
from firestation.runbook import Runbook
from firestation.settings import Settings
from firestation.system import System

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""How long the files are believed to be as they were: so soon a change counts at every gateway."""

SETTLED_SECONDS = 0.2
"""So long nothing may have changed before what was read counts: a file that is just being written is not whole."""

PATIENCE_SECONDS = 3.0
"""So long somebody who asks waits at most; on a folder that hangs, whoever asks later does not wait at all."""

KEPT = "a changed file cannot be used; the book before stays in force"
SHOWN_DIGEST = 12
STATION_PARTS = frozenset({"people", "bells", "rotations"})


class Book(Model):
    """What the gateway knows of the world: the station with its people's keys, the systems, the wall of runbooks."""

    station: Station
    keys: dict[Id, tuple[AllowedSigner, ...]] = {}
    systems: dict[Id, System]
    wall: tuple[Runbook, ...] = Field(min_length=1)

    @cached_property
    def walls(self) -> dict[Id, tuple[Runbook, ...]]:
        """For each system the runbooks that it can follow."""
        return {name: fitting(self.wall, system) for name, system in self.systems.items()}

    def incident(self, alarm: Alarm) -> str:
        """The incident that this alarm opens or joins. Raises `InvalidInput` for what cannot be used."""
        return incident_id(alarm, self.system(alarm).fire_labels)

    def brief(self, alarm: Alarm, at: datetime) -> Brief:
        """What an incident that this alarm starts now, `at`, is pinned to. Raises `InvalidInput` for an unknown system.

        Whoever is on call at this moment is on its roster, at the severity that the runbook proposes and at the others.
        """
        system = self.protected(alarm.system)
        return opened(alarm, at, self.station, system, self.walls[system.system], keys=self.keys)

    def drill(self, mark: DrillMark, system: str) -> Opening:
        """What a drill that begins now is pinned to. Raises as `brief` and `firestation.opening.drill_opened` do."""
        found = self.protected(system)
        return drill_opened(mark, self.station, found, self.walls[found.system], keys=self.keys)

    def system(self, alarm: Alarm) -> System:
        """The system that this alarm is of. Raises `InvalidInput` for what cannot be used."""
        found = self.protected(alarm.system)
        keep_out_credentials(alarm)
        return found

    def protected(self, name: str) -> System:
        """The system of this name. Raises `InvalidInput`, with those that there are, when there is none."""
        found = self.systems.get(name)
        if found is None:
            known = ", ".join(self.systems) or "none"
            raise InvalidInput("system", f"there is no system {name!r}", f"The station protects {known}")
        return found


class Books(Protocol):
    """Where everybody takes the book from."""

    @property
    def book(self) -> Book:
        """The one in force."""

    async def latest(self) -> Book:
        """The one in force, after a look at the files where the last look was too long ago."""


State = tuple[int, int, int] | None
Stamp = Mapping[Path, State]
"""Each file with its time of change, its size and its inode; None for one that is not there."""


class Reading(NamedTuple):
    """What came of reading the files of this stamp: the book, or what is wrong."""

    stamp: Stamp
    book: Book | None
    wrong: Exception | None


def read(settings: Settings) -> Reading:
    """Read, and stamp each file before it is read, so that whatever changes meanwhile is seen later."""
    stamp = dict(_stamp(_listed(settings)))
    try:
        station = load_station(settings.station)
        stamp.update(_stamp(settings.station.parent / each for p in station.people for each in p.key_files))
        book = _book(settings, station)
        assert book.walls.keys() == book.systems.keys()  # worked out here, and not while an alarm waits
    except Exception as error:  # noqa: BLE001 - whatever it is, the book before stays in force, and the log says why
        return Reading(stamp, None, error)
    return Reading(stamp, book, None)


class Bookkeeper:
    """Keeps the book, and reads it when it is made: raises `InvalidFile` or `NotConfigured` for the first thing wrong.

    Later, what is wrong is told once, and the book before stays in force.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._reading, self._looked = read(settings), time.monotonic()
        if self._reading.book is None:
            raise self._reading.wrong or RuntimeError("there is no book")
        self.book = self._reading.book
        self._looking: asyncio.Task[None] | None = None

    async def latest(self) -> Book:
        """The book in force; where the last look was too long ago, after another one, which all who ask share."""
        now = time.monotonic()
        if self._looking is None and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._looking = asyncio.create_task(self._look())
        if self._looking is not None:
            left = self._looked + PATIENCE_SECONDS - now
            await asyncio.wait({self._looking}, timeout=max(left, 0.0))
        return self.book

    async def _look(self) -> None:
        try:
            if await asyncio.to_thread(self._as_of, self._reading):
                return
            found = await asyncio.to_thread(read, self.settings)
            await asyncio.sleep(SETTLED_SECONDS)
            if await asyncio.to_thread(self._as_of, found):
                self._take(found)
            else:
                log.info(
                    "the files are just being changed; the book before stays in force until they are whole"
                )
        except Exception:
            log.exception("the files cannot be looked at; the book before stays in force")
        finally:
            self._looking = None

    def _as_of(self, reading: Reading) -> bool:
        """Whether the files are still those of this reading: the same names in the folders, each unchanged."""
        return dict(_stamp({*_listed(self.settings), *reading.stamp})) == reading.stamp

    def _take(self, found: Reading) -> None:
        """Put what was read in force, if it can be used. One assignment: whoever asks has the old book or the new."""
        last, self._reading = self._reading, found
        if found.book is None:
            _tell(found.wrong)
            return
        before, self.book = self.book, found.book
        if changes := dict(news(before, found.book)):
            log.info("a new book is in force", **changes)
        elif last.wrong:
            log.info("the files can be used again; they say what the book in force says")


def news(before: Book, after: Book) -> Iterator[tuple[str, list[str]]]:
    """What another book says otherwise, such as `people_removed`; systems and runbooks with the digest's beginning."""
    had_all, has_all = _entries(before), _entries(after)
    for kind, had in had_all.items():
        has = has_all[kind]
        for what, names in (
            ("added", has.keys() - had.keys()),
            ("removed", had.keys() - has.keys()),
            ("changed", {name for name in had.keys() & has.keys() if had[name] != has[name]}),
        ):
            if names:
                yield f"{kind}_{what}", [_shown(name, has.get(name)) for name in sorted(names)]


def _entries(book: Book) -> dict[str, dict[str, Any]]:
    """What is in a book, by kind and name. A person's keys are part of the person, whatever file they stand in."""
    station = book.station
    rest = {name: getattr(station, name) for name in Station.model_fields if name not in STATION_PARTS}
    return {
        "people": {each.id: (each, book.keys.get(each.id)) for each in station.people},
        "bells": {each.id: each for each in station.bells},
        "rotations": {each.id: each for each in station.rotations},
        "station": rest,
        "systems": dict(book.systems),
        "runbooks": {each.runbook: each for each in book.wall},
    }


def _shown(name: str, value: object) -> str:
    return f"{name} {value.sha256()[:SHOWN_DIGEST]}" if isinstance(value, System | Runbook) else name


def _tell(wrong: Exception | None) -> None:
    if isinstance(wrong, InvalidFile):
        about = {"file": wrong.file, "line": wrong.line, "field": wrong.field}
        log.error(KEPT, **about, problem=wrong.problem, fix=wrong.fix)
    elif isinstance(wrong, FirestationError):
        log.error(KEPT, problem=str(wrong))
    else:
        log.error(KEPT, exc_info=wrong)


def _book(settings: Settings, station: Station) -> Book:
    keys, unread = read_keyring(station, settings.station.parent)
    for hole in unread:
        raise InvalidFile(str(settings.station), 0, hole.field, hole.problem, hole.fix)
    for wrong in pager_problems(station):
        raise InvalidFile(str(settings.station), 0, wrong.field, wrong.problem, wrong.fix)
    if station.login and not settings.public_url:
        raise NotConfigured(
            "the station file has a login; set FIRESTATION_PUBLIC_URL, to which it sends people back"
        )
    return Book(
        station=station,
        keys=dict(keys),
        systems=_systems(settings, station),
        wall=load_wall(settings.runbooks),
    )


def _systems(settings: Settings, station: Station) -> dict[str, System]:
    """The systems by their names. A folder without one is more likely not mounted than meant so."""
    found: dict[str, System] = {}
    people, bells = [person.id for person in station.people], {bell.id for bell in station.bells}
    for file in system_files(settings.systems):
        system = load_system(file)
        for wrong in problems(system):
            raise InvalidFile(str(file), 0, wrong.field, wrong.problem, wrong.fix)
        for field, owner in strangers(system.legal, people):
            problem = f"{owner!r} is neither a role nor one of the station's people"
            raise InvalidFile(str(file), 0, field, problem, f"Name a role, or one of {', '.join(people)}")
        waits = [index for index, rule in enumerate(system.triage) if rule.then == "person"]
        if waits and OWN_BELL not in bells:
            problem = f"the station file has no bell {OWN_BELL!r}, at which what waited for a person rings"
            fix = f"Add to the bells of the station file: - id: {OWN_BELL}"
            raise InvalidFile(str(file), 0, f"triage[{waits[0]}].then", problem, fix)
        if system.system in found:
            problem = f"{system.system!r} is the id of two system files"
            raise InvalidFile(
                str(file), 0, "system", problem, "Give each system its own id, or remove a file"
            )
        found[system.system] = system
    if not found:
        raise NotConfigured(
            f"the folder {settings.systems} has no .yaml file; write one, or name another folder"
        )
    return found


def _listed(settings: Settings) -> list[Path]:
    """Every file that the folders and the settings name now; the people's key files are named by the station file."""
    return [settings.station, *system_files(settings.systems), *yaml_files(settings.runbooks)]


def _stamp(files: Iterable[Path]) -> Iterator[tuple[Path, State]]:
    for file in files:
        try:
            found = file.stat()
        except OSError:
            yield file, None
        else:
            yield file, (found.st_mtime_ns, found.st_size, found.st_ino)
