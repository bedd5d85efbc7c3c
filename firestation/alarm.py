"""The alarm: one signal that something may be wrong, normalized from any source."""

import hashlib
from typing import Annotated, Literal

from pydantic import Field

from firestation.model import Id, Line, Model, Plain, Text, Time, canonical_json

MOST_TOGETHER = 100
"""Alarms in one delivery; far below what Temporal takes as one payload."""

SUBJECTS = ("request_ids", "trace_ids", "tenants", "users", "queries")
"""What an alarm may say it is about; evidence is asked for by these."""

MOST_SUBJECTS = 50
Subjects = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...], Field(max_length=MOST_SUBJECTS)
]


class Alarm(Model):
    """One alarm. `key` is its identity at its source: the same alarm sent again has the same key.

    `queries` are what was asked of the retriever, as text.
    """

    source: Id
    key: str = Field(min_length=1, max_length=300)
    system: Id
    name: Line
    status: Literal["firing", "resolved"] = "firing"
    summary: Text
    started_at: Time
    labels: dict[Plain, Plain] = Field(default_factory=dict, max_length=64)
    annotations: dict[Plain, Plain] = Field(default_factory=dict, max_length=64)
    request_ids: Subjects = ()
    trace_ids: Subjects = ()
    tenants: Subjects = ()
    users: Subjects = ()
    queries: Subjects = ()
    url: str | None = Field(default=None, max_length=2000)

    @property
    def delivery(self) -> str:
        """What a redelivery repeats: the alarm and its status, whatever else the source rewrites."""
        return f"{self.source}/{self.key}/{self.status}"


class Alarms(Model):
    """Alarms of one incident that are told to it together, in the order in which they came."""

    alarms: tuple[Alarm, ...] = Field(min_length=1, max_length=MOST_TOGETHER)


def incident_id(alarm: Alarm, fire_labels: tuple[str, ...]) -> str:
    """The id of the fire that this alarm belongs to: same system and same fire labels, same incident.

    `fire_labels` come from the system file. An alarm that lacks one of them counts as having it empty.
    """
    fire = [alarm.system, alarm.name, *(alarm.labels.get(label, "") for label in fire_labels)]
    return f"{alarm.system}-{hashlib.sha256(canonical_json(fire)).hexdigest()[:8]}"
