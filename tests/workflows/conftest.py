"""Each workflow test runs on the time-skipping test server and on the real server, with a worker of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.workflows.stage import SERVERS, Stage, staged


@pytest.fixture(params=sorted(SERVERS))
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with SERVERS[request.param]() as environment, staged(environment, tmp_path) as stage:
        yield stage
