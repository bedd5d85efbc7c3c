"""The LanceDB source on a real LanceDB, with a real embedding model."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lancedb
import pytest

from firestation.drivers import Drivers
from firestation.errors import DriverError, Gone, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.sources.indexes import BAD, GOOD, QUERY, STALE, embedding, with_vectors
from tests.drivers.sources.reading import documents, gather, just_now, make_source, whole
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver


@pytest.fixture
async def index(tmp_path: Path, embeddings: str) -> Path:
    """Version 2 is tagged release-1; version 3 has the stale policy."""
    link = await lancedb.connect_async(tmp_path / "index")
    table = await link.create_table("policies", with_vectors(embeddings, GOOD))
    await table.tags.create("release-1", await table.version())
    await table.add(with_vectors(embeddings, BAD[2:]))
    return tmp_path / "index"


def make(bench: Drivers, embeddings: str, **config: Any) -> Source:
    given = {"uri": "index", "table": "policies", "last_good": "release-1", "embed": embedding(embeddings)}
    return make_source(bench, "lancedb", ("retrieval",), **{**given, **config})


@pytest.mark.asyncio
class TestLancedbSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, embeddings: str, index: Path) -> Source:
        assert index.exists()
        return make(bench, embeddings)

    @pytest.fixture
    def absent(self, bench: Drivers, embeddings: str) -> Source:
        return make(bench, embeddings, uri="nowhere")

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now(queries=(QUERY,))


async def test_it_freezes_the_candidates_then_and_now(bench: Drivers, embeddings: str, index: Path) -> None:
    found = await documents(make(bench, embeddings), just_now(queries=(QUERY,)))
    candidates = found[f"candidates of {QUERY}"]
    now, then = candidates["now"], candidates["then"]
    assert now["version"] > then["version"]
    assert [each["id"] for each in then["candidates"]] == [1, 2]
    assert now["candidates"][0]["text"] == STALE["text"]
    assert {each["id"] for each in now["candidates"]} == {1, 2, 3}
    scores = [each["_distance"] for each in now["candidates"]]
    assert scores == sorted(scores)
    assert "vector" not in now["candidates"][0]
    assert found["index"]["now"]["tags"] == {"release-1": then["version"]}
    assert found["index"]["now"]["rows"] == 3
    assert found["index"]["then"]["version"] == then["version"]


async def test_without_a_tag_then_is_what_was_before_the_alarm(
    bench: Drivers, embeddings: str, index: Path
) -> None:
    table = await (await lancedb.connect_async(index)).open_table("policies")
    since = datetime.now(UTC)
    await table.delete("id = 1")
    scope = just_now(queries=(QUERY,)).changed(since=since, until=since + timedelta(minutes=1))
    found = await documents(make(bench, embeddings, last_good=None), scope)
    candidates = found[f"candidates of {QUERY}"]
    assert {each["id"] for each in candidates["then"]["candidates"]} == {1, 2, 3}
    assert {each["id"] for each in candidates["now"]["candidates"]} == {2, 3}


async def test_the_filter_in_force_is_applied(bench: Drivers, embeddings: str, index: Path) -> None:
    assert index.exists()
    source = make(bench, embeddings, where="status = 'current'", queries=[QUERY])
    found = await documents(source, just_now())
    assert {each["id"] for each in found[f"candidates of {QUERY}"]["now"]["candidates"]} == {1, 2}


async def test_what_is_gone_of_then_does_not_cost_what_there_is_now(
    bench: Drivers, embeddings: str, index: Path
) -> None:
    assert index.exists()
    found, error = await gather(make(bench, embeddings, last_good="v0"), just_now(queries=(QUERY,)))
    assert isinstance(error, Gone)
    (candidates,) = (whole(each) for each in found if each.name.startswith("candidates"))
    assert b'"then": null' in candidates
    assert str(STALE["text"]).encode() in candidates


@pytest.mark.parametrize(
    ("config", "queries", "error", "said"),
    [
        ({"table": "none"}, (QUERY,), Gone, "none"),
        ({}, (), Gone, "names no query"),
        ({"where": "no_such_column = 1"}, (QUERY,), DriverError, "no_such_column"),
        ({"embed": {"base": f"http://127.0.0.1:{free_port()}"}}, (QUERY,), Unreachable, "not reachable"),
        ({"embed": {"path": "$.nothing"}}, (QUERY,), Nonsense, "nothing at"),
        ({"embed": {"path": "$.data"}}, (QUERY,), Nonsense, "gave no vector"),
    ],
)
async def test_what_cannot_be_had_says_why(
    bench: Drivers,
    embeddings: str,
    index: Path,
    config: dict[str, Any],
    queries: tuple[str, ...],
    error: type[DriverError],
    said: str,
) -> None:
    assert index.exists()
    config = {**config, "embed": {**embedding(embeddings), **config.get("embed", {})}}
    async with asyncio.timeout(30):
        _, trouble = await gather(make(bench, embeddings, **config), just_now(queries=queries))
    assert isinstance(trouble, error)
    assert said in str(trouble)
