"""The Qdrant source: where the alias points, and the candidates there and in the last good collection.

Tested on the local mode of qdrant-client, which is the product's own code in the process: its server is not to be
had where our tests run.
"""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from qdrant_client.models import Filter

from firestation.authority import SecretReference
from firestation.drivers.exchange import BY_STATUS
from firestation.drivers.retrieval import RetrievalConfig, RetrievalSource, Vector, When
from firestation.drivers.template import HttpUrl
from firestation.errors import DriverError, Gone, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.model import Line, Model

SERVER_ERROR = 500
TIMEOUT_S = 20


class QdrantSourceConfig(RetrievalConfig):
    """One of `url` (a server) and `folder` (local mode). `collection` may be an alias; so may `last_good`.

    `where` is the filter in force, in Qdrant's own form; `using` is the name of the vector, where there are several.
    """

    url: HttpUrl | None = None
    api_key: SecretReference | None = None
    folder: Line | None = None
    collection: Line
    last_good: Line | None = None
    using: Line | None = None
    where: dict[str, Any] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.folder is None):
            msg = "name one place; write url: http://qdrant:6333, or folder: path of a local index"
            raise ValueError(msg)
        return self


class QdrantSource(RetrievalSource[QdrantSourceConfig]):
    """Freezes a Qdrant collection."""

    config_model: ClassVar[type[Model]] = QdrantSourceConfig
    _opened: AsyncQdrantClient | None = None

    async def index(self, scope: Scope) -> dict[When, Any]:  # noqa: ARG002 - it has no versions
        """Both collections, and where every alias points."""
        client = self._client()
        aliases = {each.alias_name: each.collection_name for each in (await client.get_aliases()).aliases}
        good = self.config.last_good
        return {
            "then": await self._collection(good, aliases) if good else None,
            "now": {**await self._collection(self.config.collection, aliases), "aliases": aliases},
        }

    async def candidates(self, scope: Scope, when: When, vector: Vector) -> Any:  # noqa: ARG002 - as above
        """The nearest points, with scores."""
        name = self.config.collection if when == "now" else self.config.last_good
        if name is None:
            raise Gone("Qdrant keeps no versions; name the collection of before in last_good")
        found = await self._client().query_points(
            name,
            query=vector,
            using=self.config.using,
            query_filter=Filter.model_validate(self.config.where) if self.config.where else None,
            limit=self.config.candidates,
            with_payload=True,
        )
        points = [{"id": each.id, "score": each.score, "payload": each.payload} for each in found.points]
        return {"collection": name, "candidates": points}

    async def _collection(self, name: str, aliases: dict[str, str]) -> dict[str, Any]:
        found = await self._client().get_collection(name)
        return {"collection": aliases.get(name, name), **found.model_dump(mode="json")}

    def _client(self) -> AsyncQdrantClient:
        """One for the whole reading: the local mode lets only one in at a time."""
        if self._opened is None:
            key = self.kit.secrets.resolve(self.config.api_key) if self.config.api_key else None
            if self.config.folder:
                folder = self.kit.folder / self.config.folder
                if not folder.is_dir():
                    raise Gone(f"there is no Qdrant index at {folder}")  # it would be made
                self._opened = AsyncQdrantClient(path=str(folder))
            else:
                self._opened = AsyncQdrantClient(
                    url=self.config.url, api_key=key, timeout=TIMEOUT_S, check_compatibility=False
                )
        return self._opened

    async def close(self) -> None:
        """Let the next one in."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def ours(self, error: Exception) -> DriverError:
        """By the status of the answer, where there is one."""
        said = f"Qdrant, collection {self.config.collection}: {error}"[:4000]
        if isinstance(error, UnexpectedResponse):
            status = error.status_code or SERVER_ERROR
            return BY_STATUS.get(status, Unreachable if status >= SERVER_ERROR else Nonsense)(said)
        if isinstance(error, ResponseHandlingException):
            return Unreachable(said)
        if isinstance(error, ValueError):
            return (Gone if "not found" in said else Nonsense)(said)
        return Unreachable(said)
