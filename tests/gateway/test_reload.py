"""The files of a gateway that runs: what is changed counts without a restart, and what is wrong does no harm."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from firestation.drivers.register import Register
from firestation.errors import InvalidFile, InvalidInput
from firestation.secrets import ReferenceSecrets
from firestation.settings import Settings
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway import book as books
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.book import KEPT, Bookkeeper, Reading
from gateway.front import Front
from tests.docs.documents import ROOT
from tests.gateway.conftest import TOKENS, Clock, Remembering, bearer
from tests.gateway.desks import a_desk
from tests.gateway.test_app import ALARM, GENERIC
from tests.gateway.test_sessions import log_in
from tests.property import worlds
from tests.property.signatures import new_key
from workflows.client import connect

EXAMPLE = (ROOT / "examples/station/station.yaml").read_text()
TURNS = """
rotations:
  - id: primary
    layers:
      - {name: week, people: [ana], zone: Europe/Berlin, start: 2020-01-06, turn: 7d}
"""
OVERRIDE = """    overrides:
      - {person: ben, since: "2020-02-01T00:00:00Z", until: "2100-01-01T00:00:00Z"}
"""
TURNING = EXAMPLE.replace("escalation: [ana, ben]", "escalation: [primary]") + TURNS
CARA = "  - id: cara\n    name: Cara Lindqvist\n    roles: [comms]\n    address: cara@example.org\n"
HOUR = 3600.0
WITH_KEYS = EXAMPLE.replace("address: ana@example.org", "address: ana@example.org\n    key_files: [keys]")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A station of files that may be changed; runbooks are looked for in the folder `wall`."""
    (tmp_path / "station.yaml").write_text(EXAMPLE)
    for folder, file in (
        ("systems", "examples/refund_agent/system.yaml"),
        ("wall", "runbooks/general.yaml"),
        ("wall", "runbooks/stale-policy.yaml"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / Path(file).name).write_text((ROOT / file).read_text())
    return Settings(
        station=tmp_path / "station.yaml", systems=tmp_path / "systems", runbooks=tmp_path / "wall"
    )


@pytest.fixture
def keeper(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Bookkeeper:
    """One that looks whenever somebody asks, and waits for what it finds however slow this machine is."""
    monkeypatch.setattr(books, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(books, "PATIENCE_SECONDS", HOUR)
    monkeypatch.setattr(books, "SETTLED_SECONDS", 0.01)
    return Bookkeeper(settings)


@pytest.fixture
def door(keeper: Bookkeeper, bells: Path, register: Register, clock: Clock) -> Doorkeeper:
    return Doorkeeper(keeper, ReferenceSecrets(bells.parent), register, clock)


@pytest.fixture
def front() -> Front:
    return Front("a key for visits", "https://gateway")


@pytest.fixture
async def browser(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(
        create_app(desk, door, store, front, shelf=MemoryShelf()), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway") as client:
        yield client


def replace(file: Path, text: str) -> None:
    """As editors and `git` do it: another file takes the place, whole."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)


async def paged(keeper: Bookkeeper) -> tuple[str, ...]:
    """Whom an incident pages that begins now."""
    return (await keeper.latest()).brief(worlds.alarm(), worlds.START).roster.escalation


async def test_an_override_counts_for_the_next_alarm(keeper: Bookkeeper, settings: Settings) -> None:
    settings.station.write_text(TURNING)
    assert await paged(keeper) == ("ana",)
    opened = keeper.book.brief(worlds.alarm(), worlds.START)
    with capture_logs() as logs:
        replace(settings.station, TURNING + OVERRIDE)
        assert await paged(keeper) == ("ben",)
    assert opened.roster.escalation == ("ana",)  # what was pinned stays
    assert logs == [
        {"event": "a new book is in force", "log_level": "info", "rotations_changed": ["primary"]}
    ]


async def test_the_desk_rings_with_the_book_that_is_in_force(
    keeper: Bookkeeper, settings: Settings, tmp_path: Path
) -> None:
    client = await connect("127.0.0.1:9", lazy=True)
    async with a_desk(client, keeper, tmp_path) as desk:
        incident = (await desk.ring(worlds.alarm())).incident
        assert incident == keeper.book.incident(worlds.alarm())
        assert [each.alarms for each in (await desk.held()).waiting] == [1]
        health = await desk.health()
        assert (health.status, health.waiting) == ("spooling", 1)
        system = settings.systems / "system.yaml"
        replace(system, system.read_text().replace("system: refund-agent", "system: other-agent"))
        with pytest.raises(InvalidInput, match="protects other-agent"):
            await desk.ring(worlds.alarm())


async def test_who_is_taken_out_is_refused_at_once_with_token_and_session(
    browser: httpx.AsyncClient, settings: Settings
) -> None:
    answer = await log_in(browser, TOKENS["cara"], Origin="https://gateway")
    assert answer.status_code == 303, answer.text
    assert "Cara Lindqvist" in (await browser.get("/")).text
    assert (await browser.get("/incidents", headers=bearer(TOKENS["cara"]))).status_code == 200
    with capture_logs() as logs:
        replace(settings.station, EXAMPLE.replace(CARA, ""))
        refused = await browser.get("/incidents", headers=bearer(TOKENS["cara"]))
    assert (refused.status_code, "any more" in refused.json()["detail"]) == (401, True)
    assert (await browser.get("/")).headers["location"] == "/login"
    assert (await browser.get("/incidents", headers=bearer(TOKENS["ana"]))).status_code == 200
    assert [each["people_removed"] for each in logs if each["event"] == "a new book is in force"] == [
        ["cara"]
    ]


async def test_a_new_bell_rings(browser: httpx.AsyncClient, settings: Settings, bells: Path) -> None:
    (bells / "bell-drift").write_text("the-secret-of-the-new-bell-0123")
    ring: dict[str, Any] = {"json": ALARM, "headers": bearer("the-secret-of-the-new-bell-0123")}
    assert (await browser.post(GENERIC, **ring)).status_code == 401
    replace(settings.station, EXAMPLE + "  - id: drift\n")
    assert (await browser.post(GENERIC, **ring)).status_code == 202


async def test_another_provider_needs_no_restart(browser: httpx.AsyncClient, keeper: Bookkeeper) -> None:
    keeper.settings = keeper.settings.changed(public_url="https://gateway")
    assert (await browser.get("/login/provider")).status_code == 404
    login = "login: {issuer: 'https://login.example.org', client_id: f, client_secret: 'env:S', title: Example SSO}"
    replace(keeper.settings.station, f"{EXAMPLE}\n{login}\n")
    assert "Log in with Example SSO" in (await browser.get("/login")).text
    answer = await browser.get("/login/provider")  # its client's secret is nowhere, and that is what it says
    assert (answer.status_code, "env:S" in answer.text) == (422, True), answer.text
    replace(keeper.settings.station, EXAMPLE)
    assert "Example SSO" not in (await browser.get("/login")).text


async def test_a_login_that_nobody_can_come_back_from_does_not_count(
    keeper: Bookkeeper, settings: Settings
) -> None:
    login = "login: {issuer: 'https://login.example.org', client_id: f, client_secret: 'env:S'}\n"
    replace(settings.station, EXAMPLE + login)
    with capture_logs() as logs:
        assert (await keeper.latest()).station.login is None
    assert "FIRESTATION_PUBLIC_URL" in logs[0]["problem"]


@pytest.mark.parametrize(
    ("name", "was", "now", "field", "says"),
    [
        ("station.yaml", "escalation: [ana, ben]", "escalation: [eve]", "escalation[0]", "'eve'"),
        ("station.yaml", "page_every: 2m", "page_every: 2m\npages: 3", "pages", "no such field"),
        ("systems/system.yaml", "driver: ", "driver: no-such-", "sources[0].driver", "no-such-"),
        ("wall/general.yaml", "runbook: general", "runbook: stale-policy", "runbook", "already the id"),
        ("wall/general.yaml", "runbook: general", "runbook: [", "(whole)", "not YAML"),
    ],
)
async def test_a_file_that_is_wrong_keeps_the_book_before_and_says_why_once(
    keeper: Bookkeeper, tmp_path: Path, name: str, was: str, now: str, field: str, says: str
) -> None:
    before, text = keeper.book, (tmp_path / name).read_text()
    assert was in text
    with capture_logs() as logs:
        replace(tmp_path / name, text.replace(was, now, 1))
        for _ in range(3):
            assert await keeper.latest() is before
    (told,) = logs
    assert (told["event"], told["log_level"], told["field"]) == (KEPT, "error", field)
    assert says in told["problem"]
    assert told["fix"]
    assert told["file"].startswith(str(tmp_path / Path(name).parent))
    with capture_logs() as logs:
        replace(tmp_path / name, text)
        assert dict(books.news(before, await keeper.latest())) == {}
        await keeper.latest()
    assert [each["event"] for each in logs] == [
        "the files can be used again; they say what the book in force says"
    ]


async def test_each_wrong_version_is_told(keeper: Bookkeeper, settings: Settings) -> None:
    with capture_logs() as logs:
        for text in ("station: [", "people: none", ""):
            replace(settings.station, text)
            await keeper.latest()
        settings.station.unlink()
        await keeper.latest()
    assert [each["event"] for each in logs] == [KEPT] * 4
    assert "there is no station file" in logs[-1]["problem"]


async def test_a_gateway_is_ready_whatever_its_files_have_become(
    keeper: Bookkeeper, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def healthy(**_: Any) -> bool:
        return True

    async with a_desk(await connect("127.0.0.1:9", lazy=True), keeper, tmp_path) as desk:
        monkeypatch.setattr(desk.client.service_client, "check_health", healthy)
        settings.station.write_text("people: [")
        with capture_logs() as logs:
            assert (await desk.health()).status == "ready"
    assert [each["event"] for each in logs] == [KEPT]


@pytest.mark.parametrize("part", range(1, 10, 2))
@pytest.mark.parametrize("name", ["station.yaml", "systems/system.yaml", "wall/general.yaml"])
async def test_a_file_that_is_half_written_does_no_harm(
    keeper: Bookkeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: int
) -> None:
    """Even where the half is a right file: it is completed before it has stood still, and never counts."""
    before, text = keeper.book, (tmp_path / name).read_text()
    whole = text.replace("title:", "title: New", 1) if "title:" in text else text.replace("2m", "3m")
    assert whole != text
    seen, go_on = asyncio.Event(), threading.Event()
    loop, original = asyncio.get_running_loop(), books.read

    def reading(settings: Settings) -> Reading:
        found = original(settings)
        loop.call_soon_threadsafe(seen.set)
        assert go_on.wait(60)
        return found

    monkeypatch.setattr(books, "read", reading)
    (tmp_path / name).write_text(whole[: len(whole) * part // 10])
    asked = asyncio.create_task(keeper.latest())
    await asyncio.wait_for(seen.wait(), 60)  # the half was read
    (tmp_path / name).write_text(whole)
    go_on.set()
    with capture_logs() as logs:
        assert await asked is before
    assert [each["log_level"] for each in logs] == ["info"]
    assert dict(books.news(before, await keeper.latest()))


async def test_everybody_who_asks_meanwhile_shares_one_look(
    keeper: Bookkeeper, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Settings] = []
    original: Callable[[Settings], Reading] = books.read

    def counted(given: Settings) -> Reading:
        read.append(given)
        return original(given)

    monkeypatch.setattr(books, "read", counted)
    replace(settings.station, EXAMPLE.replace(CARA, ""))
    found = await asyncio.gather(*(keeper.latest() for _ in range(100)))
    assert len(read) == 1
    assert {id(each) for each in found} == {id(keeper.book)}
    assert keeper.book.station.person("cara") is None


async def test_calls_during_a_reload_are_answered_by_the_old_book_or_by_the_new(
    browser: httpx.AsyncClient, settings: Settings
) -> None:
    stop = asyncio.Event()
    answers: dict[str, list[int]] = {"ana": [], "cara": []}

    async def call(name: str) -> None:
        while not stop.is_set():
            answers[name].append((await browser.get("/incidents", headers=bearer(TOKENS[name]))).status_code)

    calls = [asyncio.create_task(call(name)) for name in ("ana", "ana", "cara")]
    async with asyncio.timeout(60):
        for _ in range(5):
            for text, status in ((EXAMPLE.replace(CARA, ""), 401), (EXAMPLE, 200)):
                replace(settings.station, text)
                so_far = len(answers["cara"])
                while status not in answers["cara"][so_far:]:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
    stop.set()
    await asyncio.gather(*calls)
    assert set(answers["ana"]) == {200}
    assert set(answers["cara"]) == {200, 401}


async def test_files_that_hang_keep_nobody_waiting_for_long(
    keeper: Bookkeeper, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "PATIENCE_SECONDS", 0.05)
    before, original, go_on = keeper.book, books.read, threading.Event()

    def hanging(given: Settings) -> Reading:
        assert go_on.wait(60)
        return original(given)

    monkeypatch.setattr(books, "read", hanging)
    replace(settings.station, EXAMPLE.replace(CARA, ""))
    for _ in range(3):
        assert await keeper.latest() is before
    monkeypatch.setattr(books, "PATIENCE_SECONDS", HOUR)
    go_on.set()
    assert (await keeper.latest()).station.person("cara") is None


async def test_the_files_are_looked_at_no_more_often_than_said(
    keeper: Bookkeeper, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "LOOK_SECONDS", HOUR)
    replace(settings.station, EXAMPLE.replace(CARA, ""))
    assert (await keeper.latest()).station.person("cara")
    monkeypatch.setattr(books, "LOOK_SECONDS", 0.0)
    assert (await keeper.latest()).station.person("cara") is None


async def test_a_key_that_is_revoked_counts_for_the_next_incident(
    keeper: Bookkeeper, settings: Settings
) -> None:
    kept, lost = (f"ana@example.org {new_key(name).public.line}\n" for name in ("kept", "lost"))
    keys = settings.station.parent / "keys"
    keys.write_text(kept + lost)
    settings.station.write_text(WITH_KEYS)
    assert len((await keeper.latest()).keys["ana"]) == 2
    with capture_logs() as logs:
        keys.write_text(kept)
        assert len((await keeper.latest()).keys["ana"]) == 1
    assert logs[0]["people_changed"] == ["ana"]
    with capture_logs() as logs:
        keys.write_text("nonsense\n")
        assert len((await keeper.latest()).keys["ana"]) == 1
    assert logs[0]["field"] == "people[0].key_files[0]"


async def test_a_key_file_that_was_wrong_when_it_was_named_is_watched_too(
    keeper: Bookkeeper, settings: Settings
) -> None:
    replace(
        settings.station,
        WITH_KEYS,
    )
    with capture_logs() as logs:
        assert not (await keeper.latest()).keys
    assert "cannot be read" in logs[0]["problem"]
    (settings.station.parent / "keys").write_text(f"ana@example.org {new_key('new').public.line}\n")
    assert len((await keeper.latest()).keys["ana"]) == 1


async def test_systems_and_runbooks_come_go_and_are_told_by_digest(
    keeper: Bookkeeper, settings: Settings
) -> None:
    general, stale = settings.runbooks / "general.yaml", settings.runbooks / "stale-policy.yaml"
    system = settings.systems / "system.yaml"
    with capture_logs() as logs:
        stale.unlink()
        replace(general, general.read_text().replace("title:", "title: Changed", 1))
        (settings.systems / "b.yaml").write_text(
            system.read_text().replace("system: refund-agent", "system: b", 1)
        )
        book = await keeper.latest()
    assert set(book.systems) == set(book.walls) == {"refund-agent", "b"}
    (told,) = logs
    assert told["runbooks_removed"] == ["stale-policy"]
    assert told["runbooks_changed"] == [f"general {book.wall[0].sha256()[:12]}"]
    assert told["systems_added"] == [f"b {book.systems['b'].sha256()[:12]}"]
    with capture_logs() as logs:
        system.unlink()
        assert set((await keeper.latest()).systems) == {"b"}
    assert logs[0]["systems_removed"] == ["refund-agent"]


async def test_a_folder_that_is_empty_all_at_once_is_not_believed(
    keeper: Bookkeeper, settings: Settings
) -> None:
    (settings.systems / "system.yaml").unlink()
    with capture_logs() as logs:
        assert (await keeper.latest()).systems
    assert "has no .yaml file" in logs[0]["problem"]


async def test_two_files_of_one_system_are_refused(keeper: Bookkeeper, settings: Settings) -> None:
    (settings.systems / "z.yaml").write_text((settings.systems / "system.yaml").read_text())
    with pytest.raises(InvalidFile, match="id of two system files"):
        Bookkeeper(settings)
    with capture_logs() as logs:
        await keeper.latest()
    assert (logs[0]["field"], Path(logs[0]["file"]).name) == ("system", "z.yaml")


async def test_what_an_editor_keeps_beside_a_file_is_none(keeper: Bookkeeper, settings: Settings) -> None:
    (settings.systems / ".#system.yaml").symlink_to("ana@laptop.4711")
    (settings.runbooks / ".general.yaml").write_text("runbook: [")
    os.utime(settings.station, (1, 1))  # touched, and says what it said
    before = keeper.book
    with capture_logs() as logs:
        after = await keeper.latest()
    assert (dict(books.news(before, after)), logs) == ({}, [])
