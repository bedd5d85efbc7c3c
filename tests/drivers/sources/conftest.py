"""The products that more than one test needs, each started once."""

from collections.abc import Iterator

import pytest

from tests.drivers.sources import products


@pytest.fixture(scope="session")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with products.embeddings(tmp_path_factory.mktemp("embeddings")) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with products.postgresql(tmp_path_factory.mktemp("postgresql")) as port:
        yield port
