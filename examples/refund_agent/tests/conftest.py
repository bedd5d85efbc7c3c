"""The agent in a test: the real service behind Starlette's client, with a state folder of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from refund_agent.app import Service
from starlette.testclient import TestClient


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path, None, faults=True)


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(service.app()) as client:
        yield client
