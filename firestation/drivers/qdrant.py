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
from firestation.drivers.kit import Kit
from firestation.drivers.retrieval import RetrievalConfig, RetrievalSource, Vector, When
from firestation.drivers.template import HttpUrl
from firestation.errors import Denied, DriverError, Gone, Nonsense, NotConfigured, Unreachable
from firestation.evidence import Scope
from firestation.model import Line, Model

SERVER_ERROR = 500
TIMEOUT_S = 20


class Place(Model):
    """One of `url` (a server) and `folder` (local mode)."""

    url: HttpUrl | None = None
    api_key: SecretReference | None = None
    folder: Line | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.folder is None):
            msg = "name one place; write url: http://qdrant:6333, or folder: path of a local index"
            raise ValueError(msg)
        return self


class QdrantSourceConfig(RetrievalConfig, Place):
    """Where it is. `collection` may be an alias; so may `last_good`.

    `where` is the filter in force, in Qdrant's own form; `using` is the name of the vector, where there are several.
    """

    collection: Line
    last_good: Line | None = None
    using: Line | None = None
    where: dict[str, Any] | None = Field(default=None, min_length=1)


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
            self._opened = open_client(self.kit, self.config, TIMEOUT_S)
        return self._opened

    async def close(self) -> None:
        """Let the next one in."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def ours(self, error: Exception) -> DriverError:
        """The client's error as one of ours."""
        return ours(error, f"collection {self.config.collection}")


def open_client(kit: Kit, place: Place, timeout_s: int) -> AsyncQdrantClient:
    """A client of that place; close it. Raises `Gone` when there is no such folder, `Denied` without a credential."""
    if place.folder is not None:
        folder = kit.folder / place.folder
        if not folder.is_dir():
            raise Gone(f"there is no Qdrant index at {folder}")  # it would be made
        return AsyncQdrantClient(path=str(folder))
    try:
        key = kit.secrets.resolve(place.api_key) if place.api_key else None
    except NotConfigured as error:
        raise Denied(str(error)) from error
    headers = {"api-key": key} if key else None  # as `api_key` it would warn about http:// on every reading
    return AsyncQdrantClient(url=place.url, headers=headers, timeout=timeout_s, check_compatibility=False)


def ours(error: Exception, what: str) -> DriverError:
    """By the status of the answer, where there is one."""
    said = f"Qdrant, {what}: {error}"[:4000]
    if isinstance(error, UnexpectedResponse):
        status = error.status_code or SERVER_ERROR
        return BY_STATUS.get(status, Unreachable if status >= SERVER_ERROR else Nonsense)(said)
    if isinstance(error, ResponseHandlingException):
        return Unreachable(said)
    if isinstance(error, ValueError):
        return (Gone if "not found" in said else Nonsense)(said)
    return Unreachable(said)
