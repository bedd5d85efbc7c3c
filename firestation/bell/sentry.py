"""Sentry's integration webhooks: issue alerts, metric alerts, and what becomes of issues."""

from collections.abc import Callable, Mapping
from typing import Any

from firestation.alarm import Alarm
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import (
    Foreign,
    Key,
    When,
    Words,
    alarm,
    digest_of,
    flat,
    identity,
    read,
    started,
    subjects,
    system_of,
)

LABEL = "the tag system to Sentry's events"
ISSUE = {"created": "firing", "unresolved": "firing", "resolved": "resolved"}
"""What an issue's own webhook says; to assign, ignore or archive one is nobody's word that it is over."""
METRIC = {"critical": "firing", "warning": "firing", "resolved": "resolved"}


class Hook(Foreign):
    """The whole body."""

    action: Key
    data: dict[str, Any]


class Event(Foreign):
    """The event that an issue alert tells of. Ids are numbers in some versions, and text in others."""

    issue_id: Key | int
    title: Words
    level: str | None = None
    web_url: str | None = None
    datetime: When | None = None
    tags: Any = None


class Issue(Foreign):
    """An issue."""

    id: Key | int
    title: Words
    level: str | None = None
    culprit: str | None = None
    web_url: str | None = None
    permalink: str | None = None
    firstSeen: When | None = None  # noqa: N815 - Sentry's name


class Rule(Foreign):
    """The rule of a metric alert."""

    name: Words


class Metric(Foreign):
    """Sentry's incident of a metric alert."""

    id: Key | int
    title: str | None = None
    alert_rule: Rule
    date_started: When | None = None


def hear(body: Any, headers: Mapping[str, str], ear: Ear) -> Heard:
    """The alarm of a webhook; none of a resource that tells of no alert, such as an installation or a comment."""
    hook = read(Hook, body)
    resource = headers.get("sentry-hook-resource") or next((each for each in MAKERS if each in hook.data), "")
    make = MAKERS.get(resource)
    found = make(hook, ear) if make else None
    return Heard((found,) if found else (), delivery=digest_of(body))


def _event(hook: Hook, ear: Ear) -> Alarm:
    """An issue alert. Its rule names the alarm: a person chose that name, and the title is the program's."""
    said = read(Event, hook.data.get("event"), "data", "event")
    rule = hook.data.get("triggered_rule")
    known = _tags(said.tags)
    fields = {
        "key": identity("issue", said.issue_id),
        "system": system_of(ear, known.get("system"), "data.event.tags", LABEL),
        "name": rule if isinstance(rule, str) and rule.strip() else said.title,
        "summary": said.title,
        "started_at": started(said.datetime, ear, "data.event.datetime"),
        "labels": flat({"level": said.level, "title": said.title}, known),
        **subjects(known),
        "url": said.web_url,
    }
    return _made(fields, ear, "data.event.", {"key": "issue_id", "name": "title", "summary": "title"})


def _issue(hook: Hook, ear: Ear) -> Alarm | None:
    status = ISSUE.get(hook.action)
    if status is None:
        return None
    said = read(Issue, hook.data.get("issue"), "data", "issue")
    key = identity("issue", said.id)
    if status == "resolved" and (rung := ear.rung.get(key)):  # the name that the rule gave it
        return rung.changed(status="resolved")
    fields = {
        "key": key,
        "system": system_of(ear, None, "data.issue", ""),
        "name": said.title,
        "status": status,
        "summary": said.title,
        "started_at": started(said.firstSeen, ear, "data.issue.firstSeen"),
        "labels": flat({"level": said.level, "title": said.title, "culprit": said.culprit}),
        "url": said.web_url or said.permalink,
    }
    return _made(fields, ear, "data.issue.", {"key": "id", "name": "title", "summary": "title"})


def _metric(hook: Hook, ear: Ear) -> Alarm | None:
    status = METRIC.get(hook.action)
    if status is None:
        return None
    said = read(Metric, hook.data.get("metric_alert"), "data", "metric_alert")
    text, url = hook.data.get("description_text"), hook.data.get("web_url")
    fields = {
        "key": identity("metric", said.id),
        "system": system_of(ear, None, "data.metric_alert", ""),
        "name": said.alert_rule.name,
        "status": status,
        "summary": text if isinstance(text, str) and text.strip() else said.title,
        "started_at": started(said.date_started, ear, "data.metric_alert.date_started"),
        "url": url if isinstance(url, str) else None,
    }
    return _made(fields, ear, "data.metric_alert.", {"key": "id", "name": "alert_rule.name"})


MAKERS: dict[str, Callable[[Hook, Ear], Alarm | None]] = {
    "event_alert": _event,
    "event": _event,
    "metric_alert": _metric,
    "issue": _issue,
}


def _made(fields: dict[str, Any], ear: Ear, prefix: str, where: dict[str, str]) -> Alarm:
    return alarm({"source": ear.source, **fields}, {**where, "system": "tags", "labels": "tags"}, prefix)


def _tags(tags: Any) -> dict[str, str]:
    """Sentry's tags, which are pairs."""
    found = {}
    for pair in tags if isinstance(tags, list) else []:
        match pair:
            case [name, value]:
                found[str(name)] = value
            case _:
                pass
    return flat(found)
