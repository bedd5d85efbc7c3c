"""Legal clocks: what starts one, how long it runs, whom it reminds, and the law that it counts for.

A clock only counts. Whether a law applies to a system, and whether something that happened is of a category, people
decide. Periods are plain spans of time from the moment somebody became aware, between instants in UTC: no working
days, no public holidays, no end of the day (Regulation (EEC, Euratom) No 1182/71 may give longer; sooner is safe).
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from firestation.authority import Role
from firestation.model import Duration, Id, Line, Model, Text, Time, wrong_at
from firestation.severity import Severity

DAY = timedelta(days=1)
LONGEST = timedelta(days=366)
DAILY = 7
"""So many times a day apart is the owner reminded of what is overdue; then once a week, until it is done."""

SHARES = (2, 4, 8)
"""Without `remind`, the owner is reminded when a half, a quarter and an eighth of the time is left."""


class LegalClock(Model):
    """What starts when this incident is of one of these categories, or is declared at one of these severities.

    `source` is the law with its article; `do_not_alter` is the provision that forbids to alter the system before the
    authority is informed. `owner` is a role or a person, and is reminded `remind` before the end.
    """

    id: Id = Field(description="a name for it, which people type when the authority is informed")
    title: Line = Field(description="what has to be done in time")
    source: Line = Field(description="the law, contract or policy that asks for it, with its article")
    url: Line | None = Field(default=None, description="where its text can be read")
    authority: Line = Field(description="who is to be informed")
    categories: tuple[Id, ...] = Field(default=(), description="what an incident must be for it to start")
    severities: tuple[Severity, ...] = Field(
        default=(), description="declaring one of these starts it; a milder one does not stop it"
    )
    within: Duration = Field(
        gt=timedelta(), le=LONGEST, description="how long after somebody became aware it ends"
    )
    owner: Id | None = Field(
        default=None, description="the role or the person who informs; otherwise the system's `legal.owner`"
    )
    remind: tuple[Annotated[Duration, Field(gt=timedelta())], ...] = Field(
        default=(), description="how long before the end to remind; otherwise at a half, a quarter, an eighth"
    )
    do_not_alter: Line | None = Field(
        default=None, description="the provision that forbids to alter the system before informing"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.categories and not self.severities:
            raise wrong_at("categories", says=f"nothing starts {self.id}; name a category or a severity")
        for index, name in enumerate(self.categories):
            if name in set(Severity):
                says = f"{name!r} is a severity; name it in severities, and the category by another word"
                raise wrong_at("categories", index, says=says)
        for index, span in enumerate(self.remind):
            if span >= self.within:
                raise wrong_at("remind", index, says="that is before it starts; remind within its time")
        return self

    @property
    def starts_at(self) -> tuple[str, ...]:
        """The categories and the severities that start it."""
        return (*self.categories, *map(str, self.severities))

    def reminders(self) -> tuple[timedelta, ...]:
        """How long before the end the owner is reminded, the earliest first."""
        spans = self.remind or tuple(self.within / share for share in SHARES)
        return tuple(sorted(set(spans), reverse=True))


AI_ACT, GDPR = "Regulation (EU) 2024/1689 (EU AI Act)", "Regulation (EU) 2016/679 (GDPR)"
AI_ACT_URL = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj"
MARKET = "the market surveillance authority of the Member State where the incident occurred"
ALTER = f"{AI_ACT}, Art. 73(6)"

CATALOGUE: tuple[LegalClock, ...] = (
    LegalClock(
        id="eu-ai-act-73-2",
        title="Report a serious incident, not later than 15 days after becoming aware of it",
        source=f"{AI_ACT}, Art. 73(2); serious incident: Art. 3(49)",
        url=AI_ACT_URL,
        authority=MARKET,
        categories=("serious-incident",),
        within=timedelta(days=15),
        remind=(7 * DAY, 3 * DAY, DAY),
        do_not_alter=ALTER,
    ),
    LegalClock(
        id="eu-ai-act-73-3",
        title="Report a widespread infringement, or a serious and irreversible disruption of critical "
        "infrastructure, not later than two days after becoming aware of it",
        source=f"{AI_ACT}, Art. 73(3); disruption of critical infrastructure: Art. 3(49)(b)",
        url=AI_ACT_URL,
        authority=MARKET,
        categories=("widespread-infringement", "critical-infrastructure"),
        within=2 * DAY,
        remind=(DAY, DAY / 2, DAY / 6),
        do_not_alter=ALTER,
    ),
    LegalClock(
        id="eu-ai-act-73-4",
        title="Report the death of a person, not later than 10 days after becoming aware of the serious incident",
        source=f"{AI_ACT}, Art. 73(4)",
        url=AI_ACT_URL,
        authority=MARKET,
        categories=("death-of-a-person",),
        within=10 * DAY,
        remind=(5 * DAY, 2 * DAY, DAY),
        do_not_alter=ALTER,
    ),
    LegalClock(
        id="gdpr-33",
        title="Notify a personal data breach, where feasible not later than 72 hours after becoming aware of it, "
        "unless it is unlikely to result in a risk to people's rights and freedoms",
        source=f"{GDPR}, Art. 33(1)",
        url="https://eur-lex.europa.eu/eli/reg/2016/679/oj",
        authority="the supervisory authority competent under Art. 55",
        categories=("personal-data-breach",),
        within=timedelta(hours=72),
        remind=(2 * DAY, DAY, DAY / 4),
    ),
)
"""The clocks that every incident has; the day counts of the law as hours of UTC."""


class Legal(Model):
    """What a system file says of the law: who owns its clocks, clocks of its own, and whether it may be altered."""

    owner: Id = Field(
        default="captain", description="the role or the person who informs, where a clock does not say"
    )
    do_not_alter: bool = Field(
        default=False,
        description="true when nobody may alter this system before the authority is informed, as in Art. 73(6)",
    )
    clocks: tuple[LegalClock, ...] = Field(default=(), description="clocks of your own, beside the catalogue")

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        taken = {each.id: "of the catalogue" for each in CATALOGUE}
        for index, each in enumerate(self.clocks):
            if each.id in taken:
                says = f"{each.id!r} is already the id of a clock {taken[each.id]}; give it one of its own"
                raise wrong_at("clocks", index, "id", says=says)
            taken[each.id] = f"(clocks[{index}])"
        return self


def clocks(legal: Legal) -> tuple[LegalClock, ...]:
    """The clocks of an incident that opens now, each with its owner: the catalogue, and the system's own."""
    return tuple(each.changed(owner=each.owner or legal.owner) for each in (*CATALOGUE, *legal.clocks))


def strangers(legal: Legal, people: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each owner who is neither a role nor one of these people, with its place in the system file."""
    named = [("legal.owner", legal.owner)]
    named += [
        (f"legal.clocks[{index}].owner", each.owner) for index, each in enumerate(legal.clocks) if each.owner
    ]
    yield from ((field, owner) for field, owner in named if not is_role(owner) and owner not in people)


class Informed(Model):
    """That the authority was informed: at, by, reference. `recorded_at` is when the incident was told."""

    at: Time
    by: Id
    authority: Line
    reference: Line
    recorded_at: Time


class LegalRun(Model):
    """One clock that was started in an incident, and what became of it.

    `cause` is the category or severity that started it, `since` when somebody became aware, `started_at` when the
    incident was told. `reminded` counts reminders, the first of them at the start, the last at `reminded_at`.
    """

    clock: LegalClock
    cause: Id
    reason: Text
    by: Id
    since: Time
    started_at: Time
    reminded: int = 0
    reminded_at: Time | None = None
    overdue_at: Time | None = None
    informed: Informed | None = None
    withdrawn_by: Id | None = None
    withdrawn_at: Time | None = None
    withdrawn_reason: Text | None = None

    @property
    def due(self) -> datetime:
        """When the time is over."""
        return self.since + self.clock.within

    @property
    def running(self) -> bool:
        """Whether it is neither informed nor withdrawn."""
        return self.informed is None and self.withdrawn_by is None

    @property
    def late(self) -> bool:
        """Whether the authority was informed after the time was over."""
        return self.informed is not None and self.informed.at > self.due

    @property
    def next_reminder(self) -> datetime:
        """When the owner is reminded next: when it starts, before it ends, and after that ever more slowly."""
        moments = [self.due - span for span in self.clock.reminders()]
        ahead = [self.started_at, *(moment for moment in moments if moment > self.started_at)]
        if self.reminded < len(ahead):
            return ahead[self.reminded]
        since_overdue = self.reminded - len(ahead)
        last = self.reminded_at if since_overdue and self.reminded_at else self.overdue_at or self.due
        return last + (DAY if since_overdue < DAILY else 7 * DAY)

    @property
    def next_moment(self) -> datetime:
        """When something of it is due next: a reminder, or the end."""
        return self.next_reminder if self.overdue_at else min(self.next_reminder, self.due)


def is_role(owner: str) -> bool:
    """Whether an owner is a role and not a person."""
    return owner in set(Role)
