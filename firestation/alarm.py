"""The alarm: one signal that something may be wrong, normalized from any source."""

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from firestation.attachment import MOST_ATTACHED, Attachment, both
from firestation.model import Id, Line, Model, Plain, Text, Time, canonical_json, wrong_at

MOST_TOGETHER = 100
"""Alarms in one delivery; far below what Temporal takes as one payload."""

MOST_KINDS = 50
"""So many different alarms of one fire are kept as they are; of the others there is a sample, and a count."""

OWN_BELL = "watch"
"""The station's own bell, as the station file names it: its watch rings there, and what has waited for a person."""

Status = Literal["firing", "resolved"]

SUBJECTS = ("request_ids", "trace_ids", "tenants", "users", "queries")
"""What an alarm may say it is about; evidence is asked for by these."""

MOST_SUBJECTS = 50
Subjects = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...], Field(max_length=MOST_SUBJECTS)
]


class Triaged(Model):
    """That it waited for a person, and was opened: by whom, or by nobody in time, and why."""

    by: Id | None
    why: Text


class Alarm(Model):
    """One alarm. `key` is its identity at its source: the same alarm sent again has the same key.

    `queries` are what was asked of the retriever, as text. `triaged`: it has been decided that this is an incident.
    `attachments` are what a person attached who rang.
    """

    source: Id
    key: str = Field(min_length=1, max_length=300)
    system: Id
    name: Line
    status: Status = "firing"
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
    triaged: Triaged | None = Field(default=None, exclude_if=lambda value: value is None)
    attachments: tuple[Attachment, ...] = Field(
        default=(), max_length=MOST_ATTACHED, exclude_if=lambda value: value == ()
    )

    def again(self, before: "Alarm") -> Self:
        """This alarm, which rang `before`, with what was attached to it then."""
        if not before.attachments:
            return self
        return self.changed(attachments=both(before.attachments, self.attachments))

    @property
    def delivery(self) -> str:
        """What a redelivery repeats: the alarm and its status, whatever else the source rewrites."""
        return f"{self.source}/{self.key}/{self.status}"


class Tally(Model):
    """How often an alarm rang that is told once for many times, by the clock of the gateway that took it.

    `began`: its status when it rang first; `changes`: how often its status changed after that. With `others` the alarm
    is a sample: it stands for different ones, which are counted together.
    """

    times: int = Field(ge=1)
    first_at: Time
    last_at: Time
    began: Status = "firing"
    changes: int = Field(default=0, ge=0)
    others: bool = False


class Batch(Model):
    """What one spool tells one incident at once. Numbers of a spool only grow: what was told is known by them."""

    spool: Id
    number: int = Field(ge=1)


class Alarms(Model):
    """Alarms of one incident that are told to it together, in the order in which they came.

    `tallies`, where there are any, are one for each alarm. A `batch` that comes twice is counted once.
    """

    alarms: tuple[Alarm, ...] = Field(min_length=1, max_length=MOST_TOGETHER)
    tallies: tuple[Tally, ...] = Field(default=(), exclude_if=lambda value: value == ())
    batch: Batch | None = Field(default=None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if self.tallies and len(self.tallies) != len(self.alarms):
            raise wrong_at(
                "tallies", says=f"{len(self.tallies)} tallies do not go with {len(self.alarms)} alarms"
            )
        return self


def incident_id(alarm: Alarm, fire_labels: tuple[str, ...]) -> str:
    """The id of the fire that this alarm belongs to: same system and same fire labels, same incident.

    `fire_labels` come from the system file. An alarm that lacks one of them counts as having it empty.
    """
    fire = [alarm.system, alarm.name, *(alarm.labels.get(label, "") for label in fire_labels)]
    return f"{alarm.system}-{hashlib.sha256(canonical_json(fire)).hexdigest()[:8]}"
