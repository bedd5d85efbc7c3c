"""The port of a drill: where it is held. `worker/drills.py` is the one that there is."""

from typing import Protocol

from firestation.drill_orders import CallOffOrder, FollowOrder, OpenDrillOrder, RingOrder, ScoreOrder
from firestation.drill_score import Score
from firestation.opening import Opening


class DrillGround(Protocol):
    """The station's files, and the incidents of drills."""

    async def open(self, order: OpenDrillOrder) -> Opening:
        """What it is pinned to. Raises `InvalidInput`, `NotConfigured`, and `Unreachable` while there is a fire."""
        ...

    async def ring(self, order: RingOrder) -> str:
        """Open the incident, once; its run. Raises `Unreachable`."""
        ...

    async def follow(self, order: FollowOrder) -> str:
        """Return the phase once it is so far. Raises `Unreachable`, `Gone`."""
        ...

    async def score(self, order: ScoreOrder) -> Score:
        """The score by the history. Raises `Unreachable`, `Gone`."""
        ...

    async def call_off(self, order: CallOffOrder) -> None:
        """Return once the incident has ended. Raises `Unreachable`."""
        ...
