"""The watch over HTTP: to people who may look."""

from collections.abc import AsyncIterator

import httpx
import pytest

from firestation.errors import Unreachable
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.watch.view import DetectorView
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.detectors import Detectors
from gateway.front import Front
from tests.gateway.conftest import BELL, TOKENS, Remembering, bearer, client_of

ANA = bearer(TOKENS["ana"])


class Watch:
    """Says what it is told to, and remembers of which system it was asked."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.away = False

    async def __call__(self, system: str | None) -> Detectors:
        self.asked.append(system)
        if self.away:
            raise Unreachable("Temporal does not answer (UNAVAILABLE)")
        seen = DetectorView(
            system="refund-agent",
            detector="golden",
            title="Golden eval",
            check="golden",
            promise="at least 98.0 %",
            standing="quiet",
        )
        return Detectors(detectors=(seen,))


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def http(
    desk: Remembering, door: Doorkeeper, front: Front, watch: Watch
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(desk, door, MemoryEvidence(), front, shelf=MemoryShelf(), watch=watch)
    async with client_of(app) as client:
        yield client


async def test_people_see_the_detectors_of_one_system_or_of_all(
    http: httpx.AsyncClient, watch: Watch
) -> None:
    for asked in ({}, {"system": "refund-agent"}):
        answer = await http.get("/detectors", params=asked, headers=ANA)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert [each["standing"] for each in answer.json()["detectors"]] == ["quiet"]
    assert watch.asked == [None, "refund-agent"]


async def test_only_people_look_at_the_watch(http: httpx.AsyncClient, watch: Watch) -> None:
    assert (await http.get("/detectors")).status_code == 401
    assert (await http.get("/detectors", headers=bearer(BELL))).status_code == 403
    assert (await http.get("/detectors", params={"system": "../x"}, headers=ANA)).status_code == 422
    assert watch.asked == []


async def test_a_temporal_that_is_away_is_said(http: httpx.AsyncClient, watch: Watch) -> None:
    watch.away = True
    answer = await http.get("/detectors", headers=ANA)
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
