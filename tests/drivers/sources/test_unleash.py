"""The Unleash source on a real Unleash."""

from typing import Any

import httpx
import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers import products
from tests.drivers.sources.reading import documents, gather, just_now, make_source
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver


@pytest.fixture(scope="module")
def url(unleash: str) -> str:
    base, auth = f"{unleash}/api/admin/projects/default", {"Authorization": products.UNLEASH_TOKEN}
    with httpx.Client(base_url=base, headers=auth, trust_env=False, timeout=60) as http:
        http.post("/features", json={"name": "reranker", "type": "kill-switch"}).raise_for_status()
        strategy = {"name": "flexibleRollout", "parameters": {"rollout": "40", "stickiness": "default"}}
        environment = "/features/reranker/environments/development"
        http.post(f"{environment}/strategies", json=strategy).raise_for_status()
        http.post(f"{environment}/on").raise_for_status()
    return unleash


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("UNLEASH_TOKEN", products.UNLEASH_TOKEN)
    return {"header": {"name": "Authorization", "secret": "env:UNLEASH_TOKEN"}}


def make(bench: Drivers, url: str, token: dict[str, Any], *features: str) -> Source:
    return make_source(bench, "unleash", ("flags",), base=url, auth=token, features=features)


@pytest.mark.asyncio
class TestUnleashSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, url: str, token: dict[str, Any]) -> Source:
        return make(bench, url, token, "reranker")

    @pytest.fixture
    def absent(self, bench: Drivers, token: dict[str, Any]) -> Source:
        return make(bench, f"http://127.0.0.1:{free_port()}", token)

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now()


async def test_it_freezes_flags_and_who_changed_them(bench: Drivers, url: str, token: dict[str, Any]) -> None:
    found = await documents(make(bench, url, token, "reranker"), just_now())
    assert set(found) == {"flag reranker", "all flags", "changes of flags"}
    environments = {each["name"]: each for each in found["flag reranker"]["environments"]}
    assert environments["development"]["enabled"] is True
    assert environments["development"]["strategies"][0]["parameters"]["rollout"] == "40"
    assert "reranker" in {each["name"] for each in found["all flags"]["features"]}
    kinds = {each["type"] for each in found["changes of flags"]["events"]}
    assert {"feature-created", "feature-environment-enabled"} <= kinds


async def test_a_flag_that_is_not_there_is_named(bench: Drivers, url: str, token: dict[str, Any]) -> None:
    found, error = await gather(make(bench, url, token, "no-such-flag"), just_now())
    assert sorted(each.name for each in found) == ["all flags", "changes of flags"]
    assert isinstance(error, Gone)
    assert "flag no-such-flag" in str(error)


async def test_a_wrong_token_is_denied(
    bench: Drivers, url: str, token: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNLEASH_TOKEN", "*:*.wrong")
    with pytest.raises(Denied):
        await documents(make(bench, url, token), just_now())
