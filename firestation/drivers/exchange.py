"""One request and its whole answer, in bounded memory and time; only our errors come out.

Nothing is followed (a redirect is an odd answer), nothing is remembered (no cookies), and a body is inflated piece
by piece, so that neither a huge answer nor a small one that unfolds into a huge one costs more than `max_bytes`.
"""

import asyncio
import base64
import shlex
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic import Field, JsonValue, model_validator
from pydantic_core import from_json

from firestation.authority import SecretReference
from firestation.drivers.kit import Kit
from firestation.drivers.template import (
    HeaderName,
    Headers,
    HttpUrl,
    Request,
    Values,
    fill,
    fill_header,
    full_url,
)
from firestation.errors import Denied, DriverError, Gone, Nonsense, NotConfigured, Unreachable
from firestation.expect import MISSING, JsonPath, value_at
from firestation.model import Duration, Line, Model, canonical_json

EXCERPT_BYTES = 2048
EXCERPT_CHARACTERS = 200
INFLATABLE = frozenset({"gzip", "x-gzip", "deflate"})
ANY_ZLIB_HEADER = 32 + zlib.MAX_WBITS
BY_STATUS: dict[int, type[DriverError]] = {
    401: Denied,
    403: Denied,
    404: Gone,
    410: Gone,
    408: Unreachable,
    420: Unreachable,  # how Statuspage says 429
    425: Unreachable,
    429: Unreachable,
}


class HeaderSecret(Model):
    """A credential that goes into a header of its own, such as `X-API-Key`."""

    name: HeaderName
    secret: SecretReference


class BasicSecret(Model):
    """A user name, and the reference of the password."""

    user: Line
    password: SecretReference


class Auth(Model):
    """Where the credential is kept: one of `bearer`, `header` and `basic`. It is read anew for every request."""

    bearer: SecretReference | None = None
    header: HeaderSecret | None = None
    basic: BasicSecret | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.bearer, self.header, self.basic)) != 1:
            msg = "auth needs exactly one way; write bearer: env:NAME, or header: {...}, or basic: {...}"
            raise ValueError(msg)
        return self


class Connection(Model):
    """How a product is reached: what its requests have in common. `timeout` is for the whole answer."""

    base: HttpUrl | None = None
    auth: Auth | None = None
    headers: Headers = Field(default_factory=dict)
    timeout: Duration = Field(default="10s", validate_default=True, gt=timedelta(), le=timedelta(minutes=10))
    max_bytes: int = Field(default=8_000_000, ge=1, le=256_000_000)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.base is not None:
            parts = urlsplit(self.base)
            if not parts.hostname or parts.query or parts.fragment or "{" in self.base:
                msg = "base is the plain start of a URL; write it like http://host:8080/api"
                raise ValueError(msg)
        for request in self.requests_made():
            if self.base is None and request.url.startswith("/"):
                msg = f"{request.url!r} is a path and there is no base; add base: http://host:port"
                raise ValueError(msg)
        return self

    def requests_made(self) -> tuple[Request, ...]:
        """Every request in this configuration."""
        found: list[Request] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            found += [
                each
                for each in (value if isinstance(value, tuple) else (value,))
                if isinstance(each, Request)
            ]
        return tuple(found)


class Spot(Model):
    """Where in an answer something stands: at a JSON path in the body, or in a header."""

    path: JsonPath | None = None
    header: HeaderName | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.path is None) == (self.header is None):
            msg = "name exactly one spot; write path: $.id, or header: ETag"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class Answer:
    """A successful (2xx) answer, inflated. `asked` says what was asked, and `hidden` what is not shown, in messages."""

    asked: str
    status: int
    headers: httpx.Headers
    content: bytes
    hidden: str = field(default="", repr=False)

    @property
    def media_type(self) -> str:
        """The bare media type, in lower case; empty when the answer does not say."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON. Raises `Nonsense` for another media type, invalid UTF-8, NaN or a torn document."""
        if self.media_type not in {"application/json", "text/json"} and not self.media_type.endswith("+json"):
            kind = self.media_type or "no media type"
            msg = f"{self.asked} answered {kind} where JSON was wanted: {_excerpt(self.content, self.hidden)}"
            raise Nonsense(msg, media_type=self.media_type)
        try:
            return from_json(self.content, allow_inf_nan=False)
        except ValueError as error:
            msg = f"{self.asked} answered something that is not JSON ({error}): {_excerpt(self.content, self.hidden)}"
            raise Nonsense(msg) from error

    def at(self, path: str) -> Any:
        """The value at a JSON path. Raises `Nonsense` when there is none."""
        value = value_at(self.json(), path)
        if value is MISSING:
            msg = f"{self.asked} has nothing at {path}: {_excerpt(self.content, self.hidden)}"
            raise Nonsense(msg, path=path)
        return value

    def spot(self, spot: Spot) -> JsonValue:
        """What stands at the spot. Raises `Nonsense` when nothing does."""
        if spot.path is not None:
            found: JsonValue = self.at(spot.path)
            return found
        value: str | None = self.headers.get(spot.header or "")
        if value is None:
            msg = f"{self.asked} answered without the header {spot.header}"
            raise Nonsense(msg, header=spot.header)
        return value


async def ask(
    kit: Kit, link: Connection, request: Request, values: Values, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send the request, filled with `values`, and return its successful answer.

    Raises `Denied` (401, 403, or no credential), `Gone` (404, 410), `Unreachable` (no whole answer in time, a broken
    connection, 408, 420, 425, 429, a 403 that is a rate limit, 5xx) and `Nonsense` (everything else that is not 2xx,
    too big, or torn). An error has the `status`, and `retry_after_s` where the answer says when to come again.
    """
    url = full_url(request, link.base, values)
    asked = f"{request.method} {url.partition('?')[0]}"
    secret_headers, hidden = _credential(kit, link.auth)
    made = {"accept": "application/json, */*;q=0.5", "accept-encoding": "gzip", "user-agent": "firestation"}
    body = None if request.body is None else canonical_json(fill(request.body, values))
    if body is not None:
        made["content-type"] = "application/json"
    for name, template in {**link.headers, **request.headers}.items():
        made[name.lower()] = fill_header(template, values)
    made |= {name.lower(): value for name, value in (headers or {}).items()}
    made |= secret_headers
    return await exchange(kit, link, (request.method, url), made, body, asked=asked, hidden=hidden)


async def exchange(
    kit: Kit,
    link: Connection,
    line: tuple[str, str],
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    asked: str,
    hidden: str = "",
) -> Answer:
    """Send exactly this (`line` is the method and the URL) and return the successful answer. Raises as `ask` does.

    `asked` says in errors what was asked, and `hidden`, the secret that was sent, is not shown in them.
    """
    seconds = link.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            sent = kit.client.build_request(*line, headers=headers, content=body, timeout=seconds)
            return await _exchange(kit.client, sent, asked, link.max_bytes, hidden)
    except (TimeoutError, httpx.TimeoutException) as error:
        msg = f"{asked} gave no whole answer within {seconds:g} s"
        raise Unreachable(msg, timeout_s=seconds) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        msg = f"{asked} cannot be asked: {_without(str(error), hidden)}"
        raise Nonsense(msg) from error
    except httpx.HTTPError as error:
        msg = f"{asked} is not reachable: {_without(str(error), hidden) or type(error).__name__}"
        raise Unreachable(msg) from error


def curl(link: Connection, request: Request, values: Values) -> str:
    """The same request as a person types it; credentials are read by the shell, and never written here."""
    words = ["curl --fail-with-body --silent --show-error"]
    words += [f"-X {request.method} {shlex.quote(full_url(request, link.base, values))}"]
    for name, template in {**link.headers, **request.headers}.items():
        words.append(f"-H {shlex.quote(f'{name}: {fill_header(template, values)}')}")
    words += filter(None, [_credential_by_hand(link.auth)])
    if request.body is not None:
        if not any(name.lower() == "content-type" for name in {**link.headers, **request.headers}):
            words.append("-H 'Content-Type: application/json'")
        words.append(f"-d {shlex.quote(canonical_json(fill(request.body, values)).decode())}")
    return " ".join(words)


def _credential_by_hand(auth: Auth | None) -> str | None:
    if auth is None:
        return None
    if auth.bearer is not None:
        return f'-H "Authorization: Bearer {by_shell(auth.bearer)}"'
    if auth.header is not None:
        return f'-H "{auth.header.name}: {by_shell(auth.header.secret)}"'
    assert auth.basic is not None
    return f'-u {shlex.quote(auth.basic.user)}:"{by_shell(auth.basic.password)}"'


def by_shell(reference: SecretReference) -> str:
    """What a shell reads a credential by: `$NAME`, or `$(cat PATH)`; it stands inside double quotes."""
    kind, _, place = reference.partition(":")
    return f"${place}" if kind == "env" else f"$(cat {shlex.quote(place)})"


def _credential(kit: Kit, auth: Auth | None) -> tuple[dict[str, str], str]:
    """The header that carries the credential, and what no message may show: the secret, line by line in its forms."""
    if auth is None:
        return {}, ""
    try:
        if auth.bearer is not None:
            secret = _visible(kit.secrets.resolve(auth.bearer), auth.bearer)
            return {"authorization": f"Bearer {secret}"}, secret
        if auth.header is not None:
            secret = _visible(kit.secrets.resolve(auth.header.secret), auth.header.secret)
            return {auth.header.name.lower(): secret}, secret
        assert auth.basic is not None
        secret = kit.secrets.resolve(auth.basic.password)
        pair = base64.b64encode(f"{auth.basic.user}:{secret}".encode()).decode()
    except NotConfigured as error:
        raise Denied(str(error)) from error
    return {"authorization": f"Basic {pair}"}, f"{secret}\n{pair}"


def _visible(secret: str, reference: str) -> str:
    if not (secret.isascii() and secret.isprintable()):
        msg = f"the secret {reference} holds characters that a header cannot carry; write it as visible ASCII"
        raise NotConfigured(msg)
    return secret


async def _exchange(
    client: httpx.AsyncClient, sent: httpx.Request, asked: str, limit: int, hidden: str
) -> Answer:
    response = await client.send(sent, stream=True, follow_redirects=False)
    try:
        if not response.is_success:
            raise await _refusal(response, asked, hidden)
        pieces = bytearray()
        async for piece in _inflated(response, asked, limit):
            pieces += piece
            if len(pieces) > limit:
                msg = f"{asked} answered more than {limit} bytes; raise max_bytes or ask for less"
                raise Nonsense(msg, max_bytes=limit)
        return Answer(asked, response.status_code, response.headers, bytes(pieces), hidden)
    finally:
        await response.aclose()


async def _inflated(response: httpx.Response, asked: str, limit: int) -> AsyncIterator[bytes]:
    """The body, inflated: no piece is ever longer than `limit` + 1 bytes."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        async for chunk in response.aiter_raw():
            yield chunk
        return
    if encoding not in INFLATABLE:
        msg = f"{asked} answered in the encoding {encoding!r}, which was not asked for"
        raise Nonsense(msg)
    inflater = zlib.decompressobj(ANY_ZLIB_HEADER)
    began = False
    try:
        async for chunk in response.aiter_raw():
            began = True
            yield inflater.decompress(chunk, limit + 1)
    except zlib.error as error:
        msg = f"{asked} answered a broken {encoding} body: {error}"
        raise Nonsense(msg) from error
    if began and not inflater.eof:
        msg = f"{asked} answered a torn {encoding} body"
        raise Nonsense(msg)


async def _refusal(response: httpx.Response, asked: str, hidden: str) -> DriverError:
    """The error for an answer that is not 2xx, with the beginning of what it said."""
    said = bytearray()
    try:
        async for piece in _inflated(response, asked, EXCERPT_BYTES):
            said += piece
            if len(said) >= EXCERPT_BYTES:
                break
    except (Nonsense, httpx.HTTPError):
        said = bytearray(b"(its body cannot be read)")
    status = response.status_code
    if response.has_redirect_location:
        host = urlsplit(response.headers["location"]).netloc or "the same host"
        msg = f"{asked} answered {status}, a redirect to {host}; redirects are not followed, write the final URL"
        return Nonsense(msg, status=status)
    kind = BY_STATUS.get(status, Unreachable if response.is_server_error else Nonsense)
    if kind is Denied and _is_a_limit(response.headers):
        kind = Unreachable
    excerpt = _excerpt(bytes(said[:EXCERPT_BYTES]), hidden)
    wait = _seconds_to_wait(response.headers, bytes(said))
    later = {} if wait is None else {"retry_after_s": wait}
    return kind(f"{asked} answered {status}: {excerpt}", status=status, **later)


def _seconds_to_wait(headers: httpx.Headers, said: bytes) -> float | None:
    """How long it wants to be left alone, by the header, or as Matrix says it; None when it does not say."""
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        found = value_at(from_json(said), "$.retry_after_ms")
    except ValueError:
        return None
    return found / 1000 if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _is_a_limit(headers: httpx.Headers) -> bool:
    """Whether a 403 means "later": GitHub says so of its rate limits, by these headers."""
    return "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"


def _excerpt(content: bytes, hidden: str = "") -> str:
    text = " ".join(content[:EXCERPT_BYTES].decode(errors="replace").split())
    text = _without(text, hidden)
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown[:EXCERPT_CHARACTERS] or "(nothing)"


def _without(text: str, hidden: str) -> str:
    for each in filter(None, hidden.split("\n")):
        text = text.replace(each, "***")
    return text


def stateless_client() -> httpx.AsyncClient:
    """A client for all drivers: bounded connections, no cookies kept, no proxy or .netrc taken from the environment."""
    return httpx.AsyncClient(
        timeout=10.0,
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=15.0),
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
        follow_redirects=False,
    )
