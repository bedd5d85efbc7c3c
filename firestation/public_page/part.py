"""What one incident lets out to the public page, and nothing else of it ever leaves.

An incident is public from its first public word on: until somebody has spoken to the public, nothing of it is on the
page. Then these leave: the public words without who said them, when it began and was over, how grave it is and how far
in the public's own scale, and the components of its system. No name of a person, no lever, no digest, no title of a
runbook, no reason: they are for the people inside.
"""

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import Field

from firestation.board import Word
from firestation.model import Id, Line, Model, Text, Time
from firestation.severity import Severity
from firestation.state import Incident, Phase
from firestation.system import System

Impact = Literal["minor", "major", "critical"]
Status = Literal["investigating", "identified", "monitoring", "resolved"]
Condition = Literal["operational", "degraded_performance", "partial_outage", "major_outage"]
Outcome = Literal["closed", "withdrawn", "merged"]

CONDITIONS: tuple[Condition, ...] = ("operational", "degraded_performance", "partial_outage", "major_outage")
"""From the best to the worst."""

IMPACTS: dict[Severity, Impact] = {
    Severity.SEV1: "critical",
    Severity.SEV2: "major",
    Severity.SEV3: "minor",
    Severity.SEV4: "minor",
}
WORST: dict[Impact, Condition] = {
    "critical": "major_outage",
    "major": "partial_outage",
    "minor": "degraded_performance",
}
SHOWN_OUTCOMES: dict[str, Outcome] = {"closed": "closed", "dismissed": "withdrawn", "merged": "merged"}


class PublicWord(Model):
    """One update to the public, without who said it, and how far the incident was then."""

    at: Time
    known: Text
    unknown: Text | None
    doing: Text | None
    status: Status


class PublicComponent(Model):
    """A component as customers know it. `group` is the title of its system, `id` tells it from all others."""

    id: Id
    title: Line
    description: Line | None
    group: Line


class PublicIncident(Model):
    """The public part of an incident. `version` rises with its record: a part of a higher one replaces this.

    `reference` is its public name, from which nothing inside can be told; `next_due` is when the next public word was
    promised, while it is not resolved.
    """

    reference: Id
    version: int = Field(ge=1)
    began_at: Time
    changed_at: Time
    impact: Impact
    status: Status
    condition: Condition
    outcome: Outcome | None
    over_at: Time | None
    next_due: Time | None
    words: tuple[PublicWord, ...] = Field(min_length=1)
    components: tuple[PublicComponent, ...]

    @property
    def is_open(self) -> bool:
        """Whether it still goes on for customers."""
        return self.status != "resolved"

    def same_as(self, other: "PublicIncident | None") -> bool:
        """Whether both tell the same; what tells the same needs no publishing."""
        return other is not None and self.changed(version=other.version, changed_at=other.changed_at) == other


def public_part(incident: Incident, version: int) -> PublicIncident | None:
    """What this incident lets out now; None while it is not public.

    `version` is the length of its record: it rises, also over continue-as-new.
    """
    words = public_words(incident)
    if not words or not is_shown(incident):
        return None
    over = _over_at(incident)
    return PublicIncident(
        reference=reference(incident.id, incident.run),
        version=version,
        began_at=incident.opened_at,
        changed_at=incident.now,
        impact=IMPACTS[incident.weight],
        status=_status(incident),
        condition=condition(incident),
        outcome=SHOWN_OUTCOMES[incident.ended] if incident.ended else None,
        over_at=over,
        next_due=None if over else words[-1].next_due,
        words=tuple(_told(incident, word) for word in words),
        components=components(incident.brief.system),
    )


def public_words(incident: Incident) -> tuple[Word, ...]:
    """The words that were said to the public."""
    return tuple(word for word in incident.words if word.audience == "public")


def is_shown(incident: Incident) -> bool:
    """Whether the public page may show it at all: never a drill."""
    return incident.since(4) and incident.brief.drill is None


def reference(incident: str, run: str) -> Id:
    """The public name of an incident. The run is unknown outside, so the incident's id cannot be guessed from it."""
    return hashlib.sha256(f"public page\n{incident}\n{run}".encode()).hexdigest()[:12]


def components(system: System) -> tuple[PublicComponent, ...]:
    """The components of a system, as the page shows them."""
    return tuple(
        PublicComponent(
            id=hashlib.sha256(f"component\n{system.system}\n{each.id}".encode()).hexdigest()[:12],
            title=each.title,
            description=each.description,
            group=system.title,
        )
        for each in system.components
    )


def condition(incident: Incident) -> Condition:
    """How its components are: as grave as its severity; once contained, one better but not well; well when it is over.

    The worst open incident decides for a component that several have.
    """
    if _over_at(incident):
        return "operational"
    worst = CONDITIONS.index(WORST[IMPACTS[incident.weight]])
    if incident.phase in {Phase.CONTAINED, Phase.RECOVERING}:
        return CONDITIONS[max(worst - 1, 1)]
    return CONDITIONS[1] if incident.phase is Phase.RESTORED else CONDITIONS[worst]


def _over_at(incident: Incident) -> datetime | None:
    """When it was over for customers: recovery had been measured and every firebreak was back; or it ended."""
    if incident.phase in {Phase.AFTER_ACTION, Phase.CLOSED}:
        return incident.restored_at or incident.ended_at
    return incident.ended_at


def _status(incident: Incident) -> Status:
    if _over_at(incident):
        return "resolved"
    if incident.phase in {Phase.RECOVERING, Phase.RESTORED}:
        return "monitoring"
    return "identified" if incident.cause_is_fact else "investigating"


def _told(incident: Incident, word: Word) -> PublicWord:
    """How far it was when the word was said, as far as that can still be known."""
    status: Status = "investigating"
    vouchers = (each for entry in incident.entries if entry.cause for each in entry.stands_for_it)
    if incident.cause_is_fact and any(each.at <= word.at for each in vouchers):
        status = "identified"
    if incident.restored_at and incident.restored_at <= word.at:
        status = "monitoring"
    over = _over_at(incident)
    if over and over <= word.at:
        status = "resolved"
    return PublicWord(at=word.at, known=word.known, unknown=word.unknown, doing=word.doing, status=status)
