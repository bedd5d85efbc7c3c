"""Our own plain form, for everything that can send JSON; or any other JSON, by the mapping that the bell declares."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from firestation.alarm import MOST_SUBJECTS, OWN_BELL, SUBJECTS, Alarm, Subjects, Triaged
from firestation.attachment import MOST_ATTACHED, Attachment
from firestation.bell import mapping
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import alarm, each, moment, plain, read, started, subjects, system_of
from firestation.errors import InvalidInput
from firestation.expect import MISSING, value_at
from firestation.model import Id, Line, Model, Text, Time


class GenericAlarm(Model):
    """An alarm in our own form. What it is about may stand in annotations too, as for Alertmanager.

    `attachments` are for people, as `POST /attachments` answered them. `source` and `triaged` are for the station's own
    bell alone, which rings again what came from another.
    """

    system: Id | None = None
    id: str = Field(min_length=1, max_length=200)
    name: Line
    status: Literal["firing", "resolved"] = "firing"
    summary: Text
    started_at: Time
    labels: dict[str, str] = Field(default_factory=dict, max_length=64)
    annotations: dict[str, str] = Field(default_factory=dict, max_length=64)
    request_ids: Subjects = ()
    trace_ids: Subjects = ()
    tenants: Subjects = ()
    users: Subjects = ()
    queries: Subjects = ()
    url: str | None = Field(default=None, max_length=2000)
    source: Id | None = None
    triaged: Triaged | None = None
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=MOST_ATTACHED)


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:  # noqa: ARG001 - a format's form
    """The alarm of a message in our own form, or the alarms that the bell's mapping finds."""
    if ear.mapping is None:
        return Heard((_ours(body, ear),))
    declared = ear.mapping
    if declared.each is None:
        return Heard((_mapped(body, declared, ear, "$"),))
    items = value_at(body, declared.each)
    if not isinstance(items, list) or not items:
        fix = f"Send at least one, or change `each` at the bell {ear.source}"
        raise InvalidInput(declared.each, "there is no list of alarms", fix)
    return each(items, lambda index, item: _mapped(item, declared, ear, f"{declared.each}[{index}]"))


def _ours(body: Any, ear: Ear) -> Alarm:
    said = read(GenericAlarm, body)
    for name in ("source", "triaged"):
        if getattr(said, name) is not None and ear.source != OWN_BELL:
            fix = f"Leave it out; only the station's own bell {OWN_BELL!r} says it"
            raise InvalidInput(name, "you cannot say this", fix)
    if said.attachments and ear.by is None and ear.source != OWN_BELL:
        raise InvalidInput("attachments", "a bell attaches nothing", "Leave it out; only people attach files")
    fields = said.model_dump(exclude={"id"})
    if ear.by is not None:  # whoever rings answers for what is attached, whatever is claimed
        fields["attachments"] = [each.changed(by=ear.by).model_dump() for each in said.attachments]
    fields |= {"source": said.source or ear.source, "key": said.id}
    fields["system"] = system_of(ear, said.system, "system", "`system`, the `system` of its system file")
    fields |= {what: getattr(said, what) or found for what, found in subjects(said.annotations).items()}
    return alarm(fields, {})


def _mapped(item: Any, declared: mapping.Mapping, ear: Ear, base: str) -> Alarm:
    """One alarm of somebody's JSON; what is wrong is named by its path in there."""

    def found(path: str | None) -> Any:
        value = value_at(item, path) if path else MISSING
        return None if value is MISSING else value

    def place(path: str | None, name: str) -> str:
        return base + path.removeprefix("$") if path else name

    def told(name: str, path: str) -> str:
        value = found(path)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
            fix = f"Send it, or change `{name}` in the mapping of the bell {ear.source}"
            raise InvalidInput(place(path, name), "here is neither text nor a number", fix)
        return str(value)

    key, name, system = told("id", declared.id), told("name", declared.name), found(declared.system)
    at = found(declared.started_at)
    began = moment(at, place(declared.started_at, "started_at")) if at is not None else None
    where = place(declared.system, "system")
    labels = {
        label: plain(value) for label, path in declared.labels.items() if (value := found(path)) is not None
    }
    notes = {
        note: plain(value)
        for note, path in declared.annotations.items()
        if (value := found(path)) is not None
    }
    url, summary = found(declared.url), found(declared.summary)
    fields = {
        "source": ear.source,
        "key": key,
        "system": system_of(ear, plain(system) if system else None, where, "`system` to the mapping"),
        "name": name,
        "status": "resolved" if _over(found(declared.status), declared) else "firing",
        "summary": plain(summary) if summary else name,
        "started_at": started(began, ear, place(declared.started_at, "started_at")),
        "labels": labels,
        "annotations": notes,
        **subjects(notes),
        **{what: _names(found(path)) for what in SUBJECTS if (path := getattr(declared, what))},
        "url": plain(url) if url else None,
    }
    plainly = ("name", "summary", "system", "started_at", "url", *SUBJECTS)
    paths = {name: place(getattr(declared, name), name) for name in plainly}
    return alarm(fields, {**paths, "key": place(declared.id, "id")})


def _over(status: Any, declared: mapping.Mapping) -> bool:
    """Whether this is one of the values that say it is over; text whatever its case, and 1 is not true."""
    if isinstance(status, str):
        return status.lower() in {each.lower() for each in declared.resolved if isinstance(each, str)}
    return any(type(known) is type(status) and known == status for known in declared.resolved)


def _names(value: Any) -> tuple[str, ...]:
    """What an alarm is about: one name, or a list of them."""
    many = value if isinstance(value, list) else [value]
    names = (plain(each) for each in many if each is not None)
    return tuple(dict.fromkeys(name for name in names if name))[:MOST_SUBJECTS]
