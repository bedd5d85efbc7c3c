"""The e-mail channel, by SMTP: plain text, sent at most once.

SMTP has no idempotency key, so a message is claimed before it is sent (`claims.py`). What fails before the server has
taken the message frees the claim, and is tried again; a server that falls silent while it takes the message leaves a
doubt, and the message is not sent again. Its Message-ID is made from the key, too.
"""

import asyncio
import hashlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.claims import at_most_once
from firestation.drivers.kit import Kit
from firestation.errors import Denied, Doubtful, DriverError, Gone, Nonsense, NotConfigured, Unreachable
from firestation.model import Duration, Line, Model
from firestation.system import ChannelFitting

PORTS = {"starttls": 587, "tls": 465, "none": 25}
HERE = frozenset({"localhost", "127.0.0.1", "::1"})
GO_AHEAD, TAKEN = 354, 250
NO_SUCH_MAILBOX = frozenset({550, 551, 553})
PERMANENT = 500


def _is_address(text: str) -> str:
    if _address(text) is None:
        msg = f"{text!r} is no e-mail address; write it like firestation@example.org"
        raise ValueError(msg)
    return text


EmailAddress = Annotated[Line, AfterValidator(_is_address)]


class EmailConfig(Model):
    """The SMTP server. Without TLS only on this machine. `to` is where all goes; else to each contact's address.

    `ca_file` holds the certificates to trust instead of the machine's own, relative to the state folder.
    """

    host: Line
    port: int | None = Field(default=None, ge=1, le=65535)
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: Line | None = None
    password: SecretReference | None = None
    sender: EmailAddress
    to: EmailAddress | None = None
    ca_file: Line | None = None
    timeout: Duration = Field(default="10s", validate_default=True, gt=timedelta(), le=timedelta(minutes=1))

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.tls == "none" and self.host not in HERE:
            msg = "without TLS a page, and its link, can be read on the way; write tls: starttls, or tls: tls"
            raise ValueError(msg)
        if (self.user is None) != (self.password is None):
            msg = "user and password go together; write password: env:NAME, or neither"
            raise ValueError(msg)
        return self


class EmailChannel:
    """Sends, at most once a key."""

    config_model: ClassVar[type[Model]] = EmailConfig

    def __init__(self, fitting: ChannelFitting, config: EmailConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """One e-mail, under the key."""
        to = self.config.to or message.to or ""
        if _address(to) is None:
            raise Gone(f"{to!r} is no e-mail address; write it like ana@example.org")

        async def sending() -> Receipt:
            reply = await asyncio.to_thread(self._send, self._letter(message, to, key), to)
            return Receipt(channel=self.fitting.id, reference=reply)

        return await at_most_once(self.kit.claims, key, sending)

    def _letter(self, message: Message, to: str, key: str) -> EmailMessage:
        """The e-mail. Whatever a title holds, it is one header line."""
        sender = self.config.sender
        letter = EmailMessage(policy.SMTP if (sender + to).isascii() else policy.SMTPUTF8)
        letter["From"], letter["To"] = _address(sender), _address(to)
        shown = "".join(each if each.isprintable() else " " for each in message.title)
        letter["Subject"] = " ".join(shown.split())
        letter["Date"] = formatdate()
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        letter["Message-ID"] = f"<{name}@{sender.rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.text, charset="utf-8", cte="quoted-printable")
        return letter

    def _send(self, letter: EmailMessage, to: str) -> str:
        """What the server said when it took it. Blocks; raises `Doubtful` when it may have taken it."""
        with _as_ours(f"the mail server {self.config.host}"), self._session() as session:
            wide = [] if (self.config.sender + to).isascii() else ["SMTPUTF8"]
            if wide and not session.has_extn("smtputf8"):
                raise Gone(f"the mail server {self.config.host} takes no address like {to}")
            _wants(session.mail(self.config.sender, wide), TAKEN)
            _wants(session.rcpt(to), TAKEN)
            _wants(session.docmd("DATA"), GO_AHEAD)
            content = letter.as_bytes().removesuffix(b"\r\n").replace(b"\r\n.", b"\r\n..")
            try:
                session.send(content + b"\r\n.\r\n")
                answer = session.getreply()
            except (OSError, smtplib.SMTPException) as error:
                silent = f"the mail server {self.config.host} fell silent as it took it"
                raise Doubtful(f"it may have been sent; not sent again: {silent}") from error
            _wants(answer, TAKEN)
            return _said(answer[1])[:300] or "taken"

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A session that is encrypted and known, as the configuration says. Its end does not matter any more."""
        config = self.config
        port, seconds = config.port or PORTS[config.tls], config.timeout.total_seconds()
        name = socket.gethostname()
        if config.tls == "tls":
            made: smtplib.SMTP = smtplib.SMTP_SSL(
                config.host, port, name, timeout=seconds, context=self._context()
            )
        else:
            made = smtplib.SMTP(config.host, port, name, timeout=seconds)
        try:
            made.ehlo_or_helo_if_needed()
            if config.tls == "starttls":
                made.starttls(context=self._context())
                made.ehlo_or_helo_if_needed()
            if config.user is not None and config.password is not None:
                made.login(config.user, self.kit.secrets.resolve(config.password))
            yield made
        finally:
            made.close()

    def _context(self) -> ssl.SSLContext:
        ca_file = self.config.ca_file
        return ssl.create_default_context(cafile=str(self.kit.folder / ca_file) if ca_file else None)


def _address(text: str) -> Address | None:
    """The address, alone and in one piece; None when it is none."""
    if any(each.isspace() or not each.isprintable() for each in text) or text.count("@") != 1:
        return None
    try:
        return Address(addr_spec=text) if text.isascii() else Address(*("", *text.split("@")))
    except (ValueError, IndexError, MessageError):
        return None


def _wants(answer: tuple[int, bytes], code: int) -> None:
    """Raises `SMTPResponseException` unless the server answered so."""
    if answer[0] // 10 != code // 10:
        raise smtplib.SMTPResponseException(*answer)


@contextmanager
def _as_ours(server: str) -> Iterator[None]:
    """SMTP's troubles as ours; all of them before the server has taken anything."""
    try:
        yield
    except DriverError:
        raise
    except NotConfigured as error:
        raise Denied(str(error)) from error
    except smtplib.SMTPAuthenticationError as error:
        raise Denied(f"{server} refuses user or password ({error.smtp_code})") from error
    except smtplib.SMTPNotSupportedError as error:
        raise Denied(f"{server} does not offer what is asked of it: {error}") from error
    except smtplib.SMTPResponseException as error:
        raise _refused(server, error.smtp_code, _said(error.smtp_error)) from error
    except ssl.SSLCertVerificationError as error:
        raise Denied(f"{server} has a certificate that is not trusted: {error.verify_message}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable(
            f"{server} is not reachable: {str(error) or type(error).__name__}"[:1000]
        ) from error


def _refused(server: str, code: int, said: str) -> DriverError:
    msg = f"{server} answered {code}: {said}"
    if code in NO_SUCH_MAILBOX:
        return Gone(msg)
    if code >= PERMANENT:
        return Denied(msg)
    return Unreachable(msg) if code >= PERMANENT - 100 else Nonsense(msg)


def _said(reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:300]
