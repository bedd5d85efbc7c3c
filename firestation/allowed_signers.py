"""Who may sign what, and when: the file that ssh-keygen calls allowed_signers.

Read as ssh-keygen reads it, but what could mean more than one person or time is refused: certificate authorities,
patterns of principals, and times without a `Z`, which each machine reads in its own time zone.
"""

import re
from datetime import datetime
from typing import Any

from firestation.errors import InvalidInput
from firestation.model import Model, Time
from firestation.ssh_keys import read_key_line

LARGEST_CHARACTERS = 1_000_000
KIND = re.compile(r"(ssh|ecdsa|sk)-[^\s=,]+(\s|$)")
OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"\\]*)")?,')
OPTIONS = re.compile(r'((?:[^\s"]|"[^"]*")+)\s+(.*)')
MOMENT = re.compile(r"(\d{8})(\d{4})?(\d{2})?Z")
LINE = re.compile(r'("[^"]*"|\S+)\s+(.*)')


class AllowedSigner(Model):
    """One line: `key` (type and base64) signs as each of `principals`, in these namespaces, from and until these times.

    Both times are included. Without `namespaces` it signs in any.
    """

    principals: tuple[str, ...]
    key: str
    namespaces: tuple[str, ...] | None = None
    valid_after: Time | None = None
    valid_before: Time | None = None

    def covers(self, namespace: str) -> bool:
        """Whether it may sign in this namespace: a pattern fits, and none with an exclamation mark does."""
        if self.namespaces is None:
            return True
        fits = [each.startswith("!") for each in self.namespaces if _fits(each.removeprefix("!"), namespace)]
        return bool(fits) and not any(fits)

    def holds(self, at: datetime) -> bool:
        """Whether it may sign at this time."""
        early = self.valid_after is not None and at < self.valid_after
        late = self.valid_before is not None and at > self.valid_before
        return not early and not late


def _fits(pattern: str, name: str) -> bool:
    told = {"*": ".*", "?": "."}
    return re.fullmatch("".join(told.get(each, re.escape(each)) for each in pattern), name) is not None


def read_allowed_signers(text: str) -> tuple[AllowedSigner, ...]:
    """The lines of the file, without comments and empty ones. Raises `InvalidInput` naming the first bad line."""
    if len(text) > LARGEST_CHARACTERS:
        problem = f"it is longer than {LARGEST_CHARACTERS} characters"
        raise InvalidInput("allowed_signers", problem, "Name the right file")
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    return tuple(
        _line(line, f"allowed_signers:{number}") for number, line in lines if line and line[0] != "#"
    )


def _line(line: str, what: str) -> AllowedSigner:
    found = LINE.fullmatch(line)
    if found is None:
        raise InvalidInput(what, "there is no key on this line", "Write: ana ssh-ed25519 AAAA...")
    principals, rest = tuple(found[1].strip('"').split(",")), found[2]
    if not all(principals) or any(character in found[1] for character in "*?!"):
        raise InvalidInput(what, "its principals are not plain names", "Write each name out: ana,ben")
    options: dict[str, Any] = {}
    if not KIND.match(rest):
        split = OPTIONS.fullmatch(rest)
        if split is None:
            raise InvalidInput(what, "there is no key after its options", "Write: ana ssh-ed25519 AAAA...")
        options, rest = _options(split[1], what), split[2]
    return AllowedSigner(principals=principals, key=read_key_line(rest, what).line, **options)


def _options(text: str, what: str) -> dict[str, Any]:
    if not re.fullmatch(f"(?:{OPTION.pattern})+", f"{text},"):
        fix = 'Write them like: namespaces="firestation-decision",valid-before="20270101Z"'
        raise InvalidInput(what, "its options cannot be read", fix)
    options: dict[str, Any] = {}
    for written, value in OPTION.findall(f"{text},"):
        name = written.lower()
        if name == "cert-authority":
            raise InvalidInput(what, "certificate authorities are not accepted", "List each person's own key")
        if name not in {"namespaces", "valid-after", "valid-before"}:
            raise InvalidInput(what, f"the option {name[:80]} is unknown", "Leave it out")
        if not value or name in options:
            raise InvalidInput(what, f"the option {name} is empty or there twice", "Give it one value")
        options[name] = tuple(value.split(",")) if name == "namespaces" else _moment(value, what)
    after, before = options.get("valid-after"), options.get("valid-before")
    if after and before and after >= before:
        raise InvalidInput(what, "it ends before it begins", "Name a valid-before after its valid-after")
    return {name.replace("-", "_"): value for name, value in options.items()}


def _moment(text: str, what: str) -> datetime:
    fix = "Write it in UTC with a Z, like 20270131Z or 20270131120000Z"
    found = MOMENT.fullmatch(text)
    if found is None:
        raise InvalidInput(what, f"{text[:80]!r} is not a time in UTC", fix)
    try:
        return datetime.strptime(f"{found[1]}{found[2] or '0000'}{found[3] or '00'}Z", "%Y%m%d%H%M%S%z")
    except ValueError:
        raise InvalidInput(what, f"there is no such time as {text}", fix) from None
