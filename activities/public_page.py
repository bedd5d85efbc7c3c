"""The public page: what an incident lets out is put there, and those who want to hear of it are told."""

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.orders import PublishOrder, TellOrder, Told
from firestation.ports import Criers, Herald, PublicPage


class PublicPageActivities:
    """Harmless when it is done again, or late: the page keeps what is newer, and nobody is told a word twice.

    `page` is None where there is none; `criers` and `herald` are where nobody can subscribe.
    """

    def __init__(
        self, page: PublicPage | None, criers: Criers | None = None, herald: Herald | None = None
    ) -> None:
        self.page, self.criers, self.herald = page, criers, herald

    @activity.defn(name="publish")
    async def publish(self, order: PublishOrder) -> bool:
        """Put it on the page, then have its words told; False where this station has no page."""
        if self.page is None:
            return False
        async with beating():
            with as_failures():
                await self.page.publish(order.part)
                if self.criers:  # after the page, so that it shows what the link of a mail leads to
                    await self.criers.cry(order.part)
        return True

    @activity.defn(name="tell_subscribers")
    async def tell_subscribers(self, order: TellOrder) -> Told:
        """Tell a word to everybody who was not told yet."""
        if self.herald is None:
            return Told()
        async with beating():
            with as_failures():
                return await self.herald.tell(order.notice, last=order.last)
