"""Histories as the Temporal server would have written them: the same life of an incident, in its standard JSON.

`Server` keeps what it is told (signals, updates, activities, timers) in workflow tasks and writes them out in its own
order, with the noise of a real one: tasks that failed first, signals that came after results, heartbeats of time.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from pydantic import BaseModel

Attributes = dict[str, Any]
End = tuple[str, Attributes]


def payloads(value: Any) -> Attributes:
    """One value as the data converter writes it."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    data = base64.b64encode(json.dumps(plain).encode()).decode()
    return {"payloads": [{"metadata": {"encoding": base64.b64encode(b"json/plain").decode()}, "data": data}]}


@dataclass
class Activity:
    """An activity that was ordered. It has an event id once it is written."""

    name: str
    given: BaseModel
    event_id: int = 0


@dataclass
class Task:
    """One workflow task: what had arrived when it began, what it accepted, and what it ordered.

    `stage` is how far it has come: signals, updates, orders that these called for, results, orders after those.
    """

    at: datetime
    arrived: list[tuple[str, Attributes, Activity | None]] = field(default_factory=list)
    updates: list[tuple[str, BaseModel, Any]] = field(default_factory=list)
    ordered: list[Activity] = field(default_factory=list)
    stage: int = 0
    owed: frozenset[Any] = frozenset()
    owed_before_results: frozenset[Any] = frozenset()


A_MOMENT = timedelta(milliseconds=20)
"""A workflow's clock shows when its task began: what arrived was there before, what came of it is written after."""

SIGNALS, UPDATES, ORDERS, RESULTS, LATER_ORDERS = range(5)


class Server:
    """Keeps one incident's runs. `owed()` is what the workflow would order now; it is looked at when a task begins."""

    def __init__(self, first_run: str, noise: Random) -> None:
        self.noise = noise
        self.first_run = first_run
        self.runs: list[tuple[str, BaseModel, list[Task], End | None]] = []
        self.tasks: list[Task] = []
        self.task: Task | None = None

    def begin(self, run: str, start: BaseModel) -> None:
        """A run starts with this input."""
        self.tasks, self.task = [], None
        self.runs.append((run, start, self.tasks, None))

    def turn(self, stage: int, at: datetime, owed: frozenset[Any]) -> Task:
        """The workflow task that this belongs to: the present one where its order allows it, or a new one."""
        task = self.task
        fits = task is not None and task.at == at and task.stage <= stage and self.noise.random() < 0.5
        if task is not None and stage == ORDERS and task.at == at:
            after = (
                task.stage >= RESULTS
            )  # what was owed before the results would have been ordered before them
            fits = not (after and (owed & task.owed_before_results))
            stage = LATER_ORDERS if after else ORDERS
        if task is None or not fits:
            self.task = task = Task(at, owed=owed)
            self.tasks.append(task)
        if stage == RESULTS and task.stage < RESULTS:
            task.owed_before_results = owed
        task.stage = stage
        return task

    def signal(self, task: Task, name: str, given: BaseModel | None) -> None:
        attributes = {"signalName": name, **({"input": payloads(given)} if given else {})}
        place = self.noise.randint(0, len(task.arrived)) if self.noise.random() < 0.3 else len(task.arrived)
        if any(kind == "WORKFLOW_EXECUTION_SIGNALED" for kind, _, _ in task.arrived):
            place = len(task.arrived)
        task.arrived.insert(place, ("WORKFLOW_EXECUTION_SIGNALED", attributes, None))

    def timer(self, task: Task) -> None:
        task.arrived.append(("TIMER_FIRED", {"timerId": "1", "startedEventId": "1"}, None))

    def result(self, task: Task, activity: Activity, answer: Any) -> None:
        task.arrived.append(("ACTIVITY_TASK_COMPLETED", {"result": payloads(answer)}, activity))

    def failure(self, task: Task, activity: Activity, why: str) -> None:
        failure = {"message": "activity failed", "cause": {"message": why}}
        kind = "ACTIVITY_TASK_FAILED" if self.noise.random() < 0.7 else "ACTIVITY_TASK_TIMED_OUT"
        task.arrived.append((kind, {"failure": failure}, activity))

    def ends(self, kind: str, result: BaseModel | None = None) -> None:
        """The run ends with its last task."""
        run, start, tasks, _ = self.runs[-1]
        self.runs[-1] = (run, start, tasks, (kind, {"result": payloads(result)} if result else {}))
        self.task = None

    def histories(self) -> list[Attributes]:
        """Every run, the oldest first."""
        following = [run for run, *_ in self.runs[1:]]
        return [
            _Writer(self.noise).write(self.first_run, run, start, tasks, end, next_run)
            for (run, start, tasks, end), next_run in zip(self.runs, [*following, None], strict=True)
        ]


class _Writer:
    def __init__(self, noise: Random) -> None:
        self.noise, self.events = noise, list[Attributes]()

    def add(self, kind: str, at: datetime, attributes: Attributes) -> int:
        name = kind.title().replace("_", "")
        number = len(self.events) + 1
        event = {
            "eventId": str(number),
            "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z",
            "eventType": f"EVENT_TYPE_{kind}",
            f"{name[0].lower()}{name[1:]}EventAttributes": attributes,
        }
        self.events.append(event)
        return number

    def write(
        self, first_run: str, run: str, start: Any, tasks: list[Task], end: End | None, following: str | None
    ) -> Attributes:
        begun = {
            "originalExecutionRunId": run,
            "firstExecutionRunId": first_run,
            "workflowType": {"name": "Incident"},
            "input": payloads(start),
        }
        self.add("WORKFLOW_EXECUTION_STARTED", tasks[0].at, begun)
        for task in tasks:
            self.task(task)
        if end:
            kind, told = end
            self.add(kind, tasks[-1].at, {**told, **({"newExecutionRunId": following} if following else {})})
        return {"events": self.events}

    def task(self, task: Task) -> None:
        for kind, told, activity in task.arrived:
            attributes = told
            if activity:
                assert activity.event_id, "a result comes after its order"
                scheduled = {"scheduledEventId": str(activity.event_id)}
                started = self.add("ACTIVITY_TASK_STARTED", task.at, {"attempt": 1, **scheduled})
                attributes = {**told, **scheduled, "startedEventId": str(started)}
            self.add(kind, task.at - A_MOMENT, attributes)
        if self.noise.random() < 0.1:  # a worker that died with the task: it is done again
            self.add("WORKFLOW_TASK_SCHEDULED", task.at, {})
            self.add("WORKFLOW_TASK_STARTED", task.at - A_MOMENT, {})
            self.add(self.noise.choice(["WORKFLOW_TASK_FAILED", "WORKFLOW_TASK_TIMED_OUT"]), task.at, {})
        self.add("WORKFLOW_TASK_SCHEDULED", task.at, {})
        self.add("WORKFLOW_TASK_STARTED", task.at, {})
        self.add("WORKFLOW_TASK_COMPLETED", task.at + A_MOMENT, {})
        for name, given, answer in task.updates:
            self.update(task, name, given, answer)
        for activity in task.ordered:
            ordered = {"activityType": {"name": activity.name}, "input": payloads(activity.given)}
            activity.event_id = self.add("ACTIVITY_TASK_SCHEDULED", task.at + A_MOMENT, ordered)

    def update(self, task: Task, name: str, given: BaseModel, answer: Any) -> None:
        protocol = f"update-{len(self.events)}"
        request = {"input": {"name": name, "args": payloads(given)}}
        accepted = {"acceptedRequest": request, "protocolInstanceId": protocol}
        self.add("WORKFLOW_EXECUTION_UPDATE_ACCEPTED", task.at, accepted)
        completed = {"meta": {"updateId": protocol}, "outcome": {"success": payloads(answer)}}
        self.add("WORKFLOW_EXECUTION_UPDATE_COMPLETED", task.at, completed)
