"""Whoever says nothing, or a byte now and then, or takes no answer, holds no connection for long."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response
from uvicorn.server import ServerState

from firestation.model import Model
from gateway import guard, patience
from gateway.guard import Guard
from gateway.patience import Impatient
from gateway.problems import install

SOON = 30.0
LONG = 20_000_000
"""Bytes of an answer, more than the kernel takes for somebody who does not read."""

HEAD = b"POST /bells/a HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(guard, "WAIT_SECONDS", 0.3)
    monkeypatch.setattr(patience, "TAKING_SECONDS", 0.3)
    monkeypatch.setattr(patience, "SLOWEST", 20_000_000)


class Ordered(Model):
    kind: str


def bell() -> Guard:
    app = FastAPI()
    install(app)

    @app.post("/bells/{name}")
    async def ring(name: str, request: Request) -> int:
        assert name
        return len(await request.body())

    @app.post("/drills")
    async def order(body: Ordered) -> str:
        return body.kind

    @app.get("/long")
    async def long() -> Response:
        return Response(b"a" * LONG)

    return Guard(app)


@pytest.fixture
def state() -> ServerState:
    return ServerState()


@pytest.fixture
async def address(hurried: None, state: ServerState) -> AsyncIterator[int]:
    config = uvicorn.Config(bell(), port=0, http=Impatient, log_config=None, access_log=False, lifespan="off")
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def calling(address: int) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection("127.0.0.1", address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def drip(writer: asyncio.StreamWriter, byte: bytes) -> None:
    with suppress(OSError):
        while True:
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("begun", [b"", b"POST /bells/a HT", HEAD + b"X-More: "])
async def test_who_does_not_get_to_the_point_is_hung_up_on(address: int, begun: bytes) -> None:
    async with calling(address) as (reader, writer):
        dripping = asyncio.create_task(drip(writer, b"a"))
        if not begun:
            dripping.cancel()
        writer.write(begun)
        async with asyncio.timeout(SOON):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        dripping.cancel()


@pytest.mark.parametrize("path", [b"/bells/a", b"/drills"])
async def test_a_body_that_comes_too_slowly_is_answered_so(address: int, path: bytes) -> None:
    async with calling(address) as (reader, writer):
        writer.write(HEAD.replace(b"/bells/a", path) + b"Content-Length: 500\r\n\r\n")
        dripping = asyncio.create_task(drip(writer, b"1"))
        async with asyncio.timeout(SOON):
            said = await reader.readuntil(b"send it again, in one go")
        assert said.startswith(b"HTTP/1.1 408")
        dripping.cancel()


@pytest.mark.parametrize("path", [b"/bells/a", b"/drills"])
async def test_a_body_that_never_said_how_long_it_is_is_cut_off(address: int, path: bytes) -> None:
    async with calling(address) as (reader, writer):
        writer.write(HEAD.replace(b"/bells/a", path) + b"Transfer-Encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%s\r\n" % (guard.LARGEST_BODY + 1, b" " * (guard.LARGEST_BODY + 1)))
        async with asyncio.timeout(SOON):
            said = await reader.readuntil(b"the limit is 1048576 bytes")
        assert said.startswith(b"HTTP/1.1 413")


async def test_who_says_it_at_once_is_heard_and_may_say_more_later(address: int) -> None:
    async with calling(address) as (reader, writer):
        for _ in range(2):
            writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
            async with asyncio.timeout(SOON):
                assert (await reader.readuntil(b"\r\n\r\n2")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(
                patience.HEAD_SECONDS * 1.5
            )  # between two requests nobody is hung up on by us


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
async def test_who_does_not_take_the_answer_is_hung_up_on(
    address: int, state: ServerState, more: bytes
) -> None:
    async with calling(address) as (_, writer):  # whose reader takes 128 kB, and then no more
        writer.write(b"GET /long HTTP/1.1\r\nHost: gateway\r\n" + more + b"\r\n")
        async with asyncio.timeout(SOON):
            while not state.connections:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
            while state.connections:  # noqa: ASYNC110 - nor has this
                await asyncio.sleep(0.05)


async def test_who_takes_a_long_answer_has_all_of_it(address: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SLOWEST", LONG / SOON)
    async with calling(address) as (reader, writer):
        writer.write(b"GET /long HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(SOON):
            assert len(await reader.read()) > LONG


def test_a_gateway_holds_as_many_connections_as_the_machine_lets_it() -> None:
    held = "from gateway.patience import hold_many; hold_many(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    few = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512)); {held}"
    done = subprocess.run([sys.executable, "-c", few], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["512", "512"]
