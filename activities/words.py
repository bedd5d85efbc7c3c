"""Words to people and tasks for them: sent once, under their key."""

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.after_action import Ticket
from firestation.board import Receipt
from firestation.orders import SendOrder, TaskOrder
from firestation.ports import Bench


class WordActivities:
    """Channels and trackers."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @activity.defn(name="send")
    async def send(self, order: SendOrder) -> Receipt:
        """Send one message through one channel."""
        async with beating():
            with as_failures():
                return await self.bench.channel(order.channel).send(order.message, order.key)

    @activity.defn(name="open_task")
    async def open_task(self, order: TaskOrder) -> Ticket:
        """Open one task."""
        async with beating():
            with as_failures():
                return await self.bench.tracker(order.tracker).open(order.task, order.key)
