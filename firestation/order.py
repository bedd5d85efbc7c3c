"""The steps of a runbook in an order in which people can do them, and what each waits for in words."""

from firestation.hole import waits
from firestation.runbook import Runbook
from firestation.steps import FirebreakStep, ManualStep, Step, When


def in_order(runbook: Runbook) -> tuple[FirebreakStep | ManualStep, ...]:
    """Each step after those that it waits for, otherwise as written. What waits in a circle comes last."""
    near = waits(runbook)
    left = list(runbook.steps)
    found: list[FirebreakStep | ManualStep] = []
    while left:
        ahead = {step.id for step in left}
        free = next((step for step in left if not near[step.id] & ahead), left[0])
        left.remove(free)
        found.append(free)
    return tuple(found)


def wanted(step: Step) -> str:
    """What must be so before it is the step's turn; empty when nothing must."""
    said = [f"after {', '.join(step.after)}"] if step.after else []
    if step.fallback_for:
        said.append(f"only when {step.fallback_for} came to nothing")
    return "; ".join([*said, *conditions(step.when)])


def conditions(when: When | None) -> list[str]:
    """The conditions, each in words."""
    if when is None:
        return []
    said = [f"only at {', '.join(when.severity)}"] if when.severity else []
    said += [f"only when the label {label} is {' or '.join(values)}" for label, values in when.labels.items()]
    return said + [
        f"only when {lever} stands at {' or '.join(names)}" for lever, names in when.levers.items()
    ]
