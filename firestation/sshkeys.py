"""SSH public keys as people keep them: lines of `authorized_keys`, and of `allowed_signers` with their times.

Only public keys are read, of the types that OpenSSH signs with today. Nothing that is refused is quoted: it may be a
private key.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, Field

from firestation.errors import InvalidInput
from firestation.model import Line, Model, Time

FIELDS = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
"""The types of keys, and of how many parts each consists."""

ED25519_BYTES, LEAST_RSA_BITS, LENGTH_BYTES = 32, 2048, 4
WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?(?:,|$)')
BEGINNINGS = re.compile(
    r"(cert-authority|namespaces=|valid-after=|valid-before=|restrict|no-|from=|command=|expiry-time=)"
)
TIME = re.compile(r"(\d{8})(\d{4}(?:\d{2})?)?Z")


class PublicKey(Model):
    """One public key: its type, its fingerprint, and when it counts. `principals` is empty outside allowed_signers."""

    type: Line
    fingerprint: Line
    blob: str = Field(repr=False)
    principals: tuple[Line, ...] = ()
    valid_after: Time | None = None
    valid_before: Time | None = None

    def valid(self, at: datetime) -> bool:
        """Whether the key counts at this moment."""
        begun = self.valid_after is None or self.valid_after <= at
        return begun and (self.valid_before is None or at < self.valid_before)

    def of(self, *names: str) -> bool:
        """Whether the key is for one of these names: by its principals, or, without any, for whoever keeps it."""
        return not self.principals or any(_matches(self.principals, name) for name in names)


def parse_line(line: str) -> PublicKey:
    """The key on a line of `authorized_keys` or `allowed_signers`. Raises `ValueError` as `problem; fix`."""
    if "PRIVATE KEY" in line:
        raise ValueError(
            "this is a private key; take it out, make a new one, and write the public half, the .pub file"
        )
    words = WORD.findall(line)
    place = next((index for index, word in enumerate(words[:3]) if word in FIELDS), None)
    if place is None or len(words) <= place + 1:
        raise ValueError(f"this is no SSH public key; write TYPE BASE64, the TYPE one of {', '.join(FIELDS)}")
    before = words[:place]
    principals = before[:1] if before and not BEGINNINGS.match(before[0]) else []
    options = _options(before[len(principals) :])
    blob = _checked(words[place], words[place + 1])
    return PublicKey(
        type=words[place],
        fingerprint="SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="),
        blob=words[place + 1],
        principals=tuple(principals[0].strip('"').split(",")) if principals else (),
        valid_after=_time(options.get("valid-after")),
        valid_before=_time(options.get("valid-before", options.get("expiry-time"))),
    )


def parse_file(text: str) -> Iterator[tuple[int, PublicKey | InvalidInput]]:
    """Each key of a file with its line; what is no key as the error that says so."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            yield number, parse_line(line)
        except ValueError as error:
            problem, _, fix = str(error).partition("; ")
            yield number, InvalidInput(f"line {number}", problem, fix)
            if "private key" in problem:
                return  # the lines that follow are the key itself


def _options(words: list[str]) -> dict[str, str]:
    if len(words) > 1:
        raise ValueError("there is too much before the key; write the options in one word, with commas")
    return dict(OPTION.findall(words[0])) if words else {}


def _checked(kind: str, text: str) -> bytes:
    try:
        blob = base64.b64decode(text, validate=True)
        parts = list(_parts(blob))
    except (binascii.Error, ValueError):
        raise ValueError("the key is damaged; copy the whole line of the .pub file again") from None
    if len(parts) != FIELDS[kind] or parts[0] != kind.encode():
        raise ValueError(f"the key is no {kind} key; copy the whole line of the .pub file again")
    if "ed25519" in kind and len(parts[1]) != ED25519_BYTES:
        raise ValueError("the key is damaged; copy the whole line of the .pub file again")
    if kind == "ssh-rsa" and int.from_bytes(parts[2]).bit_length() < LEAST_RSA_BITS:
        raise ValueError(f"the key has fewer than {LEAST_RSA_BITS} bits; make one with ssh-keygen -t ed25519")
    return blob


def _parts(blob: bytes) -> Iterator[bytes]:
    """The parts of a key, each after its length in four bytes. Raises `ValueError` when they do not fill it."""
    while blob:
        end = LENGTH_BYTES + int.from_bytes(blob[:LENGTH_BYTES])
        if len(blob) < max(end, LENGTH_BYTES):
            raise ValueError
        yield blob[LENGTH_BYTES:end]
        blob = blob[end:]


def _time(text: str | None) -> datetime | None:
    """A time as OpenSSH writes it. Without Z it would be another moment on another machine, so that is refused."""
    if text is None:
        return None
    found = TIME.fullmatch(text)
    if found is None:
        raise ValueError("a time of the key is in no fixed zone; write it like 20261231Z or 202612311200Z")
    try:
        return datetime.strptime(found[1] + (found[2] or "0000").ljust(6, "0"), "%Y%m%d%H%M%S").replace(
            tzinfo=UTC
        )
    except ValueError:
        raise ValueError("a time of the key does not exist; write it like 20261231Z") from None


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    """As OpenSSH matches a list of patterns: one that begins with ! and fits forbids."""
    fits = [each for each in patterns if fnmatchcase(name, each.removeprefix("!"))]
    return bool(fits) and not any(each.startswith("!") for each in fits)


def _line(text: str) -> str:
    if "PRIVATE KEY" not in text and len(text.split("\n")) > 1:
        raise ValueError("more than one line is written here; write each key as an item of its own")
    if parse_line(text).principals:
        raise ValueError("a principal stands before the key; take it out, the key is this person's")
    return text


KeyLine = Annotated[
    str, Field(min_length=1, max_length=4000), AfterValidator(str.strip), AfterValidator(_line)
]
"""A public key in `authorized_keys` form: `[OPTIONS] TYPE BASE64 [COMMENT]`."""
