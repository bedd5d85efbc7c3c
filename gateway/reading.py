"""What was sent, unpacked, and as JSON: read after it is known who sent it."""

import json
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

from gateway.problems import Problem

JSON = "application/json"
GZIP = frozenset({"gzip", "x-gzip"})
WITH_A_HEADER = 16 + zlib.MAX_WBITS
"""For zlib: gzip, and nothing else."""


def unpacked(raw: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """The body as it was before gzip, of which no more is ever held than `most` bytes.

    Raises `Problem` 415 for what is compressed in another way, 413 for more, 400 for what is not one whole gzip.
    """
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return raw
    if coding not in GZIP:
        detail = f"send it with Content-Encoding: gzip, or as it is, not with {coding[:80]}"
        raise Problem(
            415, "this is compressed in an unknown way", detail, headers={"Accept-Encoding": "gzip"}
        )
    unpacking = zlib.decompressobj(WITH_A_HEADER)
    try:
        plain = unpacking.decompress(raw, most + 1)
    except zlib.error:
        raise Problem(400, "the body is not gzip", "send it as Content-Encoding says") from None
    if len(plain) > most:
        raise Problem(413, "this is too large", f"unpacked it is more than the limit of {most} bytes")
    if not unpacking.eof or unpacking.unused_data:
        raise Problem(400, "the body is not one whole gzip", "send all of it, and nothing behind it")
    return plain


def parsed(raw: bytes, headers: Mapping[str, str], most: int) -> Any:
    """The body, of at most so many bytes. Raises `Problem` 415 for another type, 400 for no JSON; see `unpacked`."""
    kind = headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(415, "this is not JSON", f"send Content-Type: {JSON}, not {kind[:80]}")
    plain = unpacked(raw, headers, most)
    try:
        return json.loads(plain, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON", "send one JSON object in UTF-8") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)  # Python's parser takes NaN and Infinity, which JSON has not
