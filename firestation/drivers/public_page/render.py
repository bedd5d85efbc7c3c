"""The files of the public page, in the order in which they are to be written: the front page last."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from firestation.public_page import feeds
from firestation.public_page.page import FRESH, HEADLINES, PublicPage, end_of, name_of, page_file
from firestation.public_page.part import PublicIncident

HERE = Path(__file__).parent
FRONT_PAGE = "index.html"
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
GLYPHS = {"operational": "✓", "degraded_performance": "◐", "partial_outage": "▲", "major_outage": "✕"}
"""Colour is never the only sign."""


def _shown(at: datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _exact(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _span(span: timedelta) -> str:
    """How long it is, as `static/page.js` says it."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"  # noqa: PLR2004 - two days


TEMPLATES.filters.update(
    span=_span,
    shown=_shown,
    exact=_exact,
    legible=feeds.legible,
    name=lambda part: feeds.legible(name_of(part)),
    file=page_file,
    end=end_of,
    glyph=GLYPHS.__getitem__,
    words=lambda condition: condition.replace("_", " ").capitalize(),
)
TEMPLATES.globals.update(fresh=int(FRESH.total_seconds()), headlines=HEADLINES)


def files(page: PublicPage, *, everything: bool = True) -> Iterator[tuple[str, bytes]]:
    """Each file with its content. Not `everything`: only what shows its age or what is overdue."""
    if everything:
        for asset in sorted((HERE / "static").iterdir()):
            yield asset.name, asset.read_bytes()
    for part in page.incidents:
        if everything or part.is_open:
            yield page_file(part), _page("incident.html", page, "../", part)
    if everything:
        yield "feed.atom", feeds.atom(page)
    yield "api/v2/summary.json", feeds.as_file(feeds.summary(page))
    yield "api/v2/status.json", feeds.as_file(feeds.status(page))
    yield "api/v2/incidents.json", feeds.as_file(feeds.incidents(page))
    yield "api/v1/summary.json", feeds.as_file(feeds.widget(page))
    yield "history.html", _page("history.html", page, "")
    yield FRONT_PAGE, _page("index.html", page, "")


def _page(template: str, page: PublicPage, root: str, part: PublicIncident | None = None) -> bytes:
    return TEMPLATES.get_template(template).render(page=page, root=root, part=part).encode()
