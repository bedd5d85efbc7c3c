"""Mails to subscribers, by apprise's mailto: and mailtos:, each with the link that unsubscribes (RFC 8058).

Apprise says yes or no, and why only in its log, which is read here and shown to nobody: it holds addresses.
"""

import asyncio
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import apprise
from apprise.plugins.email import NotifyEmail

from firestation.authority import SecretReference
from firestation.drivers.apprise import NOBODY
from firestation.errors import Denied, Doubtful, Gone, NotConfigured, Unreachable
from firestation.ports import Secrets

SECONDS = 60.0
"""For a whole mail. Apprise has its own limit for each answer of the server, 15 seconds."""

AT_ONCE = 8
"""Mails, in threads of their own: a server that hangs holds up mails, and nothing else of this process."""

BEFORE = "Connection error while submitting"
"""What apprise says when it came to no mail: no connection, or no login."""

REFUSED = re.compile(r"\((\d{3}), b['\"]")
RECIPIENT = re.compile(r"^Socket Exception: \{")
NO_SUCH_MAILBOX = frozenset({550, 551, 553})
PERMANENT = 500


class Mailer:
    """Sends a mail, and says whether it did. `reference` names apprise's URL; `{to}` in it is the recipient."""

    def __init__(self, reference: SecretReference, secrets: Secrets) -> None:
        self.reference, self.secrets = reference, secrets
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mails")

    async def send(self, to: str, subject: str, text: str, off: str | None = None) -> None:
        """One mail to this address. `off` is the link that unsubscribes.

        Raises `Doubtful` when it may have been sent; what else it raises says that it was not: `Gone` that there is no
        such mailbox, `Unreachable` and `Denied` all else.
        """
        try:
            async with asyncio.timeout(SECONDS):
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._threads, self._send, to, subject, text, off)
        except TimeoutError:
            raise Doubtful("it may have been sent; not sent again: the mail server did not end") from None

    def _send(self, to: str, subject: str, text: str, off: str | None) -> None:
        made = self._made(to, off)
        result = made.notify(
            text, title=subject, body_format=apprise.NotifyFormat.TEXT, log_level=logging.DEBUG
        )
        if not result:
            logs = (
                log.message for each in result.results for attempt in each.attempts for log in attempt.logs
            )
            raise _trouble(list(logs))

    def _made(self, to: str, off: str | None) -> apprise.Apprise:
        """The way to this one mailbox. Raises `Denied` when the URL leads elsewhere."""
        try:
            url = self.secrets.resolve(self.reference).replace("{to}", quote(to, safe=""))
        except NotConfigured as error:
            raise Denied(str(error)) from error
        url += ("&" if "?" in url else "?") + "&".join(
            f"%2B{name}={quote(text)}" for name, text in _headers(off)
        )
        made = apprise.Apprise()
        if not made.add(url) or len(made) != 1 or not isinstance(service := made[0], NotifyEmail):
            raise Denied(f"{self.reference} is no mailto: or mailtos: URL of apprise with to={{to}} in it")
        if [address for _, address in service.targets] != [to] or service.cc or service.bcc:
            raise Denied(
                f"{self.reference} leads not to the one mailbox that it is given; write to={{to}} in it"
            )
        service.retry = 0  # also where the URL asks for more: at most once
        return made


def _headers(off: str | None) -> Iterator[tuple[str, str]]:
    yield "Auto-Submitted", "auto-generated"
    if off:
        yield "List-Unsubscribe", f"<{off}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"


def _trouble(logs: list[str]) -> Exception:
    """What apprise's log says of a mail that it does not call sent."""
    codes = [int(found[1]) for each in logs for found in REFUSED.finditer(each)]
    if any(BEFORE in each for each in logs) or any(NOBODY.search(each) for each in logs):
        said = f" ({codes[0]})" if codes else ""
        return Unreachable(f"the mail server cannot be reached, or does not let us in{said}")
    if not codes:
        return Doubtful("it may have been sent; not sent again: the mail server fell silent")
    code = codes[0]
    if code in NO_SUCH_MAILBOX and any(RECIPIENT.match(each) for each in logs):
        return Gone(f"the mail server answered {code}: there is no such mailbox")
    refusal = Denied if code >= PERMANENT else Unreachable
    return refusal(f"the mail server answered {code}")
