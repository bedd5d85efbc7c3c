"""One thing that is wrong with a runbook beyond its form, and where its steps stand in the file."""

from collections.abc import Iterator

from firestation.model import Line, Model, Text
from firestation.runbook import Runbook
from firestation.steps import FirebreakStep, ManualStep


class Hole(Model):
    """One thing that is wrong: the field, the problem and the fix."""

    field: Line
    problem: Text
    fix: Text


Found = Iterator[Hole]


def placed(runbook: Runbook) -> Iterator[tuple[str, FirebreakStep | ManualStep]]:
    """Each step with its place in the file, such as `firebreaks[0]`."""
    for kind in ("firebreaks", "manual"):
        for index, step in enumerate(getattr(runbook, kind)):
            yield f"{kind}[{index}]", step


def waits(runbook: Runbook) -> dict[str, set[str]]:
    """For each step the steps on which its turn depends at once."""
    return {step.id: {*step.after, *filter(None, [step.fallback_for])} for step in runbook.steps}


def waits_for(runbook: Runbook, name: str, other: str) -> bool:
    """Whether a step's turn depends, at whatever distance, on the other's."""
    near = waits(runbook)
    seen: set[str] = set()
    ahead = {name}
    while ahead - seen:
        seen |= ahead
        ahead = {far for each in ahead for far in near.get(each, ())}
    return other in seen
