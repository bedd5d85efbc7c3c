"""The base of every value in Firestation: frozen, closed, and with one canonical form.

Two people who hold the same value must compute the same SHA-256, today and in a year; so the canonical form
is decided here, once: JSON with sorted keys, no spaces, UTF-8, times in UTC, durations in seconds.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

DURATION = re.compile(r"(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Model(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_timedelta="float",
        validate_by_name=True,
        validate_by_alias=True,
    )

    def canonical(self) -> bytes:
        """The one byte form of this value that digests and signatures are made of."""
        return canonical_json(self.model_dump(mode="json"))

    def sha256(self) -> str:
        """SHA-256 of the canonical form, in lower-case hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def changed(self, **fields: Any) -> Self:
        """This value with some fields replaced."""
        return self.model_copy(update=fields)


def canonical_json(value: Any) -> bytes:
    """Encode plain data so that equal data has equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def wrong_at(*place: str | int, says: str) -> PydanticCustomError:
    """An error for a model's validator to raise: what `says` is wrong stands at this place within the model."""
    return PydanticCustomError("wrong_at", "{says}", {"says": says, "at": place})


def parse_duration(value: Any) -> Any:
    """Read "90s", "15m", "1h 30m" or "2d"; leave numbers (seconds) and timedelta to Pydantic."""
    if not isinstance(value, str):
        return value
    parts = list(DURATION.finditer(value))
    if not parts or DURATION.sub("", value).strip():
        msg = f"{value!r} is not a duration; write it like 90s, 15m, 1h 30m or 2d"
        raise ValueError(msg)
    return timedelta(seconds=sum(float(part["count"]) * UNITS[part["unit"]] for part in parts))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        msg = f"{moment.isoformat()} is no time in UTC; write one between the years 1 and 9999"
        raise ValueError(msg) from None


def show_duration(span: timedelta) -> str:
    """A duration as a person says it: 45s, 12m, 3h 20m, 2d 4h."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:  # noqa: PLR2004 - sixty seconds are a minute
        return f"{seconds}s"
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count)


def count(number: int, thing: str) -> str:
    """How many there are: `1 gap`, `2 gaps`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


V = TypeVar("V")


def without(mapping: Mapping[str, V], key: str) -> dict[str, V]:
    """The same mapping without this key, whether it was there or not."""
    return {name: value for name, value in mapping.items() if name != key}


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = "this is not text in Unicode, it has half of a character; send all of it, or leave it out"
        raise ValueError(msg) from None
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""A name that people type: lower case, digits, dot, dash and underscore, at most 63 characters."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Plain = Annotated[str, AfterValidator(_whole)]
"""Any text that can be written down; the others are such by their bounds, which Pydantic checks in UTF-8."""

Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Span = Annotated[timedelta, Field(gt=timedelta()), BeforeValidator(parse_duration)]
"""A duration that is more than nothing, where it is not a field of its own."""

Keys = Annotated[frozenset[str], PlainSerializer(sorted, return_type=list[str])]
"""A set of strings, written in order: a set itself has none, so that equal sets would have unequal digests."""
