"""The LanceDB levers: the version of an index that is in force, and a tag that the application opens it by.

`restore` makes a new version out of an old one, so the newest number says nothing about what is served. The position
is therefore the oldest version that holds the same as the newest: equal rows, equal schema, equal indices. Rows are
compared only where LanceDB's own sums of a version are equal, which after a restore they are: it then reads both
versions once, at about 600 MB/s from a local disk. Each write to the table is a move by somebody else; an index that
is written to all day is better moved by its tag.

Neither has a compare-and-set. The newest version is asked for again just before a restore, so the gap is one commit,
and a version written in it is kept in the history; the gap of a tag is the time to write one small file. Whoever holds
an open table without `read_consistency_interval=timedelta(0)`, or a checked-out tag, goes on reading the old version.
"""

import asyncio
import hashlib
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field, JsonValue

from firestation.drivers.lancedb import number, open_table, ours
from firestation.drivers.moving import MovingConfig, MovingLever, Raced
from firestation.errors import DriverError, Gone, Unreachable
from firestation.model import Duration, Line, Model
from firestation.ports import ByHand
from firestation.system import Position


class LancedbLeverConfig(MovingConfig):
    """The table itself; with `tag`, only that tag of it.

    `uri` is a folder, relative to the station's, or s3://, gs://, az://; credentials come from the environment.
    `timeout` is for one reading or one writing.
    """

    uri: Line
    table: Line
    tag: Line | None = None
    timeout: Duration = Field(default="60s", validate_default=True, gt=timedelta(), le=timedelta(minutes=10))


class LancedbLever(MovingLever[LancedbLeverConfig]):
    """Restores a version, or moves a tag. A position is the number of a version; null: there is no such tag."""

    config_model: ClassVar[type[Model]] = LancedbLeverConfig

    async def position(self) -> Position:
        """The number of the version; of the table itself with the newest version as its revision."""
        async with self._opened() as table:
            if self.config.tag is not None:
                found = (await table.tags.list()).get(self.config.tag)
                return Position(value=None if found is None else number(found))
            versions = await _versions(table)
            newest = max(versions)
            return Position(value=await self._oldest_like(newest, versions), revision=str(newest))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - it knows no keys
        """One commit, or one small file."""
        async with self._opened() as table:
            if self.config.tag is None:
                await self._restore(table, to.value, found)
            elif to.value is None:
                await table.tags.delete(self.config.tag)
            else:
                there = self.config.tag in await table.tags.list()
                set_tag = table.tags.update if there else table.tags.create
                await set_tag(self.config.tag, _known(to.value, await _versions(table)))

    def read_by_hand(self) -> ByHand:
        """The version that is served, and the tags."""
        tag = self.config.tag
        look = (
            f"its position is the version of the tag {tag}; none: null"
            if tag
            else "keep the number of the version"
        )
        return ByHand(command=self._typed("print(table.version, table.tags.list())"), look=look)

    def _typed(self, act: str) -> str:
        uri = self.config.uri
        place = uri if "://" in uri else str(self.kit.folder / uri)
        opened = f"import lancedb; table = lancedb.connect({place!r}).open_table({self.config.table!r})"
        return f"python3 -c {shlex.quote(f'{opened}; {act}')}"

    def by_hand(self, to: JsonValue) -> str:
        """A line of Python, for LanceDB has no command of its own."""
        tag = self.config.tag
        if tag is None:
            act = f"table.restore({to!r})"
        elif to is None:
            act = f"table.tags.delete({tag!r})"
        else:
            act = (
                f"(table.tags.update if {tag!r} in table.tags.list() else table.tags.create)({tag!r}, {to!r})"
            )
        return self._typed(act)

    async def _restore(self, table: Any, to: JsonValue, found: Position) -> None:
        versions = await _versions(table)
        wanted = _known(to, versions)
        oldest = await self._oldest_like(wanted, versions)
        if oldest != wanted:
            msg = f"version {wanted} holds the same as version {oldest}, by which it is known; write {oldest}"
            raise Gone(msg)
        newest = await table.version()
        if str(newest) != found.revision:
            msg = f"somebody wrote version {newest} of the table {self.config.table}"
            raise Raced(msg)
        await table.restore(wanted)

    async def _oldest_like(self, wanted: int, versions: dict[int, Any]) -> int:
        """The oldest version that holds the same as this one."""
        twins = [each for each in versions if each < wanted and versions[each] == versions[wanted]]
        if twins:
            content = await self._content(wanted)
            for each in sorted(twins):
                if await self._content(each) == content:
                    return each
        return wanted

    async def _content(self, version: int) -> str:
        """A digest of the schema, the indices and all rows of a version, as they come from the disk."""
        table = await open_table(self.kit, self.config.uri, self.config.table)
        await table.checkout(version)
        digest = hashlib.sha256(repr((await table.schema(), await table.list_indices())).encode())
        async for batch in await table.query().to_batches():
            digest.update(batch.serialize())
        return digest.hexdigest()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Any]:
        """The table; whatever its client raises comes out as one of our errors."""
        try:
            async with asyncio.timeout(self.config.timeout.total_seconds()):
                yield await open_table(self.kit, self.config.uri, self.config.table)
        except (DriverError, asyncio.CancelledError):
            raise
        except TimeoutError as error:
            msg = f"LanceDB, table {self.config.table}: no answer within {self.config.timeout}"
            raise Unreachable(msg) from error
        except Exception as error:
            raise ours(error, self.config.table) from error


async def _versions(table: Any) -> dict[int, Any]:
    """What LanceDB itself sums up of each version: rows, files, bytes."""
    return {number(each): each.get("metadata") for each in await table.list_versions()}


def _known(to: JsonValue, versions: dict[int, Any]) -> int:
    if type(to) is not int or to not in versions:
        there = ", ".join(str(each) for each in sorted(versions)[-20:])
        msg = f"the table has no version {to!r}; write the number of one: {there}"
        raise Gone(msg)
    return to
