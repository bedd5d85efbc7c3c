"""Words to people and tasks for them: sent once, under their key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.after_action import Ticket
from firestation.board import Receipt
from firestation.errors import FirestationError, Nonsense
from firestation.links import LIFE, Link, without_link
from firestation.orders import LookAnswer, LookOrder, RemindOrder, SendOrder, TaskOrder
from firestation.ports import Bench, Followed

Address = Callable[[Link, datetime], str]
"""The address at which this link is opened, until that time."""


@contextmanager
def _unquoted(link: str) -> Iterator[None]:
    """Let no error out that quotes the link: a receiver may say what it was sent, and what it says is recorded.

    An error's cause would be recorded too, so it goes.
    """
    try:
        yield
    except FirestationError as error:
        error.args = (without_link(str(error), link),)
        raise error from (None if link else error.__cause__)
    except Exception as error:
        if not link:
            raise
        raise Nonsense(without_link(f"{type(error).__name__}: {error}", link)) from None


class WordActivities:
    """Channels and trackers. `address` makes the link of a page; without it pages go out without one.

    `board` is where the incidents' own pages are; with it a decision that is asked for says where its plan is.
    """

    def __init__(self, bench: Bench, address: Address | None = None, board: str | None = None) -> None:
        self.bench, self.address, self.board = bench, address, board

    @activity.defn(name="send")
    async def send(self, order: SendOrder) -> Receipt:
        """Send one message through one channel. The link of a page is added here, the same at every attempt."""
        message, link = order.message, ""
        if order.link and self.address:
            link = self.address(order.link, activity.info().scheduled_time + LIFE)
            message = message.changed(text=f"{message.text}\nOr open: {link}")
        elif message.purpose == "decision" and self.board:  # no secret: it opens for who has logged in
            at = f"{self.board}/{message.incident}#decide"
            message = message.changed(text=f"{message.text}\nThe plan, for who is logged in: {at}")
        async with beating():
            with as_failures(), _unquoted(link):
                receipt = await self.bench.channel(order.channel).send(message, order.key)
                return receipt.changed(reference=without_link(receipt.reference, link))

    @activity.defn(name="open_task")
    async def open_task(self, order: TaskOrder) -> Ticket:
        """Open one task."""
        async with beating():
            with as_failures():
                return await self.bench.tracker(order.tracker).open(order.task, order.key)

    @activity.defn(name="look_at_task")
    async def look_at_task(self, order: LookOrder) -> LookAnswer:
        """What became of a task. A tracker that cannot be asked says so; one that does not answer is an error."""
        async with beating():
            with as_failures():
                tracker = self.bench.tracker(order.tracker)
                if not isinstance(tracker, Followed):
                    return LookAnswer(state=None)
                return LookAnswer(state=await tracker.look(order.ticket))

    @activity.defn(name="remind_task")
    async def remind_task(self, order: RemindOrder) -> bool:
        """Put a word to a task, once."""
        async with beating():
            with as_failures():
                tracker = self.bench.tracker(order.tracker)
                if not isinstance(tracker, Followed):
                    return False
                await tracker.remind(order.ticket, order.text, order.key)
                return True
