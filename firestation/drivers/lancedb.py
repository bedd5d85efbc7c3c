"""The LanceDB source: versions and tags of the index, and the candidates at the version then and now.

Opened in the process, reading only; it connects so that no version of a cache is taken for the newest.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import lancedb

from firestation.drivers.kit import Kit
from firestation.drivers.retrieval import RetrievalConfig, RetrievalSource, Vector, When
from firestation.errors import DriverError, Gone, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.model import Line, Model

MOST_VERSIONS = 200


class LancedbSourceConfig(RetrievalConfig):
    """`uri` is a folder, relative to the station's, or s3://, gs://, az://; credentials come from the environment.

    `last_good` is the tag of the version that was good; without it "then" is the newest version from before the span
    of the alarm. `where` is the filter that the application applies, such as that of the tenant.
    """

    uri: Line
    table: Line
    last_good: Line | None = None
    vector_column: Line | None = None
    where: Line | None = None


class LancedbSource(RetrievalSource[LancedbSourceConfig]):
    """Freezes a LanceDB table."""

    config_model: ClassVar[type[Model]] = LancedbSourceConfig

    async def index(self, scope: Scope) -> dict[When, Any]:
        """The versions, the newest first, and the tags."""
        table = await open_table(self.kit, self.config.uri, self.config.table)
        versions = sorted(await table.list_versions(), key=number, reverse=True)
        tags = {name: number(tag) for name, tag in (await table.tags.list()).items()}
        then = await self._then(table, scope, required=False)
        return {
            "then": None if then is None else _told(next(each for each in versions if number(each) == then)),
            "now": {
                **_told(versions[0]),
                "rows": await table.count_rows(),
                "tags": tags,
                "indices": [str(each) for each in await table.list_indices()],
                "versions": [_told(each) for each in versions[:MOST_VERSIONS]],
            },
        }

    async def candidates(self, scope: Scope, when: When, vector: Vector) -> Any:
        """The rows nearest to the vector, without their own vectors."""
        table = await open_table(self.kit, self.config.uri, self.config.table)
        if when == "then":
            await table.checkout(await self._then(table, scope))
        query = table.query().nearest_to(vector).limit(self.config.candidates)
        if self.config.vector_column:
            query = query.column(self.config.vector_column)
        if self.config.where:
            query = query.where(self.config.where)
        found = await query.to_list()
        rows = [{key: each for key, each in row.items() if not _is_vector(each)} for row in found]
        return {"version": await table.version(), "candidates": rows}

    async def _then(self, table: Any, scope: Scope, *, required: bool = True) -> int | None:
        """The number of the version that was good. Raises `Gone` when there is none and one is required."""
        good = self.config.last_good
        if good:
            tags = await table.tags.list()
            found = number(tags[good]) if good in tags else None
            why = f"the table {self.config.table} has no tag {good}"
        else:
            made = {number(each): _made(each) for each in await table.list_versions()}
            found = max((number for number, at in made.items() if at < scope.since), default=None)
            why = f"the table {self.config.table} has no version from before {scope.since}; name last_good"
        if found is None and required:
            raise Gone(why)
        return found

    def ours(self, error: Exception) -> DriverError:
        """The client's error as one of ours."""
        return ours(error, self.config.table)


async def open_table(kit: Kit, uri: str, table: str) -> Any:
    """A handle of its own for each reading: checking out a version moves the handle. Raises what the client raises."""
    place = uri if "://" in uri else str(kit.folder / uri)
    if "://" not in uri and not (kit.folder / uri).is_dir():
        raise Gone(f"there is no LanceDB at {place}")  # it would be made
    link = await lancedb.connect_async(place, read_consistency_interval=timedelta(0))
    return await link.open_table(table)


def ours(error: Exception, table: str) -> DriverError:
    """LanceDB says most things with ValueError, and those of versions and tags with RuntimeError."""
    said = f"LanceDB, table {table}: {error}"[:4000]
    if any(each in said for each in ("not found", "no longer exists", "does not exist")):
        return Gone(said)
    return (Nonsense if isinstance(error, ValueError) else Unreachable)(said)


def number(version: dict[str, Any]) -> int:
    """The number of a version, or of that which a tag names."""
    return int(version["version"])


def _made(version: dict[str, Any]) -> datetime:
    at: datetime = version["timestamp"]
    return at.astimezone(UTC)  # it comes without a zone, in the machine's own


def _told(version: dict[str, Any]) -> dict[str, Any]:
    return {"version": number(version), "made_at": _made(version), **(version.get("metadata") or {})}


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(each, float) for each in value)
