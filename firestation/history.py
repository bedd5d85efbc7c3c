"""A raw Temporal history, as exported in its standard JSON, read as plain data: no Temporal is imported here.

`steps` gives what an incident's workflow saw and ordered, one workflow task after the other, in the order in which
the SDK lets it see them: signals and updates first, then results and timers, then what the workflow ordered. Their time
is that of the workflow's own clock, which stands still during a task: so whoever tells a time from it tells the same.
"""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from firestation.errors import InvalidInput

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
    while failure.get("cause"):
        failure = failure["cause"]
    return str(failure.get("message") or "failed")


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
