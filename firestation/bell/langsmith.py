"""LangSmith's alerts. They have no end that is told: what is over, the checks find out."""

from collections.abc import Mapping
from typing import Any

from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import (
    Foreign,
    Key,
    When,
    Words,
    alarm,
    flat,
    read,
    started,
    subjects,
    system_of,
)

LABEL = "`system` to the body of the alert's webhook"


class LangsmithAlert(Foreign):
    """What LangSmith adds to the body that was written into the webhook."""

    alert_rule_id: Key
    alert_rule_name: Words
    alert_rule_type: str | None = None
    alert_rule_attribute: str | None = None
    triggered_metric_value: int | float | str | None = None
    triggered_threshold: int | float | str | None = None
    project_name: str | None = None
    timestamp: When | None = None
    runs_url: str | None = None
    alert_rule_url: str | None = None
    system: str | None = None


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarm of an alert: the same rule is the same alarm."""
    said = read(LangsmithAlert, body)
    about = {
        "project": said.project_name,
        "attribute": said.alert_rule_attribute,
        "type": said.alert_rule_type,
    }
    value, most = said.triggered_metric_value, said.triggered_threshold
    compared = f": {said.alert_rule_attribute or 'the metric'} is {value}, the threshold is {most}"
    written = flat({what: text for what, text in body.items() if isinstance(text, str)})
    fields = {
        "source": ear.source,
        "key": said.alert_rule_id,
        "system": system_of(ear, said.system, "system", LABEL),
        "name": said.alert_rule_name,
        "summary": said.alert_rule_name + (compared if value is not None else ""),
        "started_at": started(said.timestamp, ear, "timestamp"),
        "labels": flat(about),
        "annotations": flat({"value": value, "threshold": most}),
        **subjects(written),
        "url": said.runs_url or said.alert_rule_url,
    }
    where = {"key": "alert_rule_id", "name": "alert_rule_name", "summary": "alert_rule_name"}
    return Heard((alarm(fields, {**where, "started_at": "timestamp", "labels": "project_name"}),))
