"""The doors for customers: every answer is the same to all, a link does one thing, and nobody can be pestered."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx
import pytest
import structlog
from obstore.store import MemoryStore

from firestation.drivers.subscribers.book import PrivateShelf, SubscriberBook
from firestation.drivers.subscribers.hook import Hooks
from firestation.drivers.subscribers.reception import Reception, way_out
from firestation.errors import Unreachable
from firestation.public_page.subscriber import Subscriber, Wish, subscriber_id
from firestation.secrets import ReferenceSecrets
from firestation.settings import Settings
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.__main__ import customers_of
from gateway.app import create_app
from gateway.attempts import MOST_FAILURES
from gateway.auth import Doorkeeper
from gateway.front import Front
from gateway.subscribing import MOST_AT_ONCE, Customers
from tests.gateway.conftest import Remembering
from worker.public_page import subscribing_of
from worker.subscribers import herald_of

KEY = b"the key of a station in a test.."
ADDRESS = "https://fire.example.org"
ANA = Wish(kind="email", address="ana@example.org")


class Post:
    """Mails that are kept here, and can be held up."""

    def __init__(self) -> None:
        self.sent = list[tuple[str, str]]()
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.arrived = asyncio.Event()

    async def send(self, to: str, subject: str, text: str, off: str | None = None) -> None:
        await self.may_go.wait()
        assert subject.startswith("[Example status]")
        assert off is None
        self.sent.append((to, text))
        self.arrived.set()

    async def came(self) -> str:
        """The link of the next mail."""
        async with asyncio.timeout(30):
            await self.arrived.wait()
        self.arrived.clear()
        (link,) = [each for each in self.sent[-1][1].split() if each.startswith(ADDRESS)]
        return link.removeprefix(ADDRESS)


class Shaky(PrivateShelf):
    """A place that may be away."""

    away = False

    async def replace(self, name: str, content: bytes) -> None:
        if self.away:
            raise Unreachable(f"the book cannot serve {name}")
        await super().replace(name, content)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def reception(post: Post) -> Reception:
    book = SubscriberBook(Shaky(MemoryStore(), "memory:"), KEY)
    return Reception(book, post, Hooks(), ADDRESS, "Example status")


@pytest.fixture
async def customer(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front, reception: Reception
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has nothing."""
    customers = Customers(reception, "https://status.example.org")
    app = create_app(desk, door, store, front, shelf=MemoryShelf(), customers=customers)
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://fire.example.org") as client:
        yield client


async def known(reception: Reception) -> str:
    name, wish = subscriber_id(ANA.kind, ANA.address, reception.book.key), ANA
    await reception.book.keep(Subscriber(id=name, wish=wish, confirmed_at=datetime(2026, 1, 1, tzinfo=UTC)))
    return name


async def test_a_customer_subscribes_and_unsubscribes_with_links_alone(
    customer: httpx.AsyncClient, reception: Reception, post: Post
) -> None:
    chosen = {"email": "ana@example.org", "component": ["0123456789ab", "ba9876543210"]}
    answer = await customer.post("/subscribe", data=chosen, headers={"origin": "https://status.example.org"})
    assert answer.status_code == 202
    link = await post.came()
    look = await customer.get(link)
    assert "Yes, tell me" in look.text
    assert await reception.book.ids() == ()  # whoever opens links to look at them confirms nothing
    for _ in range(2):
        assert "You will be told" in (await customer.post(link)).text
    (name,) = await reception.book.ids()
    kept = await reception.book.find(name)
    assert kept is not None
    assert kept.wish.components == ("0123456789ab", "ba9876543210")
    off = reception.way_out(name).removeprefix(ADDRESS)
    assert "Stop the messages" in (await customer.get(off)).text
    assert await reception.book.ids() == (name,)
    one_click = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        assert (await customer.post(off, data=one_click)).status_code == 200
    assert await reception.book.ids() == ()
    for page in (answer, look, await customer.get(off)):
        assert "ana" not in page.text
        assert "set-cookie" not in page.headers
        assert page.headers["cache-control"] == "no-store"
        assert "form-action 'self'" in page.headers["content-security-policy"]


async def test_the_answer_tells_nobody_who_is_known(
    customer: httpx.AsyncClient, reception: Reception, post: Post
) -> None:
    await known(reception)
    post.may_go.clear()  # and how long it takes to ask tells nothing either
    answers = [
        await customer.post("/subscribe", data={"email": f"{name}@example.org"})
        for name in ("ana", "ben", "ana")
    ]
    assert len({(each.status_code, each.text) for each in answers}) == 1
    post.may_go.set()


async def test_a_webhook_gets_its_secret_in_the_answer(customer: httpx.AsyncClient) -> None:
    shown = [await customer.post("/subscribe", data={"webhook": "https://127.0.0.1:1/x"}) for _ in range(2)]
    secrets = {
        word for each in shown for word in unescape(each.text).split("<code>") if word.startswith("whsec_")
    }
    assert len(secrets) == 2
    assert {each.status_code for each in shown} == {202}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"email": "ana"}, "Write it like ana@example.org"),
        ({"webhook": "http://hooks.example.org/"}, "could be read on the way"),
        ({"email": ""}, "one address is wanted"),
        ({"email": "ana@example.org", "component": "<script>"}, "no list of our components"),
    ],
)
async def test_a_form_that_cannot_be_used_says_what_to_write(
    customer: httpx.AsyncClient, post: Post, data: dict[str, str], said: str
) -> None:
    answer = await customer.post("/subscribe", data=data)
    assert answer.status_code == 422
    assert said in unescape(answer.text)
    assert "<script>" not in answer.text
    assert post.sent == []


async def test_who_has_no_mail_server_says_so(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front, reception: Reception
) -> None:
    reception.mailer = None
    app = create_app(desk, door, store, front, shelf=MemoryShelf(), customers=Customers(reception, None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        assert (await client.post("/subscribe", data={"email": "ana@example.org"})).status_code == 422


async def test_one_client_and_one_host_are_slowed_down(customer: httpx.AsyncClient, post: Post) -> None:
    for number in range(MOST_FAILURES):
        answer = await customer.post("/subscribe", data={"email": f"ana{number}@example.org"})
        assert answer.status_code == 202
    answer = await customer.post("/subscribe", data={"email": "ben@example.org"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "ben@example.org" not in [to for to, _ in post.sent]


async def test_no_more_is_under_way_than_one_gateway_can_do(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front, reception: Reception, post: Post
) -> None:
    post.may_go.clear()
    app = create_app(desk, door, store, front, shelf=MemoryShelf(), customers=Customers(reception, None))
    statuses = list[int]()
    for number in range(MOST_AT_ONCE + 1):
        transport = httpx.ASGITransport(app, client=(f"203.0.113.{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            answer = await client.post("/subscribe", data={"email": f"ana{number}@example.org"})
        statuses.append(answer.status_code)
    post.may_go.set()
    assert statuses == [202] * MOST_AT_ONCE + [503]


@pytest.mark.parametrize(
    "path", ["/subscribe/fsc_AAAA", "/unsubscribe/fsu_AAAA", "/subscribe/x", "/unsubscribe/%00"]
)
async def test_a_link_that_is_not_ours_opens_nothing(customer: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await customer.request(method, path)
        assert answer.status_code == 404
        assert "opens nothing" in answer.text


async def test_what_is_too_large_or_no_form_is_refused(customer: httpx.AsyncClient, post: Post) -> None:
    large = await customer.post("/subscribe", data={"email": "a" * 20_000})
    assert large.status_code == 413
    json = await customer.post("/subscribe", json={"email": "ana@example.org"})
    assert json.status_code == 415
    assert post.sent == []


async def test_of_our_own_troubles_customers_learn_no_more_than_that_there_are_some(
    customer: httpx.AsyncClient, reception: Reception
) -> None:
    assert isinstance(reception.book.shelf, Shaky)
    reception.book.shelf.away = True
    with structlog.testing.capture_logs() as logs:
        answer = await customer.post(f"/subscribe/{reception.token(ANA)}")
    assert answer.status_code == 503
    assert "the book" not in answer.text
    assert "ana@example.org" not in repr(logs) + answer.text


async def test_without_the_setting_there_is_no_door(http: httpx.AsyncClient) -> None:
    assert (await http.post("/subscribe", data={"email": "ana@example.org"})).status_code == 404


async def test_worker_and_gateway_have_one_book_by_their_settings(tmp_path: Path) -> None:
    without, secrets = Settings(state=tmp_path), ReferenceSecrets(tmp_path)
    assert customers_of(without, secrets) is None
    assert herald_of(without, secrets) is None
    assert subscribing_of(without) is None
    settings = without.changed(subscribe_url=ADDRESS, subscriber_mail="env:STATUS_MAIL")
    customers, herald = customers_of(settings, secrets), herald_of(settings, secrets)
    shown = subscribing_of(settings)
    assert customers
    assert herald
    assert shown
    assert shown.ways == customers.reception.ways == ("email", "webhook")
    assert (shown.origin, herald.address) == (ADDRESS, ADDRESS)
    name = await known(customers.reception)
    link = way_out(herald.address, name, herald.book.key)
    assert await herald.book.find(name)
    assert await customers.reception.leave(link.rpartition("/")[2])
    assert await herald.book.ids() == ()
    assert (tmp_path / "keys/subscribers").stat().st_mode & 0o077 == 0
    only = settings.changed(subscriber_mail=None)
    assert (subscribing_of(only) or pytest.fail("no form")).ways == ("webhook",)
