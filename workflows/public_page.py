"""The public page: it is told of an incident from its first public word on, and again whenever what it tells changes.

Nothing waits for it. What is said anew takes the place of what could not be published yet, and the page itself tells
how old it is. When the incident has ended, a workflow of its own brings the last word there, for as long as it takes:
the next alarm of the same fire needs the incident's id.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation.orders import PublishOrder
from firestation.public_page.part import PublicIncident, public_part
from workflows.house import House, why
from workflows.perseverance import leave, persevere

PUBLISHER = "PagePublisher"
PAUSE = timedelta(minutes=5)
"""Between two orders, when the place says no for good: somebody must put it right, and it is said in the log."""


def _part(house: House) -> PublicIncident | None:
    return public_part(house.incident, len(house.record))


async def keep_the_public_page(house: House) -> None:
    """Until the run ends. Each run tells it once at first, for it does not know what the one before has done."""
    told: PublicIncident | None = None

    def news() -> PublicIncident | None:
        part = _part(house)
        return None if part is None or part.same_as(told) else part

    while await house.until(lambda: news() is not None):
        told = news()
        assert told is not None
        try:
            await house.whilst(lambda: news() is None, _publish(house, told))
        except ActivityError as error:
            workflow.logger.warning("the public page does not have it yet: %s", why(error))
            await house.until_or_after(lambda: news() is not None, PAUSE.total_seconds())
            told = None


async def _publish(house: House, part: PublicIncident) -> bool:
    return await house.do("publish", PublishOrder(part=part), bool, f"publish {part.reference}")


async def leave_the_public_page(house: House) -> None:
    """Hand the last word of an ended incident to a workflow of its own."""
    part = _part(house)
    if part is not None:
        order = PublishOrder(part=part)
        await leave(PUBLISHER, order, f"public/{part.reference}", f"publish {part.reference}")


@workflow.defn(name=PUBLISHER)
class PagePublisher:
    """Publishes one part, for as long as it takes."""

    @workflow.run
    async def run(self, order: PublishOrder) -> bool:
        """Tried for as long as it takes: what the place refuses today somebody may put right."""
        published: bool = await persevere("publish", order, bool, f"publish {order.part.reference}")
        return published
