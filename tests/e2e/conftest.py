"""One agent and one station a test: what a test breaks is its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Agent, Station, a_station, an_agent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with an_agent(tmp_path / "agent") as agent:
        yield agent


@pytest.fixture
def station(tmp_path: Path, agent: Agent) -> Iterator[Station]:
    with a_station(tmp_path / "station", agent) as station:
        yield station
