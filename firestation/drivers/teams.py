"""The Microsoft Teams channel: an Adaptive Card to a workflow's webhook, at most once. Contract-tested only.

The workflow is Teams' own template "Post to a channel when a webhook request is received"; its URL is a secret. It
knows no idempotency keys, so a message is claimed before it is posted (`claims.py`). The title and every line stand in
text runs, in which Teams reads no Markdown: nothing that is quoted becomes a link, a picture or a mention.
"""

from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import JsonValue

from firestation.address import LOOPBACK
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.claims import at_most_once
from firestation.drivers.kit import Kit
from firestation.drivers.posting import Call, PostingConfig, call, secret_of
from firestation.drivers.saying import CUT, cut, cut_bytes, doubting, shown, shown_line
from firestation.errors import Denied, Nonsense
from firestation.model import Model, canonical_json
from firestation.system import ChannelFitting

LARGEST = 28_000
"""Bytes of a whole message that Teams takes."""
TITLE, LINES, STEP = 300, 100, 2000
TELLING = 8
"""Characters of a part of the URL that may be a secret; a shorter one is no secret, and stands in every error."""
FAILED = b"message delivery failed"


class TeamsConfig(PostingConfig):
    """`url` refers to the workflow's URL, `env:NAME` or `file:PATH`: whoever has it can post."""

    url: SecretReference


class TeamsChannel:
    """Posts, at most once a key."""

    config_model: ClassVar[type[Model]] = TeamsConfig

    def __init__(self, fitting: ChannelFitting, config: TeamsConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """One card, under the key."""
        url = secret_of(self.kit, self.config.url)
        if not _is_safe(url):
            raise Denied(f"{self.config.url} is no URL of a workflow; it begins with https://")
        parts = urlsplit(url)
        hidden = "\n".join(each for each in (url, parts.query, parts.path) if len(each) >= TELLING)
        made = Call("POST", url, f"the workflow of {self.config.url}", hidden, {}, card(message))

        async def sending() -> Receipt:
            with doubting():
                answer = await call(self.kit, self.config, made)
                if FAILED in answer.content.lower():  # with 200: the workflow ran, and its post did not
                    raise Nonsense(f"{answer.asked} said that the delivery failed")
            return Receipt(channel=self.fitting.id, reference=f"HTTP {answer.status}")

        return await at_most_once(self.kit.claims, key, sending)


def card(message: Message) -> JsonValue:
    """The message as a card that is not larger than Teams takes; what is missing is said at its end."""
    title, text = cut(shown_line(message.title), TITLE), shown(message.text)
    size = len(text.encode())
    while True:
        made = _card(title, cut_bytes(text, size).split("\n"))
        if len(canonical_json(made)) <= LARGEST:
            return made
        size -= STEP


def _card(title: str, lines: list[str]) -> JsonValue:
    if len(lines) > LINES:
        lines = [*lines[: LINES - 2], CUT, lines[-1]]  # the last may be the link of a page
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": {"width": "Full"},
                    "body": [_block(title, weight="Bolder", size="Medium"), *map(_block, lines)],
                },
            }
        ],
    }


def _block(text: str, **style: str) -> JsonValue:
    """A line. An empty run is no run for Teams."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text or " ", **style}]}


def _is_safe(url: str) -> bool:
    """Whether what is sent there cannot be read on the way. Its query may hold the signature that makes it a secret."""
    try:
        parts = urlsplit(url)
        here = parts.scheme == "http" and parts.hostname in LOOPBACK
        return bool(parts.hostname and not parts.username and parts.port != 0) and (
            parts.scheme == "https" or here
        )
    except ValueError:  # the port is no port
        return False
