"""What is wrong with a runbook beyond its form: names that lead nowhere, steps whose turn never comes, no way back."""

from collections.abc import Callable

from firestation.hole import Found, Hole, placed, waits, waits_for
from firestation.lock_plan import LONGEST_TRIAL, ONE_RUN
from firestation.model import show_duration
from firestation.runbook import GENERAL, Runbook
from firestation.steps import FirebreakStep, Step, When
from firestation.strangers import dangling
from firestation.system import System

__all__ = ["Hole", "dangling", "fitting", "holes"]


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
        _conditions,
        _twice,
        _probes,
        _groups,
        _side_by_side,
        _trial,
    )
    return tuple(hole for check in checks for hole in check(runbook))


def _match(runbook: Runbook) -> Found:
    if runbook.pattern != GENERAL and not runbook.match.names and not runbook.match.labels:
        problem = "it names no alarm and no label, so it is never offered"
        yield Hole(field="match", problem=problem, fix="Name the evidence of the pattern in names or labels")
    for label, values in runbook.match.labels.items():
        if not values:
            problem = f"the label {label} has no value, so no alarm ever matches"
            yield Hole(field=f"match.labels.{label}", problem=problem, fix="Name at least one value")


def _turns(runbook: Runbook) -> Found:
    known = {step.id for step in runbook.steps}
    for field, step in placed(runbook):
        for index, other in enumerate(step.after):
            yield from _names_step(f"{field}.after[{index}]", step, other, known)
        if step.fallback_for:
            yield from _names_step(f"{field}.fallback_for", step, step.fallback_for, known)
            if step.fallback_for in step.after:
                problem = (
                    f"{step.id} comes after {step.fallback_for} and instead of it, so its turn never comes"
                )
                yield Hole(field=f"{field}.after", problem=problem, fix="Keep one of the two")


def _names_step(field: str, step: Step, other: str, known: set[str]) -> Found:
    if other == step.id:
        yield Hole(
            field=field,
            problem=f"{step.id} waits for itself, so its turn never comes",
            fix="Name another step",
        )
    elif other not in known:
        others = ", ".join(sorted(known - {step.id}))
        fix = f"There is {others}" if others else "Leave it out; there is no other step"
        yield Hole(field=field, problem=f"there is no step {other!r}", fix=fix)


def _circles(runbook: Runbook) -> Found:
    near = {name: others - {name} for name, others in waits(runbook).items()}
    free: set[str] = set()
    while more := {name for name, others in near.items() if not others & set(near) - free} - free:
        free |= more
    for field, step in placed(runbook):
        if step.id not in free:
            others = ", ".join(sorted(near[step.id] - free))
            problem = f"{step.id} and {others} wait for each other, so their turn never comes"
            yield Hole(field=field, problem=problem, fix="Break the circle of after and fallback_for")
            return


def _conditions(runbook: Runbook) -> Found:
    """Conditions that can never hold, and what hangs on one that excludes it."""
    for field, step in placed(runbook):
        when = step.when
        for label, values in (when.labels if when else {}).items():
            matched = runbook.match.labels.get(label)
            if matched and not set(matched) & set(values):
                problem = f"the runbook is only for {label} {' or '.join(matched)}, so its turn never comes"
                fix = "Name one of these, or widen match"
                yield Hole(field=f"{field}.when.labels.{label}", problem=problem, fix=fix)
        if isinstance(step, FirebreakStep) and when:
            yield from _excluded(field, step, when)


def _excluded(field: str, step: FirebreakStep, when: When) -> Found:
    if when.levers.get(step.lever) == (step.to,):
        problem = f"only when {step.lever} stands at {step.to}, and that is where it would be moved"
        fix = "Name the positions that it is moved away from, or leave it out"
        yield Hole(field=f"{field}.when.levers.{step.lever}", problem=problem, fix=fix)
    for name, given in (
        ("preauthorized", step.preauthorized),
        ("absence.severities", step.absence.severities),
    ):
        strange = [severity for severity in given if when.severity and severity not in when.severity]
        if strange:
            problem = f"{step.id} is only for {', '.join(when.severity)}, so {strange[0]} never comes to it"
            fix = "Leave it out, or add it to when.severity"
            yield Hole(field=f"{field}.{name}", problem=problem, fix=fix)


def _twice(runbook: Runbook) -> Found:
    lists: list[tuple[str, tuple[str, ...]]] = [
        ("needs", runbook.needs),
        ("recovery.checks", runbook.recovery.checks),
    ]
    lists += [(f"{field}.after", step.after) for field, step in placed(runbook)]
    for field, names in lists:
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Hole(
                    field=f"{field}[{index}]", problem=f"{name} is named twice", fix="Keep one of the two"
                )


def _probes(runbook: Runbook) -> Found:
    for index, step in enumerate(runbook.firebreaks):
        if step.probe.every > step.probe.deadline:
            every, deadline = show_duration(step.probe.every), show_duration(step.probe.deadline)
            problem = f"it looks every {every}, and has only {deadline}"
            fix = "Make every shorter, or the deadline longer"
            yield Hole(field=f"firebreaks[{index}].probe.every", problem=problem, fix=fix)


def _trial(runbook: Runbook) -> Found:
    plan = runbook.lock
    if plan.kind == "process" or plan.trial <= LONGEST_TRIAL:
        return
    longest, most = show_duration(plan.trial), show_duration(LONGEST_TRIAL)
    problem = f"its trial may take {longest}, at {show_duration(ONE_RUN)} a run, and {most} are allowed"
    if plan.judge:
        fix = "Write fewer repetitions; where they no longer show at_least, ask less of it"
        yield Hole(field="lock.judge.repetitions", problem=problem, fix=fix)
    else:
        yield Hole(field="lock.runs", problem=problem, fix="Write fewer runs")


def _groups(runbook: Runbook) -> Found:
    groups = [step.group for step in runbook.firebreaks if step.group]
    for index, step in enumerate(runbook.firebreaks):
        if step.group and groups.count(step.group) == 1:
            problem = f"{step.id} is alone in the group {step.group}"
            fix = "Give the steps that hold together the same group, or leave it out"
            yield Hole(field=f"firebreaks[{index}].group", problem=problem, fix=fix)
        other = runbook.step(step.fallback_for) if step.fallback_for else None
        if step.group and other and other.group == step.group:
            problem = f"{step.id} comes only when {other.id} has failed, so the group {step.group} never holds together"
            fix = "Take the fallback out of the group"
            yield Hole(field=f"firebreaks[{index}].group", problem=problem, fix=fix)


def _side_by_side(runbook: Runbook) -> Found:
    steps = runbook.firebreaks
    for index, step in enumerate(steps):
        for earlier in steps[:index]:
            ordered = waits_for(runbook, step.id, earlier.id) or waits_for(runbook, earlier.id, step.id)
            if step.lever == earlier.lever and not ordered:
                problem = f"{earlier.id} and {step.id} would move {step.lever} at the same time"
                fix = "Make one the fallback of the other, which is put back first"
                yield Hole(field=f"firebreaks[{index}].lever", problem=problem, fix=fix)
            elif step.lever == earlier.lever and not (
                _frees(runbook, earlier, step) or _frees(runbook, step, earlier)
            ):
                problem = f"{step.lever} is still held by {earlier.id} when {step.id} would move it"
                fix = "Make one the fallback of the other, and that one if_ineffective: put-back"
                yield Hole(field=f"firebreaks[{index}].lever", problem=problem, fix=fix)


def _frees(runbook: Runbook, first: FirebreakStep, second: FirebreakStep) -> bool:
    """Whether the lever is back by itself when it is the second one's turn."""
    failed = runbook.step(second.fallback_for) if second.fallback_for else None
    if failed is None:
        return False
    if first.group:  # it holds together or not at all
        return failed.group == first.group
    return failed.id == first.id and first.if_ineffective == first.on_failure == "put-back"
