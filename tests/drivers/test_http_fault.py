"""A fault by declaration, against a real HTTP service."""

import json
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import DriverError
from firestation.ports import Fault
from firestation.rehearsal import RehearsalFitting, RehearsedAlarm
from tests.drivers.lever_service import Product

pytestmark = pytest.mark.driver


def make(bench: Drivers, product: Product, **more: Any) -> Fault:
    config = {
        "base": product.url,
        "auth": {"bearer": "env:AGENT_TOKEN"},
        "inject": [{"method": "PUT", "url": "/levers/reranker", "body": {"position": "on", "by": "{drill}"}}],
        "clear": [
            {"method": "DELETE", "url": "/nothing/{drill}"},
            {
                "method": "PUT",
                "url": "/levers/reranker",
                "headers": {"Idempotency-Key": "clear-{drill}"},
                "body": {"position": "off", "by": "{drill}"},
            },
        ],
        **more,
    }
    alarm = RehearsedAlarm(name="RefundGoldenEvalFailing", summary="a case fails")
    fitting = RehearsalFitting(id="stale-policy", title="R", driver="http", alarm=alarm, config=config)
    return bench.fault(fitting)


async def test_it_is_set_and_cleared_and_what_is_gone_already_is_cleared(
    bench: Drivers, product: Product
) -> None:
    fault = make(bench, product)
    await fault.inject("drill-stale-policy-1a2b3c4d")
    assert product.value == "on"
    await fault.clear("drill-stale-policy-1a2b3c4d")
    assert product.value == "off"
    bodies = [json.loads(body) for method, _, _, body in product.seen if method == "PUT"]
    assert {body["by"] for body in bodies} == {"drill-stale-policy-1a2b3c4d"}


async def test_only_our_errors_come_out(bench: Drivers, product: Product) -> None:
    fault = make(bench, product, inject=[{"url": "/bad/denied"}], clear=[{"url": "/bad/torn"}])
    with pytest.raises(DriverError):
        await fault.clear("drill-stale-policy-1a2b3c4d")
    with pytest.raises(DriverError):
        await fault.inject("drill-stale-policy-1a2b3c4d")
