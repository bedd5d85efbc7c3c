"""The board's words: what may be said to whom, and the first word that the engine says by itself."""

import re
from typing import Literal

from firestation.model import Id, Line, Model, Text, Time

CAUSAL = re.compile(
    r"\b(because|caused by|due to|root cause|as a result of|resulted from|triggered by|the cause|"
    r"led to|is to blame|blame[sd]?|responsible for|owing to|stems? from|thanks to)\b",
    re.IGNORECASE,
)


class Word(Model):
    """One update that went out: by a person, or by the engine (`by` is None)."""

    audience: Literal["internal", "public"]
    known: Text
    unknown: Text | None
    doing: Text | None
    next_due: Time | None
    by: Id | None
    at: Time


class Entry(Model):
    """A note: a fact or a hypothesis, kept apart for ever."""

    text: Text
    standing: Literal["fact", "hypothesis"]
    cause: bool
    by: Id
    at: Time


class Message(Model):
    """What a channel is asked to send. `to` is an address for a pager, otherwise empty."""

    incident: Id
    purpose: Literal["page", "decision", "update", "escalation"]
    title: Line
    text: Text
    to: Line | None = None


class Receipt(Model):
    """What the channel said when it took the message."""

    channel: Id
    reference: Line


def names_cause(text: str) -> str | None:
    """The words of a public text that name a cause, or None. Strict on purpose: silence beats a wrong cause."""
    found = CAUSAL.search(text)
    return found.group(0) if found else None


def render(word: Word) -> str:
    """An update as plain text, with the unknowns as unknowns."""
    lines = [f"Known: {word.known}"]
    if word.unknown:
        lines.append(f"Not known: {word.unknown}")
    if word.doing:
        lines.append(f"Being done: {word.doing}")
    if word.next_due:
        lines.append(f"Next word by {word.next_due:%Y-%m-%d %H:%M:%S} UTC")
    return "\n".join(lines)
