"""The postmortem's desk: each draft goes onto the shelf, merged with what people have made of the last one."""

import asyncio
import json
from datetime import UTC, datetime

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.errors import Gone, Nonsense
from firestation.evidence import ArtifactRef
from firestation.fold import fold
from firestation.orders import DraftOrder
from firestation.ports import EvidenceStore, Shelf
from firestation.postmortem import draft, unpacked
from firestation.postmortem.documents import Documents
from firestation.postmortem.healthy import Frozen, comparable, differences, fill
from firestation.state import Incident


class PostmortemActivities:
    """Writes versions. The same record given twice is one version, so it does not matter where it dies."""

    def __init__(self, store: EvidenceStore, shelf: Shelf) -> None:
        self.store, self.shelf = store, shelf

    @activity.defn(name="draft")
    async def draft(self, order: DraftOrder) -> ArtifactRef:
        """Keep the draft with people's edits on the shelf, and the document as it stands now as evidence."""
        now = datetime.now(UTC)
        async with beating():
            with as_failures():
                events = unpacked(order.packed)
                incident = await asyncio.to_thread(fold, events)
                words = await asyncio.to_thread(draft, incident, events)
                words = fill(words, await self._differences(incident))
                documents = Documents(self.shelf, incident.brief.roster.station)
                made = await documents.redraft(incident.id, incident.mark, words, now)
                stored = await self.store.put(made.text.encode())
        return ArtifactRef(
            digest=stored.digest,
            size=stored.size,
            media_type="text/markdown",
            name=f"postmortem-{incident.id}.md",
            source="after-action",
            collected_at=now,
        )

    async def _differences(self, incident: Incident) -> list[str]:
        """What differs from a healthy request. What cannot be read any more is not compared."""
        names = comparable(incident)
        bad, healthy = [
            [each for digest in digests for each in await self._documents(digest)] for digests in names
        ]
        return await asyncio.to_thread(differences, bad, healthy)

    async def _documents(self, digest: str) -> list[Frozen]:
        try:
            read = json.loads(await self.store.get(digest))
        except (Gone, Nonsense, ValueError, RecursionError) as error:
            activity.logger.warning("evidence %s cannot be compared: %s", digest, error)
            return []
        return [Frozen(digest, each) for each in (read if isinstance(read, list) else [read])]
