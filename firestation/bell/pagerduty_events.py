"""PagerDuty Events API v2: what can talk to PagerDuty can ring us.

Its `routing_key` is a secret: the door looks at it, and no alarm holds it. A resolve may say nothing but its
`dedup_key`; then the alarm that rang by it tells the rest.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from firestation.alarm import Alarm
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import (
    Foreign,
    When,
    Words,
    alarm,
    digest_of,
    flat,
    read,
    started,
    subjects,
    system_of,
)
from firestation.errors import InvalidInput
from firestation.model import without

SECRET = "routing_key"  # noqa: S105 - the name of the field
LABEL = "`system` to payload.custom_details"


class Payload(Foreign):
    """What a trigger tells."""

    summary: Words = Field(max_length=10_000)
    source: str = ""
    severity: str = ""
    timestamp: When | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = Field(default=None, alias="class")
    custom_details: Any = None


class Event(Foreign):
    """One event."""

    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: str | None = Field(default=None, max_length=255)
    payload: Any = None
    client: str | None = None
    client_url: str | None = None
    links: Any = None


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarm of an event; none of an acknowledgement, since only the captain's own acknowledges here."""
    event = read(Event, body)
    if event.event_action != "trigger" and not event.dedup_key:
        raise InvalidInput(
            "dedup_key", "it is not said which alarm this is of", "Send the key of its trigger"
        )
    if event.event_action == "acknowledge":
        return Heard(())
    key = event.dedup_key or made_key(body)
    rung = ear.rung.get(key)
    if event.event_action == "resolve" and rung is not None:
        return Heard((rung.changed(status="resolved"),))
    if event.event_action == "resolve" and event.payload is None:
        return Heard((_orphan(key, ear),))
    said = read(Payload, event.payload, "payload")
    details = (
        said.custom_details if isinstance(said.custom_details, dict) else {"details": said.custom_details}
    )
    known = flat(details)
    about = said.model_dump(include={"source", "severity", "component", "group", "class_"})
    fields = {
        "source": ear.source,
        "key": key,
        "system": system_of(ear, known.get("system"), "payload.custom_details.system", LABEL),
        "name": known.get("alertname") or said.class_ or said.summary,
        "status": "resolved" if event.event_action == "resolve" else "firing",
        "summary": said.summary,
        "started_at": started(said.timestamp, ear, "payload.timestamp"),
        "labels": flat({name.rstrip("_"): value for name, value in about.items() if value}, known),
        "annotations": flat({"client": event.client}),
        **subjects(known),
        "url": event.client_url or _link(event.links),
    }
    where = {
        "key": "dedup_key",
        "system": "payload.custom_details.system",
        "labels": "payload.custom_details",
    }
    return Heard((alarm(fields, {**where, "name": "payload.class", "summary": "payload.summary"}),))


def _orphan(key: str, ear: Ear) -> Alarm:
    """A resolve that says nothing but the key, of an alarm that is not remembered here. It finds no incident."""
    system = system_of(ear, None, "payload.custom_details.system", LABEL)
    fields = {"source": ear.source, "key": key, "system": system, "name": key, "status": "resolved"}
    return alarm({**fields, "started_at": started(None, ear, "payload.timestamp")}, {"key": "dedup_key"})


def made_key(body: Any) -> str:
    """The key of a trigger that brings none: the same event sent again has the same."""
    return digest_of(without(body, SECRET))[:32]


def _link(links: Any) -> str | None:
    """The first link that leads somewhere."""
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and isinstance(link.get("href"), str):
            return str(link["href"])
    return None
