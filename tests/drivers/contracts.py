"""Small servers that keep a contract: the published shapes of products that cannot be had."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Contract = Callable[[str, str, dict[str, str], Any], Any]
"""What the product answers to method, path, query and body; None for 404."""

Published = Callable[[str, str, Mapping[str, str], Any], tuple[int, Any]]
"""Status and JSON that the product answers to method, path, headers and body."""

Reply = Callable[[BaseHTTPRequestHandler, Any], tuple[int, Any]]


@contextmanager
def listening(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of this handler, from ready to stopped; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def served(contract: Contract, allowed: Callable[[Any], bool]) -> AbstractContextManager[str]:
    """A server that keeps the contract, for whom it is allowed."""

    def reply(call: BaseHTTPRequestHandler, body: Any) -> tuple[int, Any]:
        url = urlsplit(call.path)
        found = contract(call.command, url.path, dict(parse_qsl(url.query)), body)
        if not allowed(call.headers):
            return 401, {"error": "no"}
        return (404, {"error": "no"}) if found is None else (200, found)

    return listening(_answering(reply))


def published(contract: Published) -> AbstractContextManager[str]:
    """A server with state that keeps the contract, one request at a time."""
    turn = threading.Lock()

    def reply(call: BaseHTTPRequestHandler, body: Any) -> tuple[int, Any]:
        headers = {name.lower(): value for name, value in call.headers.items()}
        with turn:
            return contract(call.command, urlsplit(call.path).path, headers, body)

    return listening(_answering(reply))


def _answering(reply: Reply) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            status, found = reply(self, json.loads(self.rfile.read(length)) if length else None)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
