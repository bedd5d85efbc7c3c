"""What a system file declares of triage: what an alarm becomes, what silences what, and when work is announced."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from firestation.alike import Alike
from firestation.model import Id, Line, Model, Span, Text, Time, wrong_at

Class = Literal[
    "correctness", "grounding", "authorization", "safety", "cost", "latency", "privacy", "policy", "trust"
]
"""The classes of incidents in AI systems; an alarm carries its class as the label `class`."""

CLASS = "class"
LONGEST_WAIT = timedelta(days=7)
Then = Literal["incident", "person", "record"]


def _not_empty(match: Alike, field: str) -> None:
    if match.empty:
        raise wrong_at(field, says="it names no alarm and no label, so it is for none; name one")
    for label, values in match.labels.items():
        if not values:
            says = f"the label {label} has no value, so no alarm is meant; name at least one"
            raise wrong_at(field, "labels", label, says=says)


class TriageRule(Model):
    """What alarms like these become. The first rule that means an alarm decides; without one it is an incident."""

    id: Id = Field(description="its id; what it recorded is listed under it")
    match: Alike = Field(description="which alarms it is for, by their names and labels")
    class_: Class | None = Field(
        default=None, alias="class", description="the class that they get, if they bring none"
    )
    then: Then = Field(
        default="incident",
        description="an incident at once, a wait for a person, or an entry in the list of what was recorded",
    )
    within: Span | None = Field(
        default=None,
        le=LONGEST_WAIT,
        description="so long it waits for a person; after that it is an incident",
    )
    why: Text = Field(description="why, for whoever finds the alarm in the list")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        _not_empty(self.match, "match")
        if self.then == "person" and self.within is None:
            says = "it is missing; write after how long it becomes an incident by itself, such as 30m"
            raise wrong_at("within", says=says)
        if self.then != "person" and self.within is not None:
            raise wrong_at(
                "within", says=f"{self.then} waits for nobody; leave it out, or write then: person"
            )
        return self


class Inhibition(Model):
    """While an incident that such an alarm opened is open on this system, those that match are recorded only."""

    id: Id = Field(description="its id")
    while_: Alike = Field(alias="while", description="the alarm that opened the incident, which is open")
    match: Alike = Field(description="what is recorded only meanwhile")
    why: Text = Field(description="why the one explains the other")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        _not_empty(self.while_, "while")
        _not_empty(self.match, "match")
        return self


class Maintenance(Model):
    """A window of announced work: what matches is recorded only, from `starts` until just before `ends`."""

    id: Id = Field(description="its id")
    starts: Time = Field(description="when the work begins")
    ends: Time = Field(description="when it is over; alarms ring again from then on")
    match: Alike = Field(description="which alarms the work will ring; never all of them")
    by: Line = Field(description="who announced it")
    why: Text = Field(description="what is done")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        _not_empty(self.match, "match")
        if self.ends <= self.starts:
            raise wrong_at("ends", says="it ends before it starts; write a later time")
        return self
