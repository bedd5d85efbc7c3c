"""The webhook channel: each message as signed JSON to one address, which may itself be a secret.

The receiver verifies the header `X-Firestation-Signature`: `v1=` and the HMAC-SHA256, in hexadecimal, of the header
`X-Firestation-Timestamp`, a dot and the body as it came, by the secret that both sides have. `Idempotency-Key` is the
same at every attempt: a receiver that has seen it says 2xx and does no more.
"""

import hashlib
import hmac
import time
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import StringConstraints

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
Address = Annotated[str, StringConstraints(pattern=f"^(?:{WEBHOOK.pattern})$")]


class WebhookConfig(Connection):
    """`secret` signs. `url`, or its reference when it is a secret itself, is where all goes; else to each contact's."""

    secret: SecretReference
    url: Address | None = None


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
            "x-firestation-signature": f"v1={signature(secret, at, body)}",
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
            msg = f"{shown} is no webhook; write https://host/path, or env:NAME when that is a secret"
            raise Gone(msg)
        return url, named if secret else "/".join(url.split("/")[:3])


def _is_url(url: str) -> bool:
    try:
        return bool(WEBHOOK.fullmatch(url) and url.startswith("http") and urlsplit(url).port != 0)
    except ValueError:  # the port is no port
        return False


def signature(secret: str, at: str, body: bytes) -> str:
    """What the receiver computes too."""
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
