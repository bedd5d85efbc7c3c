"""The http lever on a product that fails in each way."""

from collections.abc import Iterator
from functools import partial

import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from tests.drivers.lever_service import Product
from tests.drivers.levers.faults import LeverFaults, Through, Truth
from tests.drivers.levers.making import make_lever
from tests.drivers.levers.meddler import Meddler, meddling


class TestFaults(LeverFaults):
    @pytest.fixture
    def meddler(self, product: Product) -> Iterator[Meddler]:
        with meddling(product.url) as meddler:
            meddler.put_back = lambda: product.set("off")
            yield meddler

    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler) -> Through:
        return partial(
            make_lever,
            bench,
            "http",
            base=meddler.url,
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
