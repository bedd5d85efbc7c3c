"""The drivers as a station wires them, a small product to try them on, and the real products, each started once."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from firestation.drivers import Drivers
from firestation.drivers.claims import open_claims
from firestation.secrets import ReferenceSecrets
from tests.drivers import products
from tests.drivers.contracts import published
from tests.drivers.lever_service import TOKEN, Product, running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Drivers]:
    claims = open_claims(tmp_path / "evidence")
    async with Drivers(ReferenceSecrets(tmp_path), folder=tmp_path, claims=claims) as bench:
        yield bench


@pytest.fixture(scope="session")
def service() -> Iterator[Product]:
    with running() as product:
        yield product


@pytest.fixture
def product(service: Product, monkeypatch: pytest.MonkeyPatch) -> Product:
    monkeypatch.setenv("AGENT_TOKEN", TOKEN)
    service.reset()
    return service


@pytest.fixture(scope="session")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with products.embeddings(tmp_path_factory.mktemp("embeddings")) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with products.postgresql(tmp_path_factory.mktemp("postgresql")) as port:
        yield port


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with products.mlflow(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="session")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with products.phoenix(tmp_path_factory.mktemp("phoenix")) as url:
        yield url


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with products.chroma(tmp_path_factory.mktemp("chroma")) as url:
        yield url


@pytest.fixture(scope="session")
def ferrogw(tmp_path_factory: pytest.TempPathFactory, embeddings: str) -> Iterator[str]:
    with products.ferrogw(tmp_path_factory.mktemp("ferrogw"), embeddings) as url:
        yield url


@pytest.fixture(scope="session")
def unleash(tmp_path_factory: pytest.TempPathFactory, postgresql: int) -> Iterator[str]:
    server = f"postgresql://postgres@127.0.0.1:{postgresql}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as link:
        link.execute("CREATE DATABASE unleash")
    with products.unleash(tmp_path_factory.mktemp("unleash"), f"{server}/unleash") as url:
        yield url


@pytest.fixture(scope="session")
def two_models() -> Iterator[list[str]]:
    """Two servers that say who they are; host and port of each."""
    with (
        published(lambda *_: (200, {"model": "stable"})) as stable,
        published(lambda *_: (200, {"model": "canary"})) as canary,
    ):
        yield [url.removeprefix("http://") for url in (stable, canary)]


@pytest.fixture(scope="session")
def haproxy(tmp_path_factory: pytest.TempPathFactory, two_models: list[str]) -> Iterator[products.Haproxy]:
    with products.haproxy(tmp_path_factory.mktemp("haproxy"), *two_models) as haproxy:
        yield haproxy


@pytest.fixture(scope="session")
def roundup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[products.Roundup]:
    with products.roundup(tmp_path_factory.mktemp("roundup")) as roundup:
        yield roundup


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[products.Synapse]:
    with products.synapse(tmp_path_factory.mktemp("synapse")) as synapse:
        yield synapse
