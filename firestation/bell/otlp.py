"""OTLP log events, as OTLP/HTTP has them in JSON: a log record that has an event name.

What is sent in protobuf comes here as JSON too, and senders of JSON differ in how they write a number or an id. However
an event was encoded, it must be the same alarm.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import Field

from firestation.alarm import Alarm
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import (
    Foreign,
    alarm,
    each,
    flat,
    identity,
    plain,
    read,
    started,
    subjects,
    system_of,
)
from firestation.errors import InvalidInput

NAME, ID, STATUS, SYSTEM, SERVICE = "event.name", "alarm.id", "alarm.status", "system", "service.name"
LABEL = "the attribute system to the log record, or to its resource"
HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")
NANO = 1_000_000_000
LATEST = 253_402_300_799
"""The last second of the year 9999."""


class Scope(Foreign):
    """The records of one scope."""

    logRecords: tuple[Any, ...] = ()  # noqa: N815 - OTLP's names


class Resource(Foreign):
    """The records of one resource."""

    resource: dict[str, Any] | None = None
    scopeLogs: tuple[Scope, ...] = ()  # noqa: N815


class Logs(Foreign):
    """The whole body."""

    resourceLogs: tuple[Resource, ...]  # noqa: N815


class Record(Foreign):
    """One log record. OTLP writes 64-bit numbers as text."""

    timeUnixNano: int = Field(default=0, ge=0, lt=2**64)  # noqa: N815
    observedTimeUnixNano: int = Field(default=0, ge=0, lt=2**64)  # noqa: N815
    eventName: str | None = None  # noqa: N815
    severityText: str | None = None  # noqa: N815
    body: Any = None
    attributes: Any = None
    traceId: str | None = Field(default=None, max_length=200)  # noqa: N815


class _Found(NamedTuple):
    place: str
    record: Any
    resource: dict[str, str]


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarms of the records that are events; the others are logs, and ring nothing.

    Nothing at all is a request that OTLP knows: it is how some senders ask whether anybody is there.
    """
    if body == {}:
        return Heard(())
    found = list(_records(read(Logs, body)))
    return each(found, lambda _, item: _alarm(item, ear))


def _records(logs: Logs) -> Iterator[_Found]:
    for number, resource in enumerate(logs.resourceLogs):
        known = _attributes((resource.resource or {}).get("attributes"))
        for which, scope in enumerate(resource.scopeLogs):
            for index, record in enumerate(scope.logRecords):
                place = f"resourceLogs[{number}].scopeLogs[{which}].logRecords[{index}]"
                yield _Found(place, record, known)


def _alarm(found: _Found, ear: Ear) -> Alarm | None:
    prefix = f"{found.place}."
    try:
        said = read(Record, found.record)
    except InvalidInput as error:
        raise InvalidInput(prefix + error.field, error.problem, error.fix) from None
    own = _attributes(said.attributes)
    name = said.eventName or own.get(NAME)
    if not name:
        return None
    known = flat(own, found.resource)
    key = identity(known.get(ID) or f"{known.get(SERVICE, '')}/{name}")
    about = subjects({what.removeprefix("alarm."): value for what, value in known.items()})
    trace = _trace(said.traceId)
    if trace and not about["trace_ids"]:
        about["trace_ids"] = (trace,)
    words = _value(said.body)
    fields = {
        "source": ear.source,
        "key": key,
        "system": system_of(ear, known.get(SYSTEM), f"{prefix}attributes.system", LABEL),
        "name": name,
        "status": "resolved" if known.get(STATUS, "").lower() == "resolved" else "firing",
        "summary": name if words is None else plain(words),
        "started_at": started(_moment(said), ear, f"{prefix}timeUnixNano"),
        "labels": flat({"severity": said.severityText or None}, known),
        **about,
    }
    where = {"key": "attributes", "name": "eventName", "summary": "body", "labels": "attributes"}
    return alarm(fields, {**where, "system": "attributes.system", "trace_ids": "traceId"}, prefix)


def _moment(said: Record) -> datetime | None:
    seconds = (said.timeUnixNano or said.observedTimeUnixNano) / NANO
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < LATEST else None


def _trace(given: str | None) -> str | None:
    """The id of a trace as trace stores write it; None for one of zeros only, which OTLP calls invalid."""
    if not given or not given.strip("0"):
        return None
    return given.lower() if HEXADECIMAL.fullmatch(given) else given


def _attributes(given: Any) -> dict[str, str]:
    return flat(_pairs(given))


def _pairs(given: Any) -> dict[str, Any]:
    """OTLP's attributes: pairs of a key and a typed value."""
    return {
        pair["key"]: _value(pair.get("value"))
        for pair in (given if isinstance(given, list) else [])
        if isinstance(pair, dict) and isinstance(pair.get("key"), str) and pair["key"]
    }


def _value(typed: Any) -> Any:
    """What stands in a typed value, such as `{"stringValue": "a"}`; None for an empty one."""
    if not isinstance(typed, dict) or len(typed) != 1:
        return typed or None
    ((kind, value),) = typed.items()
    inner = value.get("values") if isinstance(value, dict) else None
    match kind:
        case "intValue":
            return _number(int, value)
        case "doubleValue":
            return _number(float, value)
        case "arrayValue":
            return [_value(each) for each in (inner if isinstance(inner, list) else [])]
        case "kvlistValue":
            return _pairs(inner)
        case _:
            return value


def _number(kind: type[int] | type[float], value: Any) -> Any:
    """A number that may stand there as text, or without its point; what is none stays what it is."""
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return value
