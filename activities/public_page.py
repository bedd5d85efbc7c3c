"""The public page: what an incident lets out is put there."""

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.orders import PublishOrder
from firestation.ports import PublicPage


class PublicPageActivities:
    """Harmless when it is done again, or late: the page keeps what is newer. `page` is None where there is none."""

    def __init__(self, page: PublicPage | None) -> None:
        self.page = page

    @activity.defn(name="publish")
    async def publish(self, order: PublishOrder) -> bool:
        """Put it on the page; False where this station has none."""
        if self.page is None:
            return False
        async with beating():
            with as_failures():
                await self.page.publish(order.part)
        return True
