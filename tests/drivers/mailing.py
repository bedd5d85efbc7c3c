"""A real mail server (aiosmtpd) in a thread, which a test may have hold its breath, refuse, or fall silent."""

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.processes import free_port

Moment = Literal["RCPT", "DATA", "TAKEN"]
USER, PASSWORD = "firestation", "a password of the test"


class Mailbox:
    """What the server has taken, and how it behaves at each moment: `TAKEN` is when it has the mail, before it says so.

    `refusals` are answers that are given once, at their moment; with `silent` it hangs up where it should answer.
    """

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.raw: list[Envelope] = []
        self.refusals: dict[Moment, list[str]] = {}
        self.silent: Moment | None = None
        self.holds: Moment | None = None
        self.holding, self.go_on = threading.Event(), threading.Event()

    async def handle_RCPT(  # noqa: N802 - the name that the server calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._comes_to("RCPT", server)
        if not answer:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = await self._comes_to("DATA", server)
        if answer:
            return answer
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.raw.append(envelope)
        return await self._comes_to("TAKEN", server) or f"250 queued as {len(self.mails)}"

    async def _comes_to(self, moment: Moment, server: SMTP) -> str:
        if self.holds == moment:
            self.holding.set()
            await asyncio.to_thread(self.go_on.wait, 60)
        if self.silent == moment:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        left = self.refusals.get(moment)
        return left.pop(0) if left else ""

    @property
    def texts(self) -> list[str]:
        return [mail.get_content().replace("\r\n", "\n").removesuffix("\n") for mail in self.mails]


def _authenticator(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(box: Mailbox, **options: Any) -> Iterator[Mailbox]:
    """The server on a free port, from ready to stopped."""
    box.port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=box.port, ready_timeout=30, **options)
    controller.start()
    try:
        yield box
    finally:
        box.go_on.set()
        controller.stop()


def with_login(**options: Any) -> dict[str, Any]:
    """Options of a server that takes mail of known senders only."""
    return {"authenticator": _authenticator, "auth_required": True, **options}


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of this machine, signed by itself, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context
