"""Prometheus Alertmanager, version 4; and what Grafana, which sends nearly the same, has in common with it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from firestation.alarm import Alarm
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import Foreign, Key, When, alarm, each, identity, read, subjects, system_of
from firestation.errors import InvalidInput

LABEL = "the label system to the alerting rule"


class Alert(Foreign):
    """One alert of a notification."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: When  # noqa: N815 - Alertmanager's name
    fingerprint: Key
    generatorURL: str = ""  # noqa: N815 - Alertmanager's name


class Notification(Foreign):
    """A notification: a group of alerts, each read by itself."""

    version: Literal["4"]
    alerts: tuple[Any, ...] = Field(min_length=1)
    truncatedAlerts: int = Field(default=0, ge=0, le=1_000_000_000)  # noqa: N815 - Alertmanager's name


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarms of a notification. The key of each is its fingerprint and its start, which stay when it is over."""
    read_of = read(Notification, body)

    def one(index: int, item: Any) -> Alarm:
        alert = read(Alert, item, "alerts", index)
        key = identity(alert.fingerprint, alert.startsAt.isoformat())
        return alarm_of(index, alert, ear, key=key, more=left_out(read_of.truncatedAlerts, "Alertmanager"))

    return each(read_of.alerts, one)._replace(cut=read_of.truncatedAlerts)


def left_out(number: int, by: str) -> str:
    """What the summary says of the alerts that were left out."""
    return f" ({number} more alerts were cut off by {by})" if number else ""


def alarm_of(
    index: int, alert: Alert, ear: Ear, *, key: str, more: str, url: str = "", **notes: str
) -> Alarm:
    """The alarm of one alert; `notes` join its annotations."""
    prefix, labels = f"alerts[{index}].", alert.labels
    system = system_of(ear, labels.get("system"), f"{prefix}labels.system", LABEL)
    if not labels.get("alertname"):
        fix = "Add the label alertname to the alerting rule"
        raise InvalidInput(f"{prefix}labels.alertname", "this label is missing", fix)
    said = alert.annotations
    summary = next((said[name] for name in ("summary", "description") if said.get(name)), labels["alertname"])
    fields = {
        "source": ear.source,
        "key": key,
        "system": system,
        "name": labels["alertname"],
        "status": alert.status,
        "summary": summary + more,
        "started_at": alert.startsAt,
        "labels": labels,
        "annotations": {**said, **notes},
        **subjects(said),
        "url": alert.generatorURL or url or None,
    }
    where = {"system": "labels.system", "name": "labels.alertname", "summary": "annotations.summary"}
    return alarm(fields, {**where, "key": "fingerprint", "started_at": "startsAt"}, prefix)
