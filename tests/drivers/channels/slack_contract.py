"""What Slack's published Web API says of chat.postMessage."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.drivers.channels.contract import TOKEN, Call, Contract, Refusal

CHANNEL = "C0123456789"
CALLS = re.compile(r"<[!@#][^>]*>|<https?:[^>]*>")


def no(error: str) -> Refusal:
    """Slack says no with 200."""
    return Refusal(200, {"ok": False, "error": error})


@dataclass
class Slack(Contract):
    """One channel. `called` is whom or what the messages called or linked to; `says` is said to the next messages."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    says: list[str] = field(default_factory=list)

    def answer(self, call: Call) -> tuple[int, Any]:
        if (call.method, call.path) != ("POST", "/api/chat.postMessage"):
            raise Refusal(404, {})
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            raise no("invalid_auth" if "authorization" in call.headers else "not_authed")
        if self.says:
            raise no(self.says.pop(0))
        body = call.body
        if body.get("channel") != CHANNEL:
            raise no("channel_not_found")
        if not body.get("text"):
            raise no("no_text")
        if len(body["text"]) > 40_000:
            raise no("msg_too_long")
        self.check_blocks(body["blocks"])
        payload = body["metadata"]["event_payload"]
        if set(body["metadata"]) != {"event_type", "event_payload"} or not isinstance(payload, dict):
            raise no("invalid_metadata_schema")
        # In mrkdwn these call people; what is escaped does not, and plain_text never does.
        self.called += CALLS.findall(body["text"])
        if body.get("link_names") or body.get("parse") == "full":
            self.called += re.findall(r"@\w+", body["text"])
        self.messages.append(body)
        return 200, {"ok": True, "channel": CHANNEL, "ts": f"1700000000.{len(self.messages):06}"}

    def check_blocks(self, blocks: list[Any]) -> None:
        """Raises `Refusal` for what Slack's layout does not take."""
        if not 1 <= len(blocks) <= 50:
            raise no("invalid_blocks")
        for block in blocks:
            text = block["text"]
            longest = {"header": 150, "section": 3000}[block["type"]]
            if text["type"] not in {"plain_text", "mrkdwn"} or (
                block["type"] == "header" and text["type"] != "plain_text"
            ):
                raise no("invalid_blocks")
            if not 1 <= len(text["text"]) <= longest:
                raise no("invalid_blocks")
            if text["type"] == "mrkdwn":
                self.called += CALLS.findall(text["text"])
        if sum(len(str(block)) for block in blocks) > 13_000:
            raise no("msg_blocks_too_long")

    def texts(self) -> list[str]:
        """What people read below each title."""
        return ["".join(each["text"]["text"] for each in body["blocks"][1:]) for body in self.messages]
