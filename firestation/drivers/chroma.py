"""The Chroma source: the collection, and the candidates in it now and in the last good one.

Chroma keeps no versions: "then" is another collection, which the application keeps when it builds a new one.
"""

from typing import Any, ClassVar

from pydantic import Field

from firestation.drivers.exchange import Connection, ask
from firestation.drivers.harvest import Fixed
from firestation.drivers.retrieval import RetrievalConfig, RetrievalSource, Vector, When
from firestation.errors import Gone, Nonsense
from firestation.evidence import Scope
from firestation.model import Line, Model

ROOT = "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection}"
COLLECTION = Fixed(url=ROOT)
COUNT = Fixed(url=f"{ROOT}/count")
QUERY = Fixed(
    method="POST",
    url=f"{ROOT}/query",
    body={
        "query_embeddings": ["{vector}"],
        "n_results": "{limit}",
        "include": ["documents", "metadatas", "distances"],
        "where": "{where}",
    },
)


class ChromaSourceConfig(RetrievalConfig):
    """`collection` is the name of the one in use; `last_good` of the one before it; `where` the filter in force."""

    server: Connection
    tenant: Line = "default_tenant"
    database: Line = "default_database"
    collection: Line
    last_good: Line | None = None
    where: dict[str, Any] | None = Field(default=None, min_length=1)


class ChromaSource(RetrievalSource[ChromaSourceConfig]):
    """Freezes a Chroma collection."""

    config_model: ClassVar[type[Model]] = ChromaSourceConfig

    async def index(self, scope: Scope) -> dict[When, Any]:  # noqa: ARG002 - it has no versions
        """Both collections, with their sizes."""
        good = self.config.last_good
        return {
            "then": await self._collection(good) if good else None,
            "now": await self._collection(self.config.collection),
        }

    async def candidates(self, scope: Scope, when: When, vector: Vector) -> Any:  # noqa: ARG002 - as above
        """What is nearest, with distances."""
        name = self.config.collection if when == "now" else self.config.last_good
        if name is None:
            raise Gone("Chroma keeps no versions; name the collection of before in last_good")
        found = await self._collection(name)
        limit, where = self.config.candidates, self.config.where
        answer = (await self._ask(QUERY, found["id"], vector=vector, limit=limit, where=where)).json()
        try:
            rows = zip(
                *(answer[field][0] for field in ("ids", "distances", "documents", "metadatas")), strict=True
            )
            named = ("id", "distance", "document", "metadata")
            candidates = [dict(zip(named, row, strict=True)) for row in rows]
        except (LookupError, TypeError, ValueError) as error:
            raise Nonsense(f"Chroma answered no candidates: {str(answer)[:200]}") from error
        return {"collection": name, "id": found["id"], "candidates": candidates}

    async def _collection(self, name: str) -> dict[str, Any]:
        answer = await self._ask(COLLECTION, name)
        found = answer.json()
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            raise Nonsense(f"{answer.asked} answered no collection")
        return {**found, "count": (await self._ask(COUNT, found["id"])).json()}

    async def _ask(self, request: Fixed, collection: str, **values: Any) -> Any:
        place = {"tenant": self.config.tenant, "database": self.config.database, "collection": collection}
        return await ask(self.kit, self.config.server, request, {**place, **values})
