"""Clients of PagerDuty that others wrote ring us, by nothing but another address."""

import apprise
import pytest
from apprise.plugins import pagerduty
from fastapi import FastAPI

from tests.bell.conftest import secret
from tests.drivers.serving import serving
from tests.gateway.conftest import Remembering

DETAILS = "+system=refund-agent&+request_ids=r-1"


def test_apprise_rings_and_says_when_it_is_over(
    app: FastAPI, desk: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = secret("pagerduty-events")
    with serving(app) as url:
        monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"{url}/v2/enqueue")
        for action in ("trigger", "resolve"):
            client = apprise.Apprise()
            assert client.add(
                f"pagerduty://{key}@api-key/evals/answerer?class=RefundGoldenEvalFailing&dedup=golden"
                f"&action={action}&{DETAILS}"
            )
            assert client.notify(body="2 of 6 golden cases fail", notify_type=apprise.NotifyType.FAILURE)
    first, over = desk.rang
    assert (first.name, first.system, first.status) == ("RefundGoldenEvalFailing", "refund-agent", "firing")
    assert (first.request_ids, first.summary) == (("r-1",), "2 of 6 golden cases fail")
    assert (over.key, over.status) == (first.key, "resolved")


def test_apprise_is_told_that_a_routing_key_is_wrong(
    app: FastAPI, desk: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(app) as url:
        monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"{url}/v2/enqueue")
        client = apprise.Apprise()
        assert client.add(f"pagerduty://{secret('wrong')}@api-key/evals/answerer")
        assert not client.notify(body="2 of 6 golden cases fail")
    assert desk.rang == []
