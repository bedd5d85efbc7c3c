"""Live pages: one looks for all, who leaves is forgotten, and a stream ends with its session."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from firestation import acts
from firestation.errors import Gone, Unreachable
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway import board
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.front import Front
from gateway.shared import Shared
from gateway.watching import MOST_OF_ONE, Watching
from tests.gateway.conftest import INCIDENT
from tests.gateway.test_board import Counting

PATIENCE = 60.0


class Versions:
    """An incident whose version a test changes; it counts how often it was asked for."""

    def __init__(self) -> None:
        self.version, self.asked = "1", 0
        self.fails: Exception | None = None
        self.changed: list[str] = []

    async def __call__(self, incident: str) -> str:
        del incident
        self.asked += 1
        if self.fails:
            raise self.fails
        return self.version


async def until(held: object) -> None:
    """Wait for a condition, which is asked at each turn of the loop."""
    assert callable(held)
    async with asyncio.timeout(PATIENCE):
        while not held():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_one_looks_for_all_and_nobody_for_nobody() -> None:
    versions = Versions()
    watching = Watching(versions, versions.changed.append, every_seconds=0.05)
    heard: list[str | None] = []

    async def viewer(number: int) -> None:
        async with contextlib.aclosing(watching.watch("fire", f"person-{number}", "1", PATIENCE)) as news:
            heard.append(await anext(news))

    viewers = [asyncio.create_task(viewer(number)) for number in range(200)]
    await until(lambda: versions.asked >= 3 and watching.people.total() == 200)
    assert len(watching.watched) == 1
    before = versions.asked
    versions.version = "2"
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*viewers)
    assert heard == ["2"] * 200
    assert versions.asked - before < 20, "one question a turn, and not one a viewer"
    assert versions.changed[-1] == "fire"
    assert (watching.watched, watching.people.total()) == ({}, 0), "nothing is left of them"
    await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_who_has_seen_less_is_told_at_once_and_silence_is_told_too() -> None:
    versions = Versions()
    watching = Watching(versions, versions.changed.append, every_seconds=0.01)
    async with (
        contextlib.aclosing(watching.watch("fire", "ana", "0", 0.2)) as news,
        asyncio.timeout(PATIENCE),
    ):
        assert await anext(news) == "1"
        assert await anext(news) is None
        versions.fails = Unreachable("Temporal does not answer")
        assert await anext(news) is None, "a trouble is no news"
        versions.fails = Gone("forgotten")
        assert await anext(news) == "gone"


async def test_one_person_does_not_take_all_places() -> None:
    watching = Watching(Versions(), lambda _: None)
    watching.people["ana"] = MOST_OF_ONE
    assert watching.full("ana")
    assert not watching.full("ben")


async def test_what_is_shared_is_asked_once_and_what_changed_is_asked_anew() -> None:
    asked, answer = [], asyncio.Event()

    async def ask(key: str) -> int:
        asked.append(key)
        number = len(asked)
        await answer.wait()
        return number

    shared = Shared[str, int](ask, 1000)
    first = [asyncio.create_task(shared.get("a")) for _ in range(5)]
    await until(lambda: asked == ["a"])
    first[0].cancel()  # somebody goes away; the others still get it
    shared.forget("a")  # it changed while it was asked for
    later = asyncio.create_task(shared.get("a"))
    await until(lambda: asked == ["a", "a"])
    answer.set()
    assert [await each for each in first[1:]] == [1] * 4
    assert await later == 2
    assert await shared.get("a") == 2, "and not the answer from before the change"
    assert len(asked) == 2


async def test_a_trouble_is_told_to_all_and_not_kept() -> None:
    asked = []

    async def ask(key: str) -> int:
        asked.append(key)
        await asyncio.sleep(0)
        raise Unreachable("no answer")

    shared = Shared[str, int](ask, 1000)
    found = await asyncio.gather(*(shared.get("a") for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [Unreachable] * 3
    with pytest.raises(Unreachable):
        await shared.get("a")
    assert len(asked) == 2


@pytest.fixture
def desk() -> Counting:
    return Counting()


@pytest.fixture
async def served(desk: Counting, door: Doorkeeper, store: MemoryEvidence, front: Front) -> AsyncIterator[str]:
    """The gateway on a port of its own: events come one by one only over a real connection."""
    app = create_app(desk, door, store, front, shelf=MemoryShelf())
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    async with asyncio.timeout(PATIENCE):
        await task


async def test_a_page_is_told_of_each_change_and_of_nothing_else_until_its_session_ends(
    served: str, desk: Counting, door: Doorkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "STILL_SECONDS", 0.2)
    cookie = await door.open_session("ana")
    where = f"{served}/board/{INCIDENT}/events"
    async with (
        httpx.AsyncClient(cookies={"firestation": cookie}, timeout=PATIENCE) as http,
        http.stream("GET", where, params={"seen": await desk.version(INCIDENT)}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        assert desk.world.attempt(acts.Acknowledge(by="ana")) is None
        found = [line async for line in _until(lines, "event: changed")]
        assert await anext(lines) == f"data: {await desk.version(INCIDENT)}"
        assert not [line for line in found if "ana" in line or "refund" in line], "nothing of the incident"
        caller = await door.enter(cookie, "somewhere")
        assert caller.token is not None
        await door.close_session(caller.token)
        told = [line async for line in _until(lines, "event: over")]
        assert not [line for line in told if line.startswith("data")]
        assert [line async for line in lines] == ["data: ", ""], "and then it ends"
    async with httpx.AsyncClient(cookies={"firestation": cookie}, timeout=PATIENCE) as http:
        assert (await http.get(where)).status_code == 204


async def test_a_stream_has_an_end_and_begins_again_where_it_was(
    served: str, desk: Counting, door: Doorkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "LIFE_SECONDS", 0.0)
    where, cookie = f"{served}/board/{INCIDENT}/events", await door.open_session("ana")
    async with httpx.AsyncClient(cookies={"firestation": cookie}, timeout=PATIENCE) as http:
        whole = (await http.get(where, params={"seen": "0"})).text
        version = await desk.version(INCIDENT)
        assert f"id: {version}\nevent: changed\ndata: {version}\n\n" in whole
        monkeypatch.setattr(board, "STILL_SECONDS", 0.1)
        again = (await http.get(where, headers={"Last-Event-ID": version})).text
        assert "changed" not in again, "what it has seen is no news"


async def _until(lines: AsyncIterator[str], wanted: str) -> AsyncIterator[str]:
    async with asyncio.timeout(PATIENCE):
        async for line in lines:
            yield line
            if line == wanted:
                return
