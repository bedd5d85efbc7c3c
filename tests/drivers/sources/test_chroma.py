"""The Chroma source on a real Chroma, with a real embedding model."""

from typing import Any

import httpx
import pytest

from firestation.drivers import Drivers
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.sources.indexes import BAD, GOOD, QUERY, STALE, embedding, with_vectors
from tests.drivers.sources.reading import documents, gather, just_now, make_source
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


@pytest.fixture(scope="module")
def url(chroma: str, embeddings: str) -> str:
    with httpx.Client(base_url=chroma, trust_env=False, timeout=60) as http:
        for name, rows in (("policies-1", GOOD), ("policies-2", BAD)):
            made = http.post(COLLECTIONS, json={"name": name}).raise_for_status().json()["id"]
            vectors = with_vectors(embeddings, rows)
            body = {
                "ids": [str(row["id"]) for row in rows],
                "embeddings": [row["vector"] for row in vectors],
                "documents": [row["text"] for row in rows],
                "metadatas": [{"status": row["status"]} for row in rows],
            }
            http.post(f"{COLLECTIONS}/{made}/add", json=body).raise_for_status()
    return chroma


def make(bench: Drivers, url: str, embeddings: str, **config: Any) -> Source:
    given = {"server": {"base": url}, "collection": "policies-2", "last_good": "policies-1"}
    return make_source(bench, "chroma", ("retrieval",), **{**given, "embed": embedding(embeddings), **config})


@pytest.mark.asyncio
class TestChromaSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, url: str, embeddings: str) -> Source:
        return make(bench, url, embeddings)

    @pytest.fixture
    def absent(self, bench: Drivers, embeddings: str) -> Source:
        return make(bench, f"http://127.0.0.1:{free_port()}", embeddings)

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now(queries=(QUERY,))


async def test_it_freezes_the_candidates_then_and_now(bench: Drivers, url: str, embeddings: str) -> None:
    found = await documents(make(bench, url, embeddings), just_now(queries=(QUERY,)))
    candidates = found[f"candidates of {QUERY}"]
    first = candidates["now"]["candidates"][0]
    assert (first["document"], first["metadata"]) == (STALE["text"], {"status": "stale"})
    assert {each["id"] for each in candidates["then"]["candidates"]} == {"1", "2"}
    distances = [each["distance"] for each in candidates["now"]["candidates"]]
    assert distances == sorted(distances)
    assert [found["index"][when]["count"] for when in ("then", "now")] == [2, 3]


async def test_the_filter_in_force_is_applied(bench: Drivers, url: str, embeddings: str) -> None:
    source = make(bench, url, embeddings, where={"status": "current"})
    found = await documents(source, just_now(queries=(QUERY,)))
    assert {each["id"] for each in found[f"candidates of {QUERY}"]["now"]["candidates"]} == {"1", "2"}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"collection": "none"}, "none"),
        ({"last_good": None}, "Chroma keeps no versions"),
        ({"tenant": "none"}, "404"),
    ],
)
async def test_what_is_not_there_is_named(
    bench: Drivers, url: str, embeddings: str, config: dict[str, Any], said: str
) -> None:
    _, error = await gather(make(bench, url, embeddings, **config), just_now(queries=(QUERY,)))
    assert isinstance(error, Gone)
    assert said in str(error)
