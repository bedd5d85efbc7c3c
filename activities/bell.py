"""The station's own bell: what its watch finds is rung there like any other alarm, and what a person has opened."""

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.errors import NotConfigured
from firestation.orders import RingOrder, Rung
from firestation.ports import AlarmBell


class BellActivities:
    """Rings. Without a bell it says so, and the watch keeps what it found."""

    def __init__(self, bell: AlarmBell | None) -> None:
        self.bell = bell

    @activity.defn(name="ring_bell")
    async def ring_bell(self, order: RingOrder) -> Rung:
        """Ring once: an alarm of the same key is the same alarm."""
        async with beating():
            with as_failures():
                if self.bell is None:
                    raise NotConfigured("this worker has no bell to ring")
                return Rung(incident=await self.bell.ring(order.alarm, order.delivery))
