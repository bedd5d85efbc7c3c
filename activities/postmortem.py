"""The postmortem's desk: each draft goes onto the shelf, merged with what people have made of the last one."""

import asyncio
import json
from datetime import UTC, datetime

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.errors import Gone, Nonsense
from firestation.evidence import ArtifactRef
from firestation.orders import DraftOrder
from firestation.ports import EvidenceStore, Shelf
from firestation.postmortem import unpacked
from firestation.postmortem.documents import Documents
from firestation.postmortem.healthy import Frozen, differences, fill


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
                words = fill(unpacked(order.packed), await self._differences(order))
                made = await documents.redraft(order.incident, order.run, words, now)
                stored = await self.store.put(made.text.encode())
        return ArtifactRef(
            digest=stored.digest,
            size=stored.size,
            media_type="text/markdown",
            name=order.name,
            source="after-action",
            collected_at=now,
        )

    async def _differences(self, order: DraftOrder) -> list[str]:
        """What differs from a healthy request. What cannot be read any more is not compared."""
        bad = [each for digest in order.bad for each in await self._documents(digest)]
        healthy = [each for digest in order.healthy for each in await self._documents(digest)]
        return await asyncio.to_thread(differences, bad, healthy)

    async def _documents(self, digest: str) -> list[Frozen]:
        try:
            read = json.loads(await self.store.get(digest))
        except (Gone, Nonsense, ValueError, RecursionError) as error:
            activity.logger.warning("evidence %s cannot be compared: %s", digest, error)
            return []
        return [Frozen(digest, each) for each in (read if isinstance(read, list) else [read])]
