"""The Qdrant source on the local mode of qdrant-client, with a real embedding model; its server, contract-tested."""

from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from firestation.drivers import Drivers
from firestation.errors import DriverError, Gone, InvalidInput, Unreachable
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.lever_service import Product
from tests.drivers.sources.indexes import BAD, GOOD, QUERY, STALE, embedding, with_vectors
from tests.drivers.sources.reading import documents, gather, just_now, make_source
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver


@pytest.fixture
def index(tmp_path: Path, embeddings: str) -> Path:
    """Two collections; the alias `live` points at the one with the stale policy."""
    client = QdrantClient(path=str(tmp_path / "index"))
    for name, rows in (("policies-1", GOOD), ("policies-2", BAD)):
        vectors = with_vectors(embeddings, rows)
        size = len(vectors[0]["vector"])
        config = models.VectorParams(size=size, distance=models.Distance.COSINE)
        client.create_collection(name, vectors_config=config)
        points = [
            models.PointStruct(id=row["id"], vector=row["vector"], payload={**plain})
            for row, plain in zip(vectors, rows, strict=True)
        ]
        client.upsert(name, points)
    alias = models.CreateAlias(collection_name="policies-2", alias_name="live")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    client.close()
    return tmp_path / "index"


def make(bench: Drivers, embeddings: str, **config: Any) -> Source:
    given = {"folder": "index", "collection": "live", "last_good": "policies-1"}
    return make_source(bench, "qdrant", ("retrieval",), **{**given, "embed": embedding(embeddings), **config})


@pytest.mark.asyncio
class TestQdrantSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, embeddings: str, index: Path) -> Source:
        assert index.exists()
        return make(bench, embeddings)

    @pytest.fixture
    def absent(self, bench: Drivers, embeddings: str) -> Source:
        return make(bench, embeddings, folder="nowhere")

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now(queries=(QUERY,))


async def test_it_freezes_the_candidates_then_and_now(bench: Drivers, embeddings: str, index: Path) -> None:
    assert index.exists()
    found = await documents(make(bench, embeddings), just_now(queries=(QUERY, "holidays?")))
    candidates = found[f"candidates of {QUERY}"]
    first = candidates["now"]["candidates"][0]
    assert first["payload"]["text"] == STALE["text"]
    assert {each["id"] for each in candidates["then"]["candidates"]} == {1, 2}
    scores = [each["score"] for each in candidates["now"]["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert found["index"]["now"]["aliases"] == {"live": "policies-2"}
    assert found["index"]["now"]["collection"] == "policies-2"
    assert "candidates of holidays?" in found


async def test_the_filter_in_force_is_applied(bench: Drivers, embeddings: str, index: Path) -> None:
    assert index.exists()
    where = {"must": [{"key": "status", "match": {"value": "current"}}]}
    found = await documents(make(bench, embeddings, where=where), just_now(queries=(QUERY,)))
    assert {each["id"] for each in found[f"candidates of {QUERY}"]["now"]["candidates"]} == {1, 2}


@pytest.mark.parametrize(
    ("config", "said"),
    [({"collection": "none"}, "none"), ({"last_good": None}, "Qdrant keeps no versions")],
)
async def test_what_is_not_there_is_named(
    bench: Drivers, embeddings: str, index: Path, config: dict[str, Any], said: str
) -> None:
    assert index.exists()
    _, error = await gather(make(bench, embeddings, **config), just_now(queries=(QUERY,)))
    assert isinstance(error, Gone)
    assert said in str(error)


def test_it_is_in_one_place(bench: Drivers, embeddings: str) -> None:
    for config in ({"folder": None}, {"url": "http://qdrant:6333"}):
        with pytest.raises(InvalidInput, match="Write url"):
            make(bench, embeddings, **config)


async def test_no_server_is_unreachable(bench: Drivers, embeddings: str) -> None:
    source = make(bench, embeddings, folder=None, url=f"http://127.0.0.1:{free_port()}")
    _, error = await gather(source, just_now(queries=(QUERY,)))
    assert isinstance(error, Unreachable)


@pytest.mark.parametrize("kind", ["500", "401", "404", "html", "other", "torn", "utf8", "empty"])
async def test_a_server_that_answers_badly_is_our_error(
    bench: Drivers, embeddings: str, product: Product, kind: str
) -> None:
    source = make(bench, embeddings, folder=None, url=f"{product.url}/bad/{kind}")
    found, error = await gather(source, just_now(queries=(QUERY,)))
    assert found == []
    assert isinstance(error, DriverError)
