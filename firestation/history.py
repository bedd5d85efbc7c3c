"""A raw Temporal history, as exported in its standard JSON, read as plain data: no Temporal is imported here.

`steps` gives what an incident's workflow saw and ordered, one workflow task after the other, in the order in which
the SDK lets it see them: signals and updates first, then results and timers, then what the workflow ordered. Their time
is that of the workflow's own clock, which stands still during a task: so whoever tells a time from it tells the same.
"""

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from firestation.errors import InvalidInput

LONGEST_REASON = 4000  # of what the workflow puts on the record
PLAIN = "json/plain"
TASK_STARTED, TASK_COMPLETED = "WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_COMPLETED"
TASK_EVENTS = frozenset(
    {
        "WORKFLOW_TASK_SCHEDULED",
        TASK_STARTED,
        TASK_COMPLETED,
        "WORKFLOW_TASK_FAILED",
        "WORKFLOW_TASK_TIMED_OUT",
    }
)


class Step(NamedTuple):
    """One thing in a history that matters to an incident.

    `at` is when the task began in which the workflow saw or ordered it.

    `kind` is signal, update, ordered, maybe (see `_orders_after`), done, failed or timer; `name` the signal's, update's
    or activity's; `given` its argument, `answer` its result (for failed: the reason in words). `last` steps reached the
    run's last workflow task.
    """

    event_id: int
    at: datetime
    kind: str
    name: str
    given: Any = None
    answer: Any = None
    last: bool = False


class Run(NamedTuple):
    """One run of a workflow: its first and last event, and the steps between.

    `ended` is how (COMPLETED, TERMINATED and so on; None while it goes on), `result` what it returned.
    """

    run_id: str
    first_run_id: str
    started_at: datetime
    start: Any
    steps: tuple[Step, ...]
    ended: str | None
    result: Any
    next_run_id: str | None
    events: int
    size: int


def read_run(history: dict[str, Any]) -> Run:
    """Read one run.

    Raises `InvalidInput` when events are missing, out of order, or not those of a workflow, or cannot be read.
    """
    try:
        return _read_run(history)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"an event cannot be read ({type(error).__name__}: {error})"
        raise InvalidInput("events", what[:1000], "export the whole history again, decoded") from None


def _read_run(history: dict[str, Any]) -> Run:
    events: list[dict[str, Any]] = history.get("events") or []
    for number, event in enumerate(events, start=1):
        if int(event.get("eventId", 0)) != number:
            fix = "export the whole history again"
            raise InvalidInput(
                f"events[{number - 1}].eventId", f"expected {number}, found {event.get('eventId')}", fix
            )
    if not events or _type(events[0]) != "WORKFLOW_EXECUTION_STARTED":
        raise InvalidInput("events[0]", "a history begins with WorkflowExecutionStarted", "export it whole")
    started = _attributes(events[0])
    tasks = _tasks(events)
    closing = _attributes(events[-1])
    ended = _type(events[-1]).removeprefix("WORKFLOW_EXECUTION_")
    over = ended in {"COMPLETED", "FAILED", "TIMED_OUT", "CANCELED", "TERMINATED", "CONTINUED_AS_NEW"}
    return Run(
        run_id=started["originalExecutionRunId"],
        first_run_id=started["firstExecutionRunId"],
        started_at=next(iter(tasks.values()), _time(events[0])),
        start=_only(started.get("input")),
        steps=tuple(_steps(events, tasks)),
        ended=ended if over else None,
        result=_only(closing.get("result")) if ended == "COMPLETED" else None,
        next_run_id=closing.get("newExecutionRunId") or None,
        events=len(events),
        size=len(json.dumps(history)),
    )


class Child(NamedTuple):
    """A workflow that a run has started: the event that says so, and the first run of its chain."""

    event_id: int
    workflow: str
    run: str


def children(history: dict[str, Any]) -> tuple[Child, ...]:
    """The workflows that this run started as its children, in their order."""
    found = []
    for event in history.get("events") or []:
        if _type(event) == "CHILD_WORKFLOW_EXECUTION_STARTED":
            started = _attributes(event)["workflowExecution"]
            found.append(Child(int(event["eventId"]), started["workflowId"], started["runId"]))
    return tuple(found)


def continued_to(history: dict[str, Any]) -> str | None:
    """The run that goes on where this one ended; None where none does."""
    following: str | None = _attributes(history["events"][-1]).get("newExecutionRunId") or None
    return following


class WorkerBuild(NamedTuple):
    """Who completed workflow tasks: the process, its SDK, the build of its code, and how many tasks."""

    identity: str
    sdk: str
    build: str
    tasks: int


def workers(history: dict[str, Any]) -> tuple[WorkerBuild, ...]:
    """The workers of a run, in the order of their first task; what they did not say is `unknown`.

    A worker says once which SDK it is, with the first task of a run.
    """
    tasks, known = dict[tuple[str, str, str], int](), dict[str, str]()
    for event in history.get("events") or []:
        if _type(event) == TASK_COMPLETED:
            done = _attributes(event)
            sdk = done.get("sdkMetadata") or {}
            identity = done.get("identity") or "unknown"
            if sdk.get("sdkName"):
                known[identity] = f"{sdk['sdkName']} {sdk.get('sdkVersion') or ''}".strip()
            build = (done.get("workerVersion") or {}).get("buildId") or _deployed(done) or "unknown"
            key = identity, known.get(identity, "unknown"), build
            tasks[key] = tasks.get(key, 0) + 1
    return tuple(WorkerBuild(*key, count) for key, count in tasks.items())


def _deployed(done: dict[str, Any]) -> str | None:
    build: str | None = (done.get("deploymentVersion") or {}).get("buildId")
    return build


FOLLOWS = frozenset(
    {
        "scheduledEventId",
        "startedEventId",
        "workflowTaskCompletedEventId",
        "initiatedEventId",
        "acceptedEventId",
    }
)
"""How an event names an earlier one of its own run."""

LATE = timedelta(seconds=5)
"""How far the clocks of two Temporal hosts may be apart before a time is disbelieved."""


def disorder(history: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Events that come before what they follow from, by number or by time: each with what is wrong.

    Events of different things may overtake each other; one that names an earlier event cannot, nor can one task of the
    workflow the task before it, nor what a task has seen that task.
    """
    yield from _before_their_task(history["events"])
    times = {int(event["eventId"]): _time(event) for event in history["events"]}
    for event in history["events"]:
        number = int(event["eventId"])
        for name, value in _attributes(event).items():
            if name not in FOLLOWS or not str(value).isdigit() or int(value) == 0:
                continue
            if int(value) >= number:
                yield number, f"its {name} is {value}, which comes later"
            elif times[number] < times[int(value)] - LATE:
                early = times[int(value)] - times[number]
                yield number, f"it happened {early} before event {value}, from which it follows"


def _before_their_task(events: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    waiting, before = list[dict[str, Any]](), _time(events[0])
    for event in events:
        if _type(event) != TASK_STARTED:
            waiting.append(event)
            continue
        began = _time(event)
        if began < before - LATE:
            yield int(event["eventId"]), f"its task began {before - began} before the task before it"
        for each in waiting:
            if _time(each) > began + LATE:
                late = _time(each) - began
                yield int(each["eventId"]), f"it happened {late} after the task that has seen it had begun"
        waiting, before = [], max(began, before)


def _steps(events: list[dict[str, Any]], tasks: dict[int, datetime]) -> Iterator[Step]:
    scheduled: dict[int, Step] = {}
    answers = _answers(events)
    final = max(tasks, default=0)
    seen: list[Step] = []  # what arrived and has not been seen by a workflow task yet
    ordered: list[Step] = []  # what the last workflow task ordered
    now = _time(events[0])  # what the workflow's own clock shows: the start of its present task
    for event in events:
        kind = _type(event)
        if kind == TASK_COMPLETED:
            # The orders of the task before come first: they were made before this task saw anything.
            yield from (step._replace(at=now) for step in ordered)
            ordered = []
            completed = int(event["eventId"])
            now = tasks[completed]
            early = [step for step in seen if step.kind == "signal"]
            last = completed == final
            late = [step._replace(last=last) for step in seen if step.kind != "signal"]
            updates = list(_updates_after(events, completed, answers))
            orders = list(_orders_after(events, completed)) if late and (early or updates) else []
            yield from (step._replace(at=now) for step in (*early, *updates, *orders, *late))
            seen = []
        elif kind in TASK_EVENTS:
            continue
        elif kind == "ACTIVITY_TASK_SCHEDULED":
            step = _scheduled(event)
            scheduled[step.event_id] = step
            ordered.append(step)
        else:
            arrived = _arrived(event, scheduled)
            if arrived:
                seen.append(arrived)
    yield from (step._replace(at=now) for step in ordered)
    yield from seen


def _tasks(events: list[dict[str, Any]]) -> dict[int, datetime]:
    """When each task began, by the number of the event that completes it: its workflow took this for now."""
    began, found = _time(events[0]), dict[int, datetime]()
    for event in events:
        if _type(event) == TASK_STARTED:
            began = _time(event)
        elif _type(event) == TASK_COMPLETED:
            found[int(event["eventId"])] = began
    return found


def _done_by(events: list[dict[str, Any]], completed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The type and the event of each thing that a workflow task did: they follow its completion."""
    for number in range(completed, len(events)):
        kind = _type(events[number])
        if kind in TASK_EVENTS:
            return
        yield kind, events[number]


def _scheduled(event: dict[str, Any]) -> Step:
    attributes = _attributes(event)
    name, given = attributes["activityType"]["name"], _only(attributes.get("input"))
    return Step(int(event["eventId"]), _time(event), "ordered", name, given)


def _arrived(event: dict[str, Any], scheduled: dict[int, Step]) -> Step | None:
    kind, attributes = _type(event), _attributes(event)
    number, at = int(event["eventId"]), _time(event)
    if kind == "WORKFLOW_EXECUTION_SIGNALED":
        return Step(number, at, "signal", attributes["signalName"], _if_readable(attributes.get("input")))
    if kind == "TIMER_FIRED":
        return Step(number, at, "timer", "")
    if kind not in {"ACTIVITY_TASK_COMPLETED", "ACTIVITY_TASK_FAILED", "ACTIVITY_TASK_TIMED_OUT"}:
        return None
    order = scheduled[int(attributes["scheduledEventId"])]
    if kind == "ACTIVITY_TASK_COMPLETED":
        return Step(number, at, "done", order.name, order.given, _only(attributes.get("result")))
    return Step(number, at, "failed", order.name, order.given, _reason(attributes.get("failure") or {}))


def _updates_after(events: list[dict[str, Any]], completed: int, answers: dict[str, Any]) -> Iterator[Step]:
    """The updates that this workflow task accepted."""
    for kind, event in _done_by(events, completed):
        if kind == "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
            accepted = _attributes(event)
            request = accepted["acceptedRequest"]["input"]
            answer = answers.get(accepted["protocolInstanceId"])
            given = _only(request.get("args"))
            yield Step(int(event["eventId"]), _time(event), "update", request["name"], given, answer)


def _orders_after(events: list[dict[str, Any]], completed: int) -> Iterator[Step]:
    """The orders of this workflow task, each as a `maybe`: those that what people said calls for come before results.

    The SDK runs the workflow twice in a task: first with the signals and updates, then with the results and timers.
    """
    for kind, event in _done_by(events, completed):
        if kind == "ACTIVITY_TASK_SCHEDULED":
            yield _scheduled(event)._replace(kind="maybe")


def _answers(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The answers to updates, by the update's id; None for an update that failed."""
    completed = (
        _attributes(event) for event in events if _type(event) == "WORKFLOW_EXECUTION_UPDATE_COMPLETED"
    )
    return {each["meta"]["updateId"]: _only((each.get("outcome") or {}).get("success")) for each in completed}


def _reason(failure: dict[str, Any]) -> str:
    """The innermost reason of a failure, as the workflow reads it: with the type that it was given, cut as there."""
    while failure.get("cause"):
        failure = failure["cause"]
    kind, message = (
        (failure.get("applicationFailureInfo") or {}).get("type"),
        str(failure.get("message") or ""),
    )
    return (f"{kind}: {message}" if kind else message or "failed")[:LONGEST_REASON]


def _type(event: dict[str, Any]) -> str:
    return str(event.get("eventType", "")).removeprefix("EVENT_TYPE_")


def _attributes(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(
        (value for key, value in event.items() if key.endswith("EventAttributes")), {}
    )
    return found


def _time(event: dict[str, Any]) -> datetime:
    text = str(event["eventTime"])
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6]:0<6}+00:00")


def _only(payloads: dict[str, Any] | None) -> Any:
    """The only payload as JSON; None where there is none, or where there are several, which nobody can read.

    Raises `InvalidInput` for a payload that is encrypted or not JSON: decode it before the audit.
    """
    found: list[dict[str, Any]] = (payloads or {}).get("payloads") or []
    if len(found) != 1:
        return None
    encoding = base64.b64decode(found[0].get("metadata", {}).get("encoding", "")).decode()
    if encoding in {"binary/null", "binary/plain"}:
        return None
    if encoding != PLAIN:
        raise InvalidInput(
            "payload.metadata.encoding", f"{encoding!r} is not json/plain", "decode the history first"
        )
    return json.loads(base64.b64decode(found[0].get("data", "")))


def _if_readable(payloads: dict[str, Any] | None) -> Any:
    """The same for a signal: anybody may send bytes that nobody can read, and the workflow drops them.

    Raises `InvalidInput` for one that is encrypted.
    """
    try:
        return _only(payloads)
    except InvalidInput as error:
        if "encrypted" in error.problem:
            raise
    except ValueError:
        pass
    return None
