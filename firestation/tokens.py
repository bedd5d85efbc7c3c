"""Access tokens and sessions: their form, and what is kept of them. The secret itself is never kept.

A token reads `fst_ID_SECRET`: the id names the record, the secret (256 bits) proves the right to it, and the whole has
a form that a scanner of leaked credentials finds. A session is the same in a browser's cookie, `fss_ID_SECRET`. The
secret of a bell that the station makes itself is `fsb_SECRET`.
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints

from firestation.model import Id, Line, Model, Sha256, Time

FORM = re.compile(r"fs([ts])_([a-z2-7]{10})_([a-z2-7]{52})")
OURS = re.compile(r"fs[bst]_(?:[a-z2-7]{10}_)?[a-z2-7]{52}")
ID = re.compile(r"[a-z2-7]{10}")
ID_BYTES, SECRET_BYTES = 6, 32
RANDOM_BYTES = ID_BYTES + SECRET_BYTES
LONGEST = timedelta(days=366)

Kind = Literal["token", "session"]
KINDS: dict[str, Kind] = {"t": "token", "s": "session"}
TokenId = Annotated[str, StringConstraints(pattern=r"^[a-z2-7]{10}$")]


class Scope(StrEnum):
    """What a token is good for. What its person may do is still decided by the incident."""

    LOOK = "look"
    ACT = "act"
    RING = "ring"


EVERYTHING = tuple(Scope)


class Token(Model):
    """What is kept of a token or a session: everything but its secret, of which only the SHA-256 is known."""

    kind: Kind = "token"
    id: TokenId
    person: Id
    name: Line | None = None
    scopes: tuple[Scope, ...] = Field(min_length=1)
    created: Time
    expires: Time
    digest: Sha256
    opened_with: TokenId | None = None
    """Of a session: the token that opened it, and with which it ends."""

    def belongs_to(self, secret: str) -> bool:
        """Whether this is the secret, compared in constant time."""
        return hmac.compare_digest(digest(secret), self.digest)


class Held(NamedTuple):
    """A token as the register has it now."""

    token: Token
    revoked: datetime | None = None

    def ended(self, now: datetime) -> str | None:
        """Why it is good no more; None while it is good."""
        if self.revoked:
            return "revoked"
        return "expired" if now >= self.token.expires else None


class Given(NamedTuple):
    """A token or a session as somebody shows it."""

    kind: Kind
    id: str
    secret: str


def read(text: str) -> Given | None:
    """The parts of a token; None for what has another form."""
    found = FORM.fullmatch(text)
    return Given(KINDS[found[1]], found[2], found[3]) if found else None


def is_ours(text: str) -> bool:
    """Whether it has the form of a secret that the station made: one that nobody guesses."""
    return OURS.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Whether it has the form of an id."""
    return ID.fullmatch(text) is not None


def mint(
    random: bytes,
    *,
    person: str,
    now: datetime,
    lifetime: timedelta,
    scopes: Iterable[Scope] = EVERYTHING,
    kind: Kind = "token",
    name: str | None = None,
    opened_with: Token | None = None,
) -> tuple[Token, str]:
    """A new token, and the text that its owner is given once. `random` are `RANDOM_BYTES` from the system.

    What is opened with a token can do no more than it, and lasts no longer.
    """
    assert len(random) == RANDOM_BYTES
    number, secret = base32(random[:ID_BYTES]), base32(random[ID_BYTES:])
    expires, wanted = now + lifetime, set(scopes)
    if opened_with is not None:
        expires, wanted = min(expires, opened_with.expires), wanted & set(opened_with.scopes)
    token = Token(
        kind=kind,
        id=number,
        person=person,
        name=name,
        scopes=tuple(each for each in Scope if each in wanted),
        created=now,
        expires=expires,
        digest=digest(secret),
        opened_with=opened_with.id if opened_with else None,
    )
    return token, f"fs{kind[0]}_{number}_{secret}"


def bell_secret(random: bytes) -> str:
    """A secret for a bell, in a form that scanners find."""
    assert len(random) == SECRET_BYTES
    return f"fsb_{base32(random)}"


def digest(secret: str) -> str:
    """What is kept of a secret. It is random and long, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def base32(content: bytes) -> str:
    """Base 32 as it stands in a token: lower case, without the padding."""
    return b32encode(content).decode().rstrip("=").lower()
