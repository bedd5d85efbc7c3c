"""A public word and its subscribers: each is told once, after the page shows it, whoever dies meanwhile."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from obstore.store import MemoryStore
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import Worker

from activities.public_page import PublicPageActivities
from firestation import acts
from firestation.drivers.public_page import StaticPage
from firestation.drivers.public_page.site import Site
from firestation.drivers.subscribers.book import PrivateShelf, SubscriberBook, open_book
from firestation.drivers.subscribers.herald import MAILS, Herald
from firestation.drivers.subscribers.hook import Hooks
from firestation.drivers.subscribers.mail import Mailer
from firestation.errors import Unreachable
from firestation.orders import TellOrder, Told
from firestation.public_page.notice import Notice, notices
from firestation.public_page.part import reference
from firestation.public_page.subscriber import Subscriber, Wish, subscriber_id
from firestation.secrets import ReferenceSecrets
from firestation.state import Phase
from firestation.system import Component
from tests.drivers.mailing import Mailbox, mail_server
from tests.e2e.processes import wait_for
from tests.property.public_pages import part, word
from tests.workflows.stage import PATIENCE, SERVERS, Stage, at_work, live, short_brief, staged
from worker.subscribers import TemporalCriers
from worker.wiring import workflow_runner
from workflows.client import TASK_QUEUE
from workflows.histories import as_json
from workflows.subscribers import TELLER, SubscriberTeller, teller_id

KEY = b"the key of a station in a test.."
WORD = "Some refunds are answered wrongly. We have paused them."
MANY = 3 * MAILS
ROOT = Path(__file__).parents[2]


class Post:
    """A mail server in memory, which may be away; it looks at the page when a mail comes."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.sent = Counter[str]()
        self.asked, self.away = 0, False
        self.unshown = list[str]()

    async def send(self, to: str, subject: str, text: str, off: str | None = None) -> None:
        self.asked += 1
        if self.away:
            raise Unreachable("nobody answers")
        self.sent[to] += 1
        (link,) = [each for each in text.split() if "/incidents/" in each]
        shown = await self.site.get(link.removeprefix("https://status.example.org/")) or b""
        if WORD.encode() not in shown:
            self.unshown.append(to)


async def join(book: SubscriberBook, address: str) -> None:
    """One who has confirmed it long ago."""
    name, wish = subscriber_id("email", address, KEY), Wish(kind="email", address=address)
    await book.keep(Subscriber(id=name, wish=wish, confirmed_at=datetime(2020, 1, 1, tzinfo=UTC)))


@pytest.fixture
def site() -> Site:
    return Site(MemoryStore(), "memory:")


@pytest.fixture
def post(site: Site) -> Post:
    return Post(site)


@pytest.fixture
async def book() -> SubscriberBook:
    made = SubscriberBook(PrivateShelf(MemoryStore(), "memory:"), KEY)
    for number in range(MANY):
        await join(made, f"zq{number}@example.org")
    return made


@pytest.fixture
def herald(book: SubscriberBook, post: Post) -> Herald:
    return Herald(book, post, Hooks(), "https://fire.example.org")


@pytest.fixture
async def stage(tmp_path: Path, site: Site, herald: Herald) -> AsyncIterator[Stage]:
    address = "https://status.example.org"
    page = StaticPage(site, "Example status", address)
    async with AsyncExitStack() as stack:
        environment = await stack.enter_async_context(SERVERS["java"]())
        criers = TemporalCriers(environment.client, TASK_QUEUE, "Example status", address)
        made = staged(environment, tmp_path, page=page, criers=criers, herald=herald)
        stage = await stack.enter_async_context(made)
        brief = short_brief()
        components = (Component(id="refunds", title="Refunds"),)
        stage.brief = brief.changed(system=brief.system.changed(components=components))
        yield stage


async def teller(stage: Stage, number: int = 1) -> WorkflowHandle[object, Told]:
    """The workflow that tells this word, as soon as there is one."""
    name = teller_id(f"{reference(stage.brief.incident, (await stage.picture()).run)}/{number:04d}")
    handle = stage.client.get_workflow_handle(name, result_type=Told)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await handle.describe()
            except Exception:  # noqa: BLE001 - not yet
                await asyncio.sleep(0.05)
            else:
                return handle


async def say(stage: Stage, known: str = WORD) -> None:
    await stage.do(acts.Update(by="cara", audience="public", known=known))


async def test_a_public_word_is_told_to_each_once_and_the_page_shows_it_first(
    stage: Stage, post: Post
) -> None:
    await live(stage, until=Phase.DECLARED)
    await stage.do(acts.Update(by="ana", known="zq-internal-words"))
    await say(stage)
    answer = await (await teller(stage)).result()
    assert answer == Told(told=MANY)
    await say(stage, "It is contained.")
    assert await (await teller(stage, 2)).result() == Told(told=MANY)
    assert set(post.sent.values()) == {2}
    assert post.unshown == []
    await live(stage, after=Phase.DECLARED)
    await stage.ended()
    assert post.sent.total() == 2 * MANY
    await stage.proved()


async def test_an_outage_of_mail_holds_up_no_incident(stage: Stage, post: Post) -> None:
    post.away = True
    await live(stage, until=Phase.DECLARED)
    await say(stage)
    telling = await teller(stage)
    await live(stage, after=Phase.DECLARED)
    await stage.ended()
    assert post.asked > 0
    assert (await telling.describe()).status is WorkflowExecutionStatus.RUNNING
    await stage.proved()


async def test_no_name_of_anybody_comes_into_a_history(stage: Stage) -> None:
    await live(stage, until=Phase.DECLARED)
    await say(stage)
    handle = await teller(stage)
    await handle.result()
    told = str(as_json(await handle.fetch_history())) + str(as_json(await stage.handle.fetch_history()))
    assert "zq" not in told
    assert "email-" not in told
    assert len((await handle.fetch_history()).events) < 20


async def tell(stage: Stage, notice: Notice) -> WorkflowHandle[object, Told]:
    """Tell this word, of no incident that runs here."""
    return await stage.client.start_workflow(
        TELLER, TellOrder(notice=notice), id=teller_id(notice.id), task_queue=TASK_QUEUE, result_type=Told
    )


@pytest.fixture
def notice() -> Notice:
    return notices(part(words=(word(7, WORD),)), "Status", "https://status.example.org")[0]


async def test_who_could_not_be_told_is_told_later(stage: Stage, post: Post, notice: Notice) -> None:
    post.away = True
    handle = await tell(stage, notice)
    await stage.skip(timedelta(minutes=10))
    assert post.asked > MAILS
    post.away = False
    assert await handle.result() == Told(told=MANY)
    assert set(post.sent.values()) == {1}


async def test_a_word_that_is_a_day_old_is_told_to_nobody_any_more(
    stage: Stage, herald: Herald, post: Post, notice: Notice
) -> None:
    post.away = True
    handle = await tell(stage, notice)
    assert await handle.result() == Told(left=MANY)
    assert len((await handle.fetch_history()).events) < 400
    post.away = False
    assert await herald.tell(notice, last=False) == Told()
    assert post.sent.total() == 0


WORKER = """
import asyncio, sys
from pathlib import Path
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from activities.public_page import PublicPageActivities
from firestation.drivers.subscribers.book import open_book
from firestation.drivers.subscribers.herald import Herald
from firestation.drivers.subscribers.hook import Hooks
from firestation.drivers.subscribers.mail import Mailer
from firestation.secrets import ReferenceSecrets

async def main(address, folder, key):
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    mailer = Mailer("env:STATUS_MAIL", ReferenceSecrets(Path(folder)))
    herald = Herald(open_book(folder, key.encode()), mailer, Hooks(), "https://fire.example.org")
    activities = [PublicPageActivities(None, None, herald).tell_subscribers]
    async with Worker(client, task_queue="tell", activities=activities):
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def start(address: str, folder: str) -> subprocess.Popen[bytes]:
    """A worker that does nothing but tell."""
    command = [sys.executable, "-c", WORKER, address, folder, KEY.decode()]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


class Filling(Mailbox):
    """When it has some mails it takes no more, until it is told to go on."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if len(self.mails) >= MAILS:
            self.holds = "RCPT"
        return await super().handle_DATA(server, session, envelope)


@pytest.mark.kill
async def test_a_worker_that_is_killed_in_the_middle_has_told_nobody_twice(
    tmp_path: Path, notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, queue = str(tmp_path / "subscribers"), "tell"
    book, mailer = open_book(folder, KEY), Mailer("env:STATUS_MAIL", ReferenceSecrets(tmp_path))
    for number in range(MANY):
        await join(book, f"zq{number}@example.org")
    async with AsyncExitStack() as stack:
        client = (await stack.enter_async_context(SERVERS["real"]())).client
        box = stack.enter_context(mail_server(Filling()))
        monkeypatch.setenv("STATUS_MAIL", mail_url(box.port))
        tellers = Worker(
            client, task_queue=queue, workflows=[SubscriberTeller], workflow_runner=workflow_runner()
        )
        await stack.enter_async_context(at_work(tellers))
        handle = await client.start_workflow(
            TELLER, TellOrder(notice=notice), id=teller_id(notice.id), task_queue=queue, result_type=Told
        )
        dying = start(client.service_client.config.target_host, folder)
        try:
            await asyncio.to_thread(wait_for, "some mails", box.holding.is_set)
        finally:
            dying.send_signal(signal.SIGKILL)
            dying.wait()
            box.go_on.set()
        before = len(box.mails)
        herald = Herald(book, mailer, Hooks(), "https://fire.example.org")
        next_one = PublicPageActivities(None, None, herald)
        following = Worker(client, task_queue=queue, activities=[next_one.tell_subscribers])
        await stack.enter_async_context(at_work(following))
        answer = await handle.result()
    recipients = Counter(each.rcpt_tos[0] for each in box.raw)
    assert before < MANY, "it was killed in the middle"
    assert set(recipients.values()) == {1}
    # What was begun when it died may have been sent, and is not sent again.
    assert MANY - MAILS <= len(recipients) <= MANY
    assert 0 < answer.told < MANY


def mail_url(port: int) -> str:
    return f"mailto://127.0.0.1:{port}/?from=status@example.org&to={{to}}&mode=insecure&format=text"
