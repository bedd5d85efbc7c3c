"""What comes in over HTTP: bodies, names and numbers, or a problem that names the field."""

import datetime as dt
import json
from contextlib import suppress
from typing import Any

from starlette.requests import Request as Call

from refund_agent.agent import Request, new_id
from refund_agent.levers import KINDS

ORDER_FIELDS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "item": (str,),
    "days_since_purchase": (int,),
    "amount": (int, float),
}


class Problem(Exception):
    """An answer that says what is wrong, as RFC 9457 has it."""

    def __init__(self, status: int, title: str, **more: Any) -> None:
        super().__init__(title)
        self.status, self.body = status, {"title": title, "status": status, **more}


async def body_of(call: Call) -> Any:
    """The JSON of the body; nothing counts as an empty object."""
    raw = await call.body()
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError:
        raise Problem(400, "the body is not JSON") from None


def lever_name(call: Call) -> str:
    """The lever that the path names."""
    name = str(call.path_params["name"])
    if name not in KINDS:
        raise Problem(404, f"there is no lever {name}; there are {', '.join(KINDS)}")
    return name


def match_of(call: Call) -> int | None:
    """The revision that the caller has read, if it says so."""
    given = call.headers.get("if-match")
    if given is None:
        return None
    try:
        return int(given.strip('"'))
    except ValueError:
        raise Problem(400, 'If-Match is a revision in quotes, like "3"') from None


def moment_of(call: Call, name: str) -> dt.datetime:
    """The time that this parameter of the query names."""
    found = None
    with suppress(ValueError):
        found = dt.datetime.fromisoformat(call.query_params.get(name, ""))
    if found is None or found.tzinfo is None:
        raise Problem(422, f"{name} is a time such as 2026-12-24T18:00:00Z", field=name)
    return found


def request_of(body: Any, *, rehearsal: bool = False) -> Request:
    """The customer's request; those of the tenant eval are always rehearsals."""
    if not isinstance(body, dict):
        raise Problem(422, "the body is an object", field="$")
    for name in ("tenant", "user", "question"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise Problem(422, f"{name} is a text that is not empty", field=name)
    order = body.get("order")
    if not isinstance(order, dict):
        raise Problem(422, "order is an object", field="order")
    for name, kinds in ORDER_FIELDS.items():
        if not isinstance(order.get(name), kinds) or isinstance(order.get(name), bool):
            raise Problem(
                422, f"order.{name} is {' or '.join(kind.__name__ for kind in kinds)}", field=f"order.{name}"
            )
    kept = {name: order[name] for name in ORDER_FIELDS}
    rehearsal = rehearsal or body.get("tenant") == "eval"
    request_id = body.get("request_id")
    if request_id is not None and not isinstance(request_id, str):
        raise Problem(422, "request_id is a text", field="request_id")
    return Request(request_id or new_id(), body["tenant"], body["user"], body["question"], kept, rehearsal)
