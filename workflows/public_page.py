"""The public page: it is told of an incident from its first public word on, and again whenever what it tells changes.

Nothing waits for it. What could not be published yet is tried again, or what is newer in its place, and the page itself
tells how old it is. When the incident has ended, a workflow of its own brings the last word there, for as long as it
takes: the next alarm of the same fire needs the incident's id.
"""

from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation.orders import PublishOrder
from firestation.public_page.part import PublicIncident, public_part
from workflows.house import House, why
from workflows.perseverance import FIRST_PAUSE, leave, longer, persevere

PUBLISHER = "PagePublisher"


def _part(house: House) -> PublicIncident | None:
    return public_part(house.incident, len(house.record))


async def keep_the_public_page(house: House) -> None:
    """Until the run ends. Each run tells it once at first, for it does not know what the one before has done."""
    told: PublicIncident | None = None

    def news() -> PublicIncident | None:
        part = _part(house)
        return None if part is None or part.same_as(told) else part

    pause = FIRST_PAUSE
    while await house.until(lambda: news() is not None):
        part = news()
        assert part is not None
        try:
            # What is under way is not called off when there is something newer: that comes right after it.
            done = await house.whilst(lambda: True, _publish(house, part))
        except ActivityError as error:
            workflow.logger.warning("the public page does not have it yet: %s", why(error))
            await house.until_or_after(partial(_newer, house, part), pause.total_seconds())
            pause = longer(pause)
        else:
            told, pause = (part if done is not None else told), FIRST_PAUSE


def _newer(house: House, part: PublicIncident) -> bool:
    now = _part(house)
    return now is not None and not now.same_as(part)


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
