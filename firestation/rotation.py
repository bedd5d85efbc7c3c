"""On-call rotations as the station file has them: layers of people who take turns, and overrides of single days.

Days and times of day are local: a handoff at 09:00 stays at 09:00 when the clocks change. `firestation.oncall`
says who it is at a moment.
"""

import difflib
import re
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from firestation.model import Duration, Id, Model, Time, wrong_at

CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
DAY, WEEK = timedelta(days=1), timedelta(days=7)


class Weekday(StrEnum):
    """The days of the week, in their order."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


def weekday(day: date) -> Weekday:
    """The day of the week of a day."""
    return tuple(Weekday)[day.weekday()]


def _zone(name: str) -> str:
    try:
        if ZONE.fullmatch(name):
            ZoneInfo(name)
            return name
    except (OSError, ValueError, LookupError):  # a folder of zones, a path, a name that nobody has
        pass
    close = difflib.get_close_matches(name[:80], sorted(available_timezones()), n=1)
    fix = f"did you mean {close[0]!r}?" if close else "write an IANA name such as Europe/Berlin"
    raise ValueError(f"{name[:80]!r} is not a time zone; {fix}")


def _clock(text: str) -> str:
    if not CLOCK.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a time of day; write it like 09:00")
    return text


Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone by its IANA name, such as `Europe/Berlin`."""

Clock = Annotated[
    str,
    AfterValidator(_clock),
    WithJsonSchema({"type": "string", "pattern": f"^{CLOCK.pattern}$", "examples": ["09:00"]}),
]
"""A local time of day from 00:00 to 23:59."""


class Hours(Model):
    """A part of the week. When it ends at or before the time at which it begins, it ends on the next day."""

    days: tuple[Weekday, ...] = Field(
        default=tuple(Weekday), min_length=1, description="the days on which it begins; otherwise every day"
    )
    since: Clock = Field(alias="from", description="the local time at which it begins")
    until: Clock = Field(description="the local time at which it ends")


class Layer(Model):
    """People who take turns from the `start` day on, each for `turn`, handing off at a local time."""

    name: Id
    people: tuple[Id, ...] = Field(min_length=1, description="whose turn it is, one after the other")
    zone: Zone = Field(description="the IANA time zone of its days and times, such as Europe/Berlin")
    start: date = Field(
        ge=date(2000, 1, 1), le=date(2200, 1, 1), description="the day on which the first turn begins"
    )
    handoff: Clock = Field(default="09:00", description="the local time at which a turn ends")
    day: Weekday | None = Field(
        default=None, description="the weekday of the handoff; start must be on it, and turn be whole weeks"
    )
    turn: Duration = Field(
        default="7d", validate_default=True, ge=DAY, le=DAY * 366, description="whole days that a turn takes"
    )
    only: tuple[Hours, ...] = Field(
        default=(), description="the parts of the week that it covers; otherwise all of it"
    )

    @model_validator(mode="after")
    def _on_its_day(self) -> Self:
        if self.turn % DAY:
            raise wrong_at(
                "turn", says="a turn takes whole days, so that it ends at a time of day; write 1d or 7d"
            )
        if self.day and self.turn % WEEK:
            says = "with a day of the week a turn takes whole weeks; write 7d or 14d, or leave the day out"
            raise wrong_at("turn", says=says)
        if self.day and weekday(self.start) != self.day:
            first = self.start + DAY * ((tuple(Weekday).index(self.day) - self.start.weekday()) % 7)
            says = f"{self.start} is a {weekday(self.start)}, and the handoff is on {self.day}; write {first}"
            raise wrong_at("start", says=says)
        return self


class Override(Model):
    """Somebody who stands in from one moment until another, whoever's turn it is."""

    person: Id
    since: Time = Field(alias="from", description="with an offset, such as 2026-12-24T09:00:00+01:00")
    until: Time = Field(description="the moment at which it ends")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.until <= self.since:
            raise wrong_at("until", says="it ends before it begins; write a later time")
        return self


class Rotation(Model):
    """Who is on call: the first override that holds; else the first layer, top to bottom, that has somebody."""

    id: Id
    layers: tuple[Layer, ...] = Field(min_length=1)
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [layer.name for layer in self.layers]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise wrong_at(
                    "layers", index, "name", says=f"{name!r} is already a layer; give each its own name"
                )
        return self
