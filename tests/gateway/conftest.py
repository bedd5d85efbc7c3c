"""The gateway's routes before a desk that only remembers what it was asked."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from firestation import tokens
from firestation.acts import Act
from firestation.aftermath import course
from firestation.alarm import Alarm
from firestation.authority import Bell, Member, Role, Station
from firestation.bell.view import Known
from firestation.drivers.register import Register, open_register
from firestation.errors import Gone, InvalidInput, Refused
from firestation.follow_up import Finish, cannot_finish
from firestation.follow_words import follow_picture
from firestation.picture import Picture, picture
from firestation.secrets import ReferenceSecrets
from firestation.state import Phase
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.waits import Verdict, Wait
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.book import Book
from gateway.desk import Picked, Row
from gateway.front import Front
from gateway.hearing import Ears, Hearing, Sent
from gateway.ringing import Health, Rang, Spooled
from gateway.tasks import TaskList
from gateway.waiting import WaitList
from tests.audit.forge import case
from tests.property.worlds import World, brief
from workflows.messages import Answer, Decided, Finished

INCIDENT = "refund-agent-1a2b3c4d"
DIGEST = "ab" * 32
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINTED = {
    name: tokens.mint(
        hashlib.sha512(name.encode()).digest()[: tokens.RANDOM_BYTES],
        person=name,
        now=NOW,
        lifetime=timedelta(days=90),
    )
    for name in ("ana", "cara")
}
TOKENS = {name: text for name, (_, text) in MINTED.items()}
BELL = "token-of-the-bell-01234"


class Remembering:
    """A desk that knows one system and one incident; it keeps what it was given."""

    def __init__(self) -> None:
        self.hearing = Hearing()
        self.rang: list[Alarm] = []
        self.deliveries: list[str | None] = []
        self.known: dict[str, dict[str, Alarm]] = {}
        self.acted: list[tuple[Act, str | None]] = []
        self.asked: list[tuple[str | None, bool]] = []
        self.finished: list[tuple[Finish, str, str | None]] = []
        self.waiting: list[Wait] = []
        self.more_wait = False
        self.decided: list[tuple[Verdict, str | None]] = []
        self.course = course(World().incident)
        self.away: Exception | None = None
        self.well = Health(status="ready")

    async def ears(self) -> Ears:
        return Ears({}, Known())

    async def ring(self, alarm: Alarm, delivery: str | None = None, sent: Sent | None = None) -> Rang:
        self.hearing.kept(sent)
        if self.away:
            raise self.away
        if alarm.system != "refund-agent":
            raise InvalidInput(
                "system", f"there is no system {alarm.system!r}", "The station protects refund-agent"
            )
        self.rang.append(alarm)
        self.deliveries.append(delivery)
        if alarm.status == "resolved":
            return Rang(alarm=alarm.name, incident=None, reason="resolved, and there is no open incident")
        return Rang(alarm=alarm.name, incident=INCIDENT)

    async def remember(self, bell: str, alarms: Sequence[Alarm]) -> None:
        self.known.setdefault(bell, {}).update({each.key: each for each in alarms})

    async def remembered(self, bell: str) -> dict[str, Alarm]:
        return self.known.get(bell, {})

    async def act(self, incident: str, act: Act, key: str | None = None) -> Answer:
        self._known(incident)
        self.acted.append((act, key))
        if act.kind == "close":
            return Answer(
                accepted=False,
                phase=Phase.OPEN,
                rule=9,
                title="an incident becomes a lock",
                missing="no lock",
            )
        return Answer(accepted=True, phase=Phase.OPEN)

    async def picture(self, incident: str) -> Picture:
        self._known(incident)
        world = World()
        return picture(world.incident, tuple(world.record))

    async def version(self, incident: str) -> str:
        self._known(incident)
        return "1"

    async def whole_digest(self, incident: str, prefix: str, of: Picked = "action") -> str:
        del of
        self._known(incident)
        return DIGEST if DIGEST.startswith(prefix) else prefix

    async def listing(self, *, open_only: bool) -> list[Row]:
        del open_only
        return []

    async def tasks(self, incident: str | None, *, open_only: bool) -> TaskList:
        if incident:
            self._known(incident)
        self.asked.append((incident, open_only))
        seen = follow_picture(self.course, self.course.opened_at)
        return TaskList(incidents=(seen,), not_shown=("after-other-1",))

    async def finish(self, incident: str, word: Finish, fire: str, key: str | None) -> Finished:
        self._known(incident)
        self.finished.append((word, fire, key))
        missing = cannot_finish(self.course, word)
        return Finished(accepted=missing is None, task=word.task, missing=missing)

    async def waits(self) -> WaitList:
        return WaitList(waiting=tuple(self.waiting), more=self.more_wait)

    async def decide(self, incident: str, verdict: Verdict, key: str | None = None) -> Decided:
        self._known(incident)
        self.decided.append((verdict, key))
        missing = "it was dismissed by cara" if verdict.reason == "too late" else None
        return Decided(accepted=missing is None, incident=incident, missing=missing)

    async def family(self, incident: str) -> list[list[dict[str, Any]]]:
        self._known(incident)
        return case("closed").family

    async def health(self) -> Health:
        return self.well

    async def held(self) -> Spooled:
        return Spooled(waiting=(), untold=())

    def _known(self, incident: str) -> None:
        if incident == "ended":
            raise Refused(0, "the order of things", "the incident has ended")
        if incident != INCIDENT:
            raise Gone(f"there is no incident {incident!r}")


class Standing:
    """Books of one book, which a test may exchange for another."""

    def __init__(self, book: Book) -> None:
        self.book = book

    async def latest(self) -> Book:
        return self.book


def books_of(station: Station) -> Standing:
    """The books of a station that protects one system."""
    known = brief()
    return Standing(Book(station=station, systems={known.system.system: known.system}, wall=(known.runbook,)))


@pytest.fixture
def desk() -> Remembering:
    return Remembering()


@pytest.fixture
def station() -> Station:
    people = tuple(
        Member(id=name, name=name.capitalize(), roles=(role,), address=f"{name}@example.org")
        for name, role in (("ana", Role.CAPTAIN), ("cara", Role.COMMS), ("noname", Role.AUDITOR))
    )
    return Station(station="test", people=people, escalation=("ana",), bells=(Bell(id="alertmanager"),))


@pytest.fixture
def bells(tmp_path: Path) -> Path:
    """The folder of the bells' secrets."""
    folder = tmp_path / "tokens"
    folder.mkdir(mode=0o700)
    (folder / "bell-alertmanager").write_text(f"{BELL}\n")
    return folder


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def register(tmp_path: Path) -> Register:
    found = open_register(tmp_path / "access")
    for token, _ in MINTED.values():
        assert await found.add(token)
    return found


@pytest.fixture
def door(station: Station, bells: Path, register: Register, clock: Clock) -> Doorkeeper:
    return Doorkeeper(books_of(station), ReferenceSecrets(bells.parent), register, clock)


@pytest.fixture
def front() -> Front:
    return Front("a key for visits")


@pytest.fixture
def store() -> MemoryEvidence:
    return MemoryEvidence()


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
async def http(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front, shelf: MemoryShelf
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(desk, door, store, front, shelf=shelf)) as client:
        yield client


def client_of(app: ASGIApp, base_url: str = "http://gateway", **more: Any) -> httpx.AsyncClient:
    """Somebody who calls this app, and is answered whatever goes wrong in it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base_url, **more)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
