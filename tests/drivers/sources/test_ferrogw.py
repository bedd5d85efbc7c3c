"""The ferrogw source on a real model gateway, in front of a real model."""

from typing import Any

import httpx
import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers import products
from tests.drivers.sources.reading import documents, gather, in_scope, just_now, make_source
from tests.e2e.processes import free_port, wait_for

pytestmark = pytest.mark.driver


@pytest.fixture(scope="module")
def url(ferrogw: str) -> str:
    auth = {"Authorization": f"Bearer {products.MASTER_KEY}"}
    with httpx.Client(base_url=ferrogw, headers=auth, trust_env=False, timeout=60) as http:
        config = http.get("/admin/config").raise_for_status().json()
        http.put("/admin/config", json=config).raise_for_status()
        body = {"model": "text-embedding-3-small", "input": "a refund?"}
        http.post("/v1/embeddings", json=body).raise_for_status()
        wait_for("the request log", lambda: http.get("/admin/logs").json()["data"])
    return ferrogw


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("FERRO_KEY", products.MASTER_KEY)
    return {"bearer": "env:FERRO_KEY"}


def make(bench: Drivers, url: str, key: dict[str, str], *provides: str, **config: Any) -> Source:
    return make_source(bench, "ferrogw", provides or ("requests",), base=url, auth=key, **config)


@pytest.mark.asyncio
class TestFerrogwSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, url: str, key: dict[str, str]) -> Source:
        # Each admin request is itself in the audit log: it is the one thing here that reading changes.
        return make(bench, url, key, read=["config", "history", "logs"])

    @pytest.fixture
    def absent(self, bench: Drivers, key: dict[str, str]) -> Source:
        return make(bench, f"http://127.0.0.1:{free_port()}", key)

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now()


async def test_it_freezes_the_route_its_history_and_the_requests(
    bench: Drivers, url: str, key: dict[str, str]
) -> None:
    found = await documents(make(bench, url, key, "model-route", "requests"), just_now())
    assert set(found) == {
        "configuration",
        "configuration history",
        "changes by people",
        "requests since the look-back",
    }
    assert found["configuration"]["targets"][0]["virtual_key"] == "openai"
    newest = max(found["configuration history"]["data"], key=lambda each: int(each["version"]))
    assert newest["config"]["targets"][0]["virtual_key"] == "openai"
    logged = found["requests since the look-back"]["data"]
    assert "text-embedding-3-small" in {each["model"] for each in logged}


async def test_no_request_is_not_success(bench: Drivers, url: str, key: dict[str, str]) -> None:
    later = in_scope().changed(
        since=just_now().until.replace(year=2100), until=just_now().until.replace(year=2101)
    )
    found, error = await gather(make(bench, url, key, read=["config", "logs"]), later)
    assert [each.name for each in found] == ["configuration"]
    assert isinstance(error, Gone)


async def test_a_wrong_key_is_denied_and_not_repeated(
    bench: Drivers, url: str, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRO_KEY", "a-wrong-key")
    with pytest.raises(Denied) as caught:
        await documents(make(bench, url, key), just_now())
    assert "a-wrong-key" not in str(caught.value)
