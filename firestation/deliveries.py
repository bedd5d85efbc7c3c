"""What alert systems send, made into alarms. Pure: raw JSON in, alarms out, or an error that names the field."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firestation.alarm import MOST_SUBJECTS, SUBJECTS, Alarm, Subjects
from firestation.complaints import invalid_inputs
from firestation.errors import InvalidInput
from firestation.model import Id, Line, Model, Text, Time

M = TypeVar("M", bound=BaseModel)


class _Foreign(BaseModel):
    """A format that somebody else owns: fields that we do not know are theirs to add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AlertmanagerAlert(_Foreign):
    """One alert of an Alertmanager notification, version 4."""

    status: str = Field(pattern="^(firing|resolved)$")
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: Time  # noqa: N815 - Alertmanager's name
    fingerprint: str = Field(min_length=1, max_length=200)
    generatorURL: str = ""  # noqa: N815 - Alertmanager's name


class AlertmanagerNotification(_Foreign):
    """An Alertmanager notification, version 4: a group of alerts."""

    version: str = Field(pattern="^4$")
    alerts: tuple[AlertmanagerAlert, ...] = Field(min_length=1)
    truncatedAlerts: int = Field(default=0, ge=0)  # noqa: N815 - Alertmanager's name


class GenericAlarm(Model):
    """Our own plain format, for everything that can send JSON.

    What it is about may stand in annotations too, as for Alertmanager.
    """

    system: Id
    id: str = Field(min_length=1, max_length=200)
    name: Line
    status: str = Field(default="firing", pattern="^(firing|resolved)$")
    summary: Text
    started_at: Time
    labels: dict[str, str] = Field(default_factory=dict, max_length=64)
    annotations: dict[str, str] = Field(default_factory=dict, max_length=64)
    request_ids: Subjects = ()
    trace_ids: Subjects = ()
    tenants: Subjects = ()
    users: Subjects = ()
    queries: Subjects = ()
    url: str | None = Field(default=None, max_length=2000)


def from_alertmanager(body: Any, source: str) -> tuple[tuple[Alarm, ...], tuple[InvalidInput, ...]]:
    """The alarms of an Alertmanager notification, and what is wrong with those of its alerts that are none.

    The system is the label `system` of each alert. One alert that cannot be used does not silence the others.
    """
    read = _read(AlertmanagerNotification, body)
    alarms, errors = [], []
    for index, alert in enumerate(read.alerts):
        try:
            alarms.append(_alert(index, alert, source, read.truncatedAlerts))
        except InvalidInput as error:
            errors.append(error)
    return tuple(alarms), tuple(errors)


def _alert(index: int, alert: AlertmanagerAlert, source: str, truncated: int) -> Alarm:
    for label in ("system", "alertname"):
        if not alert.labels.get(label):
            fix = f"Add the label {label} to the alerting rule"
            raise InvalidInput(f"alerts[{index}].labels.{label}", "this label is missing", fix)
    notes = alert.annotations
    summary = next((notes[name] for name in ("summary", "description") if notes.get(name)), None)
    more = f" ({truncated} more alerts were cut off by Alertmanager)" if truncated else ""
    fields = {
        "source": source,
        "key": f"{alert.fingerprint}/{alert.startsAt.isoformat()}",
        "system": alert.labels["system"],
        "name": alert.labels["alertname"],
        "status": alert.status,
        "summary": (summary or alert.labels["alertname"]) + more,
        "started_at": alert.startsAt,
        "labels": alert.labels,
        "annotations": notes,
        **_subjects(notes),
        "url": alert.generatorURL or None,
    }
    return _alarm(fields, lambda field: f"alerts[{index}].{field}")


def from_generic(body: Any, source: str) -> Alarm:
    """The alarm of a generic message."""
    read = _read(GenericAlarm, body)
    fields = read.model_dump(exclude={"id"})
    fields |= {"source": source, "key": read.id}
    fields |= {what: getattr(read, what) or said for what, said in _subjects(read.annotations).items()}
    return _alarm(fields, lambda field: field)


def _subjects(annotations: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """What the annotations say the alarm is about: queries one a line, all else between commas."""
    found = {}
    for what in SUBJECTS:
        said = annotations.get(what, "")
        names = (name.strip() for name in (said.splitlines() if what == "queries" else said.split(",")))
        found[what] = tuple(dict.fromkeys(name for name in names if name))[:MOST_SUBJECTS]
    return found


def _read(model: type[M], body: Any) -> M:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid_inputs(error, model)[0] from None


def _alarm(fields: dict[str, Any], where: Callable[[str], str]) -> Alarm:
    try:
        return Alarm.model_validate(fields)
    except ValidationError as error:
        first = invalid_inputs(error, Alarm)[0]
        raise InvalidInput(where(first.field), first.problem, first.fix) from None
