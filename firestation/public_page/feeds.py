"""The page for programs: JSON in the shape of Statuspage's API v2 and of incident.io's widget, and an Atom feed.

Shapes: the API page of any Statuspage (`<page>/api`), incident.io's "Widget API", RFC 4287. A scheduled maintenance is
nothing that Firestation knows, so these lists are empty.
"""

import hashlib
import re
import uuid
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from firestation.model import canonical_json
from firestation.public_page.page import PublicPage, end_of, name_of
from firestation.public_page.part import Condition, PublicIncident, PublicWord

ATOM = "http://www.w3.org/2005/Atom"
XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
ILLEGIBLE = re.compile(
    "[^\t\n\r\u0020-\u007e\u00a0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
"""Control characters, which XML cannot hold, and those that turn the direction of what stands beside them."""

MOST_ENTRIES = 50
INDICATORS: dict[Condition, str] = {
    "operational": "none",
    "degraded_performance": "minor",
    "partial_outage": "major",
    "major_outage": "critical",
}
INCIDENT_IO: dict[Condition, str] = {"major_outage": "full_outage"}


def words_of(word: PublicWord) -> str:
    """An update as plain text, the unknown as unknown."""
    lines = [word.known]
    lines += [f"Not known yet: {word.unknown}"] if word.unknown else []
    lines += [f"What we do: {word.doing}"] if word.doing else []
    return "\n".join(lines)


def legible(text: str) -> str:
    """The text as people and XML can have it, with a mark where something else stood."""
    return ILLEGIBLE.sub("\ufffd", text)


# Statuspage ------------------------------------------------------------------------------------------------


def summary(page: PublicPage) -> dict[str, Any]:
    """`api/v2/summary.json`: how everything is, the components, and the incidents that go on."""
    return {
        **status(page),
        "components": _components(page),
        "incidents": [_incident(page, part) for part in page.open],
        "scheduled_maintenances": [],
    }


def status(page: PublicPage) -> dict[str, Any]:
    """`api/v2/status.json`."""
    return {
        "page": _page(page),
        "status": {"indicator": INDICATORS[page.condition], "description": page.headline},
    }


def incidents(page: PublicPage) -> dict[str, Any]:
    """`api/v2/incidents.json`: the last fifty, the newest first."""
    newest = sorted(page.incidents, key=lambda each: (each.began_at, each.reference), reverse=True)
    return {"page": _page(page), "incidents": [_incident(page, part) for part in newest[:MOST_ENTRIES]]}


def _page(page: PublicPage) -> dict[str, Any]:
    return {
        "id": _id("page", page.title, page.address),
        "name": page.title,
        "url": page.address,
        "time_zone": "Etc/UTC",
        "updated_at": _time(page.written_at),
    }


def _components(page: PublicPage) -> list[dict[str, Any]]:
    return [
        {
            "id": each.component.id,
            "name": each.component.title,
            "description": each.component.description,
            "status": each.condition,
            "position": number,
            "created_at": _time(page.written_at),
            "updated_at": _time(page.written_at),
            "page_id": _id("page", page.title, page.address),
            "group_id": None,
            "group": False,
            "showcase": False,
            "start_date": None,
            "only_show_if_degraded": False,
        }
        for number, each in enumerate(page.components, start=1)
    ]


def _incident(page: PublicPage, part: PublicIncident) -> dict[str, Any]:
    monitoring = (word.at for word in part.words if word.status == "monitoring")
    ours = {each.id for each in part.components}
    return {
        "id": part.reference,
        "name": name_of(part),
        "status": part.status,
        "impact": part.impact,
        "created_at": _time(part.began_at),
        "started_at": _time(part.began_at),
        "updated_at": _time(part.changed_at),
        "monitoring_at": _maybe(next(monitoring, None)),
        "resolved_at": _maybe(part.over_at),
        "shortlink": page.link(part),
        "page_id": _id("page", page.title, page.address),
        "incident_updates": [_update(part, word) for word in reversed(part.words)],
        "components": [each for each in _components(page) if each["id"] in ours],
    }


def _update(part: PublicIncident, word: PublicWord) -> dict[str, Any]:
    at = _time(word.at)
    return {
        "id": _id("update", part.reference, at),
        "incident_id": part.reference,
        "status": word.status,
        "body": words_of(word),
        "created_at": at,
        "updated_at": at,
        "display_at": at,
        "affected_components": None,
        "deliver_notifications": False,
        "custom_tweet": None,
        "tweet_id": None,
    }


# incident.io -----------------------------------------------------------------------------------------------


def widget(page: PublicPage) -> dict[str, Any]:
    """`api/v1/summary.json`: what goes on, as incident.io's widget tells it."""
    return {
        "page_title": page.title,
        "page_url": page.address,
        "ongoing_incidents": [_ongoing(page, part) for part in page.open],
        "in_progress_maintenances": [],
        "scheduled_maintenances": [],
    }


def _ongoing(page: PublicPage, part: PublicIncident) -> dict[str, Any]:
    impact = INCIDENT_IO.get(part.condition, part.condition)
    last = part.words[-1]
    return {
        "id": part.reference,
        "name": name_of(part),
        "status": part.status,
        "url": page.link(part),
        "last_update_at": _time(last.at),
        "last_update_message": words_of(last),
        "current_worst_impact": impact,
        "affected_components": [
            {"id": each.id, "name": each.title, "group_name": each.group, "current_status": impact}
            for each in part.components
        ],
    }


# Atom ------------------------------------------------------------------------------------------------------


def atom(page: PublicPage) -> bytes:
    """`feed.atom`: an entry an incident, which is told anew with each update. The newest first."""
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")
    if page.address:
        feed.set(XML_BASE, f"{page.address}/")
    _put(feed, "id", _urn("feed", page.title, page.address))
    _put(feed, "title", page.title)
    _put(feed, "updated", _time(page.changed_at))
    _put(_put(feed, "author"), "name", page.title)
    _put(feed, "link", rel="self", type="application/atom+xml", href=_whole(page, "feed.atom"))
    _put(feed, "link", rel="alternate", type="text/html", href=_whole(page, "index.html"))
    newest = sorted(page.incidents, key=lambda each: (each.changed_at, each.reference), reverse=True)
    for part in newest[:MOST_ENTRIES]:
        _entry(page, _put(feed, "entry"), part)
    written: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return written


def _entry(page: PublicPage, entry: ET.Element, part: PublicIncident) -> None:
    end = end_of(part)
    _put(entry, "id", _urn("incident", part.reference))
    _put(entry, "title", f"{part.status.capitalize()}: {name_of(part)}")
    _put(entry, "published", _time(part.began_at))
    _put(entry, "updated", _time(part.changed_at))
    _put(entry, "link", rel="alternate", type="text/html", href=page.link(part))
    told = [f"{word.at:%Y-%m-%d %H:%M} UTC, {word.status}\n{words_of(word)}" for word in reversed(part.words)]
    _put(entry, "content", "\n\n".join(filter(None, [end, *told])), type="text")


def _put(parent: ET.Element, name: str, text: str | None = None, **more: str) -> ET.Element:
    child = ET.SubElement(parent, f"{{{ATOM}}}{name}", more)
    child.text = None if text is None else legible(text)
    return child


def _whole(page: PublicPage, name: str) -> str:
    return f"{page.address}/{name}" if page.address else name


def _urn(*what: str) -> str:
    digest = hashlib.sha256("\n".join(("urn", *what)).encode()).digest()
    return uuid.UUID(bytes=digest[:16]).urn


def _id(*what: str) -> str:
    return hashlib.sha256("\n".join(what).encode()).hexdigest()[:12]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _maybe(at: datetime | None) -> str | None:
    return _time(at) if at else None


def as_file(data: dict[str, Any]) -> bytes:
    """JSON for a file, the same for the same data."""
    return canonical_json(data) + b"\n"
