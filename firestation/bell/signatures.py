"""Is it really they who ring? The raw bytes, the headers and the secrets in; which secret was right, or why none, out.

Pure, and in constant time: each secret is compared, whether or not one has matched already.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from firestation.model import Duration, Model, wrong_at

Scheme = Literal["bearer", "header", "hmac", "grafana", "pagerduty", "sentry", "langfuse", "routing-key"]
NAMED: dict[Scheme, str] = {
    "bearer": "authorization",
    "grafana": "x-grafana-alerting-signature",
    "pagerduty": "x-pagerduty-signature",
    "sentry": "sentry-hook-signature",
    "langfuse": "x-langfuse-signature",
}
"""Where each scheme is shown, as its owner names it; `header` and `hmac` have no owner."""

CHOSEN = frozenset({"header", "hmac", "grafana"})
TIMED = frozenset({"hmac", "grafana"})
ROUTING_KEY = "routing_key"
MOST_SIGNATURES = 20
NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
NUMBER = re.compile(r"[0-9]{1,12}")


def _is_header(name: str) -> str:
    if not NAME.fullmatch(name):
        msg = f"{name!r} is not the name of a header; write it like X-Bell-Secret"
        raise ValueError(msg)
    return name


HeaderName = Annotated[str, AfterValidator(_is_header)]


class Signature(Model):
    """How a bell shows that it is itself.

    `bearer` and `header` show the secret; `routing-key` shows it in the body, as PagerDuty's events do. The others sign
    the raw body with HMAC-SHA256: `hmac`, in hexadecimal, in a header that is named here. `timestamp` is the header of
    the moment that is signed too, where there is one; what is older or newer than `window` is a replay.
    """

    scheme: Scheme
    header: HeaderName | None = Field(
        default=None, description="the header that shows it, like X-Bell-Secret"
    )
    timestamp: HeaderName | None = None
    window: Duration = Field(default="5m", validate_default=True, gt=timedelta(), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.scheme not in NAMED and self.scheme != "routing-key" and self.header is None:
            raise wrong_at("header", says=f"the scheme {self.scheme} shows it in a header; name it")
        if self.header is not None and self.scheme not in CHOSEN:
            raise wrong_at("header", says=f"the scheme {self.scheme} has a place of its own; take this out")
        if self.timestamp is not None and self.scheme not in TIMED:
            raise wrong_at("timestamp", says=f"the scheme {self.scheme} has none to name; take this out")
        return self

    @property
    def place(self) -> str:
        """The header that shows it, in lower case; of `routing-key` none."""
        return (self.header or NAMED.get(self.scheme, "")).lower()

    @property
    def signs(self) -> bool:
        """Whether the body is signed, so that all of it must be read before anybody knows who sent it."""
        return self.scheme not in {"bearer", "header"}


class Verdict(NamedTuple):
    """Which of the secrets was right, counted from 0, or why none was. `shown` is a secret that could be guessed."""

    number: int | None
    why: str = ""
    shown: str | None = None


def verify(
    signature: Signature, secrets: Sequence[str], raw: bytes, headers: Mapping[str, str], now: datetime
) -> Verdict:
    """Judge a delivery by its raw bytes and its headers, whose names are in lower case."""
    said = headers.get(signature.place)
    if said is None:
        return Verdict(None, f"there is no header {signature.place}")
    match signature.scheme:
        case "bearer":
            kind, _, secret = said.partition(" ")
            return shows(secret.strip() if kind.lower() == "bearer" else "", secrets)
        case "header":
            return shows(said.strip(), secrets)
        case "sentry":
            return _signed(secrets, raw, [said])
        case "pagerduty":
            return _signed(secrets, raw, _versioned(said))
        case "langfuse":
            at = next((part[2:] for part in _parts(said) if part.startswith("t=")), "")
            return _timely(at, signature, now) or _signed(secrets, f"{at}.".encode() + raw, _versioned(said))
        case _:
            given = [said.strip().removeprefix("sha256=")]
            if signature.timestamp is None:
                return _signed(secrets, raw, given)
            at = headers.get(signature.timestamp.lower(), "").strip()
            return _timely(at, signature, now) or _signed(secrets, f"{at}:".encode() + raw, given)


def routed(body: Any, secrets: Sequence[str]) -> Verdict:
    """Judge an event of PagerDuty by the routing key in its body."""
    key = body.get(ROUTING_KEY) if isinstance(body, dict) else None
    return shows(key, secrets) if isinstance(key, str) else Verdict(None, "there is no routing_key")


def shows(secret: str, secrets: Sequence[str]) -> Verdict:
    """Judge a secret that is shown. Digests are compared, since they are of one length."""
    given = hashlib.sha256(secret.encode(errors="replace")).digest()
    right = [hmac.compare_digest(given, hashlib.sha256(each.encode()).digest()) for each in secrets]
    return _verdict([right], "a wrong secret", secret)


def _signed(secrets: Sequence[str], message: bytes, given: Sequence[str]) -> Verdict:
    """Judge signatures in hexadecimal: one of them must be by one of the secrets."""
    made = [hmac.new(each.encode(), message, hashlib.sha256).digest() for each in secrets]
    rows = [[hmac.compare_digest(_bytes(each), known) for known in made] for each in given[:MOST_SIGNATURES]]
    return _verdict(rows, "a wrong signature")


def _verdict(rows: Sequence[Sequence[bool]], why: str, shown: str | None = None) -> Verdict:
    right = [number for row in rows for number, fits in enumerate(row) if fits]
    return Verdict(min(right), "", shown) if right else Verdict(None, why, shown)


def _timely(at: str, signature: Signature, now: datetime) -> Verdict | None:
    """Why this moment, in seconds since 1970, is none of now; None when it is."""
    if not NUMBER.fullmatch(at):
        return Verdict(None, "a signature without its moment")
    away = abs(now.timestamp() - int(at))
    return None if away <= signature.window.total_seconds() else Verdict(None, "a signature of another time")


def _versioned(said: str) -> list[str]:
    return [part.removeprefix("v1=") for part in _parts(said) if part.startswith("v1=")]


def _parts(said: str) -> list[str]:
    return [part.strip() for part in said.split(",")]


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
