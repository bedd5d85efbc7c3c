"""The Slack channel: chat.postMessage into one channel, at most once. Contract-tested only: not against Slack itself.

Slack knows no idempotency keys that it documents, so a message is claimed before it is posted (`claims.py`); its key
stands in the message's metadata, where an app can read it. Slack refuses with 200 and `ok: false`, which is an error
here. What is quoted stands in `plain_text` blocks, where nothing is markup; the text for notifications is mrkdwn, and
there `&`, `<` and `>` are escaped, so that no `<!channel>` in it calls anybody. No link is unfurled.
"""

import hashlib
from typing import Annotated, Any, ClassVar

from pydantic import JsonValue, StringConstraints

from firestation.address import Address
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.claims import at_most_once
from firestation.drivers.exchange import Answer
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.posting import Call, PostingConfig, call, object_of, secret_of
from firestation.drivers.saying import cut, doubting, shown, shown_line
from firestation.errors import Denied, Doubtful, DriverError, Gone, Nonsense, Unreachable
from firestation.model import Line, Model
from firestation.system import ChannelFitting

HEADER, SECTION, SECTIONS, FALLBACK = 150, 3000, 2, 3000
"""Characters of a header and of a section, sections (all blocks together hold some 13,000), characters of the text."""
NO_ONE = frozenset({"channel_not_found", "is_archived", "user_not_found", "no_such_channel"})
LATER = frozenset({"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"})
OURS = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text"}
)
UNSURE = frozenset({"internal_error", "fatal_error", "request_timeout"})


class SlackConfig(PostingConfig):
    """`token` is a bot's (`xoxb-…`) with `chat:write`; `channel` the id of the channel that it was invited to."""

    base: Address = "https://slack.com/api"
    token: SecretReference
    channel: Annotated[Line, StringConstraints(pattern=r"^[CGDU][A-Z0-9]{2,}$")]


class SlackChannel:
    """Posts, at most once a key."""

    config_model: ClassVar[type[Model]] = SlackConfig

    def __init__(self, fitting: ChannelFitting, config: SlackConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """One message, under the key."""
        url = f"{self.config.base.rstrip('/')}/chat.postMessage"
        token = secret_of(self.kit, self.config.token)
        body = {"channel": self.config.channel, **content_of(message, key)}
        made = Call("POST", url, url, token, {"authorization": f"Bearer {token}"}, body)

        async def sending() -> Receipt:
            with doubting():
                answer = await call(self.kit, self.config, made)
                return Receipt(channel=self.fitting.id, reference=_reference(answer))

        return await at_most_once(self.kit.claims, key, sending)


def content_of(message: Message, key: str) -> dict[str, JsonValue]:
    """The message as Slack takes it."""
    title, text = shown_line(message.title), shown(message.text)
    whole = cut(text, SECTION * SECTIONS)
    parts = [whole[at : at + SECTION] for at in range(0, len(whole), SECTION)]
    blocks: list[JsonValue] = [_block("header", cut(title, HEADER))]
    blocks += [_block("section", part) for part in parts if part.strip()]
    return {
        "text": escaped(cut(f"{title}\n{text}", FALLBACK)),
        "blocks": blocks,
        "mrkdwn": False,
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {
            "event_type": "firestation_message",
            "event_payload": {
                "incident": message.incident,
                "purpose": message.purpose,
                "key": hashlib.sha256(key.encode()).hexdigest(),
            },
        },
    }


def _block(kind: str, text: str) -> dict[str, JsonValue]:
    return {"type": kind, "text": {"type": "plain_text", "text": text, "emoji": False}}


def escaped(text: str) -> str:
    """Text in mrkdwn that calls nobody and links nowhere."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _reference(answer: Answer) -> str:
    """The time that names the message. Raises the error that Slack tells with 200."""
    found = object_of(answer)
    if found.get("ok") is True and isinstance(found.get("ts"), str):
        return one_line(f"{found.get('channel')} {found['ts']}")
    if found.get("ok") is False:
        raise _refused(answer.asked, found)
    raise Nonsense(f"{answer.asked} answered neither ok nor an error")


def _refused(asked: str, found: dict[str, Any]) -> DriverError:
    """What Slack says with `ok: false`. Only some of it leaves a doubt; all else was surely not posted."""
    said = one_line(found.get("error"))
    msg = f"{asked} refused: {said}"
    if said in UNSURE:
        return Doubtful(f"it may have been sent; not sent again: {msg}")
    if said in LATER:
        return Unreachable(msg, status=429)
    if said in NO_ONE:
        return Gone(f"{msg}; name the id of a channel that the bot was invited to")
    if said in OURS:
        return Denied(f"{msg}; this is a mistake of ours, please report it")
    return Denied(f"{msg}; check the token, its scope chat:write, and that the bot is in the channel")
