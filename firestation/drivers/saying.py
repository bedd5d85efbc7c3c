"""What channels into products of others have in common: harmless text, cut with a mark, and what surely was not sent.

A message may quote an alarm or a model's output, so it is hostile: each driver escapes it for its product's own markup,
after what does not show (control characters, bidirectional overrides) was replaced here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from firestation.board import Message
from firestation.errors import Doubtful, DriverError, Nonsense, Unreachable
from firestation.state import Phase

FIRST_SERVER_ERROR = 500
BUSY = 503
NOT_BEGUN = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""What ends a request before anything of it has left."""

CUT = "… (cut here)"
ENDED = frozenset({Phase.CLOSED, Phase.DISMISSED, Phase.MERGED})


def shown(text: str) -> str:
    """Lines end as lines, and what does not show is a question mark."""
    return "\n".join(shown_line(line) for line in text.splitlines())


def shown_line(text: str) -> str:
    """The same on one line."""
    whole = " ".join(text.splitlines()).replace("\t", "    ")
    return "".join(each if each.isprintable() else "?" for each in whole)


def cut(text: str, limit: int) -> str:
    """At most so many characters; where some are missing, that is said at the end."""
    return text if len(text) <= limit else f"{text[: limit - len(CUT)]}{CUT}"


def cut_bytes(text: str, limit: int) -> str:
    """At most so many bytes in UTF-8, and never half a character; where some are missing, that is said."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    return raw[: limit - len(CUT.encode())].decode(errors="ignore") + CUT


def run_of(message: Message, key: str) -> str:
    """Which incident this is of: two fires may have had one id, and then their keys differ in the second part."""
    parts = key.split("/")
    return f"{message.incident}/{parts[1]}" if len(parts) > 2 else message.incident  # noqa: PLR2004 - id, run, step


def phase_of(message: Message) -> Phase | None:
    """The phase that the title of an update ends with; None when it names none."""
    named = message.title.rpartition(": ")[2]
    return next((phase for phase in Phase if phase.value == named), None) if is_update(message) else None


def is_update(message: Message) -> bool:
    """Whether it is a word of the board; everything else asks something of one person."""
    return message.purpose == "update"


@contextmanager
def doubting() -> Iterator[None]:
    """A post whose product knows no keys: what may have been taken is `Doubtful`, whatever the answer was."""
    try:
        yield
    except (Unreachable, Nonsense) as error:
        if surely_not_sent(error):
            raise
        raise Doubtful(f"it may have been sent; not sent again: {error}", **error.details) from error


def surely_not_sent(error: DriverError) -> bool:
    """Whether nothing can have been done: no connection, a refusal by number, or a server that says "later"."""
    status = error.details.get("status")
    if isinstance(status, int):
        return status < FIRST_SERVER_ERROR or (status == BUSY and "retry_after_s" in error.details)
    return isinstance(error.__cause__, NOT_BEGUN)
