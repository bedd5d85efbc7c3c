"""The board's words: what may be said to whom, and the first word that the engine says by itself."""

import re
from typing import Literal, get_args

from pydantic import Field

from firestation.model import Id, Line, Model, Sha256, Text, Time

CAUSAL = re.compile(
    r"\b(because|caused by|due to|root cause|as a result of|resulted from|triggered by|the cause|"
    r"led to|is to blame|blame[sd]?|responsible for|owing to|stems? from|thanks to)\b",
    re.IGNORECASE,
)


Audience = Literal["internal", "public"]
AUDIENCES: tuple[Audience, ...] = get_args(Audience)
TO: dict[Audience, str] = {"internal": "the team", "public": "the public"}
"""Whom a word is for."""


class Word(Model):
    """One update that went out: by a person, or by the engine (`by` is None).

    `overdue`: since when a person's word is, in whose place the engine says this; such a word promises no next one, for
    what was promised stays overdue. `released_by`: whose yes it waited for.
    """

    audience: Audience
    known: Text
    unknown: Text | None
    doing: Text | None
    next_due: Time | None
    by: Id | None
    at: Time
    overdue: Time | None = Field(default=None, exclude_if=lambda value: value is None)
    released_by: Id | None = Field(default=None, exclude_if=lambda value: value is None)


class WordDraft(Model):
    """What the engine would say of what is known, for a person to send as it is, or to edit, before it is `due`."""

    audience: Audience
    known: Text
    unknown: Text | None
    doing: Text | None
    due: Time
    at: Time


class LateWord(Model):
    """A word that was promised by `due` and not said then: how often somebody was asked, last when, and its end."""

    audience: Audience
    due: Time
    times: int
    asked_at: Time
    said_at: Time | None = None


class HeldWord(Model):
    """The exact content of a public word that waits for a yes: a release names its SHA-256.

    `number` counts the words that waited in this incident, so that a replaced one never equals its successor.
    """

    incident: Id
    run: str
    number: int
    by: Id
    known: Text
    unknown: Text | None
    doing: Text | None


class Held(Model):
    """A public word that waits, or waited, for a yes, and what became of it."""

    digest: Sha256
    word: HeldWord
    at: Time
    state: Literal["waits", "released", "withheld", "replaced"] = "waits"


class Voucher(Model):
    """Somebody by name stands for a note: as a fact, or as refuted. Without a reason: who noted it."""

    by: Id
    holds: bool
    reason: Text | None
    at: Time


class Entry(Model):
    """A note: a fact or a hypothesis, kept apart for ever; who showed which is which stands beside its author.

    `number` is its place, from 1; `at` is when it happened, `written_at` when it was written down.
    """

    number: int
    text: Text
    standing: Literal["fact", "hypothesis", "refuted"]
    cause: bool
    by: Id
    at: Time
    written_at: Time
    vouchers: tuple[Voucher, ...] = ()

    @property
    def stands_for_it(self) -> tuple[Voucher, ...]:
        """Who stands for it as it stands now: as a fact, or as refuted; nobody for a hypothesis."""
        return tuple(each for each in self.vouchers if each.holds == (self.standing == "fact"))


class Message(Model):
    """What a channel is asked to send. `to` is an address for a pager, otherwise empty.

    A `reminder` is calm: it is of a task after the incident, and waits for the morning.
    """

    incident: Id
    purpose: Literal["page", "decision", "update", "escalation", "reminder"]
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


def causal(word: Word | HeldWord) -> str | None:
    """The words of an update that name a cause, or None."""
    return names_cause(" ".join(filter(None, (word.known, word.unknown, word.doing))))


def render(word: Word | WordDraft) -> str:
    """An update as plain text, with the unknowns as unknowns."""
    lines = []
    if isinstance(word, Word) and word.overdue:
        since = f"{word.overdue:%Y-%m-%d %H:%M:%S} UTC"
        lines.append(f"The engine says this by itself: a person's word is overdue since {since}.")
    lines.append(f"Known: {word.known}")
    if word.unknown:
        lines.append(f"Not known: {word.unknown}")
    if word.doing:
        lines.append(f"Being done: {word.doing}")
    if isinstance(word, Word) and word.next_due:
        lines.append(f"Next word by {word.next_due:%Y-%m-%d %H:%M:%S} UTC")
    return "\n".join(lines)
