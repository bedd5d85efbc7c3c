"""The e-mail channel against a real SMTP server: at most once, whatever the server does."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firestation.board import Message
from firestation.drivers import Drivers
from firestation.drivers.claims import open_claims
from firestation.errors import Denied, Doubtful, DriverError, Gone, InvalidInput, NotConfigured, Unreachable
from firestation.ports import Channel
from firestation.secrets import ReferenceSecrets
from firestation.system import ChannelFitting
from firestation.testing import ChannelConformance
from tests.drivers.mailing import PASSWORD, USER, Mailbox, Moment, certificate, mail_server, with_login
from tests.e2e.processes import free_port

PAGE = Message(incident="agent-1", purpose="page", title="Fire", text="Take it", to="ana@example.org")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server(Mailbox()) as box:
        yield box


def channel_at(bench: Drivers, port: int, **config: Any) -> Channel:
    given = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "firestation@example.org", **config}
    return bench.channel(ChannelFitting(id="mail", title="M", driver="email", audience="pager", config=given))


class TestEmailChannel(ChannelConformance):
    @pytest.fixture
    def channel(self, bench: Drivers, box: Mailbox) -> Channel:
        return channel_at(bench, box.port, to="team@example.org")

    @pytest.fixture
    def delivered(self, box: Mailbox) -> Callable[[], list[str]]:
        return lambda: box.texts


async def test_it_comes_as_plain_text_that_readers_can_join(bench: Drivers, box: Mailbox) -> None:
    text = "Umlauts äöü, fire 🔥\n.a line that begins with a dot\n.\n" + "x" * 3000
    receipt = await channel_at(bench, box.port).send(PAGE.changed(text=text), "i/1/page-1/mail")
    await channel_at(bench, box.port).send(PAGE, "i/1/page-2/mail")
    mail, other = box.mails
    assert receipt.reference == "queued as 1"
    assert box.texts[0] == text
    assert mail.get_content_type() == "text/plain"
    assert (mail["From"], mail["To"]) == ("firestation@example.org", "ana@example.org")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail["Message-ID"] != other["Message-ID"]
    assert "Fire" in mail["Subject"]


@pytest.mark.parametrize(
    "title",
    ["Fire\r\nBcc: eve@example.org", "Fire\nSubject: x", "\u2028Fire\x0bBcc: eve@example.org", "ä" * 200],
)
async def test_a_title_is_one_header_whatever_it_holds(bench: Drivers, box: Mailbox, title: str) -> None:
    await channel_at(bench, box.port).send(PAGE.changed(title=title), "k")
    (mail,), (envelope,) = box.mails, box.raw
    assert envelope.rcpt_tos == ["ana@example.org"]
    assert mail["Bcc"] is None
    assert len(mail.get_all("Subject", [])) == 1


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ana",
        "a@b@c",
        "ana@example.org\r\nRCPT TO:<eve@example.org>",
        "ana @example.org",
        "<ana@x>",
        "@x",
        "ana@",
    ],
)
async def test_whoever_has_no_address_gets_nothing(bench: Drivers, box: Mailbox, to: str) -> None:
    with pytest.raises(Gone, match="no e-mail address"):
        await channel_at(bench, box.port).send(PAGE.changed(to=to), "k")
    assert box.mails == []


REFUSED: list[tuple[Moment, str, type[DriverError], bool]] = [
    ("RCPT", "450 try later", Unreachable, True),
    ("RCPT", "550 no such user", Gone, False),
    ("RCPT", "554 policy", Denied, False),
    ("DATA", "451 try later", Unreachable, True),
    ("DATA", "552 too much", Denied, False),
]


@pytest.mark.parametrize(("moment", "answer", "error", "retried"), REFUSED, ids=[row[1] for row in REFUSED])
async def test_what_was_surely_not_sent_may_be_sent_again(
    bench: Drivers, box: Mailbox, moment: Moment, answer: str, error: type[DriverError], retried: bool
) -> None:
    box.refusals[moment] = [answer]
    channel = channel_at(bench, box.port)
    with pytest.raises(error, match=answer.rsplit(maxsplit=1)[-1]) as caught:
        await channel.send(PAGE, "k")
    assert caught.value.retryable is retried
    assert box.mails == []
    await channel.send(PAGE, "k")
    assert box.texts == ["Take it"]


async def test_a_server_that_is_away_is_tried_again(bench: Drivers, box: Mailbox) -> None:
    with pytest.raises(Unreachable, match="not reachable"):
        await channel_at(bench, free_port()).send(PAGE, "k")
    await channel_at(bench, box.port).send(PAGE, "k")
    assert box.texts == ["Take it"]


@pytest.mark.parametrize("moment", ["DATA", "TAKEN"])
async def test_a_server_that_falls_silent_with_the_mail_is_not_asked_again(
    bench: Drivers, box: Mailbox, moment: Moment
) -> None:
    box.silent = moment
    channel = channel_at(bench, box.port)
    with pytest.raises(Doubtful, match="may have been sent; not sent again") as caught:
        await channel.send(PAGE, "k")
    assert not caught.value.retryable
    box.silent = None
    with pytest.raises(Doubtful, match="may have been sent; not sent again"):
        await channel.send(PAGE, "k")
    assert len(box.mails) <= 1


async def test_two_workers_at_once_send_one(bench: Drivers, box: Mailbox, tmp_path: Path) -> None:
    box.holds = "RCPT"
    outcomes: list[object] = []
    started = threading.Event()

    def other_worker() -> None:
        async def send() -> None:
            secrets, claims = ReferenceSecrets(tmp_path), open_claims(tmp_path / "evidence")
            async with Drivers(secrets, folder=tmp_path, claims=claims) as theirs:
                started.set()
                outcomes.append(await channel_at(theirs, box.port).send(PAGE, "k"))

        asyncio.run(send())

    thread = threading.Thread(target=other_worker)
    thread.start()
    assert started.wait(30)
    assert box.holding.wait(30)
    with pytest.raises(Doubtful):
        await channel_at(bench, box.port).send(PAGE, "k")
    box.go_on.set()
    thread.join(30)
    assert len(outcomes) == len(box.mails) == 1
    assert await channel_at(bench, box.port).send(PAGE, "k") == outcomes[0]


@pytest.mark.filterwarnings(
    "ignore:Requiring AUTH while not requiring TLS:UserWarning"
)  # it cannot see the outer TLS
@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_an_encrypted_login(
    bench: Drivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    pem, context = certificate(tmp_path)
    how = {"ssl_context": context} if tls == "tls" else {"tls_context": context, "require_starttls": True}
    login = {"tls": tls, "user": USER, "password": "env:MAIL_PASSWORD", "ca_file": pem.name}
    with mail_server(Mailbox(), **with_login(auth_require_tls=tls == "starttls", **how)) as box:
        channel = channel_at(bench, box.port, **login)
        with pytest.raises(Denied, match="MAIL_PASSWORD is not set"):
            await channel.send(PAGE, "k")
        monkeypatch.setenv("MAIL_PASSWORD", "a wrong one")
        with pytest.raises(Denied, match="refuses user or password") as caught:
            await channel.send(PAGE, "k")
        assert "a wrong one" not in str(caught.value)
        monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
        with pytest.raises(Denied, match="certificate that is not trusted"):
            await channel_at(bench, box.port, **{**login, "ca_file": None}).send(PAGE, "k")
        await channel.send(PAGE, "k")
        assert box.texts == ["Take it"]


async def test_nothing_goes_out_in_plain_where_tls_is_wanted(bench: Drivers, box: Mailbox) -> None:
    with pytest.raises(Denied, match="STARTTLS"):
        await channel_at(bench, box.port, tls="starttls").send(PAGE, "k")
    assert box.mails == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"host": "mail.example.org"}, "can be read on the way"),
        ({"user": "x"}, "user and password go together"),
        ({"password": "a secret itself"}, "password"),
        ({"sender": "nobody"}, "no e-mail address"),
        ({"sender": "a@b\nBcc: x@y"}, "no e-mail address"),
        ({"port": 0}, "port"),
    ],
)
def test_a_wrong_configuration_is_told(bench: Drivers, config: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        channel_at(bench, **{"port": 25, **config})


async def test_without_a_place_for_claims_nothing_is_sent(tmp_path: Path, box: Mailbox) -> None:
    async with Drivers(ReferenceSecrets(tmp_path), folder=tmp_path) as bench:
        with pytest.raises(NotConfigured, match="open_claims"):
            await channel_at(bench, box.port).send(PAGE, "k")
    assert box.mails == []
