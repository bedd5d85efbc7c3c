"""Datadog's webhook, with the payload that docs/bells.md gives: Datadog fills in its `$VARIABLES` and sends it."""

import re
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
from firestation.errors import InvalidInput

VARIABLE = re.compile(r"\$[A-Z_]+(\[.*\])?")
STATE = re.compile(r"^(\[[^\]]*\]\s*)+(?=\S)")
"""What Datadog writes before a monitor's name, such as `[P1] [Triggered on {host:a}]`; it changes, the name not."""

OVER = "recovered"
LABEL = "the tag system:NAME to the monitor"


class DatadogAlert(Foreign):
    """The payload that we ask Datadog to send."""

    org_id: Key
    alert_cycle_key: Key
    alert_id: Key
    alert_transition: Key
    alert_title: Words
    alert_priority: str | None = None
    alert_scope: str | None = None
    text: str | None = None
    tags: str = ""
    link: str | None = None
    date: When | None = Field(default=None, description="$DATE, in milliseconds since 1970")


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarm of a notification; whatever has not recovered burns, a warning and missing data too."""
    _filled_in(body)
    said = read(DatadogAlert, body)
    known = labels_of(said.tags.split(","))
    about = {"alert_id": said.alert_id, "priority": said.alert_priority, "scope": said.alert_scope}
    fields = {
        "source": ear.source,
        "key": identity(said.org_id, said.alert_cycle_key),
        "system": system_of(ear, known.get("system"), "tags", LABEL),
        "name": STATE.sub("", said.alert_title),
        "status": "resolved" if said.alert_transition.lower() == OVER else "firing",
        "summary": said.text or said.alert_title,
        "started_at": started(said.date, ear, "date"),
        "labels": flat(about, known),
        **subjects(known),
        "url": said.link,
    }
    where = {"key": "alert_cycle_key", "name": "alert_title", "summary": "text", "system": "tags"}
    return Heard((alarm(fields, {**where, "started_at": "date", "labels": "tags", "url": "link"}),))


def _filled_in(body: Any) -> None:
    """Raises `InvalidInput` for a variable that Datadog has left as it was written: it knows none of this name."""
    for name, value in body.items() if isinstance(body, dict) else ():
        if isinstance(value, str) and VARIABLE.fullmatch(value):
            problem = f"Datadog has not filled in {value[:80]!r}"
            fix = "Write the payload of docs/bells.md into Datadog's webhook, letter by letter"
            raise InvalidInput(str(name), problem, fix)
