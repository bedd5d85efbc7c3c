"""The wall of locks over HTTP: to people who may look, from the shelf beside the evidence, believed by our keys."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from firestation.drivers.shelf import open_shelf
from firestation.hanging import hang
from firestation.settings import Settings
from firestation.signing import KeySigner, ensure_key
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.wall import names
from gateway.__main__ import wall_of
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.front import Front
from tests.gateway.conftest import BELL, TOKENS, Remembering, bearer, client_of
from tests.property.worlds import wall_break, wall_lock

ANA = bearer(TOKENS["ana"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state=tmp_path / "state")


@pytest.fixture
async def http(
    desk: Remembering, door: Doorkeeper, front: Front, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(desk, door, MemoryEvidence(), front, shelf=MemoryShelf(), wall=wall_of(settings))
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def hung(settings: Settings) -> Settings:
    """A lock that is broken, one of another system, and something that nobody here has signed."""
    ensure_key(settings.signing_key)
    signer, shelf = KeySigner(settings.signing_key), open_shelf(settings.evidence_store, "wall of locks")
    lock = wall_lock()
    broken = wall_break(lock)
    for entry in (lock, broken, wall_lock(system="search")):
        await hang(entry, shelf, signer, (signer.public_key,))
    await shelf.create("locks/refund-agent/reranker-regression/thief.json", b"<script>alert(1)</script>")
    return settings


async def test_the_wall_says_what_hangs_and_what_broke_it(http: httpx.AsyncClient, hung: Settings) -> None:
    answer = await http.get("/locks", headers=ANA)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    told = answer.json()
    assert [each["lock"]["system"] for each in told["locks"]] == ["refund-agent", "search"]
    assert [[one["incident"] for one in each["broken"]] for each in told["locks"]] == [
        ["refund-agent-99999999"],
        [],
    ]
    assert [each["name"].rsplit("/", 1)[1] for each in told["doubts"]] == ["thief.json"]
    one = (await http.get("/locks", params={"system": "search"}, headers=ANA)).json()
    assert ([each["lock"]["system"] for each in one["locks"]], one["doubts"]) == (["search"], [])


async def test_only_people_look_at_the_wall(http: httpx.AsyncClient, hung: Settings) -> None:
    assert (await http.get("/locks")).status_code == 401
    assert (await http.get("/locks", headers=bearer(BELL))).status_code == 403
    odd = await http.get("/locks", params={"system": "../../etc"}, headers=ANA)
    assert odd.status_code == 422


async def test_a_station_without_a_key_says_what_is_missing(http: httpx.AsyncClient) -> None:
    answer = await http.get("/locks", headers=ANA)
    assert (answer.status_code, "the public key" in answer.text) == (503, True)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_key_of_before_is_still_believed(http: httpx.AsyncClient, hung: Settings) -> None:
    folder = hung.signing_key.parent
    (folder / "former").mkdir()
    (folder / "station.pub").rename(folder / "former" / "2026.pub")
    hung.signing_key.unlink()
    ensure_key(hung.signing_key)
    told = (await http.get("/locks", headers=ANA)).json()
    assert len(told["locks"]) == 2
    assert names(wall_lock())[0] not in {each["name"] for each in told["doubts"]}
