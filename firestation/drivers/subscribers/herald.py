"""The herald: tells a public word to everybody who wants to hear it, each once, whoever dies meanwhile.

Before a mail is sent it is noted that it is: a server has no idempotency key, so what nobody can tell is not sent
again. A webhook is noted after it has answered: its `webhook-id` is the same at every attempt.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import structlog

from firestation.drivers.subscribers import Mails
from firestation.drivers.subscribers.book import SubscriberBook
from firestation.drivers.subscribers.hook import Hooks, Post
from firestation.drivers.subscribers.reception import way_out
from firestation.errors import Doubtful, DriverError, Gone, Unreachable
from firestation.orders import Told
from firestation.public_page.notice import Notice, hook, letter, subject
from firestation.public_page.subscriber import Subscriber, SubscriberId

log = structlog.get_logger()

MAILS, POSTS = 8, 16
"""How many at once."""

MOST_FAILURES = 3
"""Words in a row for which there was nobody, after which one is taken from the book."""

MOST_UNREACHABLE = 2 * MAILS
"""Mails in a row that found no server: the others wait for the next round, and do not each wait for a time-out."""


class _Round:
    """What came of one round, as it goes on."""

    def __init__(self, notice: Notice, failing: Counter[SubscriberId]) -> None:
        self.notice, self.failing = notice, failing
        self.told = self.left = self.gone = self.unreachable = 0
        self.stopping = False


class Herald:
    """`address` is the gateway's, as customers have it: each message ends with a link there."""

    def __init__(
        self,
        book: SubscriberBook,
        mailer: Mails | None,
        hooks: Hooks,
        address: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.book, self.mailer, self.hooks = book, mailer, hooks
        self.address, self.clock = address, clock

    async def tell(self, notice: Notice, *, last: bool) -> Told:
        """Tell it to all who were not told yet. `last`: who cannot be told now is not told at all.

        Raises `Unreachable` or `Denied` when the book cannot be read.
        """
        if await self.book.is_over(notice.id):
            return Told()
        begun = await self.book.begun(notice.id)
        waiting = [each for each in await self.book.ids() if each not in begun]
        made = _Round(notice, await self.book.failing())
        going = asyncio.gather(
            self._all([each for each in waiting if each.startswith("email")], MAILS, made),
            self._all([each for each in waiting if each.startswith("webhook")], POSTS, made),
        )
        try:
            await asyncio.shield(going)
        except asyncio.CancelledError:
            made.stopping = True  # what was begun is ended, for nobody could tell later whether it was sent
            await going
            raise
        if made.left and last:
            log.warning("some subscribers were not told", word=notice.id, count=made.left)
        if last or not made.left:
            await self.book.finish(notice.id)
            await self.book.sweep(self.clock())
        return Told(told=made.told, left=made.left, gone=made.gone)

    async def _all(self, waiting: Iterable[SubscriberId], at_once: int, made: _Round) -> None:
        """Each, so many at once; whoever is slow holds up nobody but the next of its own row."""
        row: Iterator[SubscriberId] = iter(waiting)

        async def go_on() -> None:
            for each in row:
                if made.stopping:
                    return
                await self._one(each, made)

        await asyncio.gather(*(go_on() for _ in range(at_once)))

    async def _one(self, name: SubscriberId, made: _Round) -> None:
        try:
            subscriber = await self.book.find(name)
            if subscriber is None or subscriber.confirmed_at > made.notice.word.at:
                return
            if not made.notice.concerns(subscriber.wish.components):
                return
            if subscriber.wish.kind == "email":
                await self._mail(subscriber, made)
            else:
                await self._post(subscriber, made)
        except Gone as error:
            await self._nobody(name, made, error)
        except Doubtful as error:
            log.warning("a subscriber may not have been told", subscriber=name, problem=str(error))
        except DriverError as error:
            made.left += 1
            log.info("a subscriber is not told yet", subscriber=name, problem=str(error))
        except Exception:
            made.left += 1
            log.exception("a subscriber is not told yet", subscriber=name)

    async def _mail(self, subscriber: Subscriber, made: _Round) -> None:
        notice, name = made.notice, subscriber.id
        if self.mailer is None or made.unreachable >= MOST_UNREACHABLE:
            raise Unreachable("there is no mail server now")
        if not await self.book.begin(notice.id, name):
            return
        off = way_out(self.address, name, self.book.key)
        try:
            await self.mailer.send(subscriber.wish.address, subject(notice), letter(notice, off), off)
        except (Doubtful, Gone):
            made.unreachable = 0
            raise
        except DriverError as error:
            made.unreachable += isinstance(error, Unreachable)
            await self.book.give_back(notice.id, name)
            raise
        made.unreachable = 0
        await self._well(name, made)

    async def _post(self, subscriber: Subscriber, made: _Round) -> None:
        notice, name = made.notice, subscriber.id
        body = hook(notice, way_out(self.address, name, self.book.key))
        post = Post(f"word-{notice.id.replace('/', '-')}", body)
        await self.hooks.post(subscriber.wish.address, post, subscriber.wish.secret)
        await self.book.begin(notice.id, name)
        await self._well(name, made)

    async def _well(self, name: SubscriberId, made: _Round) -> None:
        made.told += 1
        if made.failing[name]:
            await self.book.well(name)

    async def _nobody(self, name: SubscriberId, made: _Round, error: Gone) -> None:
        """There is no such mailbox, or no such webhook any more: once may be a mistake of theirs."""
        await self.book.begin(made.notice.id, name)
        await self.book.failed(name, made.notice.id)
        made.gone += 1
        if made.failing[name] + 1 < MOST_FAILURES:
            log.info("a subscriber is not there", subscriber=name, problem=str(error))
            return
        await self.book.forget(name)
        log.warning("a subscriber is not there any more and was let go", subscriber=name, problem=str(error))
