"""What a subscriber is told: one public word of one incident, as it stands on the page."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from firestation.model import Id, Line, Model, Time
from firestation.public_page.feeds import legible, words_of
from firestation.public_page.page import name_of, page_file
from firestation.public_page.part import Impact, PublicIncident, PublicWord

WAYS_OUT = "You asked for this on the status page. To get no more of it, open this and press the button:"


class Notice(Model):
    """One word. `number` counts the public words of its incident, from 1.

    `link` is empty where nobody said where the page is. `components` are those of the incident.
    """

    reference: Id
    number: int = Field(ge=1)
    title: Line
    name: Line
    link: str
    impact: Impact
    word: PublicWord
    components: tuple[Id, ...]
    next_due: Time | None

    @property
    def id(self) -> str:
        """The name of this word, among all."""
        return f"{self.reference}/{self.number:04d}"

    def concerns(self, wanted: Iterable[str]) -> bool:
        """Whether who wants to hear of these components is told."""
        chosen = set(wanted)
        return not chosen or not self.components or bool(chosen & set(self.components))


def notices(part: PublicIncident, title: str, address: str | None) -> tuple[Notice, ...]:
    """Every word of this incident, the first one first."""
    last = len(part.words)
    return tuple(
        Notice(
            reference=part.reference,
            number=number,
            title=title,
            name=name_of(part),
            link=f"{address.rstrip('/')}/{page_file(part)}" if address else "",
            impact=part.impact,
            word=word,
            components=tuple(each.id for each in part.components),
            next_due=part.next_due if number == last else None,
        )
        for number, word in enumerate(part.words, 1)
    )


def subject(notice: Notice) -> str:
    """The subject of a mail: one line."""
    text = f"[{notice.title}] {notice.word.status.capitalize()}: {notice.name}"
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= 200 else f"{line[:199]}…"  # noqa: PLR2004 - what mail programs show, and some more


def letter(notice: Notice, off: str) -> str:
    """The text of a mail. `off` is the link that unsubscribes."""
    word = notice.word
    said = [legible(words_of(word))]
    said += [f"Said at {word.at:%Y-%m-%d %H:%M} UTC."]
    said += [f"The next update is due by {notice.next_due:%Y-%m-%d %H:%M} UTC."] if notice.next_due else []
    said += [f"All of it: {notice.link}"] if notice.link else []
    return "\n\n".join([legible(notice.name), *said, "-- ", f"{WAYS_OUT}\n{off}"]) + "\n"


def hook(notice: Notice, off: str) -> dict[str, Any]:
    """The body for a webhook, as plain data."""
    word = notice.word
    return {
        "type": "incident.update",
        "incident": {
            "reference": notice.reference,
            "name": notice.name,
            "impact": notice.impact,
            "components": list(notice.components),
            "link": notice.link or None,
            "next_due": notice.next_due.isoformat() if notice.next_due else None,
        },
        "update": {
            "number": notice.number,
            "at": word.at.isoformat(),
            "status": word.status,
            "known": word.known,
            "unknown": word.unknown,
            "doing": word.doing,
        },
        "unsubscribe": off,
    }
