"""The measures: how long each step took from the bell, and how long it was allowed to."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from firestation.clock import Milestone
from firestation.model import Line, Model, show_duration
from firestation.postmortem.trail import Trail, clock, head, row
from firestation.state import Incident

NAMES = {
    Milestone.ACKNOWLEDGED: "acknowledge",
    Milestone.STAFFED: "captain and scribe",
    Milestone.DECLARED: "declare",
    Milestone.SEALED: "seal",
    Milestone.DECIDED: "decide",
    Milestone.FIRST_UPDATE: "first word",
}
KINDS = {
    Milestone.ACKNOWLEDGED: ("act:acknowledge", "act:accept"),
    Milestone.STAFFED: ("act:acknowledge", "act:accept"),
    Milestone.DECLARED: ("act:declare",),
    Milestone.SEALED: ("sealed",),
    Milestone.DECIDED: ("act:approve", "act:refuse", "proposed", "skipped", "lapsed"),
    Milestone.FIRST_UPDATE: ("act:update", "said"),
}


class Measure(Model):
    """One step of the incident: how long it took from the bell; None when it never came.

    `within` is how long it was allowed to take, where it has a deadline; `missed` that it was not there by then.
    `numbers` are the events that show it.
    """

    name: Line
    took: timedelta | None
    within: timedelta | None
    missed: bool
    numbers: tuple[int, ...]

    @property
    def word(self) -> str:
        """How it went, in a word."""
        if self.within is None:
            return "no deadline"
        if self.missed or (self.took is not None and self.took > self.within):
            return "missed"
        return "kept" if self.took is not None else "not yet"


def measures(incident: Incident, trail: Trail) -> tuple[Measure, ...]:
    """All of them, those of the first fifteen minutes first."""
    clocked = []
    for each in incident.deadlines:
        shows = trail.at(each.met_at, *KINDS[each.milestone]) if each.met_at else ()
        missed = trail.find("missed", milestone=each.milestone)
        clocked.append(
            Measure(
                name=NAMES[each.milestone],
                took=each.met_at - incident.opened_at if each.met_at else None,
                within=each.due - incident.opened_at,
                missed=each.missed,
                numbers=shows + missed,
            )
        )
    effective = [each.effective_at for each in incident.firebreaks if each.effective_at]
    contained = min(effective) if effective else None
    return (
        *clocked,
        _free("contain", contained, incident, trail, "probed"),
        _free("restore", incident.restored_at, incident, trail, "soaked"),
        _free("end", incident.ended_at, incident, trail, "act:close", "act:dismiss", "act:merge"),
    )


def _free(name: str, at: datetime | None, incident: Incident, trail: Trail, *kinds: str) -> Measure:
    """A measure without a deadline."""
    took = at - incident.opened_at if at else None
    return Measure(
        name=name, took=took, within=None, missed=False, numbers=trail.at(at, *kinds) if at else ()
    )


def told(incident: Incident, trail: Trail) -> Iterator[str]:
    """The table: each measure against its deadline."""
    yield f"All from the bell at {clock(incident.opened_at)}."
    yield ""
    yield from head("to", "took", "allowed", "kept")
    for each in measures(incident, trail):
        took = show_duration(each.took) if each.took is not None else "not yet"
        within = show_duration(each.within) if each.within is not None else ""
        yield row(each.name, took, within, each.word, numbers=each.numbers)
