"""The drivers as a station wires them, and a small product to try them on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from firestation.drivers import Drivers
from firestation.secrets import ReferenceSecrets
from tests.drivers.lever_service import TOKEN, Product, running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Drivers]:
    async with Drivers(ReferenceSecrets(tmp_path), folder=tmp_path) as bench:
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
