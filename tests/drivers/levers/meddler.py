"""A proxy between a driver and a real product that spoils the next write: each way in which a target can fail us."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.drivers.serving import serving

READS = frozenset({"GET", "HEAD"})
HOP = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "content-encoding", "keep-alive"}
)
SLOW_SECONDS = 0.3


@dataclass
class Meddler:
    """`plan` is used up by the writes that come, one a write: what is done to it.

    `refuse` answers 500 and forwards nothing; `lose` forwards and answers 500; `hang` never answers and forwards
    nothing; `hang-after` forwards and never answers; `noop` answers 200 and forwards nothing; `flap` forwards and has
    somebody else put it back at once; `slow` answers 200 and forwards later; `pass` does nothing.

    `later` are the writes that are still to arrive, whether or not somebody waits for their answer.
    """

    target: str
    url: str = ""
    plan: list[str] = field(default_factory=list)
    writes: int = 0
    put_back: Callable[[], Any] = lambda: None
    reads_too: Callable[[Request], bool] = lambda _: False
    later: set[asyncio.Future[Any]] = field(default_factory=set)

    def is_write(self, request: Request) -> bool:
        """Products that read by POST say which POSTs are readings."""
        return request.method not in READS and not self.reads_too(request)

    async def forward(self, request: Request, body: bytes) -> Response:
        """The same request to the product itself."""
        path = request.scope["raw_path"].decode().partition("?")[0]  # as it came: %2F is no slash
        path += f"?{request.url.query}" if request.url.query else ""
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            got = await client.request(request.method, self.target + path, headers=headers, content=body)
        kept = {name: value for name, value in got.headers.items() if name not in HOP}
        return Response(got.content, got.status_code, kept)

    async def handle(self, request: Request) -> Response:
        """Spoil it as planned."""
        body = await request.body()
        if not self.is_write(request):
            return await self.forward(request, body)
        fault = self.plan.pop(0) if self.plan else "pass"
        if fault == "refuse":
            return JSONResponse({"error": "broken"}, 500)
        if fault == "noop":
            return JSONResponse({})
        if fault == "hang":
            await asyncio.sleep(30)
            return JSONResponse({"error": "hung"}, 500)  # and forwards nothing, however long the proxy lives
        if fault == "slow":
            task = asyncio.create_task(self._later(request, body))
            self.later.add(task)
            task.add_done_callback(self.later.discard)
            return JSONResponse({})
        self.writes += 1
        with self._arriving():
            answer = await self.forward(request, body)
        if fault == "lose":
            return JSONResponse({"error": "broken"}, 500)
        if fault == "hang-after":
            await asyncio.sleep(30)
        if fault == "flap":
            await asyncio.to_thread(self.put_back)
        return answer

    @contextlib.contextmanager
    def _arriving(self) -> Iterator[None]:
        """It arrives although nobody waits for the answer any more."""
        task = asyncio.current_task()
        assert task is not None
        self.later.add(task)
        try:
            yield
        finally:
            self.later.discard(task)

    async def _later(self, request: Request, body: bytes) -> None:
        await asyncio.sleep(SLOW_SECONDS)  # the product's own slowness is what is played here
        self.writes += 1
        await self.forward(request, body)


@contextlib.contextmanager
def meddling(target: str) -> Iterator[Meddler]:
    """The proxy in front of a product, from ready to stopped."""
    meddler = Meddler(target)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", meddler.handle, methods=methods)])
    with serving(app) as meddler.url:
        yield meddler
