"""Opsgenie's outgoing webhook."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import (
    Foreign,
    Key,
    When,
    Words,
    alarm,
    flat,
    identity,
    read,
    started,
    subjects,
    system_of,
)
from firestation.bell.tags import labels_of

RINGS = {"Create": "firing", "Close": "resolved", "Delete": "resolved"}
LABEL = "the tag system:NAME, or the detail system, to the alert"


class OpsgenieAlert(Foreign):
    """An alert of Opsgenie; `createdAt` counts milliseconds."""

    alertId: Key  # noqa: N815 - Opsgenie's names
    alias: str | None = Field(default=None, max_length=512)
    message: Words
    description: str | None = None
    tags: tuple[str, ...] | None = None
    entity: str | None = None
    source: str | None = None
    priority: str | None = None
    details: dict[str, Any] | None = None
    createdAt: When | None = None  # noqa: N815


class Webhook(Foreign):
    """The whole body."""

    action: Key
    alert: Any


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarm of an alert that was created or closed; none of any other action."""
    told = read(Webhook, body)
    status = RINGS.get(told.action)
    if status is None:
        return Heard(())
    said = read(OpsgenieAlert, told.alert, "alert")
    key = identity(said.alias or said.alertId)
    if status == "resolved" and (rung := ear.rung.get(key)):  # a Close has no details
        return Heard((rung.changed(status="resolved"),))
    known = flat(said.details or {}, labels_of(said.tags or ()))
    fields = {
        "source": ear.source,
        "key": key,
        "system": system_of(ear, known.get("system"), "alert.tags", LABEL),
        "name": said.message,
        "status": status,
        "summary": said.description or said.message,
        "started_at": started(said.createdAt, ear, "alert.createdAt"),
        "labels": flat({"entity": said.entity, "source": said.source, "priority": said.priority}, known),
        **subjects(known),
    }
    where = {
        "key": "alias",
        "system": "tags",
        "name": "message",
        "summary": "description",
        "labels": "details",
    }
    return Heard((alarm(fields, {**where, "started_at": "createdAt"}, "alert."),))
