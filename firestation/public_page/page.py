"""The whole public page as a value: made of the parts of all incidents, and of the time at which it is written."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from firestation.model import Line, Model, Time
from firestation.public_page.part import CONDITIONS, Condition, PublicComponent, PublicIncident
from firestation.public_page.subscriber import Kind

RECENT = timedelta(days=7)
"""How long the front page still shows what is over."""

KEPT = timedelta(days=365)
"""How long the history lists it; its own page stays."""

FRESH = timedelta(minutes=5)
"""A page that is older says so: whoever writes it does so every minute (`Keeper`)."""

HEADLINES: dict[Condition, str] = {
    "operational": "All systems operational",
    "degraded_performance": "Degraded performance",
    "partial_outage": "Partial outage",
    "major_outage": "Major outage",
}


class PublicSystem(Model):
    """The components of one system, as its file has them now."""

    components: tuple[PublicComponent, ...] = Field(min_length=1)


class Shown(NamedTuple):
    """A component and how it is."""

    component: PublicComponent
    condition: Condition


class Subscribing(Model):
    """Where the form of the page is sent, the origin of a gateway, and how somebody can be told."""

    origin: str
    ways: tuple[Kind, ...] = Field(min_length=1)


class PublicPage(Model):
    """Everything that stands on the page. `address` is where people read it, without a slash at its end, or empty.

    `subscribing` is None where nobody can subscribe; then there is no form.
    """

    title: Line
    address: str
    written_at: Time
    systems: tuple[PublicSystem, ...]
    incidents: tuple[PublicIncident, ...]
    subscribing: Subscribing | None = None

    @property
    def open(self) -> tuple[PublicIncident, ...]:
        """What goes on: the gravest first, then the oldest."""
        found = (each for each in self.incidents if each.is_open)
        return tuple(sorted(found, key=lambda each: (-CONDITIONS.index(each.condition), each.began_at)))

    @property
    def over(self) -> tuple[PublicIncident, ...]:
        """What is over, the last first, as far back as the history goes."""
        found = (each for each in self.incidents if each.over_at and each.over_at >= self.written_at - KEPT)
        return tuple(sorted(found, key=lambda each: (each.began_at, each.reference), reverse=True))

    @property
    def recent(self) -> tuple[PublicIncident, ...]:
        """What is over and was so lately."""
        return tuple(each for each in self.over if each.over_at and each.over_at >= self.written_at - RECENT)

    @property
    def months(self) -> dict[str, tuple[PublicIncident, ...]]:
        """The history by the month in which each began, the last first."""
        titles = dict.fromkeys(f"{each.began_at:%B %Y}" for each in self.over)
        return {
            title: tuple(each for each in self.over if f"{each.began_at:%B %Y}" == title) for title in titles
        }

    @property
    def components(self) -> tuple[Shown, ...]:
        """Every component, by its system's title; one of an open incident too that no system file has any more."""
        known = {each.id: each for part in self.open for each in part.components}
        known |= {each.id: each for system in self.systems for each in system.components}
        order = {name: number for number, name in enumerate(known)}
        found = sorted(known.values(), key=lambda each: (each.group.casefold(), order[each.id]))
        return tuple(Shown(each, self._worst(each)) for each in found)

    @property
    def groups(self) -> dict[str, tuple[Shown, ...]]:
        """The components of each system, by its title."""
        titles = dict.fromkeys(each.component.group for each in self.components)
        return {
            title: tuple(each for each in self.components if each.component.group == title)
            for title in titles
        }

    @property
    def condition(self) -> Condition:
        """How everything is: as the worst of it."""
        found = [each.condition for each in self.open]
        return max(found, key=CONDITIONS.index, default="operational")

    @property
    def headline(self) -> str:
        """The same in words; an incident that touches nothing is said too."""
        if self.open and self.condition == "operational":
            return "An incident goes on"
        return HEADLINES[self.condition]

    @property
    def changed_at(self) -> datetime:
        """When an incident changed last; when it was written, if there was never one."""
        return max((each.changed_at for each in self.incidents), default=self.written_at)

    @property
    def next_due(self) -> datetime | None:
        """When the next word is due, of all that goes on."""
        return min((each.next_due for each in self.open if each.next_due), default=None)

    def overdue(self, part: PublicIncident) -> bool:
        """Whether its next word was due when the page was written."""
        return bool(part.next_due and part.next_due <= self.written_at)

    def link(self, part: PublicIncident) -> str:
        """The address of its own page; relative to the front page when nobody has said where that is."""
        return f"{self.address}/{page_file(part)}" if self.address else page_file(part)

    def _worst(self, component: PublicComponent) -> Condition:
        ids = (part.condition for part in self.open if component.id in {each.id for each in part.components})
        return max(ids, key=CONDITIONS.index, default="operational")


def assemble(
    title: str,
    address: str | None,
    parts: Iterable[PublicIncident],
    systems: Iterable[PublicSystem],
    now: datetime,
    *,
    subscribing: Subscribing | None = None,
) -> PublicPage:
    """The page as of now."""
    return PublicPage(
        title=title,
        address=(address or "").rstrip("/"),
        written_at=now,
        systems=tuple(systems),
        incidents=tuple(sorted(parts, key=lambda each: (each.began_at, each.reference))),
        subscribing=subscribing,
    )


def page_file(part: PublicIncident) -> str:
    """The file of an incident's own page."""
    return f"incidents/{part.reference}.html"


def name_of(part: PublicIncident) -> str:
    """What an incident is called: by what it touches, for a title of ours might name a cause."""
    titles = list(dict.fromkeys(each.title for each in part.components))
    if not titles:
        return f"Incident of {part.began_at.day} {part.began_at:%B %Y}"
    told = ", ".join(titles[:3])
    more = f" and {len(titles) - 3} more" if titles[3:] else ""
    return f"Incident affecting {told}"[: 300 - len(more)] + more


def end_of(part: PublicIncident) -> str | None:
    """How it ended, in words for everybody; None while it goes on."""
    if part.is_open:
        return None
    if part.outcome == "withdrawn":
        return "Withdrawn: this turned out to be no incident."
    if part.outcome == "merged":
        return "Goes on as part of another incident."
    return "Resolved: the service works again."
