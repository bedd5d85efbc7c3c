"""Langfuse's automations: the alerts of its monitors."""

from collections.abc import Mapping
from typing import Any

from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import Foreign, Key, When, Words, alarm, flat, read, started, system_of

ALERT, OVER = "monitor-alert", "OK"


class Message(Foreign):
    """What Langfuse says in words; it says something else when it is over."""

    title: Words
    body: str | None = None


class Monitor(Foreign):
    """The state of a monitor after it has changed."""

    monitorId: Key  # noqa: N815 - Langfuse's names
    projectId: str | None = None  # noqa: N815
    permalink: str | None = None
    message: Message
    severity: Key
    timestamp: When | None = None
    view: str | None = None
    window: str | None = None


class Envelope(Foreign):
    """The whole body."""

    id: Key
    type: Key
    timestamp: When | None = None
    payload: Any = None


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarm of a monitor; none of what happens to prompts. Missing data burns too: nobody knows that it is well."""
    told = read(Envelope, body)
    if told.type != ALERT:
        return Heard((), delivery=told.id)
    said = read(Monitor, told.payload, "payload")
    about = {"project": said.projectId, "view": said.view, "window": said.window}
    fields = {
        "source": ear.source,
        "key": said.monitorId,
        "system": system_of(ear, None, "payload", ""),
        "name": said.monitorId,
        "status": "resolved" if said.severity.upper() == OVER else "firing",
        "summary": f"{said.message.title}: {said.message.body}" if said.message.body else said.message.title,
        "started_at": started(said.timestamp or told.timestamp, ear, "payload.timestamp"),
        "labels": flat(about),
        "annotations": flat({"severity": said.severity}),
        "url": said.permalink,
    }
    where = {"key": "monitorId", "name": "monitorId", "summary": "message.title", "url": "permalink"}
    return Heard((alarm(fields, {**where, "started_at": "timestamp"}, "payload."),), delivery=told.id)
