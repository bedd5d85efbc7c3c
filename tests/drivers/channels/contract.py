"""What the contracts of chats, status pages and pagers have in common: a server with state that refuses as they do."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from firestation.board import Message
from firestation.drivers import Drivers
from firestation.ports import Channel
from firestation.system import ChannelFitting

TOKEN = "channel-token-of-the-test"
WORD = Message(
    incident="refund-1", purpose="update", title="Refund agent: declared", text="Known: refunds are wrong"
)
KEY = "refund-1/run-a/word-1/chat"
HOSTILE = (
    '<!channel> <@U0123> <https://evil.example|click> & [link](https://evil.example) **bold** <b onload="x">'
    "\n![x](https://evil.example/x.png) \x1b[31mred \u202egnp \x00 <at>all</at>"
)


class Refusal(Exception):
    """The product refuses: status, body, headers."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Call:
    """A request, read."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None


@dataclass
class Contract:
    """A product. `plan` is used up by the writes that come, one a write.

    `limit` answers 429 with Retry-After; `lose` takes it and answers 500; `lie` answers 200 with something else and
    takes nothing; `hang` takes it and never answers; `html` takes it and answers a web page.
    """

    url: str = ""
    plan: list[str] = field(default_factory=list)
    seen: list[Call] = field(default_factory=list)
    limit_status: int = 429

    def answer(self, call: Call) -> tuple[int, Any]:
        """As the product does. Raises `Refusal`."""
        raise NotImplementedError

    async def handle(self, request: Request) -> Response:
        raw = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.method, request.url.path, dict(request.query_params), headers)
        self.seen.append(call)
        fault = self.plan.pop(0) if self.plan and request.method != "GET" else ""
        if fault == "limit":
            return JSONResponse({"error": "slow down"}, self.limit_status, {"retry-after": "7"})
        if fault == "lie":
            return JSONResponse({"hello": "world"})
        try:
            if raw:
                call.body = self.read(call, raw)
            status, answer = self.answer(call)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status, refusal.headers)
        if fault == "lose":
            return JSONResponse({"error": f"broken, you sent {headers}"}, 500)
        if fault == "hang":
            await asyncio.sleep(5)
        if fault == "html":
            return Response("<html>you are online</html>", 200, media_type="text/html")
        return Response(status_code=status) if answer is None else JSONResponse(answer, status)

    def read(self, call: Call, raw: bytes) -> Any:
        if not call.headers.get("content-type", "").startswith("application/json"):
            raise Refusal(415, {"error": "Unsupported Media Type"})
        try:
            return json.loads(raw)
        except ValueError:
            raise Refusal(400, {"error": "not JSON"}) from None


def make_channel(bench: Drivers, driver: str, audience: str = "internal", **config: Any) -> Channel:
    """A channel of this driver, with this `with`."""
    fitting = {"id": "chat", "title": "C", "driver": driver, "audience": audience, "with": config}
    return bench.channel(ChannelFitting.model_validate(fitting))
