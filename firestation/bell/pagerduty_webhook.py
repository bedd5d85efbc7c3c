"""PagerDuty V3 webhooks: what happens to PagerDuty's incidents."""

from collections.abc import Mapping
from typing import Any

from firestation.bell.heard import REMEMBERED, Ear, Heard
from firestation.bell.reading import Foreign, Key, When, Words, alarm, flat, read, started, system_of
from firestation.errors import InvalidInput

RINGS = {"incident.triggered": "firing", "incident.reopened": "firing", "incident.resolved": "resolved"}
"""The events that an alarm is made of; acknowledgements, notes and the rest are PagerDuty's own affair."""


class Event(Foreign):
    """What happened; `data` is what it happened to."""

    id: Key
    event_type: Key
    occurred_at: When | None = None
    data: Any = None


class Envelope(Foreign):
    """The whole body."""

    event: Any


class Incident(Foreign):
    """PagerDuty's incident."""

    id: Key
    title: Words
    incident_key: str | None = None
    urgency: str | None = None
    html_url: str | None = None
    created_at: When | None = None
    priority: Any = None
    service: Any = None


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarm of an incident that was triggered, reopened or resolved; none of any other event."""
    event = read(Event, read(Envelope, body).event, "event")
    status = RINGS.get(event.event_type)
    if status is None:
        return Heard((), delivery=event.id)
    _young(event, ear)
    said = read(Incident, event.data, "event", "data")
    labels = {
        "service": _name(said.service),
        "urgency": said.urgency,
        "priority": _name(said.priority),
        "incident_key": said.incident_key,
    }
    fields = {
        "source": ear.source,
        "key": said.id,
        "system": system_of(ear, None, "event.data", ""),
        "name": said.title,
        "status": status,
        "summary": said.title,
        "started_at": started(said.created_at or event.occurred_at, ear, "event.occurred_at"),
        "labels": flat(labels),
        "url": said.html_url,
    }
    where = {"key": "id", "name": "title", "summary": "title", "url": "html_url", "started_at": "created_at"}
    return Heard((alarm(fields, where, "event.data."),), delivery=event.id)


def _young(event: Event, ear: Ear) -> None:
    """PagerDuty signs no moment of sending, but when it happened: what nobody would know again is no news.

    Raises `InvalidInput`.
    """
    if ear.at and event.occurred_at and ear.at - event.occurred_at > REMEMBERED:
        problem = (
            f"this happened more than {REMEMBERED.days} days ago, and may be a copy of what was heard then"
        )
        raise InvalidInput(
            "event.occurred_at", problem, "Ring by hand for what still burns: firestation ring"
        )


def _name(reference: Any) -> str | None:
    """What PagerDuty calls the service or the priority that it refers to."""
    name = reference.get("summary") if isinstance(reference, dict) else None
    return name if isinstance(name, str) else None
