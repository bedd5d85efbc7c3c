"""Signed links. That of a page: whoever has it may acknowledge this one page, as the person it was sent to, for a day.

A token says which incident, which run of it, whom and which page, and until when; it is signed by a key that only the
station has. It stands in the message alone, never in a history or a log: `send` adds it.

The link of a plan opens less: the plan of one exact action, for one person, once they have logged in. So others may
read it.
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
from firestation.model import Id, Model, Sha256

LIFE = timedelta(hours=24)
SHORTEST_KEY = 32
LONGEST_TOKEN = 300
PURPOSE, PLAN = b"firestation page link 1\n", b"firestation plan link 1\n"
SHORTEST_PIECE = 6  # characters of a token that are taken out of what is recorded
FORM = "fsl_"  # how each token begins, so that a scanner of leaked credentials finds it
PARTS = 3
SEAL = 16  # bytes of the HMAC that a token carries
HEAD = struct.Struct(">I6s")  # the last second in which it holds, and the mark


Mark = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]


class Link(Model):
    """What a link is for: one page to one person. `mark` tells the incident from others of the same fire."""

    incident: Id
    mark: Mark
    person: Id
    page: int = Field(ge=1)

    def sha256_of_page(self) -> str:
        """The same for every sending of this page: what answers it is done once under this name."""
        return self.sha256()[:32]


class PlanLink(Model):
    """What the link of a plan is for: one person looks at the plan of exactly this action, to decide on it."""

    incident: Id
    mark: Mark
    person: Id
    action: Sha256


def mark_of(run: str) -> str:
    """The mark of an incident, from its first run's id."""
    return hashlib.sha256(run.encode()).hexdigest()[:12]


def sign(link: Link, until: datetime, key: bytes) -> str:
    """The token, in letters that stand in a URL as they are; about 85 of them."""
    text = f"{link.incident}/{link.person}/{link.page}"
    return _sign(PURPOSE, link.mark, text, until, key)


def sign_plan(link: PlanLink, until: datetime, key: bytes) -> str:
    """The token of a plan's link; about 170 letters."""
    text = f"{link.incident}/{link.person}/{link.action}"
    return _sign(PLAN, link.mark, text, until, key)


def read(token: str, key: bytes, now: datetime) -> Link:
    """What this token is for. Raises `LinkAltered` when we did not sign it so, `LinkExpired` when its day is over."""
    mark, (incident, person, page), until = _read(PURPOSE, token, key)
    try:
        link = Link(incident=incident, mark=mark, person=person, page=int(page))
    except ValueError as error:  # signed, and not by this version of ours
        raise LinkAltered from error
    if now > until:
        raise LinkExpired
    return link


def read_plan(token: str, key: bytes, now: datetime) -> PlanLink:
    """The same for the token of a plan's link."""
    mark, (incident, person, action), until = _read(PLAN, token, key)
    try:
        link = PlanLink(incident=incident, mark=mark, person=person, action=action)
    except ValidationError as error:
        raise LinkAltered from error
    if now > until:
        raise LinkExpired
    return link


def _sign(purpose: bytes, mark: str, text: str, until: datetime, key: bytes) -> str:
    body = HEAD.pack(int(until.timestamp()), bytes.fromhex(mark)) + text.encode()
    return FORM + _encode(_seal(purpose, body, key) + body)


def _read(purpose: bytes, token: str, key: bytes) -> tuple[str, list[str], datetime]:
    """The mark, the three parts and the end of a token that we signed for this purpose. Raises `LinkAltered`."""
    if not token.startswith(FORM):
        raise LinkAltered
    raw = _decode(token.removeprefix(FORM))
    seal, body = raw[:SEAL], raw[SEAL:]
    if not hmac.compare_digest(seal, _seal(purpose, body, key)):
        raise LinkAltered
    try:
        until, mark = HEAD.unpack_from(body)
        parts = body[HEAD.size :].decode().split("/")
    except (struct.error, ValueError) as error:
        raise LinkAltered from error
    if len(parts) != PARTS:
        raise LinkAltered
    return mark.hex(), parts, datetime.fromtimestamp(until, UTC)


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


def _seal(purpose: bytes, body: bytes, key: bytes) -> bytes:
    return hmac.new(key, purpose + body, hashlib.sha256).digest()[:SEAL]


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
