"""Subscribers for real: the book in a folder and a bucket, mails to a real server, posts to a real HTTPS listener."""

import asyncio
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from obstore.store import MemoryStore

from firestation.drivers.subscribers import book as books
from firestation.drivers.subscribers.book import PrivateShelf, SubscriberBook, open_book
from firestation.drivers.subscribers.herald import MAILS, Herald
from firestation.drivers.subscribers.hook import Hooks, Post, _signed, new_secret
from firestation.drivers.subscribers.mail import Mailer
from firestation.drivers.subscribers.reception import Reception
from firestation.errors import Denied, Doubtful, DriverError, Gone, InvalidInput, Unreachable
from firestation.public_page.notice import notices
from firestation.public_page.subscriber import Kind, Subscriber, Wish, email_address, subscriber_id
from firestation.secrets import ReferenceSecrets
from tests.drivers.mailing import Mailbox, certificate, mail_server
from tests.e2e.processes import free_port
from tests.property.public_pages import component, part, word
from tests.property.test_subscribers import LOCALS

KEY = b"the key of a station in a test.."
ADDRESS = "https://fire.example.org"
OFF = f"{ADDRESS}/unsubscribe/fsu_x"
LINK = re.compile(r"https://fire\.example\.org/(subscribe|unsubscribe)/(\S+)")


class Hook:
    """A webhook that answers as it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.taken = list[tuple[dict[str, str], bytes]]()
        self.status = 200
        self.echo: Callable[[dict[str, Any]], object] = lambda body: {"challenge": body["challenge"]}

    @property
    def words(self) -> list[dict[str, Any]]:
        return [found for _, body in self.taken if (found := json.loads(body))["type"] == "incident.update"]


@contextmanager
def listening(hook: Hook, folder: Path) -> Iterator[ssl.SSLContext]:
    """The listener, by TLS; what trusts its certificate."""
    file, context = certificate(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
            told = json.loads(body)
            answer = json.dumps(hook.echo(told)).encode() if told["type"] == "subscription.confirm" else b""
            self.send_response(hook.status)
            self.send_header("Location", "https://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    hook.url = f"https://127.0.0.1:{server.server_port}/status?team=7"
    try:
        yield ssl.create_default_context(cafile=str(file))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 3, 50, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Town:
    """Everything that one station has of subscribers."""

    def __init__(self, book: SubscriberBook, mailer: Mailer, hooks: Hooks) -> None:
        self.clock = Clock()
        self.book = book
        self.reception = Reception(book, mailer, hooks, ADDRESS, "Status", clock=self.clock)
        self.herald = Herald(book, mailer, hooks, ADDRESS, self.clock)

    async def join(self, address: str, kind: Kind = "email", *components: str, secret: str = "") -> str:
        """One who has confirmed it long ago."""
        name = subscriber_id(kind, address, KEY)
        wish = Wish(kind=kind, address=address, components=components, secret=secret)
        await self.book.keep(Subscriber(id=name, wish=wish, confirmed_at=datetime(2026, 1, 1, tzinfo=UTC)))
        return name


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server(Mailbox()) as box:
        yield box


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[tuple[Hook, ssl.SSLContext]]:
    made = Hook()
    (tmp_path / "tls").mkdir()
    with listening(made, tmp_path / "tls") as trust:
        yield made, trust


@pytest.fixture
def mailer(box: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mailer:
    monkeypatch.setenv("STATUS_MAIL", url_of(box.port))
    return Mailer("env:STATUS_MAIL", ReferenceSecrets(tmp_path))


def url_of(port: int, to: str = "{to}") -> str:
    return f"mailto://127.0.0.1:{port}/?from=status@example.org&to={to}&mode=insecure&format=text&retry=3"


@pytest.fixture(params=["folder", "bucket"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> SubscriberBook:
    if request.param == "folder":
        return open_book(str(tmp_path / "subscribers"), KEY)
    return SubscriberBook(PrivateShelf(MemoryStore(), "memory:"), KEY)


@pytest.fixture
def town(book: SubscriberBook, mailer: Mailer, hook: tuple[Hook, ssl.SSLContext]) -> Town:
    return Town(book, mailer, Hooks(inside=True, trust=hook[1]))


def told_word(minutes: int = 7, number: int = 1) -> Any:
    words = tuple(word(minutes + each, f"Word {each + 1}.") for each in range(number))
    return notices(part(words=words), "Status", "https://status.example.org")[number - 1]


# The book ------------------------------------------------------------------------------------------------------


async def test_no_address_and_no_secret_stands_anywhere_in_the_book(town: Town, tmp_path: Path) -> None:
    wish = Wish(kind="webhook", address="https://hooks.example.org/zq", secret="whsec_zqzq")
    name = subscriber_id("webhook", wish.address, KEY)
    await town.join("zq.ana@example.org")
    await town.book.keep(Subscriber(id=name, wish=wish, confirmed_at=town.clock()))
    assert await town.book.may_ask(wish, town.clock())
    assert (await town.book.find(name) or pytest.fail("nobody")).wish == wish
    everything = [(each, await town.book.shelf.get(each)) for each in await town.book.shelf.names("")]
    assert len(everything) == 3
    assert "zq" not in repr(everything)
    for file in (tmp_path / "subscribers").rglob("*.json"):
        assert file.stat().st_mode & 0o077 == 0


async def test_what_was_altered_or_moved_is_nobody_and_takes_nothing_from_the_others(town: Town) -> None:
    ana, ben = await town.join("ana@example.org"), await town.join("ben@example.org")
    entry = await town.book.shelf.get(f"people/{ana}.json")
    assert entry is not None
    await town.book.shelf.replace(f"people/{ben}.json", entry)
    await town.book.shelf.replace("people/email-x.json", b"{")
    with structlog.testing.capture_logs() as logs:
        assert await town.book.find(ben) is None
        assert (await town.herald.tell(told_word(), last=False)).told == 1
    assert "example.org" not in repr(logs)


# Asking --------------------------------------------------------------------------------------------------------


async def test_in_one_hour_no_more_than_so_many_are_asked_whoever_asks(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "MOST_AN_HOUR", 3)
    wishes = [Wish(kind="email", address=f"{name}@example.org") for name in "abcdef"]
    town.clock.now = town.clock.now.replace(minute=0)
    asked = [await town.book.may_ask(each, town.clock()) for each in wishes]
    assert asked == [True] * 3 + [False] * 3
    town.clock.now += timedelta(hours=1)
    assert await town.book.may_ask(wishes[5], town.clock()), "who was not asked has used up nothing"


async def test_nothing_but_the_question_is_sent_and_nothing_kept_before_it_is_confirmed(
    town: Town, box: Mailbox
) -> None:
    wish = Wish(kind="email", address="ana@example.org", components=("0123456789ab",))
    await town.reception.ask(wish)
    assert await town.book.ids() == ()
    assert (await town.herald.tell(told_word(), last=False)).told == 0
    ((kind, token),) = LINK.findall(box.texts[0])
    assert (kind, len(box.mails)) == ("subscribe", 1)
    assert "ana" not in token
    found = town.reception.read(token)
    assert found == wish
    await town.reception.confirm(found)
    await town.reception.confirm(found)
    (name,) = await town.book.ids()
    assert await town.reception.leave(town.reception.way_out(name).rpartition("/")[2])
    assert await town.book.ids() == ()


async def test_a_link_of_before_or_of_another_station_confirms_nothing(town: Town) -> None:
    token = town.reception.token(Wish(kind="email", address="ana@example.org"))
    for wrong in (token[:-1], token[:-2] + "AA", token.removeprefix("fsc_"), "fsc_", "", "fsc_é"):
        assert town.reception.read(wrong) is None
    other = SubscriberBook(town.book.shelf, b"the key of another station......")
    assert Reception(other, None, Hooks(), ADDRESS, "Status").read(token) is None
    town.clock.now += timedelta(hours=48, seconds=1)
    assert town.reception.read(token) is None


async def test_one_mailbox_is_asked_once_an_hour_whoever_asks_and_whoever_is_known(
    town: Town, box: Mailbox
) -> None:
    await town.join("ana@example.org")
    elsewhere = Town(town.book, town.reception.mailer, town.reception.hooks)  # type: ignore[arg-type]
    elsewhere.clock.now = town.clock.now
    for each in (town, elsewhere, town):
        for address in ("ana@example.org", "Ana+tag@example.org"):
            await each.reception.ask(Wish(kind="email", address=address))
    assert len(box.mails) == 1
    town.clock.now += timedelta(minutes=59)  # another hour of the clock, and not yet an hour
    await town.reception.ask(Wish(kind="email", address="ana@example.org"))
    assert len(box.mails) == 1
    town.clock.now += timedelta(minutes=2)
    await town.reception.ask(Wish(kind="email", address="ana@example.org"))
    assert len(box.mails) == 2
    town.clock.now += timedelta(hours=5)
    await town.reception.ask(Wish(kind="email", address="ben@example.org"))
    assert len(await town.book.shelf.names("asked")) == 1  # no trace is kept of who asked once


async def test_a_webhook_confirms_by_its_challenge_and_signs_with_its_first_secret(
    town: Town, hook: tuple[Hook, ssl.SSLContext]
) -> None:
    made, secret = hook[0], new_secret()
    await town.reception.ask(Wish(kind="webhook", address=made.url, secret=secret))
    assert len(await town.book.ids()) == 1
    town.clock.now += timedelta(hours=2)
    await town.reception.ask(Wish(kind="webhook", address=made.url, secret=new_secret()))
    assert len(made.taken) == 1  # a stranger does not come by a secret of theirs
    town.clock.now -= timedelta(hours=2)
    notice = told_word(60)
    assert (await town.herald.tell(notice, last=False)).told == 1
    headers, body = made.taken[-1]
    assert headers["host"] == made.url.split("/")[2]
    name, at = headers["webhook-id"], headers["webhook-timestamp"]
    assert abs(int(at) - datetime.now(UTC).timestamp()) < 60
    expected = _signed(name, body, secret)["webhook-signature"]
    assert headers["webhook-signature"] == expected
    told = json.loads(body)
    assert told["update"]["known"] == notice.word.known
    ((kind, token),) = LINK.findall(told["unsubscribe"])
    assert kind == "unsubscribe"
    assert await town.reception.leave(token)


@pytest.mark.parametrize(
    "echo", [lambda body: body, lambda _: {"challenge": "x"}, lambda _: "x", lambda body: body["challenge"]]
)
async def test_a_webhook_that_reflects_what_it_gets_has_confirmed_nothing(
    town: Town, hook: tuple[Hook, ssl.SSLContext], echo: Callable[[dict[str, Any]], object]
) -> None:
    hook[0].echo = echo
    await town.reception.ask(Wish(kind="webhook", address=hook[0].url, secret=new_secret()))
    assert len(hook[0].taken) == 1
    assert await town.book.ids() == ()


# Mails -----------------------------------------------------------------------------------------------------------


async def test_a_mail_can_be_unsubscribed_with_one_click(mailer: Mailer, box: Mailbox) -> None:
    off = f"{ADDRESS}/unsubscribe/fsu_{'Ab-_9' * 20}"
    await mailer.send("ana+x@example.org", "[Status] Ümlaut 🔥", "Hello\n\n.\n-- \nbye\n", off)
    (mail,) = box.mails
    assert mail["List-Unsubscribe"] == f"<{off}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "[Status] Ümlaut 🔥"
    assert box.raw[0].rcpt_tos == ["ana+x@example.org"]
    assert box.texts[0].strip() == "Hello\n\n.\n-- \nbye"


@given(LOCALS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_mail_goes_to_the_one_mailbox_whatever_its_name_is(mailer: Mailer, local: str) -> None:
    try:
        address = email_address(f"{local}@example.org")
    except InvalidInput:
        return
    mailer._made(address, OFF)


@pytest.mark.parametrize(
    "to", ["ana@example.org,eve@example.org", "eve@example.org?cc=x@example.org", "", "ana"]
)
async def test_an_address_cannot_leave_its_place(mailer: Mailer, box: Mailbox, to: str) -> None:
    with pytest.raises(Denied, match="env:STATUS_MAIL"):
        await mailer.send(to, "s", "t", OFF)
    assert box.mails == []


@pytest.mark.parametrize(
    "url", ["json://127.0.0.1/x", url_of(1, to="all@example.org"), f"{url_of(1)}&cc=eve@example.org", "x"]
)
async def test_a_url_that_leads_elsewhere_sends_nothing(
    mailer: Mailer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("STATUS_MAIL", url)
    with pytest.raises(Denied, match="env:STATUS_MAIL") as caught:
        await mailer.send("ana@example.org", "s", "t", OFF)
    assert "127.0.0.1" not in str(caught.value)


REFUSED = [
    ("RCPT", "450 try later", Unreachable),
    ("RCPT", "550 no such user", Gone),
    ("RCPT", "554 policy", Denied),
    ("DATA", "451 try later", Unreachable),
    ("DATA", "550 it looks like spam", Denied),
]


@pytest.mark.parametrize(("moment", "answer", "error"), REFUSED, ids=[each[1] for each in REFUSED])
async def test_why_a_mail_was_not_sent_is_read_from_apprise(
    mailer: Mailer, box: Mailbox, moment: Any, answer: str, error: type[DriverError]
) -> None:
    box.refusals[moment] = [answer]
    with pytest.raises(error, match=answer[:3]) as caught:
        await mailer.send("ana@example.org", "s", "t", OFF)
    assert "ana" not in str(caught.value)
    assert box.mails == []


async def test_a_server_that_fell_silent_leaves_a_doubt_and_one_that_is_away_does_not(
    mailer: Mailer, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.silent = "TAKEN"
    with pytest.raises(Doubtful):
        await mailer.send("ana@example.org", "s", "t", OFF)
    assert len(box.mails) == 1
    monkeypatch.setenv("STATUS_MAIL", url_of(free_port()))
    with pytest.raises(Unreachable):
        await mailer.send("ana@example.org", "s", "t", OFF)


async def test_a_mail_server_that_hangs_keeps_nothing_else_waiting(mailer: Mailer, box: Mailbox) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    box.holds = "RCPT"
    going = asyncio.create_task(mailer.send("ana@example.org", "s", "t", OFF))
    try:
        assert await loop.run_in_executor(ThreadPoolExecutor(1), box.holding.wait, 30)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 30) == "done"
    finally:
        box.go_on.set()
    await going


# Webhooks --------------------------------------------------------------------------------------------------------


async def test_no_post_comes_to_an_address_of_ones_own_network(
    hook: tuple[Hook, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, outside = hook[0], Hooks(trust=hook[1])
    with pytest.raises(Gone, match="not of the public internet"):
        await outside.post(made.url, Post("a", {}), new_secret())
    port = int(made.url.split(":")[2].split("/")[0])

    def rebinding(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        return [(2, 1, 6, "", ("93.184.215.14", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(Gone, match="not of the public internet"):
        await outside.post(f"https://hooks.example.org:{port}/", Post("a", {}), new_secret())
    assert made.taken == []


async def test_the_connection_goes_to_the_address_that_was_checked(
    hook: tuple[Hook, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is asked for once: the certificate is then not that name's, and nothing is sent."""
    made, asked = hook[0], list[str]()
    port = int(made.url.split(":")[2].split("/")[0])

    def once(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", once)
    with pytest.raises(Unreachable, match="ConnectError"):
        await Hooks(inside=True, trust=hook[1]).post(
            f"https://hooks.example.org:{port}/", Post("a", {}), new_secret()
        )
    assert asked.count("hooks.example.org") == 1
    assert made.taken == []


async def test_a_name_for_which_nobody_answers_keeps_nothing_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever fills in the form chooses the name, and who answers for it."""
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def hanging(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    loop.set_default_executor(ThreadPoolExecutor(1))
    going = asyncio.create_task(Hooks().post("https://slow.example.org/", Post("a", {}), new_secret()))
    try:
        await begun.wait()
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 30) == "done"
    finally:
        go_on.set()
    with pytest.raises(Unreachable, match="gaierror"):
        await going


async def test_a_host_that_is_no_name_is_nowhere_and_is_not_told_of() -> None:
    with pytest.raises(Unreachable) as caught:
        await Hooks().post("https://xn--a.com/", Post("a", {}), new_secret())
    assert "a.com" not in str(caught.value)


ANSWERS = [(410, Gone), (404, Gone), (500, Unreachable), (429, Unreachable), (403, Denied), (302, Denied)]


@pytest.mark.parametrize(("status", "error"), ANSWERS)
async def test_what_a_webhook_answers_is_told_without_its_address(
    hook: tuple[Hook, ssl.SSLContext], status: int, error: type[DriverError]
) -> None:
    hook[0].status = status
    body = {"type": "incident.update"}
    with pytest.raises(error, match=str(status)) as caught:
        await Hooks(inside=True, trust=hook[1]).post(hook[0].url, Post("a", body), new_secret())
    assert "team=7" not in str(caught.value)
    assert len(hook[0].taken) == 1  # no redirect is followed


# Telling -----------------------------------------------------------------------------------------------------------


async def test_each_is_told_each_word_once_and_who_came_later_only_what_came_later(
    town: Town, box: Mailbox
) -> None:
    for number in range(MAILS + 2):
        await town.join(f"ana{number}@example.org")
    late = Subscriber(
        id=subscriber_id("email", "late@example.org", KEY),
        wish=Wish(kind="email", address="late@example.org"),
        confirmed_at=told_word(8).word.at,
    )
    await town.book.keep(late)
    for notice in (told_word(), told_word(), told_word(7, 2), told_word(7, 2), told_word(7, 3)):
        await town.herald.tell(notice, last=False)
    got = sorted(
        (each.rcpt_tos[0], text.splitlines()[2]) for each, text in zip(box.raw, box.texts, strict=True)
    )
    everybody = {f"ana{number}@example.org" for number in range(MAILS + 2)}
    wanted = [(who, f"Word {number}.") for who in everybody for number in (1, 2, 3)]
    wanted += [("late@example.org", "Word 2."), ("late@example.org", "Word 3.")]
    assert got == sorted(wanted)


async def test_who_chose_other_components_is_not_told(town: Town, box: Mailbox) -> None:
    await town.join("ana@example.org", "email", component("Refunds").id)
    await town.join("ben@example.org", "email", component("Search").id)
    await town.herald.tell(told_word(), last=False)
    assert [each.rcpt_tos for each in box.raw] == [["ana@example.org"]]


async def test_who_cannot_be_told_holds_up_nobody_and_is_tried_again(
    town: Town, box: Mailbox, hook: tuple[Hook, ssl.SSLContext]
) -> None:
    hook[0].status = 500
    await town.join(hook[0].url, "webhook", secret=new_secret())
    for name in ("ana", "ben"):
        await town.join(f"{name}@example.org")
    box.refusals["RCPT"] = ["451 try later"]
    first = await town.herald.tell(told_word(), last=False)
    assert (first.told, first.left) == (1, 2)
    hook[0].status = 200
    second = await town.herald.tell(told_word(), last=False)
    assert (second.told, second.left) == (2, 0)
    assert sorted(each.rcpt_tos[0] for each in box.raw) == ["ana@example.org", "ben@example.org"]
    assert len({headers["webhook-id"] for headers, _ in hook[0].taken}) == 1
    assert (await town.herald.tell(told_word(), last=False)).told == 0


async def test_without_a_mail_server_the_mails_wait_and_do_not_each_wait_for_it(
    town: Town, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        await town.join(f"ana{number}@example.org")
    there = url_of(box.port)
    monkeypatch.setenv("STATUS_MAIL", url_of(free_port()))
    assert (await town.herald.tell(told_word(), last=False)).left == 30
    assert len(await town.book.begun(told_word().id)) == 0
    monkeypatch.setenv("STATUS_MAIL", there)
    assert (await town.herald.tell(told_word(), last=False)).told == 30


async def test_who_is_not_there_three_times_in_a_row_is_let_go_with_a_word_in_the_log(
    town: Town, box: Mailbox, hook: tuple[Hook, ssl.SSLContext]
) -> None:
    hook[0].status = 410
    await town.join(hook[0].url, "webhook", secret=new_secret())
    ana = await town.join("ana@example.org")
    for number in (1, 2):
        box.refusals["RCPT"] = ["550 no such user"]
        assert (await town.herald.tell(told_word(7, number), last=False)).gone == 2
    assert len(await town.book.ids()) == 2
    with structlog.testing.capture_logs() as logs:
        await town.herald.tell(told_word(7, 3), last=False)  # ana is there again
    assert await town.book.ids() == (ana,)
    assert [each["log_level"] for each in logs if "let go" in each["event"]] == ["warning"]
    assert await town.book.failing() == {}
    assert "127.0.0.1" not in repr(logs)


async def test_who_was_told_is_forgotten_some_days_after_all_were(
    book: SubscriberBook, mailer: Mailer, box: Mailbox
) -> None:
    town = Town(book, mailer, Hooks())
    await town.join("ana@example.org")
    town.clock.now = datetime.now(UTC)
    await town.herald.tell(told_word(), last=False)
    assert await book.begun(told_word().id)
    town.clock.now += timedelta(days=3)
    await town.herald.tell(told_word(7, 2), last=False)
    assert not await book.begun(told_word().id)
    await town.herald.tell(told_word(), last=False)  # and yet nobody is told again
    assert len(box.mails) == 2


async def test_a_worker_that_is_told_to_stop_ends_what_it_has_begun(town: Town, box: Mailbox) -> None:
    for number in range(MAILS + 4):
        await town.join(f"ana{number}@example.org")
    box.holds = "TAKEN"
    telling = asyncio.create_task(town.herald.tell(told_word(), last=False))
    await asyncio.to_thread(box.holding.wait, 30)
    telling.cancel()
    box.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await telling
    begun = await town.book.begun(told_word().id)
    assert len(begun) == len(box.mails) <= MAILS
    assert (await town.herald.tell(told_word(), last=False)).told == MAILS + 4 - len(begun)
    assert len({each.rcpt_tos[0] for each in box.raw}) == len(box.raw) == MAILS + 4
