"""Public pages to test with: parts made by hand, and what a reader of the files would object to."""

from collections.abc import Iterable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from firestation.drivers.public_page.render import files
from firestation.public_page.page import PublicPage, PublicSystem, assemble
from firestation.public_page.part import PublicComponent, PublicIncident, PublicWord
from tests.property.worlds import START

VOID = {"meta", "link", "br", "hr", "img", "input"}
ADDRESS = "https://status.example.org/ai"
HOSTILE = '<script>alert(1)</script> & "quotes" \u202eevil\u202c \x1b[31m \x00 ]]> {{ 7 * 7 }} 漢🔥'


def component(name: str, group: str = "Refund agent", **more: Any) -> PublicComponent:
    values = {"id": f"id-{name.lower()}", "title": name, "description": None, "group": group, **more}
    return PublicComponent.model_validate(values)


def word(minutes: int, known: str = "Some refunds are answered wrongly.", **more: Any) -> PublicWord:
    values = {
        "at": START + timedelta(minutes=minutes),
        "known": known,
        "unknown": "Whom else it reached.",
        "doing": "We have paused refunds.",
        "status": "investigating",
        **more,
    }
    return PublicWord.model_validate(values)


def part(reference: str = "0123456789ab", version: int = 5, **more: Any) -> PublicIncident:
    """An incident that is open."""
    words = more.pop("words", (word(7),))
    values = {
        "reference": reference,
        "version": version,
        "began_at": START,
        "changed_at": words[-1].at,
        "impact": "major",
        "status": "investigating",
        "condition": "partial_outage",
        "outcome": None,
        "over_at": None,
        "next_due": words[-1].at + timedelta(minutes=30),
        "words": words,
        "components": (component("Refunds"), component("Chat")),
        **more,
    }
    return PublicIncident.model_validate(values)


def over(reference: str = "ba9876543210", minutes: int = 60, **more: Any) -> PublicIncident:
    """One that is over."""
    values: dict[str, Any] = {
        "status": "resolved",
        "condition": "operational",
        "outcome": "closed",
        "over_at": START + timedelta(minutes=minutes),
        "next_due": None,
        **more,
    }
    return part(reference, **values)


def page(*parts: PublicIncident, minutes: int = 90, address: str | None = ADDRESS) -> PublicPage:
    known = (component("Refunds"), component("Chat", description="Answers questions about orders"))
    systems = (PublicSystem(components=known), PublicSystem(components=(component("Search", "Shop search"),)))
    return assemble("Example status", address, parts, systems, START + timedelta(minutes=minutes))


def written(made: PublicPage) -> dict[str, str]:
    """Every file of text."""
    return {name: content.decode() for name, content in files(made)}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is there twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> ends nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read_html(content: str) -> tuple[list[tuple[str, dict[str, str | None]]], str]:
    """The elements and the text of a page whose elements all end where they should."""
    reader = _Reader()
    reader.feed(content)
    reader.close()
    assert reader.open == []
    assert content.startswith("<!doctype html>")
    return reader.seen, "".join(reader.text)


def strings(value: Any) -> Iterable[str]:
    """Every text within plain data, names of fields left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
