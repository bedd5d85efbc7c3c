"""Every error that Firestation raises on purpose. Each message says what to do next.

FirestationError
├── InvalidInput            something that came in is wrong: names the field and the fix
│   └── InvalidFile         ... in a YAML file: names the line too
├── Refused                 a rule of the house says no: names the rule and what is missing
├── NotConfigured           a driver, secret or file that is named is not there
└── DriverError             the outside world did not do its part
    ├── Unreachable         no answer, a time-out, a 5xx: worth another try
    ├── Denied              401, 403: another try will not help
    ├── Gone                404, expired: the thing asked for is not there
    ├── Nonsense            an answer that cannot be what was asked for
    ├── Withheld            privacy does not let us keep it
    ├── Drifted             the lever is not where it was expected: somebody else moved it
    └── NotApplied          the answer said yes and the read-back says no
"""

from collections.abc import Mapping
from typing import Any


class FirestationError(Exception):
    """The root; catching it catches everything that we raise on purpose."""


class InvalidInput(FirestationError):
    """Input that cannot be used.

    `field` is a path such as `alerts[0].labels.system`; `fix` says what to write there instead.
    """

    def __init__(self, field: str, problem: str, fix: str) -> None:
        super().__init__(f"{field}: {problem}. {fix}")
        self.field, self.problem, self.fix = field, problem, fix


class InvalidFile(InvalidInput):
    """A YAML file that cannot be used; `line` is 1-based, 0 when the whole file is meant."""

    def __init__(self, file: str, line: int, field: str, problem: str, fix: str) -> None:
        super().__init__(field, problem, fix)
        self.file, self.line = file, line

    def __str__(self) -> str:
        """The form that editors and people can follow: file:line: field: problem. Fix."""
        return f"{self.file}:{self.line}: {self.field}: {self.problem}. {self.fix}"


ORDER = "the order of things"
"""The title of a refusal by no rule of the house."""

LONGEST_REFUSAL = 2000


class Refused(FirestationError):
    """A rule of the house, or the state of the incident, forbids this.

    `rule` is 1 to 11, or 0 where it is no rule but the order of things (an act in the wrong phase). What is missing may
    quote what people wrote, so it is cut to `LONGEST_REFUSAL` characters: it goes on the record.
    """

    def __init__(self, rule: int, title: str, missing: str) -> None:
        if len(missing) > LONGEST_REFUSAL:
            missing = f"{missing[: LONGEST_REFUSAL - 1]}…"
        super().__init__(f"refused by rule {rule}, {title}: {missing}" if rule else f"refused: {missing}")
        self.rule, self.title, self.missing = rule, title, missing


class BadLink(FirestationError):
    """The link of a page that opens nothing."""


class LinkAltered(BadLink):
    """This station did not sign it so."""

    def __init__(self) -> None:
        super().__init__("this link is not whole: copy all of it from the page, or type firestation ack")


class LinkExpired(BadLink):
    """Its day is over."""

    def __init__(self) -> None:
        super().__init__("this link has expired, a day after its page; type firestation ack")


class NotConfigured(FirestationError):
    """Something that a file names is not there: a driver, a secret, a file."""


class DriverError(FirestationError):
    """The outside world did not do its part; `details` never hold a secret."""

    retryable = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details: Mapping[str, Any] = details


class Unreachable(DriverError):
    """No answer in time, a broken connection, or an answer that says "try later"."""

    retryable = True


class Denied(DriverError):
    """The other side knows us and says no, or does not know us: check the credential."""


class Gone(DriverError):
    """The other side does not have what was asked for, or has it no more."""


class Nonsense(DriverError):
    """An answer that cannot be what was asked for (HTML for JSON, no value at the path)."""

    retryable = True


class Withheld(DriverError):
    """Privacy asks for something to be taken out that cannot be, so it is not kept."""


class Drifted(DriverError):
    """The lever is not where it was expected; nothing was overwritten."""


class NotApplied(DriverError):
    """The move was answered with success, and the lever read again does not show it."""

    retryable = True


class Doubtful(DriverError):
    """It may have been done, and nobody can tell; so it is not done again."""
