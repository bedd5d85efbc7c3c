"""Every source of a product over HTTP, when the product misbehaves: an error of ours, in time and in bounded memory."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from tests.drivers.lever_service import Product
from tests.drivers.sources.reading import gather, just_now, make_source

pytestmark = pytest.mark.driver

EMBED = {"base": "http://127.0.0.1:9", "request": {"url": "/embed", "body": {"input": "{query}"}}}
SOURCES: dict[str, dict[str, Any]] = {
    "http": {"requests": [{"name": "traces", "url": "/traces"}]},
    "prometheus": {"queries": [{"name": "up", "query": "up"}]},
    "mlflow": {"experiments": ["1"], "prompts": [{"name": "p"}], "datasets": ["d"], "gateway": True},
    "phoenix": {"project": "default", "request_attribute": "id", "prompts": [{"name": "p"}]},
    "ferrogw": {},
    "unleash": {"features": ["f"]},
    "langfuse": {"traces": True, "prompts": [{"name": "p"}]},
    "langsmith": {"projects": ["p"], "prompts": [{"name": "p"}]},
    "litellm": {"guardrails": True, "logs": True},
    "chroma": {"collection": "c", "last_good": "b"},
}
FAULTS: dict[str, type[DriverError]] = {
    "hang": Unreachable,
    "drip": Unreachable,
    "huge": Nonsense,
    "bomb": Nonsense,
    "500": Unreachable,
    "429": Unreachable,
    "401": Denied,
    "404": Gone,
    "redirect": Nonsense,
    "html": Nonsense,
    "empty": Nonsense,
    "utf8": Nonsense,
    "nan": Nonsense,
    "deep": Nonsense,
    "torn": Nonsense,
    "brotli": Nonsense,
    "number": Nonsense,
}
NEVER_WHOLE = frozenset({"hang", "drip"})


def make(bench: Drivers, product: Product, driver: str, fault: str) -> Any:
    place: dict[str, Any] = {"base": f"{product.url}/bad/{fault}", "max_bytes": 1_000_000}
    place["timeout"] = "1s" if fault in NEVER_WHOLE else "20s"
    config = SOURCES[driver]
    if driver == "chroma":
        return make_source(bench, driver, server=place, embed={**EMBED, **place}, **config)
    return make_source(bench, driver, ("flags",) if driver == "unleash" else ("requests",), **place, **config)


# The http source freezes whatever JSON there is: it knows no shape.
CASES = [(driver, fault) for driver in SOURCES for fault in FAULTS if (driver, fault) != ("http", "number")]


@pytest.mark.parametrize(("driver", "fault"), CASES)
async def test_a_product_that_misbehaves_is_an_error_of_ours(
    bench: Drivers, product: Product, driver: str, fault: str
) -> None:
    source = make(bench, product, driver, fault)
    tracemalloc.start()
    try:
        async with asyncio.timeout(60):
            found, error = await gather(source, just_now("r-1", trace_ids=("t-1",), queries=("q",)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == []
    assert type(error) is FAULTS[fault]
    assert peak < 40_000_000


@pytest.mark.parametrize("driver", SOURCES)
async def test_lists_of_other_things_are_frozen_as_they_came_or_are_nonsense(
    bench: Drivers, product: Product, driver: str
) -> None:
    found, error = await gather(
        make(bench, product, driver, "strings"), just_now("r-1", trace_ids=("t-1",), queries=("q",))
    )
    assert found or isinstance(error, Nonsense)
    assert error is None or isinstance(error, Nonsense)
