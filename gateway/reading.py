"""What was sent, as JSON: read after it is known who sent it."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from gateway.problems import Problem

JSON = "application/json"


def parsed(raw: bytes, headers: Mapping[str, str]) -> Any:
    """The body. Raises `Problem` 415 for another type or a compressed one, 400 for what is not JSON."""
    kind = headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(415, "this is not JSON", f"send Content-Type: {JSON}, not {kind[:80]}")
    packed = headers.get("content-encoding", "identity").strip().lower()
    if packed != "identity":
        raise Problem(415, "this is compressed", f"send it as it is, without Content-Encoding: {packed[:80]}")
    try:
        return json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON", "send one JSON object in UTF-8") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)  # Python's parser takes NaN and Infinity, which JSON has not
