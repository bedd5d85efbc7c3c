"""What a person attaches to an alarm: a screenshot, a page, a log. Its type is what its bytes say."""

import json
import re
import unicodedata
from typing import Literal

from pydantic import Field

from firestation.errors import InvalidInput
from firestation.model import Id, Line, Model, Sha256

MOST_ATTACHED = 5
"""Attachments of one alarm."""

MOST_BYTES = 10 * 1024 * 1024
MOST_TEXT = 1024 * 1024
"""Bytes of one attachment, and of one that is text: it is searched for credentials before it is kept."""

LONGEST_NAME = 200
MediaType = Literal[
    "image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf", "text/plain", "application/json"
]
TEXTS: frozenset[MediaType] = frozenset({"text/plain", "application/json"})
BEGINNINGS: tuple[tuple[re.Pattern[bytes], MediaType], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)
NO_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
"""Controls that no text file has; tab, line ends, form feed and the escape of a terminal's colours are text."""

KINDS = "Attach a picture (PNG, JPEG, WebP, GIF), a PDF, or text or JSON in UTF-8"


class Attachment(Model):
    """One attachment, kept in the evidence store under its digest. `name` is the file's, `by` is who rang with it."""

    digest: Sha256
    name: Line
    media_type: MediaType
    size: int = Field(ge=1, le=MOST_BYTES)
    by: Id


def recognized(content: bytes, field: str) -> MediaType:
    """What this is, by its bytes. Raises `InvalidInput` for the field when it is nothing that may be attached."""
    if not content:
        raise InvalidInput(field, "the file is empty", KINDS)
    if len(content) > MOST_BYTES:
        raise too_large(field)
    found = next((kind for begins, kind in BEGINNINGS if begins.match(content)), None) or _text(content)
    if found is None:
        raise InvalidInput(field, "it is none of the kinds of files that may be attached", KINDS)
    if found in TEXTS and len(content) > MOST_TEXT:
        problem = f"it is text of more than {MOST_TEXT // 1024 // 1024} MB"
        raise InvalidInput(field, problem, "Attach the part of it that shows what was seen")
    return found


def too_large(field: str) -> InvalidInput:
    """The error for a file that is larger than may be."""
    problem = f"it is larger than {MOST_BYTES // 1024 // 1024} MB"
    return InvalidInput(field, problem, "Attach a smaller picture, or the part that shows what was seen")


def name_of(given: str) -> str:
    """The name of a file without its folders and without what cannot be seen; `attachment` where nothing is left."""
    last = re.split(r"[/\\]", given)[-1]
    seen = "".join("_" if unicodedata.category(each)[0] == "C" else each for each in last)
    return " ".join(seen.split())[:LONGEST_NAME].strip() or "attachment"


def both(before: tuple[Attachment, ...], now: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """What is attached to an alarm that rang before and rings again; of more than may be, the newest."""
    again = {each.digest for each in now}
    return (*(each for each in before if each.digest not in again), *now)[-MOST_ATTACHED:]


def _text(content: bytes) -> MediaType | None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if NO_TEXT.search(text):
        return None
    try:
        return "application/json" if isinstance(json.loads(text), dict | list) else "text/plain"
    except (ValueError, RecursionError):
        return "text/plain"
