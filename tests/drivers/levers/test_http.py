"""The http lever on a product that fails in each way."""

from collections.abc import Iterator

import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.ports import Lever
from tests.drivers.lever_service import Product
from tests.drivers.levers.faults import LeverFaults, Truth
from tests.drivers.levers.making import make_lever
from tests.drivers.levers.meddler import Meddler, meddling


class TestFaults(LeverFaults):
    @pytest.fixture
    def meddler(self, product: Product) -> Iterator[Meddler]:
        with meddling(product.url) as meddler:
            meddler.put_back = lambda: product.set("off")
            yield meddler

    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler) -> Lever:
        return make_lever(
            bench,
            "http",
            base=meddler.url,
            timeout="1s",
            read_back_within="600ms",
            read={"url": "/levers/reranker", "path": "$.lever.position", "revision": {"header": "ETag"}},
            move={"url": "/levers/reranker", "body": {"position": "{position}"}},
        )

    @pytest.fixture
    def truth(self, product: Product) -> Truth:
        async def look() -> JsonValue:
            value: JsonValue = product.value
            return value

        return look

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "on"
