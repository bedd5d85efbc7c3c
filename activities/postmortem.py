"""The postmortem's desk: each draft goes onto the shelf, merged with what people have made of the last one."""

from datetime import UTC, datetime

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.evidence import ArtifactRef
from firestation.orders import DraftOrder
from firestation.ports import EvidenceStore, Shelf
from firestation.postmortem import unpacked
from firestation.postmortem.documents import Documents


class PostmortemActivities:
    """Writes versions. The same draft given twice is one version, so it does not matter where it dies."""

    def __init__(self, store: EvidenceStore, shelf: Shelf) -> None:
        self.store, self.shelf = store, shelf

    @activity.defn(name="draft")
    async def draft(self, order: DraftOrder) -> ArtifactRef:
        """Keep the draft with people's edits on the shelf, and the document as it stands now as evidence."""
        documents, now = Documents(self.shelf, order.station), datetime.now(UTC)
        async with beating():
            with as_failures():
                made = await documents.redraft(order.incident, order.run, unpacked(order.packed), now)
                stored = await self.store.put(made.text.encode())
        return ArtifactRef(
            digest=stored.digest,
            size=stored.size,
            media_type="text/markdown",
            name=order.name,
            source="after-action",
            collected_at=now,
        )
