"""One call of a product whose credential stands where the product wants it; no error shows more than where it went."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import Field, JsonValue

from firestation.authority import SecretReference
from firestation.drivers.exchange import Answer, Connection, exchange
from firestation.drivers.kit import Kit
from firestation.drivers.template import VISIBLE
from firestation.errors import Denied, NotConfigured
from firestation.model import Duration, Model, canonical_json

JSON = "application/json; charset=utf-8"


class PostingConfig(Model):
    """What channels into products have in common. `timeout` is for each whole answer."""

    timeout: Duration = Field(default="10s", validate_default=True, gt=timedelta(), le=timedelta(minutes=1))


class Call(NamedTuple):
    """A request: the whole URL, what is said of it in errors, and the secret that no error shows."""

    method: str
    url: str
    shown: str
    hidden: str
    headers: Mapping[str, str]
    body: JsonValue = None


async def call(kit: Kit, config: PostingConfig, made: Call) -> Answer:
    """Its successful answer. Raises as `exchange` does."""
    headers = {
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": "firestation",
        **made.headers,
    }
    body = None
    if made.body is not None:
        headers.setdefault("content-type", JSON)
        body = canonical_json(made.body)
    link = Connection(timeout=config.timeout)
    asked = f"{made.method} {made.shown}"
    return await exchange(kit, link, (made.method, made.url), headers, body, asked=asked, hidden=made.hidden)


def secret_of(kit: Kit, reference: SecretReference) -> str:
    """The credential. Raises `Denied`, naming its reference only."""
    try:
        secret = kit.secrets.resolve(reference)
    except NotConfigured as error:
        raise Denied(str(error)) from error
    if not secret or any(each not in VISIBLE for each in secret):
        raise Denied(f"the secret {reference} is no credential; write it as visible ASCII")
    return secret


def object_of(answer: Answer) -> dict[str, Any]:
    """The answer's JSON object; anything else is `{}`, for callers that then miss what they look for."""
    found = answer.json()
    return found if isinstance(found, dict) else {}
