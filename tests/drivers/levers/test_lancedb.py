"""The LanceDB levers on a real LanceDB: a version of the index, and a tag of it."""

import asyncio
import shlex
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import lancedb
import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers, lancedb_levers
from firestation.drivers.lancedb import open_table
from firestation.errors import Drifted, Gone
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers.faults import LeverFaults, Spoiler, Through, Truth, carried_out, order
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.spoiling import InProcess

pytestmark = pytest.mark.driver
GOOD = [{"id": 1, "text": "30 days", "vector": [1.0, 0.0]}, {"id": 2, "text": "closed", "vector": [0.0, 1.0]}]
STALE = {"id": 3, "text": "90 days", "vector": [1.0, 0.1]}
ASKED = [1.0, 0.1]


class Index:
    """Version 1 is good and tagged release-1, version 2 has the stale policy, and it is what `live` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "index"
        now = lancedb.connect(self.folder, read_consistency_interval=timedelta(0))
        self.table = now.create_table("policies", GOOD)
        self.table.tags.create("release-1", 1)
        self.table.add([STALE])
        self.table.tags.create("live", 2)

    def asked(self, table: Any = None) -> str:
        """What an application finds."""
        return str((table or self.table).search(ASKED).limit(1).to_list()[0]["text"])

    def reader(self, **options: Any) -> Any:
        """An application that opens the table once, and holds it."""
        return lancedb.connect(self.folder, **options).open_table("policies")


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def make(bench: Drivers, **config: Any) -> Lever:
    given = {"uri": "index", "table": "policies", **PATIENT}
    return make_lever(bench, "lancedb", **{**given, **config})


class Behind:
    """A table as the lever gets it: its two calls that write stand behind the plan."""

    def __init__(self, real: Any, **calls: Any) -> None:
        self.real, self.calls = real, calls

    def __getattr__(self, name: str) -> Any:
        return self.calls.get(name) or getattr(self.real, name)


@pytest.fixture
def spoiling(index: Index, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    async def put_back() -> None:
        await asyncio.to_thread(index.table.restore, 2)
        await asyncio.to_thread(index.table.tags.update, "live", 2)

    async def opened(*where: Any) -> Behind:
        table = await open_table(*where)
        tags = Behind(table.tags, update=spoiler.spoiled(table.tags.update))
        return Behind(table, restore=spoiler.spoiled(table.restore), tags=tags)

    spoiler = InProcess(put_back)
    monkeypatch.setattr(lancedb_levers, "open_table", opened)
    return spoiler


# ------------------------------------------------------------------------------------------------ the version


class TestVersion(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, index: Index) -> Lever:
        return make(bench)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return 1

    @pytest.fixture
    def meddle(self, index: Index) -> Callable[[JsonValue], Any]:
        return lambda to: index.table.restore(int(str(to)))

    @pytest.fixture
    def writes(self, spoiling: InProcess) -> Callable[[], int]:
        return lambda: spoiling.writes


class TestVersionFaults(LeverFaults):
    @pytest.fixture
    def through(self, bench: Drivers, index: Index) -> Through:
        return partial(make, bench)

    @pytest.fixture
    def meddler(self, spoiling: InProcess) -> Spoiler:
        return spoiling

    @pytest.fixture
    def truth(self, index: Index) -> Truth:
        async def look() -> JsonValue:
            return {"30 days": 1, "90 days": 2}[index.asked()]

        return look

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return 1


async def test_a_reader_gets_the_old_index_only_when_it_looks_for_newer_versions(
    bench: Drivers, index: Index
) -> None:
    at_once, holding = index.reader(read_consistency_interval=timedelta(0)), index.reader()
    for reader in (at_once, holding):
        assert index.asked(reader) == STALE["text"]
    lever = make(bench)
    origin = await lever.read()
    await lever.move(Position(value=1), origin, "k")
    assert index.asked(at_once) == GOOD[0]["text"]
    assert index.asked(holding) == STALE["text"]
    holding.checkout_latest()
    assert index.asked(holding) == GOOD[0]["text"]
    await lever.move(origin, Position(value=1), "k")
    assert index.asked(at_once) == STALE["text"]


async def test_the_position_is_what_is_served_and_not_the_newest_number(bench: Drivers, index: Index) -> None:
    lever = make(bench)
    for number, newest in ((1, 3), (2, 4), (1, 5), (2, 6)):
        await lever.move(Position(value=number), await lever.read(), "k")
        found = await lever.read()
        assert (found.value, found.revision) == (number, str(newest))
        assert index.table.version == newest


async def test_a_version_that_only_looks_alike_is_another(bench: Drivers, index: Index) -> None:
    """LanceDB's own sums are equal, the rows are not."""
    swapped = [{**STALE, "text": "60 days"}]
    index.table.restore(1)
    index.table.add(swapped)
    sums = {each["version"]: each["metadata"] for each in index.table.list_versions()}
    assert sums[2] == sums[4]
    assert (await make(bench).read()).value == 4


async def test_rows_written_meanwhile_are_not_lost(bench: Drivers, index: Index) -> None:
    lever = make(bench)
    origin = await lever.read()
    await lever.move(Position(value=1), origin, "k")
    index.table.add([{**STALE, "id": 4, "text": "new"}])
    outcome = await carried_out(lever, order("lift", origin, Position(value=1)))
    assert outcome.result == "drifted"
    assert index.table.count_rows() == 3


async def test_a_write_between_our_reading_and_our_restore_is_seen(
    bench: Drivers, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    lever = make(bench)
    origin = await lever.read()

    async def opened(*where: Any) -> Behind:
        table = await open_table(*where)

        async def version() -> int:
            await asyncio.to_thread(index.table.add, [{**STALE, "id": 4}])
            return int(await table.version())

        return Behind(table, version=version)

    monkeypatch.setattr(lancedb_levers, "open_table", opened)
    with pytest.raises(Drifted):
        await lever.move(Position(value=1), origin, "k")
    assert index.table.count_rows() == 4


async def test_a_version_known_by_an_older_number_is_refused_before_anything_is_written(
    bench: Drivers, index: Index
) -> None:
    index.table.restore(1)
    index.table.add([STALE])
    lever = make(bench)
    with pytest.raises(Gone, match="version 3 holds the same as version 1"):
        await lever.move(Position(value=3), await lever.read(), "k")
    assert index.table.version == 4


# --------------------------------------------------------------------------------------------------- the tag


class TestTag(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, index: Index) -> Lever:
        return make(bench, tag="live")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return 1

    @pytest.fixture
    def meddle(self, index: Index) -> Callable[[JsonValue], Any]:
        return lambda to: index.table.tags.update("live", int(str(to)))

    @pytest.fixture
    def writes(self, index: Index, spoiling: InProcess) -> Callable[[], int]:
        return lambda: spoiling.writes


class TestTagFaults(LeverFaults):
    @pytest.fixture
    def through(self, bench: Drivers, index: Index) -> Through:
        return partial(make, bench, tag="live")

    @pytest.fixture
    def meddler(self, spoiling: InProcess) -> Spoiler:
        return spoiling

    @pytest.fixture
    def truth(self, index: Index) -> Truth:
        async def look() -> JsonValue:
            return index.table.tags.get_version("live")

        return look

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return 1


async def test_a_tag_is_effective_for_whoever_checks_it_out_anew(bench: Drivers, index: Index) -> None:
    held, anew = index.reader(), index.reader()
    for reader in (held, anew):
        reader.checkout("live")
        assert index.asked(reader) == STALE["text"]
    lever = make(bench, tag="live")
    await lever.move(Position(value=1), await lever.read(), "k")
    assert index.asked(held) == STALE["text"]
    anew.checkout("live")
    assert index.asked(anew) == GOOD[0]["text"]
    assert index.table.version == 2


async def test_null_is_no_such_tag(bench: Drivers, index: Index) -> None:
    lever = make(bench, tag="live")
    origin = await lever.read()
    shown = await lever.move(Position(value=None), origin, "k")
    assert "live" not in index.table.tags.list()
    assert (await lever.move(origin, shown, "k")).value == 2
    assert index.table.tags.get_version("live") == 2


# ---------------------------------------------------------------------------------------------------- of both


@pytest.mark.parametrize("tag", [None, "live"])
async def test_what_is_not_there_is_named_and_nothing_is_written(
    bench: Drivers, index: Index, tag: str | None
) -> None:
    lever = make(bench, tag=tag)
    for nothing in (77, "release-1", True, 1.0):
        with pytest.raises(Gone, match="no version"):
            await lever.move(Position(value=nothing), await lever.read(), "k")
    assert index.table.version == 2
    for config, said in (({"table": "none"}, "none"), ({"uri": "nowhere"}, "there is no LanceDB")):
        with pytest.raises(Gone, match=said):
            await make(bench, tag=tag, **config).read()


async def test_an_index_that_is_away_is_gone_and_found_again(bench: Drivers, index: Index) -> None:
    lever = make(bench)
    origin = await lever.read()
    away = index.folder.rename(index.folder.with_name("away"))
    with pytest.raises(Gone):
        await lever.move(Position(value=1), origin, "k")
    away.rename(index.folder)
    assert (await lever.read()).same_as(origin)


@pytest.mark.parametrize(("tag", "path"), [(None, (1, 2)), ("live", (1, None, 2))])
async def test_a_person_can_do_it_without_us(
    bench: Drivers, index: Index, tag: str | None, path: tuple[JsonValue, ...]
) -> None:
    lever = make(bench, tag=tag)
    for to in path:
        words = shlex.split(lever.by_hand(to))  # type: ignore[attr-defined]
        assert words[:2] == ["python3", "-c"]
        await asyncio.to_thread(exec, words[2], {})
        assert (await lever.read()).value == to
