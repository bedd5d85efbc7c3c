"""The webhook channel: each message as signed JSON to one address, which may itself be a secret.

The receiver verifies the header `X-Firestation-Signature`: `v1=` and the HMAC-SHA256, in hexadecimal, by the secret
that both sides have, of three things with a line feed between them: the header `X-Firestation-Timestamp`, the
receiver's own host and path as its URL has them, and the body as it came. So of receivers that share a secret none can
send to another what it got. `Idempotency-Key` is the same at every attempt: a receiver that has seen it says 2xx and
does no more.
"""

import hashlib
import hmac
import time
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, StringConstraints

from firestation.address import is_https
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.contacts import FORMS, ContactKind
from firestation.drivers.exchange import Connection, exchange
from firestation.drivers.kit import Kit
from firestation.drivers.template import header_text
from firestation.errors import Denied, Gone, NotConfigured
from firestation.model import Model, canonical_json
from firestation.system import ChannelFitting

WEBHOOK, _ = FORMS[ContactKind.WEBHOOK]


def _is_safe(where: str) -> str:
    """The reference, or the address, when what is sent there cannot be read on the way. Raises `ValueError`."""
    return is_https(where) if where.startswith("http") else where


Where = Annotated[str, StringConstraints(pattern=f"^(?:{WEBHOOK.pattern})$"), AfterValidator(_is_safe)]


class WebhookConfig(Connection):
    """`secret` signs. `url`, or its reference when it is a secret itself, is where all goes; else to each contact's."""

    secret: SecretReference
    url: Where | None = None


class WebhookChannel:
    """Posts. That a repeated key reaches people once is the receiver's promise, kept by its idempotency key."""

    config_model: ClassVar[type[Model]] = WebhookConfig

    def __init__(self, fitting: ChannelFitting, config: WebhookConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """One request, under the key. No error shows more of the address than its host."""
        try:
            url, shown = self._address(message.to)
            secret = self.kit.secrets.resolve(self.config.secret)
        except NotConfigured as error:
            raise Denied(str(error)) from error
        body = canonical_json({**message.model_dump(mode="json", exclude={"to"}), "key": key})
        at = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "accept-encoding": "gzip",
            "user-agent": "firestation",
            "idempotency-key": header_text(key),
            "x-firestation-timestamp": at,
            "x-firestation-signature": f"v1={signature(secret, at, _receiver(url), body)}",
        }
        answer = await exchange(
            self.kit, self.config, ("POST", url), headers, body, asked=f"POST {shown}", hidden=url
        )
        return Receipt(channel=self.fitting.id, reference=f"HTTP {answer.status}")

    def _address(self, to: str | None) -> tuple[str, str]:
        """The address, and how it is called where people read. Raises `Gone` when there is none."""
        named = self.config.url or to or ""
        secret = named.startswith(("env:", "file:"))
        url = self.kit.secrets.resolve(named) if secret else named
        if not _is_url(url):
            shown = named if secret else "what stands there"
            form = "https://host/path (http:// only for this very machine)"
            msg = f"{shown} is no webhook; write {form}, or env:NAME when that is a secret"
            raise Gone(msg)
        return url, named if secret else "/".join(url.split("/")[:3])


def _is_url(url: str) -> bool:
    try:
        plain = WEBHOOK.fullmatch(url) and url.startswith("http")
        return bool(plain and is_https(url) and urlsplit(url).port != 0)
    except ValueError:  # it could be read on the way, or the port is no port
        return False


def _receiver(url: str) -> bytes:
    """The host, with its port unless that is the usual one, and the path: as they stand in the request."""
    parts = httpx.URL(url)
    return parts.netloc + parts.raw_path


def signature(secret: str, at: str, receiver: bytes, body: bytes) -> str:
    """What the receiver computes too."""
    return hmac.new(secret.encode(), b"\n".join((at.encode(), receiver, body)), hashlib.sha256).hexdigest()
