"""Leases: a lever belongs to one incident at a time."""

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.orders import LeaseAnswer, LeaseOrder, ReleaseOrder
from firestation.ports import Leases


class LeaseActivities:
    """Takes and releases. Both are harmless when they are done again."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases

    @activity.defn(name="take_lease")
    async def take_lease(self, order: LeaseOrder) -> LeaseAnswer:
        """Have the lever for the incident, or learn which other one has it."""
        async with beating():
            with as_failures():
                return await self.leases.take(order)

    @activity.defn(name="release_lease")
    async def release_lease(self, order: ReleaseOrder) -> str:
        """Let other incidents have it."""
        async with beating():
            with as_failures():
                await self.leases.release(order)
                return order.lever
