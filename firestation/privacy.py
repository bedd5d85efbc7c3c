"""Privacy: what is taken out of evidence before a byte of it is written. The redaction is recorded, never the value.

A path is a path into JSON in which `[*]` is every element of a list and `..name` is that member at any depth.
"""

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import AfterValidator, Field, JsonValue

from firestation.errors import Withheld
from firestation.model import Line, Model, Sha256, canonical_json

PATTERN = re.compile(r"\$(?:\.{1,2}[A-Za-z_][\w-]*|\[(?:\d+|\*)\])+")
STEP = re.compile(r"(\.\.)([A-Za-z_][\w-]*)|\.([A-Za-z_][\w-]*)|\[(\d+|\*)\]")
PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
CREDENTIAL_NAMES = frozenset(
    {"password", "passwd", "secret", "client_secret", "api_key", "apikey", "access_token", "refresh_token"}
    | {"authorization", "proxy_authorization", "private_key", "cookie", "set_cookie"}
)
NAMED = re.compile(
    rb'"(?:' + "|".join(sorted(CREDENTIAL_NAMES)).replace("_", "[_-]").encode() + rb')"\s*:', re.IGNORECASE
)
ESCAPED = re.compile(rb"\\[u/]")
LINES = frozenset({"application/jsonl", "application/x-ndjson", "application/json-lines"})
LONGEST_CREDENTIAL = 8 * 1024
LONGEST_LINE = 64 * 1024 * 1024
MASKED, CREDENTIAL = "[masked]", "[credential]"
GONE: Final[Any] = object()
Tally = Counter[tuple[str, str]]


def _is_pattern(path: str) -> str:
    if not PATTERN.fullmatch(path):
        msg = f"{path!r} is not a path; write it like $.user.email, $.messages[*].content or $..email"
        raise ValueError(msg)
    return path


Pattern = Annotated[str, AfterValidator(_is_pattern)]


Recipient = Annotated[str, Field(pattern=r"^age1[02-9ac-hj-np-z]{58}$")]
"""A public key of age (https://age-encryption.org/v1)."""


class Privacy(Model):
    """What a source's evidence loses: members dropped, values masked, values pseudonymised.

    A pseudonym is keyed, so that equal values stay linkable and nobody without the key can guess them. With
    `encrypt_to` what is left is kept encrypted, and the station itself cannot read it any more.
    """

    drop: tuple[Pattern, ...] = ()
    mask: tuple[Pattern, ...] = ()
    pseudonymise: tuple[Pattern, ...] = ()
    encrypt_to: tuple[Recipient, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it takes anything out."""
        return bool(self.drop or self.mask or self.pseudonymise)


class Redaction(Model):
    """What was taken out: how, at which path or by which detector, and how often. Never the value."""

    how: Literal["dropped", "masked", "pseudonymised", "credential"]
    what: Line
    times: int = Field(ge=1)


class Encryption(Model):
    """To whom an artifact is encrypted, and what it was before: digest and size after the redactions."""

    recipients: tuple[Recipient, ...]
    digest: Sha256
    size: int = Field(ge=0)


class Cipher(Protocol):
    """Encrypts to recipients."""

    def encrypt(self, content: bytes, recipients: Sequence[str]) -> bytes:
        """The whole content, encrypted."""
        ...

    def encrypt_pieces(self, pieces: AsyncIterator[bytes], recipients: Sequence[str]) -> AsyncIterator[bytes]:
        """The same for content that comes in pieces, in bounded memory."""
        ...


class Sieve(Protocol):
    """Finds credentials in a text."""

    def find(self, text: str) -> Iterable[tuple[str, str]]:
        """Each credential: what kind it is, and the very characters."""
        ...


class Redactor:
    """Takes out what privacy asks for, and every credential that the sieve finds."""

    def __init__(self, sieve: Sieve, key: bytes) -> None:
        self._sieve, self._key = sieve, key

    def redact(
        self, content: bytes, media_type: str, privacy: Privacy
    ) -> tuple[bytes, tuple[Redaction, ...]]:
        """The content as it may be kept, and what was taken out. What loses nothing keeps its very bytes.

        Raises `Withheld` when privacy asks for something and the content cannot be read as JSON.
        """
        tally: Tally = Counter()
        if _is_lines(media_type):
            return self.some(content, privacy, tally, lines=True), redactions(tally)
        return self._document(content, privacy, tally), redactions(tally)

    def some(self, content: bytes, privacy: Privacy, tally: Tally, *, lines: bool) -> bytes:
        """Some lines of JSON, or some of a text. Raises `Withheld` as `redact` does."""
        if not lines:
            return self._plain(content, privacy, tally)
        if not privacy.asks and not self._may_hold(content):
            return content
        kept = [
            self._document(line, privacy, tally) if line.strip() else line for line in content.split(b"\n")
        ]
        return b"\n".join(kept)

    def redact_pieces(self, media_type: str, privacy: Privacy) -> "Pieces":
        """The same for content that comes in pieces. Raises `Withheld` as `redact` does, at the first piece."""
        return Pieces(self, privacy, lines=_is_lines(media_type))

    def _may_hold(self, content: bytes) -> bool:
        """Whether lines of JSON could hold a credential at all; what is escaped is looked at line by line."""
        if NAMED.search(content) or ESCAPED.search(content):
            return True
        text = content.decode(errors="surrogateescape")
        return bool(PEM.search(text)) or any(True for _ in self._sieve.find(text))

    def _document(self, content: bytes, privacy: Privacy, tally: Tally) -> bytes:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            return self._plain(content, privacy, tally)
        before = tally.total()
        for how, paths, change in (
            ("dropped", privacy.drop, lambda _: GONE),
            ("pseudonymised", privacy.pseudonymise, self._pseudonym),
            ("masked", privacy.mask, lambda _: MASKED),
        ):
            for path in paths:
                value = _changed(value, _steps(path), _counted(change, tally, (how, path)))
        value = self._sifted(value, tally)
        if tally.total() == before:
            return content
        text = json.dumps(None if value is GONE else value, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="surrogatepass")

    def _plain(self, content: bytes, privacy: Privacy, tally: Tally) -> bytes:
        if privacy.asks:
            msg = "it is not JSON, so what privacy asks for cannot be taken out of it"
            raise Withheld(msg)
        text = content.decode(errors="surrogateescape")
        return self._text(text, tally).encode(errors="surrogateescape")

    def _pseudonym(self, value: JsonValue) -> str:
        said = value.encode() if isinstance(value, str) else canonical_json(value)
        return f"p-{hmac.new(self._key, said, hashlib.sha256).hexdigest()[:20]}"

    def _sifted(self, value: JsonValue, tally: Tally) -> JsonValue:
        if isinstance(value, str):
            return self._text(value, tally)
        if isinstance(value, list):
            return [self._sifted(each, tally) for each in value]
        if isinstance(value, dict):
            return {self._text(name, tally): self._member(name, each, tally) for name, each in value.items()}
        return value

    def _member(self, name: str, value: JsonValue, tally: Tally) -> JsonValue:
        if (
            name.lower().replace("-", "_") in CREDENTIAL_NAMES
            and isinstance(value, str)
            and value not in {"", MASKED}
        ):
            tally["credential", f"the member {name}"[:300]] += 1
            return CREDENTIAL
        return self._sifted(value, tally)

    def _text(self, text: str, tally: Tally) -> str:
        text, keys = PEM.subn(CREDENTIAL, text)
        if keys:
            tally["credential", "Private Key"] += keys
        found = {(kind, secret) for kind, secret in self._sieve.find(text) if secret}
        for kind, secret in sorted(found, key=lambda pair: (-len(pair[1]), pair)):
            times = text.count(secret)
            if times:
                text = text.replace(secret, CREDENTIAL)
                tally["credential", kind] += times
        return text


class Pieces:
    """Redacts piece by piece. Nothing is cut where a line or, in a text without lines, a credential may be whole."""

    def __init__(self, redactor: Redactor, privacy: Privacy, *, lines: bool) -> None:
        self._redactor, self._privacy, self._lines = redactor, privacy, lines
        self._rest = b""
        self.tally: Tally = Counter()

    def feed(self, piece: bytes, *, last: bool = False) -> bytes:
        """What of all that was fed may be written now. Raises `Withheld`."""
        if self._privacy.asks and not self._lines:
            raise Withheld(
                "it is too big to be read whole, so what privacy asks for cannot be taken out of it"
            )
        whole = self._rest + piece
        cut = len(whole) if last else whole.rfind(b"\n") + 1
        if not cut and not self._lines:
            cut = max(0, len(whole) - LONGEST_CREDENTIAL)
        if not cut and len(whole) > LONGEST_LINE:
            msg = f"a line is longer than {LONGEST_LINE} bytes"
            raise Withheld(msg)
        ready, self._rest = whole[:cut], whole[cut:]
        return self._redactor.some(ready, self._privacy, self.tally, lines=self._lines)


def redactions(tally: Tally) -> tuple[Redaction, ...]:
    """What was taken out, for the manifest."""
    found = [{"how": how, "what": what, "times": times} for (how, what), times in sorted(tally.items())]
    return tuple(Redaction.model_validate(each) for each in found)


def _is_lines(media_type: str) -> bool:
    return media_type.partition(";")[0].strip() in LINES


def _counted(
    change: Callable[[JsonValue], Any], tally: Tally, name: tuple[str, str]
) -> Callable[[JsonValue], Any]:
    def counted(value: JsonValue) -> Any:
        tally[name] += 1
        return change(value)

    return counted


def _steps(path: str) -> list[tuple[str, str]]:
    """The steps of a path: ("deep" | "member" | "element", name)."""
    return [
        ("deep", deep) if dots else ("member", member) if member else ("element", element)
        for dots, deep, member, element in STEP.findall(path)
    ]


def _changed(value: Any, steps: list[tuple[str, str]], change: Callable[[Any], Any]) -> Any:
    """The value with what is at the path changed; what changes to `GONE` is taken out of what it is in."""
    if not steps:
        return change(value)
    (kind, name), rest = steps[0], steps[1:]

    def below(key: str, each: Any) -> Any:
        if kind == "deep":
            return _changed(each, rest if key == name else steps, change)
        return _changed(each, rest, change) if name in {key, "*"} else each

    if isinstance(value, dict) and kind != "element":
        made = {key: below(key, each) for key, each in value.items()}
        return {key: each for key, each in made.items() if each is not GONE}
    if isinstance(value, list) and kind != "member":
        elements = [below(str(index), each) for index, each in enumerate(value)]
        return [each for each in elements if each is not GONE]
    return value


def touches(pattern: str, path: Sequence[str | int], *, whole: bool) -> bool:
    """Whether what a pattern names may be at this path or above it; with `whole`, also below it."""
    return _touches(_steps(pattern), [str(step) for step in path], whole=whole)


def _touches(pattern: list[tuple[str, str]], path: list[str], *, whole: bool) -> bool:
    if not pattern:
        return True
    if not path:
        return whole
    (kind, name), rest = pattern[0], pattern[1:]
    if kind == "deep" and _touches(pattern, path[1:], whole=whole):
        return True
    return name in {path[0], "*"} and _touches(rest, path[1:], whole=whole)
