"""CloudEvents 1.0 over HTTP: structured, binary and batched."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import Field

from firestation.alarm import Alarm
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import (
    Foreign,
    When,
    Words,
    alarm,
    each,
    flat,
    identity,
    read,
    started,
    subjects,
    system_of,
)
from firestation.errors import InvalidInput

BATCH, STRUCTURED, BINARY = "application/cloudevents-batch", "application/cloudevents", "ce-"
OVER = ("resolved", "recovered", "closed", "ok")
OWN = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "data", "data_base64", "datacontenttype"}
)
LABEL = "the extension attribute system to the event"


class CloudEvent(Foreign):
    """One event. Attributes that we do not know are extensions, and become labels."""

    specversion: Literal["1.0"]
    id: Words = Field(max_length=1000)
    source: Words = Field(max_length=1000)
    type: Words = Field(max_length=300)
    subject: str | None = Field(default=None, max_length=1000)
    time: When | None = None
    data: Any = None


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:
    """The alarms of one event, or of a batch. `subject` is what burns; an event without one is an alarm of its own."""
    kind = headers.get("content-type", "").lower().partition("+")[0]
    if kind == BATCH:
        if not isinstance(body, list):
            raise InvalidInput("(whole)", "a batch is a list", "Send [{...}, {...}], or another Content-Type")
        return each(body, lambda index, item: _alarm(item, ear, f"[{index}]."))
    if f"{BINARY}specversion" in headers and kind != STRUCTURED:
        known = {
            name.removeprefix(BINARY): unquote(value)
            for name, value in headers.items()
            if name.startswith(BINARY)
        }
        body = {**known, "data": body}
    found = _alarm(body, ear, "")
    return Heard((found,), delivery=identity(body["source"], body["id"]))


def _alarm(item: Any, ear: Ear, prefix: str) -> Alarm:
    try:
        said = read(CloudEvent, item)
    except InvalidInput as error:
        raise InvalidInput(prefix + error.field, error.problem, error.fix) from None
    data = said.data if isinstance(said.data, dict) else {"data": said.data}
    extensions = {name: value for name, value in item.items() if name not in OWN}
    known = flat(
        extensions, {name: value for name, value in data.items() if not isinstance(value, dict | list)}
    )
    stem, _, ending = said.type.rpartition(".")
    over = ending.lower() in OVER and bool(stem)
    told = known.get("status", "").lower()
    fields = {
        "source": ear.source,
        "key": identity(said.source, said.subject or said.id),
        "system": system_of(ear, known.get("system"), f"{prefix}system", LABEL),
        "name": stem if over else said.type,
        "status": "resolved" if over or told in OVER else "firing",
        "summary": next(
            (known[name] for name in ("summary", "message", "description") if known.get(name)), said.type
        ),
        "started_at": started(said.time, ear, f"{prefix}time"),
        "labels": flat({"source": said.source, "subject": said.subject}, known),
        **subjects(known),
    }
    where = {
        "key": "source",
        "name": "type",
        "started_at": "time",
        "summary": "data.summary",
        "labels": "data",
    }
    return alarm(fields, where, prefix)
