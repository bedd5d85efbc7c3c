"""What one system cannot follow in a runbook: names that it does not know, and moves that it does not allow."""

from collections.abc import Iterator

from firestation.hole import Found, Hole, placed
from firestation.runbook import Runbook
from firestation.steps import FirebreakStep
from firestation.system import Constraint, LeverFitting, Place, System


def dangling(runbook: Runbook, system: System) -> tuple[Hole, ...]:
    """What in the runbook this system cannot follow. Empty means that the two fit together."""
    checks = (_levers, _checks, _conditions, _constraints, _evidence)
    return tuple(hole for check in checks for hole in check(runbook, system))


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
    if runbook.lock.check:
        yield from _known("lock.check", "check", runbook.lock.check, checks, system)


def _conditions(runbook: Runbook, system: System) -> Found:
    for field, step in placed(runbook):
        for name, positions in (step.when.levers if step.when else {}).items():
            here, lever = f"{field}.when.levers.{name}", system.lever(name)
            yield from _known(here, "lever", name, tuple(each.id for each in system.levers), system)
            for position in positions if lever else ():
                assert lever
                yield from _known(here, f"position of {name}", position, tuple(lever.positions), system)


def _constraints(runbook: Runbook, system: System) -> Found:
    """Two steps that the system file says do not go together, and a condition that it says cannot be."""
    steps = runbook.firebreaks
    for index, step in enumerate(steps):
        for rule, other in _against(step, system):
            waited = step.when.levers.get(other.lever, ()) if step.when else ()
            if waited and set(waited) <= set(other.at):
                problem = f"only when {other.lever} stands at {' or '.join(waited)}, where {step.to} breaks {rule.id}"
                fix = f"Name another position. The reason: {rule.why}"
                yield Hole(field=f"firebreaks[{index}].when.levers.{other.lever}", problem=problem, fix=fix)
            for earlier in steps[:index]:
                if earlier.lever == other.lever and earlier.to in other.at and not _instead(step, earlier):
                    problem = f"{earlier.id} and {step.id} together break the constraint {rule.id}"
                    fix = f"Make one the fallback for the other, or take one out. The reason: {rule.why}"
                    yield Hole(field=f"firebreaks[{index}].to", problem=problem, fix=fix)


def _against(step: FirebreakStep, system: System) -> Iterator[tuple[Constraint, Place]]:
    """The constraints that this move stands at one side of, each with its other side."""
    for rule in system.constraints:
        for one, other in ((rule.with_, rule.breaks), (rule.breaks, rule.with_)):
            if step.lever == one.lever and step.to in one.at:
                yield rule, other


def _instead(step: FirebreakStep, other: FirebreakStep) -> bool:
    """Whether one comes only when the other has failed."""
    return step.fallback_for == other.id or other.fallback_for == step.id


def _evidence(runbook: Runbook, system: System) -> Found:
    name = runbook.lock.source
    source = system.source(name) if name else None
    if name:
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
