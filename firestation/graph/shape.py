"""The graph of a runbook: from the alarm over its steps to the recovery and the lock."""

from typing import Literal

from firestation.hole import waits
from firestation.model import Line, Model, show_duration
from firestation.order import conditions, in_order
from firestation.runbook import Runbook
from firestation.steps import FirebreakStep, ManualStep

Kind = Literal["alarm", "evidence", "firebreak", "manual", "recovery", "lock"]
Way = Literal["then", "fallback"]
ALARM, EVIDENCE, RECOVERY, LOCK = "(alarm)", "(evidence)", "(recovery)", "(lock)"
"""Names that no step can have, for their brackets."""


class Node(Model):
    """One box: its first line is its title. Boxes of one `group` hold together or not at all."""

    id: Line
    kind: Kind
    lines: tuple[str, ...]
    group: Line | None = None


class Edge(Model):
    """An arrow: the one comes after the other, or only when that came to nothing."""

    start: Line
    end: Line
    way: Way = "then"


class Graph(Model):
    """Boxes and arrows. The boxes come in an order in which every arrow points onwards, unless it is in a circle."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph(runbook: Runbook) -> Graph:
    """The graph of a runbook. Steps that wait for nothing begin when the evidence is sealed."""
    steps = in_order(runbook)
    names = {step.id for step in steps}
    near = waits(runbook)
    edges = [Edge(start=ALARM, end=EVIDENCE)]
    for step in steps:
        if not near[step.id] & names:
            edges.append(Edge(start=EVIDENCE, end=step.id))
        edges += [Edge(start=other, end=step.id) for other in dict.fromkeys(step.after) if other in names]
        if step.fallback_for in names:
            edges.append(Edge(start=str(step.fallback_for), end=step.id, way="fallback"))
    waited_for = {name for others in near.values() for name in others}
    ends = [step.id for step in steps if step.id not in waited_for] or [EVIDENCE]
    # What has a fallback leads on by itself, too: when it holds, the fallback never comes.
    ends += [step.fallback_for for step in steps if step.fallback_for in names and step.fallback_for]
    edges += [Edge(start=name, end=RECOVERY) for name in dict.fromkeys(ends)]
    edges.append(Edge(start=RECOVERY, end=LOCK))
    return Graph(
        title=runbook.title,
        nodes=(_alarm(runbook), _evidence(runbook), *map(_step, steps), _recovery(runbook), _lock(runbook)),
        edges=tuple(edges),
    )


def _alarm(runbook: Runbook) -> Node:
    match = runbook.match
    said = [" or ".join(match.names)] if match.names else []
    said += [f"{label}: {' or '.join(values)}" for label, values in match.labels.items()]
    return Node(id=ALARM, kind="alarm", lines=("Alarm", *(said or ["that no other runbook is for"])))


def _evidence(runbook: Runbook) -> Node:
    needed = (f"above all {', '.join(runbook.needs)}",) if runbook.needs else ()
    return Node(id=EVIDENCE, kind="evidence", lines=("Evidence sealed", *needed))


def _step(step: FirebreakStep | ManualStep) -> Node:
    if isinstance(step, ManualStep):
        by = f"{step.confirmed_by} confirms within {show_duration(step.within)}"
        lines = (f"{step.id}: by hand", step.title, *conditions(step.when), by)
        return Node(id=step.id, kind="manual", lines=lines)
    who = f"unasked at {', '.join(step.preauthorized)}" if step.preauthorized else "the captain decides"
    if step.approvals > 1:
        who = f"{step.approvals} people decide"
    lines = (
        f"{step.id}: {step.lever} to {step.to}",
        *conditions(step.when),
        who,
        f"probe {step.probe.check} within {show_duration(step.probe.deadline)}",
        f"ends after {show_duration(step.expires_after)}",
        *([f"group {step.group}: all or none"] if step.group else []),
    )
    return Node(id=step.id, kind="firebreak", lines=lines, group=step.group)


def _recovery(runbook: Runbook) -> Node:
    plan = runbook.recovery
    held = f"{', '.join(plan.checks)} held for {show_duration(plan.soak)}"
    return Node(id=RECOVERY, kind="recovery", lines=("Recovered", held))


def _lock(runbook: Runbook) -> Node:
    tasks = tuple(f"{task.title} ({task.owner})" for task in runbook.after_action)
    return Node(id=LOCK, kind="lock", lines=("Lock", runbook.lock.title, *tasks))
