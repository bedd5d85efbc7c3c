"""The replay: a server on this machine that answers the recorded request with the recorded answer, and nothing else.

What is asked must be the recorded request byte for byte; everything else is answered with an error that says so, which
no lock takes for a verdict (docs/decisions/0013-the-replay-answers-one-request.md).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from pydantic import JsonValue

from firestation.locks.case import MOST_BODY, Case, as_json

SECONDS = 60
"""How long a connection may say nothing."""


class Replay:
    """The recorded request and its answer; and how often it was asked so, and what else was asked."""

    def __init__(self, case: Case, answer: JsonValue) -> None:
        self.case, self.method, self.target = case, case.method, case.target
        self.body = b"" if case.body is None else case.body.encode()
        self.answer = as_json(answer).encode()
        self.url, self.served = "", 0
        self.others: list[str] = []
        self._counting = Lock()

    def take(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        differs = None
        if (method, target) != (self.method, self.target):
            differs = f"it asks {method} {target}, and recorded is {self.method} {self.target}"
        elif body != self.body:
            differs = f"its body of {len(body)} bytes is not the recorded one of {len(self.body)}"
        with self._counting:
            if differs is None:
                self.served += 1
                return 200, self.answer
            self.others.append(differs[:300])
        said = {"title": "this request was not recorded, so there is no answer to replay", "detail": differs}
        return 404, json.dumps(said).encode()

    def trouble(self) -> str | None:
        """Why a run against this replay shows nothing; None when it asked what was recorded and nothing else."""
        if self.others:
            return f"the lock asked for something that was not recorded: {self.others[0]}"
        return None if self.served else "the lock never asked for the recorded answer"

    def recorded(self) -> dict[str, Any]:
        """The one request, its answer, and the artifact that both come from."""
        request = {"method": self.method, "target": self.target, "body": self.case.body}
        return {"evidence": self.case.evidence, "request": request, "answer": json.loads(self.answer)}


@contextmanager
def replaying(case: Case, answer: JsonValue) -> Iterator[Replay]:
    """Answer on a free port of 127.0.0.1, as long as this lasts."""
    replay = Replay(case, answer)

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS
        protocol_version = "HTTP/1.1"

        def parse_request(self) -> bool:
            """Whatever the method is, it is ours to judge."""
            parsed = super().parse_request()
            if parsed:
                setattr(self, f"do_{self.command}", self._reply)
            return parsed

        def _reply(self) -> None:
            given = self.headers.get("Content-Length") or "0"
            size = int(given) if given.isdecimal() else -1
            if not 0 <= size <= MOST_BODY or self.headers.get("Transfer-Encoding"):
                self.close_connection = True
                status, said = replay.take(self.command, self.path, b"a body of another length")
            else:
                status, said = replay.take(self.command, self.path, self.rfile.read(size))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        replay.url = f"http://127.0.0.1:{server.server_port}{case.target}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield replay
        finally:
            server.shutdown()
            thread.join()
