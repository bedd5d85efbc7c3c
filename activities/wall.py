"""The wall of locks: hang an entry, and recall what hangs there."""

from collections.abc import Sequence

from temporalio import activity

from activities.failures import as_failures, beating
from firestation import hanging
from firestation.orders import HangOrder, RecallOrder
from firestation.ports import Shelf, Signer
from firestation.signing import PublicKey
from firestation.wall import Hanging, Recall


class WallActivities:
    """Both are harmless when they are done again: an entry has one name, which is created once."""

    def __init__(self, shelf: Shelf, signer: Signer, keys: Sequence[PublicKey]) -> None:
        self.shelf, self.signer, self.keys = shelf, signer, keys

    @activity.defn(name="hang_lock")
    async def hang_lock(self, order: HangOrder) -> Hanging:
        """Sign it and hang it; what hangs there already is looked at, and not overwritten."""
        async with beating():
            with as_failures():
                return await hanging.hang(order.entry, self.shelf, self.signer, self.keys)

    @activity.defn(name="recall_locks")
    async def recall_locks(self, order: RecallOrder) -> Recall:
        """What hangs for this system and class. What is not believed is told, and is no failure."""
        async with beating():
            with as_failures():
                ours = (order.incident, order.mark)
                return await hanging.recall(self.shelf, self.keys, order.system, order.pattern, ours)
