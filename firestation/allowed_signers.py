"""Who may sign what, and when: lines of `allowed_signers`, and of `authorized_keys`, as ssh-keygen and sshd know them.

What could mean more than one person or time is refused: certificate authorities, patterns of principals, and times
without a `Z`, which each machine reads in its own time zone. What is refused is never quoted when it may be a private
key.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from firestation.errors import InvalidInput
from firestation.model import Model, Time
from firestation.ssh_keys import fingerprint_of, read_key_line

LARGEST_CHARACTERS = 1_000_000
KIND = re.compile(r"(ssh|ecdsa|sk)-[^\s=,]+(\s|$)")
OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"\\]*)")?,')
OPTIONS = re.compile(r'((?:[^\s"]|"[^"]*")+)\s+(.*)')
MOMENT = re.compile(r"(\d{8})(\d{4})?(\d{2})?Z")
LINE = re.compile(r'("[^"]*"|\S+)\s+(.*)')
OURS = frozenset({"namespaces", "valid-after", "valid-before"})
LOGIN = frozenset(
    {
        "agent-forwarding", "command", "environment", "from", "no-agent-forwarding", "no-port-forwarding", "no-pty",
        "no-user-rc", "no-x11-forwarding", "permitlisten", "permitopen", "port-forwarding", "pty", "restrict",
        "tunnel", "user-rc", "x11-forwarding",
    }
)  # fmt: skip
"""Options of `authorized_keys` that say what a login may do; they mean nothing here, and are passed over there."""

VERIFY = "verify-required"
"""The option of `authorized_keys` that asks for a PIN or a fingerprint, which only a security key can attest."""

FORM = "Write: ana ssh-ed25519 AAAA..."


class AllowedSigner(Model):
    """One line: `key` (type and base64) signs as each of `principals`, in these namespaces, from and until these times.

    Both times are included. Without `namespaces` it signs in any. With `verify_required` only signatures count for
    which the security key has asked for a PIN or a fingerprint.
    """

    principals: tuple[str, ...]
    key: str
    namespaces: tuple[str, ...] | None = None
    valid_after: Time | None = None
    valid_before: Time | None = None
    verify_required: bool = Field(default=False, exclude_if=lambda value: not value)

    @property
    def fingerprint(self) -> str:
        """The key's, as `ssh-keygen -l` shows it."""
        return fingerprint_of(self.key)

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

    def line(self) -> str:
        """The line of an `allowed_signers` file that says the same, but for what ssh-keygen has no word for there."""
        options = []
        if self.namespaces is not None:
            options.append(f'namespaces="{",".join(self.namespaces)}"')
        for name, moment in (("valid-after", self.valid_after), ("valid-before", self.valid_before)):
            options += [f'{name}="{moment:%Y%m%d%H%M%S}Z"'] if moment else []
        return " ".join(filter(None, (",".join(self.principals), ",".join(options), self.key)))


def _fits(pattern: str, name: str) -> bool:
    told = {"*": ".*", "?": "."}
    return re.fullmatch("".join(told.get(each, re.escape(each)) for each in pattern), name) is not None


def read_allowed_signers(text: str) -> tuple[AllowedSigner, ...]:
    """The lines of the file, without comments and empty ones. Raises `InvalidInput` naming the first bad line."""
    if len(text) > LARGEST_CHARACTERS:
        problem = f"it is longer than {LARGEST_CHARACTERS} characters"
        raise InvalidInput("allowed_signers", problem, "Name the right file")
    return tuple(_line(line, f"allowed_signers:{number}") for number, line in _lines(text))


def write_allowed_signers(signers: Iterable[AllowedSigner]) -> str:
    """The file that says the same. What ssh-keygen has no word for there is a comment before the line."""
    told = f"# {VERIFY}: the next key counts only where it has asked for a PIN or a fingerprint\n"
    return "".join(f"{told if each.verify_required else ''}{each.line()}\n" for each in signers)


def read_key_file(text: str, person: str, *names: str) -> Iterator[AllowedSigner | InvalidInput]:
    """This person's keys in a file of either form; what is no key as the error that says so, with its line.

    A line of `authorized_keys` is theirs; one of `allowed_signers` when one of its principals is the person or one of
    the other names.
    """
    for number, line in _lines(text):
        try:
            found = _either(line, f"line {number}", person)
        except InvalidInput as error:
            yield error
            if "private key" in error.problem:
                return  # the lines that follow are the key itself
        else:
            if {person, *names} & set(found.principals):
                yield found.changed(principals=(person,))


def read_own_key(text: str, person: str) -> AllowedSigner:
    """A key as `authorized_keys` has it: `[OPTIONS] TYPE BASE64 [COMMENT]`, of this person. Raises `InvalidInput`."""
    text = text.strip()
    if len(text.split("\n")) > 1 and "PRIVATE KEY" not in text:
        fix = "Write each key as an item of its own"
        raise InvalidInput("key", "more than one line is written here", fix)
    found = _either(text, "key", person)
    if found.principals != (person,) or not _own(text):
        fix = "Take it out, the key is this person's"
        raise InvalidInput("key", "a principal stands before the key", fix)
    return found


def _lines(text: str) -> list[tuple[int, str]]:
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    return [(number, line) for number, line in lines if line and line[0] != "#"]


def _own(line: str) -> bool:
    """Whether no principals stand on the line: it begins with the key, or with options that end before it."""
    if KIND.match(line):
        return True
    split = OPTIONS.fullmatch(line)
    names = [name.lower() for name, _ in OPTION.findall(f"{split[1]},")] if split else []
    known = all(name in OURS | LOGIN | {"cert-authority", "expiry-time", VERIFY} for name in names)
    return split is not None and bool(names) and known and KIND.match(split[2]) is not None


def _either(line: str, what: str, person: str) -> AllowedSigner:
    if "PRIVATE KEY" in line:
        fix = "Take it out, make a new one, and write the public half, the .pub file"
        raise InvalidInput(what, "this is a private key", fix)
    return (
        _signer((person,), line, what, LOGIN | {"expiry-time", VERIFY}) if _own(line) else _line(line, what)
    )


def _line(line: str, what: str) -> AllowedSigner:
    found = LINE.fullmatch(line)
    if found is None:
        raise InvalidInput(what, "there is no key on this line", FORM)
    principals, rest = tuple(found[1].strip('"').split(",")), found[2]
    if not all(principals) or any(character in found[1] for character in "*?!"):
        raise InvalidInput(what, "its principals are not plain names", "Write each name out: ana,ben")
    return _signer(principals, rest, what, frozenset())


def _signer(principals: tuple[str, ...], rest: str, what: str, also: frozenset[str]) -> AllowedSigner:
    options: dict[str, Any] = {}
    if not KIND.match(rest):
        split = OPTIONS.fullmatch(rest)
        if split is None:
            raise InvalidInput(what, "there is no key after its options", FORM)
        options, rest = _options(split[1], what, also), split[2]
    return AllowedSigner(principals=principals, key=read_key_line(rest, what).line, **options)


def _options(text: str, what: str, also: frozenset[str]) -> dict[str, Any]:
    if not re.fullmatch(f"(?:{OPTION.pattern})+", f"{text},"):
        fix = 'Write them like: namespaces="firestation-decision",valid-before="20270101Z"'
        raise InvalidInput(what, "its options cannot be read", fix)
    options: dict[str, Any] = {}
    for written, value in OPTION.findall(f"{text},"):
        name = written.lower()
        if name == "cert-authority":
            raise InvalidInput(what, "certificate authorities are not accepted", "List each person's own key")
        if name not in OURS | also:
            raise InvalidInput(what, f"the option {name[:80]} is unknown", "Leave it out")
        if name in LOGIN:
            continue
        if name == VERIFY:
            options[name] = True
            continue
        name = "valid-before" if name == "expiry-time" else name
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


def _key_line(text: str) -> str:
    try:
        read_own_key(text, "person")
    except InvalidInput as error:
        raise ValueError(f"{error.problem}; {error.fix[:1].lower()}{error.fix[1:]}") from None
    return text


KeyLine = Annotated[
    str, Field(min_length=1, max_length=4000), AfterValidator(str.strip), AfterValidator(_key_line)
]
"""A public key in `authorized_keys` form: `[OPTIONS] TYPE BASE64 [COMMENT]`."""
