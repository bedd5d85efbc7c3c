"""What the contracts of issue trackers have in common: a small server with state, which refuses as the product does."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

TOKEN = "issue-token-of-the-test"
MENTION = re.compile(r"(?<!\w)@([A-Za-z0-9][\w-]*)")
Answer = tuple[int, Any]


class Refusal(Exception):
    """The product refuses: status and body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


@dataclass
class Call:
    """A request, read. `path` is as it came, percent-encoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Contract:
    """A product with one project. A subclass answers in `routes`: method, pattern of the path, and what answers.

    `limit` is a rate limit: the status and headers of every answer; `lie` is said with 200 whatever is asked.
    `drops_labels`: whatever it says of our rights, it drops them.
    """

    url: str = ""
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, list[str]] = field(default_factory=dict)
    seen: list[Call] = field(default_factory=list)
    mentioned: list[str] = field(default_factory=list)
    limit: tuple[int, dict[str, str]] | None = None
    lie: Any = None
    hidden: bool = False
    may_label: bool = True
    drops_labels: bool = False
    deleted: set[int] = field(default_factory=set)

    @property
    def keeps_labels(self) -> bool:
        """Whether an issue that we make gets its labels."""
        return self.may_label and not self.drops_labels

    def reset(self) -> None:
        """As new, at the same address."""
        self.__dict__.update(vars(type(self)(url=self.url)))

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        raise NotImplementedError

    def check(self, call: Call) -> None:
        """Raises `Refusal` for whom the product does not serve."""
        raise NotImplementedError

    def made(self) -> list[dict[str, Any]]:
        """The issues that are there and not closed as duplicates."""
        raise NotImplementedError

    def text(self, number: int) -> str:
        """All that a person sees of an issue."""
        raise NotImplementedError

    def add_comment(self, number: int, text: str) -> None:
        """As a person does."""
        self.comments.setdefault(number, []).append(text)

    def finish(self, number: int) -> None:
        """Close it, as a person does."""
        raise NotImplementedError

    async def handle(self, request: Request) -> Response:
        raw = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = dict(parse_qsl(request.url.query))
        path = request.scope["raw_path"].decode().partition("?")[0]
        call = Call(request.method, path, query, headers, None)
        self.seen.append(call)
        if self.limit:
            return JSONResponse({"message": f"slow down, {headers}"}, self.limit[0], self.limit[1])
        if self.lie is not None:
            return JSONResponse(self.lie)
        try:
            self.check(call)
            if raw:
                call.body = self.read(call, raw)
            status, answer = self.answer(call)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)
        return Response(status_code=status) if answer is None else JSONResponse(answer, status)

    def read(self, call: Call, raw: bytes) -> Any:
        if not call.headers.get("content-type", "").startswith("application/json"):
            raise Refusal(415, {"message": "Unsupported Media Type"})
        try:
            return json.loads(raw)
        except ValueError:
            raise Refusal(400, {"message": "Problems parsing JSON"}) from None

    def answer(self, call: Call) -> Answer:
        for method, pattern, reply in self.routes():
            found = re.fullmatch(pattern, call.path)
            if found and method == call.method:
                return reply(call, *map(int, found.groups()))
        raise Refusal(404, {"message": "Not Found"})

    def exists(self, number: int, refusal: Refusal) -> dict[str, Any]:
        if number not in self.issues or number in self.deleted:
            raise refusal
        return self.issues[number]

    def notify(self, text: str) -> None:
        """As the product does: whoever is mentioned gets a mail."""
        self.mentioned += MENTION.findall(text)


def page_of(items: list[Any], query: dict[str, str], usual: int) -> list[Any]:
    """The page that was asked for; no page has more than a hundred."""
    size = min(int(query.get("per_page", usual)), 100)
    at = (int(query.get("page", "1")) - 1) * size
    return items[at : at + size]
