"""An ASGI application on a free port, in a thread of its own."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.e2e.processes import wait_for


@contextlib.contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The application, from ready to stopped; its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()

    def started() -> bool:
        assert thread.is_alive()
        return server.started

    try:
        wait_for("the application", started)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


class Kept(Protocol):
    """A contract with state: it answers every request itself."""

    url: str

    async def handle(self, request: Request) -> Response: ...


@contextlib.contextmanager
def keeping(contract: Kept) -> Iterator[None]:
    """The contract as a server, from ready to stopped; its address is in `url`."""
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", contract.handle, methods=methods)])
    with serving(app) as contract.url:
        yield
