"""What the sources of vector indexes have in common: the same query, asked of the index then and of the index now."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field, JsonValue
from pydantic_core import to_jsonable_python

from firestation.drivers.exchange import Connection, ask
from firestation.drivers.harvest import JSON, Job, harvest, one_line, then_and_now
from firestation.drivers.kit import Kit
from firestation.drivers.template import Method, Request
from firestation.errors import DriverError, Gone, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.expect import JsonPath
from firestation.model import Line, Model
from firestation.ports import Artifact
from firestation.system import SourceFitting

Vector = list[float]
When = Literal["then", "now"]


class EmbedRequest(Request):
    """How a query is made a vector."""

    allowed: ClassVar[frozenset[str]] = frozenset({"query"})

    method: Method = "POST"


class Embedding(Connection):
    """The embedding service that the application itself uses; `path` is where its answer has the vector."""

    request: EmbedRequest
    path: JsonPath = "$.data[0].embedding"


class RetrievalConfig(Model):
    """`queries` are asked when the alarm names none. `candidates` is how many the index gives for each."""

    embed: Embedding
    queries: tuple[Line, ...] = ()
    candidates: int = Field(default=10, ge=1, le=100)


C = TypeVar("C", bound=RetrievalConfig)


class RetrievalSource(Generic[C]):
    """Freezes what the index is, and for each query the candidates with their scores, then and now."""

    config_model: ClassVar[type[Model]]

    def __init__(self, fitting: SourceFitting, config: C, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """The index first, then a query at a time. What was not to be had of them is an error, after all the rest."""
        queries = scope.queries or self.config.queries
        troubles: list[DriverError] = []
        jobs: list[Job] = [partial(self._query, scope, each, troubles) for each in queries]
        try:
            async with aclosing(harvest([partial(self._index, scope), *jobs])) as found:
                async for artifact in found:
                    yield artifact
        finally:
            await self.close()
        if not queries:
            raise Gone("the alarm names no query, and the source has none of its own; add queries")
        if troubles:
            raise troubles[0]

    async def _index(self, scope: Scope) -> Artifact:
        found = await self.guarded(self.index(scope))
        return self._artifact("index", then_and_now({}, found["then"], found["now"]), "the index itself")

    async def _query(self, scope: Scope, query: str, troubles: list[DriverError]) -> Artifact:
        """The candidates now, and then. What is no longer to be had of then does not cost what there is now."""
        vector = await self._vector(query)
        now = await self.guarded(self.candidates(scope, "now", vector))
        then: JsonValue = None
        try:
            then = await self.guarded(self.candidates(scope, "then", vector))
        except DriverError as error:
            troubles.append(error)
        content = then_and_now({"query": query}, then, now)
        return self._artifact(f"candidates of {query}", content, "the index, by the query's vector")

    async def _vector(self, query: str) -> Vector:
        answer = await ask(self.kit, self.config.embed, self.config.embed.request, {"query": query})
        vector = answer.at(self.config.embed.path)
        if (
            not isinstance(vector, list)
            or not vector
            or not all(type(each) in {int, float} for each in vector)
        ):
            raise Nonsense(f"{answer.asked} gave no vector at {self.config.embed.path}")
        return [float(each) for each in vector]

    def _artifact(self, name: str, content: bytes, how: str) -> Artifact:
        return Artifact(
            name=one_line(name),
            media_type=JSON,
            content=content,
            provides=self.fitting.provides,
            how=f"{self.fitting.driver}, {how}"[:300],
        )

    async def guarded(self, work: Awaitable[Any]) -> Any:
        """What the product's client gives, as plain JSON. Whatever it raises comes out as one of our errors."""
        try:
            return to_jsonable_python(await work, fallback=str, inf_nan_mode="constants")
        except (DriverError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise self.ours(error) from error

    @abstractmethod
    async def index(self, scope: Scope) -> dict[When, Any]:
        """What the index was and is: its version, its size."""

    @abstractmethod
    async def candidates(self, scope: Scope, when: When, vector: Vector) -> Any:
        """What the vector finds, the best first, and in which version. Raises `Gone` when there is no such version."""

    async def close(self) -> None:
        """Let go of what was opened."""

    def ours(self, error: Exception) -> DriverError:
        """The client's error as one of ours."""
        return Unreachable(f"{self.fitting.driver}: {str(error) or type(error).__name__}"[:4000])
