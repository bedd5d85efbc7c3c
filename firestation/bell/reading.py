"""What the formats have in common: reading what others wrote, and making an alarm of it, or an error in their words."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from firestation.alarm import MOST_SUBJECTS, SUBJECTS, Alarm
from firestation.bell.heard import Ear, Heard
from firestation.complaints import first_invalid
from firestation.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)
MOST_LABELS, LONGEST_VALUE, LONGEST_NAME = 64, 1000, 200
LONGEST_KEY, LONGEST_URL, LONGEST_LINE, LONGEST_TEXT = 300, 2000, 300, 4000
MOST_DEEP = 50
"""Levels of lists and objects in one delivery; OTLP, the deepest, has about twenty."""

MOST_SAID = 16_000
"""Characters of one alarm: fifty of a fire must fit, with all else, into the two megabytes that Temporal takes."""

MOST_ITEMS = 20_000
"""Things in one delivery: more of them than a megabyte of alarms holds would keep everybody else waiting."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""What must be said, however long: it is cut for the alarm, since a long title is no reason to stay silent."""


class Foreign(BaseModel):
    """A format that somebody else owns: fields that we do not know are theirs to add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        msg = "this is no time in UTC; write one between the years 1 and 9999"
        raise ValueError(msg) from None


When = Annotated[datetime, AfterValidator(_in_utc)]
"""A moment as others write it: without a zone it is UTC, as a number it counts seconds or milliseconds since 1970."""

WHEN: TypeAdapter[datetime] = TypeAdapter(When)


def read(model: type[M], body: Any, *at: str | int) -> M:
    """The body as this model; `at` is where it stands. Raises `InvalidInput` with the path from the top."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise first_invalid(error, model, at) from None


def moment(given: Any, field: str) -> datetime:
    """A moment as others write it, see `When`. Raises `InvalidInput`."""
    try:
        return WHEN.validate_python(given)
    except ValidationError:
        fix = "Write it like 2026-11-23T03:00:00Z, or as seconds since 1970"
        raise InvalidInput(field, "this is no moment", fix) from None


def shallow(body: Any) -> None:
    """Raises `InvalidInput` for what is nested deeper than any source nests."""
    layer, depth = [body], 0
    while layer:
        depth += 1
        if depth > MOST_DEEP:
            fix = "Send what the alert system sends by itself"
            raise InvalidInput("(whole)", f"this is nested deeper than {MOST_DEEP} levels", fix)
        inner = [_inside(each) for each in layer]
        layer = [each for found in inner for each in found]


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def each(items: Sequence[Any], make: Callable[[int, Any], Alarm | None]) -> Heard:
    """The alarms of a group. What is wrong with one is kept beside the others, which ring all the same.

    Raises `InvalidInput` for more than any source sends at once.
    """
    few_enough(len(items))
    alarms, errors = list[Alarm](), list[InvalidInput]()
    for index, item in enumerate(items):
        try:
            made = make(index, item)
        except InvalidInput as error:
            errors.append(error)
        else:
            alarms += [made] if made else []
    return Heard(tuple(alarms), tuple(errors))


def few_enough(items: int) -> None:
    """Raises `InvalidInput` for more than any source sends at once."""
    if items > MOST_ITEMS:
        problem = f"these are {items} in one delivery, and at most {MOST_ITEMS} are read"
        raise InvalidInput("(whole)", problem, "Send what the alert system sends by itself")


def system_of(ear: Ear, said: str | None, field: str, label: str) -> str:
    """The system that burns: what the alarm says, else the bell's own. Raises `InvalidInput` with both ways to say it.

    `label` is what the source calls the place, such as `the label system to the alerting rule`; empty for a source
    that has none.
    """
    system = said or ear.system
    if not system:
        at_the_bell = f"write `system:` at the bell {ear.source} in the station file"
        fix = f"Add {label}, or {at_the_bell}" if label else f"W{at_the_bell[1:]}"
        raise InvalidInput(field, "it is not said which system burns", fix)
    return system


def alarm(fields: dict[str, Any], where: Mapping[str, str], prefix: str = "") -> Alarm:
    """The alarm of these fields; `where` says where the source has each, after `prefix`. Raises `InvalidInput`."""
    known = {name: value for name, value in fields.items() if value is not None}
    known["name"] = cut(known.get("name", ""), LONGEST_LINE)
    known["summary"] = cut(known.get("summary") or known["name"], LONGEST_TEXT)
    if len(str(known.get("url", ""))) > LONGEST_URL:
        del known["url"]  # half an address leads nowhere
    for what, most in (("labels", LONGEST_VALUE), ("annotations", LONGEST_TEXT)):
        given = known.get(what, {})
        known[what] = {_short(name, LONGEST_NAME): _short(value, most) for name, value in given.items()}
    try:
        return bounded(Alarm.model_validate(known))
    except ValidationError as error:
        first = first_invalid(error, Alarm)
        head = first.field.partition(".")[0].partition("[")[0]
        field = where.get(head, head) + first.field[len(head) :]
        raise InvalidInput(prefix + field, first.problem, first.fix) from None


def bounded(alarm: Alarm) -> Alarm:
    """The alarm with no more about it than may be said: what it is, and its labels, are never less.

    What it is about comes first, then its annotations; what does not fit any more is left out.
    """
    if len(alarm.model_dump_json()) <= MOST_SAID:
        return alarm
    bare = alarm.changed(annotations={}, **dict.fromkeys(SUBJECTS, ()))
    left = MOST_SAID - len(bare.model_dump_json())

    def fits(*texts: str) -> bool:
        nonlocal left
        size = len(json.dumps(texts, ensure_ascii=False))
        if size > left:
            return False
        left -= size
        return True

    about = {what: tuple(each for each in getattr(alarm, what) if fits(each)) for what in SUBJECTS}
    notes = {name: value for name, value in alarm.annotations.items() if fits(name, value)}
    return bare.changed(annotations=notes, **about)


def started(said: datetime | None, ear: Ear, field: str) -> datetime:
    """When it began: what the source says, else when it was heard. Raises `InvalidInput` when neither is known."""
    if found := said or ear.at:
        return found
    raise InvalidInput(field, "it is not said when it began", "Add it, like 2026-11-23T03:00:00Z")


def cut(text: str, most: int) -> str:
    """The text, or its beginning where it is longer than an alarm can hold."""
    return _short(text.strip(), most)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def identity(*parts: object) -> str:
    """The key of an alarm: its parts with a slash between them, or their SHA-256 where that is too long.

    No two lists of parts make the same key: a slash within a part is escaped, but for the last.
    """
    *first, last = (str(part) for part in parts)
    key = "/".join([*(part.replace("%", "%25").replace("/", "%2F") for part in first), last])
    return key if len(key) <= LONGEST_KEY else f"sha256:{_sha256(key)}"


def digest_of(body: Any) -> str:
    """SHA-256 of what was sent as JSON: the same sent again has the same, whatever its headers say."""
    return _sha256(json.dumps(body, sort_keys=True))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def flat(*given: Any) -> dict[str, str]:
    """What others wrote as names and values, as labels: text as it is, all else as JSON, nothing without limit.

    What comes first is kept where there is too much, or the same name twice.
    """
    found: dict[str, str] = {}
    for each_given in given:
        for name, value in each_given.items() if isinstance(each_given, dict) else ():
            known = cut(str(name), LONGEST_NAME)
            if value is not None and known and len(found) < MOST_LABELS:
                found.setdefault(known, plain(value))
    return found


def plain(value: Any) -> str:
    """One value as a label."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return cut(text, LONGEST_VALUE)


def subjects(annotations: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What the annotations say the alarm is about: queries one a line, all else between commas."""
    found = {}
    for what in SUBJECTS:
        said = annotations.get(what, "")
        names = (name.strip() for name in (said.splitlines() if what == "queries" else said.split(",")))
        found[what] = tuple(dict.fromkeys(name for name in names if name))[:MOST_SUBJECTS]
    return found


Key = Annotated[str, Field(min_length=1, max_length=200)]
"""A name that the source gives to an alarm."""
