"""What a runbook should be looked at for, and may be right: it warns, and never keeps a runbook from being used."""

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

from firestation.clock import Milestone
from firestation.hole import Found, Hole
from firestation.model import show_duration
from firestation.runbook import Runbook
from firestation.severity import Severity
from firestation.system import System


def doubts(runbook: Runbook, today: date, systems: Iterable[System] = ()) -> tuple[Hole, ...]:
    """What is worth a look. `today` decides what is stale; the systems say how fast a move takes effect."""
    found = [*_stale(runbook, today), *_clock(runbook), *_graver(runbook), *_spans(runbook)]
    return (*found, *(hole for system in systems for hole in _effect(runbook, system)))


def _stale(runbook: Runbook, today: date) -> Found:
    fix = "Go through it, then write the day"
    if runbook.validated is None:
        yield Hole(field="validated", problem="nobody has said when it was last gone through", fix=fix)
    elif runbook.validated > today:
        problem = f"{runbook.validated} has not come yet"
        yield Hole(field="validated", problem=problem, fix="Write the day on which somebody went through it")
    elif runbook.stale(today):
        span = show_duration(runbook.stale_after)
        problem = f"it was last gone through on {runbook.validated}, more than {span} ago"
        yield Hole(field="validated", problem=problem, fix=fix)


def _clock(runbook: Runbook) -> Found:
    """Milestones that are due before those that come before them."""
    for severity in (None, *runbook.clock.at):
        field = f"clock.at.{severity}" if severity else "clock"
        where = f" at {severity}" if severity else ""
        for earlier, later in pairwise(Milestone):
            if runbook.clock.allowed(later, severity) < runbook.clock.allowed(earlier, severity):
                name, before = later.name.lower(), earlier.name.lower()
                problem = f"{name} is due before {before}{where}"
                yield Hole(field=f"{field}.{name}", problem=problem, fix="Give the later milestone more time")


def _graver(runbook: Runbook) -> Found:
    """Severities at which more time is given than at the next milder one."""
    fix = "Give the graver one no more time"
    for graver, milder in pairwise(Severity):
        here, there = runbook.every(graver), runbook.every(milder)
        if here > there:
            field = f"cadence_at.{graver if graver in runbook.cadence_at else milder}"
            problem = f"a word comes every {show_duration(here)} at {graver}"
            yield Hole(field=field, problem=f"{problem}, every {show_duration(there)} at {milder}", fix=fix)
        for milestone in Milestone:
            here, there = (runbook.clock.allowed(milestone, each) for each in (graver, milder))
            if here > there:
                field = f"clock.at.{graver if graver in runbook.clock.at else milder}"
                problem = f"{milestone.name.lower()} has {show_duration(here)} at {graver}"
                yield Hole(field=field, problem=f"{problem}, {show_duration(there)} at {milder}", fix=fix)


def _spans(runbook: Runbook) -> Found:
    for index, step in enumerate(runbook.firebreaks):
        if step.probe.deadline > step.expires_after:
            problem = (
                f"{step.id} ends after {show_duration(step.expires_after)}, before its probe must have passed"
            )
            fix = "Make the deadline shorter, or let it stand longer"
            yield Hole(field=f"firebreaks[{index}].probe.deadline", problem=problem, fix=fix)


def _effect(runbook: Runbook, system: System) -> Found:
    for index, step in enumerate(runbook.firebreaks):
        lever = system.lever(step.lever)
        if lever and lever.effective_within and lever.effective_within > step.probe.deadline:
            takes, given = show_duration(lever.effective_within), show_duration(step.probe.deadline)
            problem = f"{lever.id} takes effect within {takes} as a rule, and the probe has only {given}"
            yield Hole(
                field=f"firebreaks[{index}].probe.deadline", problem=problem, fix="Make the deadline longer"
            )
