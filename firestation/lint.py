"""What is wrong with a runbook beyond its form: names that lead nowhere, steps whose turn never comes, no way back."""

from collections.abc import Callable, Iterator

from firestation.model import Line, Model, Text, show_duration
from firestation.runbook import GENERAL, Runbook
from firestation.steps import FirebreakStep, ManualStep, Step
from firestation.system import LeverFitting, System


class Hole(Model):
    """One thing that is wrong: the field, the problem and the fix."""

    field: Line
    problem: Text
    fix: Text


Found = Iterator[Hole]


def fitting(wall: tuple[Runbook, ...], system: System) -> tuple[Runbook, ...]:
    """The runbooks that this system can follow, by their ids."""
    whole = (each for each in wall if not holes(each) and not dangling(each, system))
    return tuple(sorted(whole, key=lambda each: each.runbook))


def holes(runbook: Runbook) -> tuple[Hole, ...]:
    """What is wrong with a runbook whatever the system."""
    checks: tuple[Callable[[Runbook], Found], ...] = (
        _match,
        _turns,
        _circles,
        _probes,
        _groups,
        _side_by_side,
    )
    return tuple(hole for check in checks for hole in check(runbook))


def dangling(runbook: Runbook, system: System) -> tuple[Hole, ...]:
    """What in the runbook this system cannot follow. Empty means that the two fit together."""
    checks = (_levers, _checks, _conditions, _evidence)
    return tuple(hole for check in checks for hole in check(runbook, system))


def _fields(runbook: Runbook) -> Iterator[tuple[str, FirebreakStep | ManualStep]]:
    for kind in ("firebreaks", "manual"):
        for index, step in enumerate(getattr(runbook, kind)):
            yield f"{kind}[{index}]", step


# ------------------------------------------------------------------------------------------- whatever the system


def _match(runbook: Runbook) -> Found:
    if runbook.pattern != GENERAL and not runbook.match.names and not runbook.match.labels:
        problem = "it names no alarm and no label, so it is never offered"
        yield Hole(field="match", problem=problem, fix="Name the evidence of the pattern in names or labels")


def _turns(runbook: Runbook) -> Found:
    known = {step.id for step in runbook.steps}
    for field, step in _fields(runbook):
        for index, other in enumerate(step.after):
            yield from _names_step(f"{field}.after[{index}]", step, other, known)
        if step.fallback_for:
            yield from _names_step(f"{field}.fallback_for", step, step.fallback_for, known)
            if step.fallback_for in step.after:
                problem = (
                    f"{step.id} comes after {step.fallback_for} and instead of it, so its turn never comes"
                )
                yield Hole(field=f"{field}.after", problem=problem, fix="Keep one of the two")
        for label, values in (step.when.labels if step.when else {}).items():
            matched = runbook.match.labels.get(label)
            if matched and not set(matched) & set(values):
                problem = f"the runbook is only for {label} {' or '.join(matched)}, so its turn never comes"
                yield Hole(
                    field=f"{field}.when.labels.{label}",
                    problem=problem,
                    fix="Name one of these, or widen match",
                )


def _names_step(field: str, step: Step, other: str, known: set[str]) -> Found:
    if other == step.id:
        yield Hole(
            field=field,
            problem=f"{step.id} waits for itself, so its turn never comes",
            fix="Name another step",
        )
    elif other not in known:
        choice = ", ".join(sorted(known - {step.id})) or "none"
        yield Hole(field=field, problem=f"there is no step {other!r}", fix=f"There is {choice}")


def _circles(runbook: Runbook) -> Found:
    waits = {step.id: {*step.after, *filter(None, [step.fallback_for])} - {step.id} for step in runbook.steps}
    free: set[str] = set()
    while more := {name for name, others in waits.items() if not others & set(waits) - free} - free:
        free |= more
    for field, step in _fields(runbook):
        if step.id not in free:
            others = ", ".join(sorted(waits[step.id] - free))
            problem = f"{step.id} and {others} wait for each other, so their turn never comes"
            yield Hole(field=field, problem=problem, fix="Break the circle of after and fallback_for")
            return


def _probes(runbook: Runbook) -> Found:
    for index, step in enumerate(runbook.firebreaks):
        if step.probe.every > step.probe.deadline:
            every, deadline = show_duration(step.probe.every), show_duration(step.probe.deadline)
            problem = f"it looks every {every}, and has only {deadline}"
            fix = "Make every shorter, or the deadline longer"
            yield Hole(field=f"firebreaks[{index}].probe.every", problem=problem, fix=fix)


def _groups(runbook: Runbook) -> Found:
    groups = [step.group for step in runbook.firebreaks if step.group]
    for index, step in enumerate(runbook.firebreaks):
        if step.group and groups.count(step.group) == 1:
            problem = f"{step.id} is alone in the group {step.group}"
            fix = "Give the steps that hold together the same group, or leave it out"
            yield Hole(field=f"firebreaks[{index}].group", problem=problem, fix=fix)


def _side_by_side(runbook: Runbook) -> Found:
    steps = runbook.firebreaks
    for index, step in enumerate(steps):
        for earlier in steps[:index]:
            ordered = _waits_for(runbook, step.id, earlier.id) or _waits_for(runbook, earlier.id, step.id)
            if step.lever == earlier.lever and not ordered:
                problem = f"{earlier.id} and {step.id} would move {step.lever} at the same time"
                fix = "Put one after the other, or make it the fallback"
                yield Hole(field=f"firebreaks[{index}].lever", problem=problem, fix=fix)


def _waits_for(runbook: Runbook, name: str, other: str) -> bool:
    """Whether a step's turn depends, at whatever distance, on the other's."""
    waits = {step.id: {*step.after, *filter(None, [step.fallback_for])} for step in runbook.steps}
    seen: set[str] = set()
    ahead = {name}
    while ahead - seen:
        seen |= ahead
        ahead = {far for near in ahead for far in waits.get(near, ())}
    return other in seen


# ---------------------------------------------------------------------------------------------- with this system


def _known(field: str, kind: str, name: str, known: tuple[str, ...], system: System) -> Found:
    if name not in known:
        problem = f"the system {system.system} has no {kind} {name!r}"
        yield Hole(field=field, problem=problem, fix=f"It has {', '.join(known) or 'none'}")


def _levers(runbook: Runbook, system: System) -> Found:
    for index, step in enumerate(runbook.firebreaks):
        field, lever = f"firebreaks[{index}]", system.lever(step.lever)
        yield from _known(
            f"{field}.lever", "lever", step.lever, tuple(each.id for each in system.levers), system
        )
        if lever:
            yield from _known(
                f"{field}.to", f"position of {lever.id}", step.to, tuple(lever.positions), system
            )
            if not lever.reversible:
                yield from _one_way(field, step, lever)


def _one_way(field: str, step: FirebreakStep, lever: LeverFitting) -> Found:
    """What a lever that cannot be put back demands."""
    if step.way_back is None:
        problem = f"a move without a way back: {lever.id} cannot be put back by the engine"
        yield Hole(field=field, problem=problem, fix="Write in way_back how people undo it")
    for name, given in (("preauthorized", step.preauthorized), ("absence", step.absence.severities)):
        if given:
            problem = f"{lever.id} cannot be put back, so it never moves without somebody's word"
            yield Hole(field=f"{field}.{name}", problem=problem, fix=f"Leave {name} out; the captain decides")
    if step.at_expiry == "lift":
        problem = f"{lever.id} cannot be put back, so nothing can lift it at its expiry"
        yield Hole(field=f"{field}.at_expiry", problem=problem, fix="Write keep or escalate")


def _checks(runbook: Runbook, system: System) -> Found:
    checks = tuple(check.id for check in system.checks)
    for index, step in enumerate(runbook.firebreaks):
        yield from _known(f"firebreaks[{index}].probe.check", "check", step.probe.check, checks, system)
    for index, check in enumerate(runbook.recovery.checks):
        yield from _known(f"recovery.checks[{index}]", "check", check, checks, system)
    yield from _known("lock.check", "check", runbook.lock.check, checks, system)


def _conditions(runbook: Runbook, system: System) -> Found:
    for field, step in _fields(runbook):
        for name, positions in (step.when.levers if step.when else {}).items():
            here, lever = f"{field}.when.levers.{name}", system.lever(name)
            yield from _known(here, "lever", name, tuple(each.id for each in system.levers), system)
            for position in positions if lever else ():
                assert lever
                yield from _known(here, f"position of {name}", position, tuple(lever.positions), system)


def _evidence(runbook: Runbook, system: System) -> Found:
    source, name = system.source(runbook.lock.source), runbook.lock.source
    yield from _known("lock.source", "source", name, tuple(each.id for each in system.sources), system)
    if source and source.privacy.encrypt_to:
        problem = f"the evidence of {name} is encrypted, and the station that runs the lock cannot read it"
        yield Hole(field="lock.source", problem=problem, fix="Name a source that is not encrypted")
    given = {item for each in system.sources for item in each.provides}
    for index, item in enumerate(runbook.needs):
        if item != "levers" and item not in given:
            problem = f"no source of the system {system.system} gives {item}"
            yield Hole(
                field=f"needs[{index}]", problem=problem, fix="Add a source that gives it, or need less"
            )
