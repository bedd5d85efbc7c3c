"""What stands between a tracker and the contract that it is tried on."""

from collections.abc import Iterator

import pytest

from tests.drivers.levers.meddler import Meddler, meddling
from tests.drivers.trackers.contract import Contract


@pytest.fixture(scope="module")
def meddler(running: Contract) -> Iterator[Meddler]:
    with meddling(running.url) as meddler:
        yield meddler
