"""Request templates: placeholders such as `{position}` in declared places, filled structurally and never evaluated.

A string that is one placeholder and nothing else takes the value with its JSON type; inside other text the value
becomes text. In a URL every value is percent-encoded whole, so it can neither end a path segment nor begin a query.
`{{name}}` stands for the literal `{name}`; braces around anything but a lower-case name are literal already.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, JsonValue, model_validator

from firestation.errors import Gone
from firestation.model import Model, canonical_json

PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}|\{([a-z_]+)\}")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F))
NOT_YOURS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "host", "content-length", "transfer-encoding"}
)

Values = Mapping[str, JsonValue]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


def _is_url(url: str) -> str:
    if url.startswith("/"):
        return url
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"{url!r} is not a URL; write /path under `base`, or http://host/path"
        raise ValueError(msg)
    if "@" in parts.netloc or "{" in parts.netloc:
        msg = "the host of a URL holds neither a password nor a placeholder; put credentials under `auth`"
        raise ValueError(msg)
    return url


def _are_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or any(character not in VISIBLE for character in value):
            msg = f"{name!r} is not a header; use a plain name and visible ASCII"
            raise ValueError(msg)
        if name.lower() in NOT_YOURS:
            msg = f"the header {name} is not set here; put credentials under `auth` as a reference"
            raise ValueError(msg)
    return headers


def _is_header_name(name: str) -> str:
    if not HEADER_NAME.fullmatch(name):
        msg = f"{name!r} is not the name of a header; write it like Idempotency-Key"
        raise ValueError(msg)
    return name


HttpUrl = Annotated[str, AfterValidator(_is_url)]
HeaderName = Annotated[str, AfterValidator(_is_header_name)]
Headers = Annotated[dict[str, str], AfterValidator(_are_headers)]


class Request(Model):
    """One request: `url` is a path under `base` or a whole http(s) URL, `body` is sent as JSON.

    A subclass names the placeholders that it is filled with in `allowed`; any other is refused when the file loads.
    """

    allowed: ClassVar[frozenset[str]] = frozenset()

    method: Method = "GET"
    url: HttpUrl
    query: dict[str, str] = Field(default_factory=dict)
    headers: Headers = Field(default_factory=dict)
    body: JsonValue = None

    def placeholders(self) -> frozenset[str]:
        """The names of the placeholders that are used."""
        texts = [self.url, *self.query.values(), *self.headers.values(), *_texts(self.body)]
        return frozenset(found[2] for text in texts for found in PLACEHOLDER.finditer(text) if found[2])

    def can_fill(self) -> frozenset[str]:
        """The placeholders that may be used here."""
        return self.allowed

    @model_validator(mode="after")
    def _only_declared(self) -> Self:
        known = self.can_fill()
        for name in sorted(self.placeholders() - known):
            choice = ", ".join(f"{{{each}}}" for each in sorted(known)) or "none"
            msg = f"{{{name}}} is not a placeholder here; there is {choice}, and {{{{{name}}}}} is the plain text"
            raise ValueError(msg)
        for key in _keys(self.body):
            if PLACEHOLDER.search(key):
                msg = f"the key {key!r} of the body holds a placeholder; only values are filled"
                raise ValueError(msg)
        return self


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _keys(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(each)


def plain(value: JsonValue) -> str:
    """A value as it stands inside text: null is empty, text is itself, anything else is JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value).decode()


def fill(template: JsonValue, values: Values) -> JsonValue:
    """The template with its placeholders filled. Raises `KeyError` for a value that was not given."""
    if isinstance(template, dict):
        return {key: fill(each, values) for key, each in template.items()}
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    if not isinstance(template, str):
        return template
    whole = PLACEHOLDER.fullmatch(template)
    return values[whole[2]] if whole and whole[2] else fill_text(template, values)


def fill_text(template: str, values: Values) -> str:
    """The template as text."""
    return PLACEHOLDER.sub(lambda found: plain(values[found[2]]) if found[2] else f"{{{found[1]}}}", template)


def fill_header(template: str, values: Values) -> str:
    """The template as a header, see `header_text`."""
    return header_text(fill_text(template, values))


def header_text(text: str) -> str:
    """Text as the value of a header: what is not visible ASCII is percent-encoded, so nothing can add a header."""
    return quote(text, safe=VISIBLE, errors="replace")


def fill_url(template: str, values: Values) -> str:
    """The template as a URL, each value percent-encoded.

    Raises `Gone` for an empty value, `.` and `..`: as path segments they would ask for something else.
    """

    def encoded(found: re.Match[str]) -> str:
        if not found[2]:
            return f"%7B{found[1]}%7D"
        text = plain(values[found[2]])
        if text in {"", ".", ".."}:
            msg = f"{{{found[2]}}} is {text!r}, which cannot stand in the URL {template}"
            raise Gone(msg, placeholder=found[2])
        return quote(text, safe="", errors="replace")

    return PLACEHOLDER.sub(encoded, template)


def full_url(request: Request, base: str | None, values: Values) -> str:
    """The whole URL of a request, with its query."""
    url = fill_url(request.url, values)
    url = (base or "").rstrip("/") + url if url.startswith("/") else url
    pairs = [
        f"{quote(name, safe='')}={quote(fill_text(value, values), safe='', errors='replace')}"
        for name, value in request.query.items()
    ]
    if not pairs:
        return url
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(pairs)}"
