"""The link of a page: whoever has it may acknowledge this one page, as the person it was sent to, for a day.

A token says which incident, which run of it, whom and which page, and until when; it is signed by a key that only the
station has. It stands in the message alone, never in a history or a log: `send` adds it.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from firestation.errors import LinkAltered, LinkExpired
from firestation.model import Id, Model

LIFE = timedelta(hours=24)
SHORTEST_KEY = 32
LONGEST_TOKEN = 300
PURPOSE = b"firestation page link 1\n"
SHORTEST_PIECE = 6  # characters of a token that are taken out of what is recorded
FORM = "fsl_"  # how each token begins, so that a scanner of leaked credentials finds it
SEAL = 16  # bytes of the HMAC that a token carries
HEAD = struct.Struct(">I6s")  # the last second in which it holds, and the mark


class Link(Model):
    """What a link is for: one page to one person. `mark` tells the incident from others of the same fire."""

    incident: Id
    mark: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    person: Id
    page: int = Field(ge=1)

    def sha256_of_page(self) -> str:
        """The same for every sending of this page: what answers it is done once under this name."""
        return self.sha256()[:32]


def mark_of(run: str) -> str:
    """The mark of an incident, from its first run's id."""
    return hashlib.sha256(run.encode()).hexdigest()[:12]


def sign(link: Link, until: datetime, key: bytes) -> str:
    """The token, in letters that stand in a URL as they are; about 85 of them."""
    text = f"{link.incident}/{link.person}/{link.page}".encode()
    body = HEAD.pack(int(until.timestamp()), bytes.fromhex(link.mark)) + text
    return FORM + _encode(_seal(body, key) + body)


def read(token: str, key: bytes, now: datetime) -> Link:
    """What this token is for. Raises `LinkAltered` when we did not sign it so, `LinkExpired` when its day is over."""
    if not token.startswith(FORM):
        raise LinkAltered
    raw = _decode(token.removeprefix(FORM))
    seal, body = raw[:SEAL], raw[SEAL:]
    if not hmac.compare_digest(seal, _seal(body, key)):
        raise LinkAltered
    try:
        until, mark = HEAD.unpack_from(body)
        incident, person, page = body[HEAD.size :].decode().split("/")
        link = Link(incident=incident, mark=mark.hex(), person=person, page=int(page))
    except (struct.error, ValueError, ValidationError) as error:  # signed, and not by this version of ours
        raise LinkAltered from error
    if now > datetime.fromtimestamp(until, UTC):
        raise LinkExpired
    return link


def without_link(text: str, link: str) -> str:
    """The text without the token in which this link ends, and without any piece of it: it may be cut, or wrapped.

    The end of a token can be guessed, so its beginning alone would do.
    """
    token, kept, at = link.rpartition("/")[2], list[str](), 0
    while at < len(text):
        length = 0
        while at + length < len(text) and text[at : at + length + 1] in token:
            length += 1
        if length >= SHORTEST_PIECE:
            kept.append("***")
            at += length
        else:
            kept.append(text[at])
            at += 1
    return "".join(kept)


def _seal(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, PURPOSE + body, hashlib.sha256).digest()[:SEAL]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(token: str) -> bytes:
    """The bytes; only the one form that we write is read."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise LinkAltered from error
    if len(token) > LONGEST_TOKEN or _encode(raw) != token:
        raise LinkAltered
    return raw
