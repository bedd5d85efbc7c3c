"""What holds for every answer, whoever gives it: how much is read and for how long, and the headers that it has."""

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firestation.attachment import MOST_BYTES
from gateway.otlp import is_protobuf, refused
from gateway.patience import SLOWEST
from gateway.problems import Problem

LARGEST_BODY = 1024 * 1024
LARGER = (
    ("/codec/", "", 4 * LARGEST_BODY),
    ("", "/postmortem", 5 * LARGEST_BODY),
    ("/attachments", "/attachments", MOST_BYTES),
    ("/board/ring", "/board/ring", 32 * LARGEST_BODY),
)
"""Where more is read, of who may send it, by how the path begins and ends.

A payload of two megabytes, the most that Temporal takes, in base64; the postmortem of a long incident, which is as
long as its record; a screenshot; and the form that has one, which throws away what is too much and says so."""
SMALLER = (("/subscribe", "", 16 * 1024), ("/unsubscribe", "", 16 * 1024))
"""Where less is read, for anybody may send it."""

WAIT_SECONDS = 10.0
"""So long, and a second more for each `SLOWEST` bytes, a body is waited for: a telephone takes its time."""

MOST_DIGITS = 12  # of a length; Python reads no number of thousands of them
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
}


class Guard:
    """Limits how large a body is and how slowly it may come, and sets the headers that every answer has."""

    def __init__(self, app: ASGIApp, sent_away: Callable[[str, Problem], None] = lambda _, __: None) -> None:
        """`sent_away` is told the path of what is refused before the app sees it, and why."""
        self.app, self.sent_away = app, sent_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        limit = _largest(str(scope["path"]))
        read, waited, whole = 0, 0.0, False

        async def bounded() -> Message:
            nonlocal read, waited, whole
            if whole:  # from now on only that they go away is waited for
                return await receive()
            began = time.monotonic()
            try:
                async with asyncio.timeout(WAIT_SECONDS + read / SLOWEST - waited):
                    message = await receive()
            except TimeoutError:
                slow = Problem(408, "this came too slowly", "send it again, in one go")
                slow.headers["Connection"] = "close"
                raise slow from None
            waited += time.monotonic() - began
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > limit:
                raise Problem(413, "this is too large", f"the limit is {limit} bytes")
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = message.get("headers", [])
                have = {name.lower() for name, _ in told}
                message["headers"] = [
                    *told,
                    *((name, value) for name, value in HEADERS.items() if name not in have),
                ]
            await send(message)

        if not length.isdigit() or len(length) > MOST_DIGITS or int(length) > limit:
            problem = Problem(413, "this is too large", f"the limit is {limit} bytes")
            self.sent_away(str(scope["path"]), problem)
            headers = Headers(scope=scope)
            answer = refused(problem, headers) if is_protobuf(headers) else problem.response()
            await answer(scope, receive, with_headers)
            return
        await self.app(scope, bounded, with_headers)


def _largest(path: str) -> int:
    fits = (most for start, end, most in (*LARGER, *SMALLER) if path.startswith(start) and path.endswith(end))
    return next(fits, LARGEST_BODY)
