"""What a drill does outside its workflow: the fault, the bell, the waiting, the score. All may be done again."""

from collections.abc import Sequence

from temporalio import activity

from activities.failures import as_failures, beating
from firestation import drill_shelf
from firestation.drill_orders import (
    CallOffOrder,
    FaultOrder,
    FollowOrder,
    KeepDrillOrder,
    OpenDrillOrder,
    RingOrder,
    ScoreOrder,
)
from firestation.drill_report import drilled_steps
from firestation.drill_score import Score
from firestation.opening import Opening
from firestation.ports import Bench, Shelf, Signer
from firestation.rehearsing import DrillGround
from firestation.signing import PublicKey


class DrillActivities:
    """`ground` is where drills are held: the station's files, and the incidents as Temporal has them."""

    def __init__(
        self, bench: Bench, shelf: Shelf, signer: Signer, keys: Sequence[PublicKey], ground: DrillGround
    ) -> None:
        self.bench, self.shelf, self.signer, self.keys, self.ground = bench, shelf, signer, keys, ground

    @activity.defn(name="open_drill")
    async def open_drill(self, order: OpenDrillOrder) -> Opening:
        """Read the files as they are now. There is no drill while there is a fire."""
        async with beating():
            with as_failures():
                opening = await self.ground.open(order)
                results, _ = await drill_shelf.read(self.shelf, self.keys, order.system)
                brief, day = opening.brief, order.mark.ordered_at.date()
                drilled = drilled_steps(results, order.system, brief.runbooks, day)
                return opening.changed(brief=brief.changed(drilled=drilled))

    @activity.defn(name="inject_fault")
    async def inject_fault(self, order: FaultOrder) -> str:
        """Set the fault; setting it again changes nothing."""
        async with beating():
            with as_failures():
                await self.bench.fault(order.plan).inject(order.drill)
                return order.drill

    @activity.defn(name="clear_fault")
    async def clear_fault(self, order: FaultOrder) -> str:
        """Clear the fault; clearing it again changes nothing."""
        async with beating():
            with as_failures():
                await self.bench.fault(order.plan).clear(order.drill)
                return order.drill

    @activity.defn(name="ring_drill")
    async def ring_drill(self, order: RingOrder) -> str:
        """Ring as an alarm does. The drill's name is its incident's, which is opened once."""
        async with beating():
            with as_failures():
                return await self.ground.ring(order)

    @activity.defn(name="follow_drill")
    async def follow_drill(self, order: FollowOrder) -> str:
        """Look again and again; the incident is not woken for it."""
        async with beating():
            with as_failures():
                return await self.ground.follow(order)

    @activity.defn(name="score_drill")
    async def score_drill(self, order: ScoreOrder) -> Score:
        """From the history alone."""
        async with beating():
            with as_failures():
                return await self.ground.score(order)

    @activity.defn(name="call_off_drill")
    async def call_off_drill(self, order: CallOffOrder) -> str:
        """In the name of whoever ordered it."""
        async with beating():
            with as_failures():
                await self.ground.call_off(order)
                return order.mark.drill

    @activity.defn(name="keep_drill")
    async def keep_drill(self, order: KeepDrillOrder) -> str:
        """Keep it, once."""
        async with beating():
            with as_failures():
                return await drill_shelf.keep(order.result, self.shelf, self.signer, self.keys)
