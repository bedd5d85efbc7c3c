"""A small real product with levers, over real HTTP: ETags, idempotency keys, and every way to answer badly.

Started in a thread on a free port. What it did is in `Product`, so that a test can count.
"""

import asyncio
import contextlib
import functools
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.drivers.serving import serving

TOKEN = "t0ken-of-the-agent"
NAMES_OF_LISTS = (
    "data",
    "traces",
    "trace",
    "versions",
    "runs",
    "commits",
    "features",
    "events",
    "environments",
    "records",
)
HUGE = 40_000_000
HANG_SECONDS = 120  # longer than any test waits for what must have given up by then


@dataclass
class Product:
    """The product's state. `faults` are used up by requests to the lever, one a request: (method, kind)."""

    url: str = ""
    value: Any = "off"
    revision: int = 1
    writes: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    shown_after: int = 0
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    messages: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, tuple[str, Any]] = field(default_factory=dict)
    stale: list[tuple[Any, int]] = field(default_factory=list)

    def reset(self) -> None:
        """As new, at the same address."""
        self.__dict__.update(vars(Product(url=self.url)))

    def set(self, value: Any) -> None:
        self.value = value
        self.revision += 1

    def fault(self, method: str) -> str | None:
        for index, (wanted, kind) in enumerate(self.faults):
            if wanted in {method, "*"}:
                del self.faults[index]
                return kind
        return None


def application(product: Product) -> Starlette:  # noqa: C901 - one small handler a path
    async def remember(request: Request) -> bytes:
        body = await request.body()
        product.seen.append((request.method, request.url.path, dict(request.headers), body))
        return body

    async def lever(request: Request) -> Response:
        body = await remember(request)
        fault = product.fault(request.method)
        if fault == "meddle":
            product.set("elsewhere")
        elif fault:
            return await _bad(fault)
        if request.method == "GET":
            stale = product.stale.pop() if product.stale else None
            value, revision = stale or (product.value, product.revision)
            weak = "W/" if request.query_params.get("weak") else ""
            return JSONResponse({"lever": {"position": value}}, headers={"ETag": f'{weak}"{revision}"'})
        key = request.headers.get("idempotency-key", "")
        if key in product.keys:
            return JSONResponse({"ok": True, "replayed": True})
        wanted = request.headers.get("if-match")
        if wanted is not None and wanted != f'"{product.revision}"':
            return JSONResponse({"error": "moved meanwhile"}, status_code=412)
        product.stale = [(product.value, product.revision)] * product.shown_after
        product.set(json.loads(body)["position"])
        product.writes.append({"key": key, "value": product.value})
        product.keys[key] = product.value
        return JSONResponse({"ok": True})

    async def trace(request: Request) -> Response:
        await remember(request)
        name = request.path_params["name"]
        if name == "gone":
            return JSONResponse({"error": "no such trace"}, status_code=404)
        if name == "secret":
            authorization = request.headers.get("authorization", "")
            return JSONResponse({"error": f"bad token {authorization}"}, status_code=403)
        return JSONResponse({"id": name, "said": "ü"})

    async def bad(request: Request) -> Response:
        await remember(request)
        return await _bad(request.path_params["kind"])

    async def messages(request: Request) -> Response:
        body = json.loads(await remember(request))
        key = request.headers["idempotency-key"]
        product.messages.setdefault(key, body)
        number = list(product.messages).index(key) + 1
        return JSONResponse({"id": number}, status_code=202, headers={"X-Message": f"m-{number}"})

    async def tasks(request: Request) -> Response:
        body = json.loads(await remember(request))
        key = request.headers["idempotency-key"]
        product.tasks.setdefault(key, body)
        return JSONResponse({"task": {"key": f"TASK-{list(product.tasks).index(key) + 1}"}}, status_code=201)

    async def task(request: Request) -> Response:
        await remember(request)
        name = request.path_params["name"]
        if name not in product.statuses and name not in [
            f"TASK-{at + 1}" for at in range(len(product.tasks))
        ]:
            return JSONResponse({"error": "no such task"}, status_code=404)
        return JSONResponse({"task": {"status": product.statuses.get(name, "todo"), "who": None}})

    async def comments(request: Request) -> Response:
        body = json.loads(await remember(request))
        if product.statuses.get(request.path_params["name"]) == "deleted":
            return JSONResponse({"error": "it was deleted"}, status_code=410)
        product.comments.setdefault(request.headers["idempotency-key"], (request.path_params["name"], body))
        return JSONResponse({}, status_code=201)

    async def private(request: Request) -> Response:
        await remember(request)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "who are you?"}, status_code=401)
        return JSONResponse({"ruling": "denied", "score": 0.9}, headers={"Set-Cookie": "session=abc; Path=/"})

    anything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            Route("/levers/reranker", lever, methods=anything),
            Route("/traces/{name}", trace, methods=anything),
            Route("/bad/{kind}", bad, methods=anything),
            Route("/bad/{kind}/{rest:path}", bad, methods=anything),
            Route("/messages", messages, methods=["POST"]),
            Route("/tasks", tasks, methods=["POST"]),
            Route("/tasks/{name}", task, methods=["GET"]),
            Route("/tasks/{name}/comments", comments, methods=["POST"]),
            Route("/answer", private, methods=anything),
        ]
    )


async def _bad(kind: str) -> Response:
    if kind.isdigit():
        return JSONResponse({"error": f"it is {kind}"}, status_code=int(kind))
    if kind == "hang":
        await asyncio.sleep(HANG_SECONDS)
    if kind == "drip":
        return StreamingResponse(_drip(), media_type="application/json")
    if kind == "huge":
        return StreamingResponse(_huge(), media_type="application/json")
    if kind == "bomb":
        return Response(_bomb(), media_type="application/json", headers={"Content-Encoding": "gzip"})
    if kind == "redirect":
        return RedirectResponse("http://198.51.100.7/elsewhere", status_code=307)
    gzip_json = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answers = {
        "noop": Response(b'{"ok": true}', media_type="application/json"),
        "html": Response(b"<html>log in first</html>", media_type="text/html"),
        "plain": Response(b'{"position": 1}', media_type="text/plain"),
        "untyped": Response(b'{"position": 1}'),
        "utf8": Response(b'{"position": "\xff"}', media_type="application/json"),
        "surrogate": Response(b'{"position": "\\ud800"}', media_type="application/json"),
        "nan": Response(b'{"position": NaN}', media_type="application/json"),
        "deep": Response(b"[" * 100_000, media_type="application/json"),
        "empty": Response(b"", media_type="application/json"),
        "number": Response(b"17", media_type="application/json"),
        "strings": Response(
            json.dumps({key: ["x"] for key in NAMES_OF_LISTS}).encode(), media_type="application/json"
        ),
        "other": Response(b'{"else": 1}', media_type="application/json"),
        "gzip": Response(gzip.compress(b'{"lever": {"position": "off"}}'), headers=gzip_json),
        "deflate": Response(
            zlib.compress(b'{"lever": {"position": "off"}}'),
            headers={**gzip_json, "Content-Encoding": "deflate"},
        ),
        "torn": Response(gzip.compress(b'{"lever": {"position": "off"}}')[:-6], headers=gzip_json),
        "notgzip": Response(b'{"lever": {"position": "off"}}', headers=gzip_json),
        "brotli": Response(b"xx", headers={**gzip_json, "Content-Encoding": "br"}),
        "csv": Response(b"a,b\n1,2\n", media_type="text/csv; charset=utf-8"),
    }
    return answers[kind]


async def _drip() -> AsyncIterator[bytes]:
    yield b'{"position": "'
    while True:
        await asyncio.sleep(0.05)
        yield b"x"


async def _huge() -> AsyncIterator[bytes]:
    yield b'{"position": "'
    for _ in range(HUGE // 100_000):
        yield b"x" * 100_000
    yield b'"}'


@functools.cache
def _bomb() -> bytes:
    """60 MB of zeros in 60 kB."""
    deflater = zlib.compressobj(9, wbits=31)
    zeros = b"0" * 1_000_000
    return b"".join(deflater.compress(zeros) for _ in range(60)) + deflater.flush()


@contextlib.contextmanager
def running() -> Iterator[Product]:
    """The service, from ready to stopped."""
    _bomb()  # made once and ahead, so that no request waits for it
    product = Product()
    with serving(application(product)) as product.url:
        assert httpx.get(f"{product.url}/traces/ready", trust_env=False, timeout=60).is_success
        yield product
