"""What Microsoft publishes of a workflow that takes a webhook request and posts its card."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.drivers.channels.contract import Call, Contract, Refusal

PATH = "/workflows/a-path-that-is-a-secret/triggers/manual/paths/invoke"
SIGNATURE = "sig-of-the-test"
CARD = "application/vnd.microsoft.card.adaptive"
LARGEST = 28 * 1024


def bad(said: str) -> Refusal:
    return Refusal(400, {"error": {"code": "InvalidRequestContent", "message": said}})


@dataclass
class Teams(Contract):
    """One workflow. `marked_up` are the texts in which Teams reads Markdown."""

    cards: list[dict[str, Any]] = field(default_factory=list)
    marked_up: list[str] = field(default_factory=list)

    def answer(self, call: Call) -> tuple[int, Any]:
        if call.path != PATH or call.method != "POST":
            raise Refusal(404, {"error": {"code": "WorkflowNotFound"}})
        if call.query.get("sig") != SIGNATURE:
            raise Refusal(401, {"error": {"code": "DirectApiInvalidSignature"}})
        if len(json.dumps(call.body, ensure_ascii=False).encode()) > LARGEST:
            raise Refusal(413, {"error": {"code": "RequestEntityTooLarge"}})
        if call.body.get("type") != "message" or len(call.body.get("attachments", ())) != 1:
            raise bad("no message with an attachment")
        (attachment,) = call.body["attachments"]
        card = attachment["content"]
        if attachment["contentType"] != CARD or card.get("type") != "AdaptiveCard":
            raise bad("no Adaptive Card")
        if float(card["version"]) < 1.2 or not card["body"]:
            raise bad("RichTextBlock needs version 1.2")
        for element in card["body"]:
            self.check(element)
        self.cards.append(card)
        return 202, None

    def check(self, element: dict[str, Any]) -> None:
        """Raises `Refusal` for an element that a card cannot have."""
        if element["type"] == "TextBlock":
            self.marked_up.append(element["text"])
        elif element["type"] != "RichTextBlock" or not element["inlines"]:
            raise bad(f"unknown element {element['type']}")
        else:
            for run in element["inlines"]:
                if run["type"] != "TextRun" or not run["text"]:
                    raise bad("an inline is a TextRun with a text")

    def texts(self) -> list[str]:
        """What people read below each title."""
        return [
            "\n".join(line["inlines"][0]["text"].rstrip() for line in card["body"][1:]) for card in self.cards
        ]
