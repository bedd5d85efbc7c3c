"""Sources of products that do not start here, against the shapes of their published APIs."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.contracts import served
from tests.drivers.sources.reading import documents, gather, just_now, make_source
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver

# -------------------------------------------------------------------------------------------------- langfuse


def langfuse(method: str, path: str, query: dict[str, str], _: Any) -> Any:
    """https://api.reference.langfuse.com: traces, and prompts of the second version of the API."""
    assert method == "GET"
    trace = {"id": "t-1", "name": "answer", "timestamp": "2026-11-23T03:00:00Z", "input": "a refund?"}
    if path == "/api/public/traces/t-1":
        return {**trace, "observations": [{"id": "o-1", "type": "GENERATION"}], "scores": []}
    if path == "/api/public/traces":
        assert set(query) == {"fromTimestamp", "toTimestamp", "orderBy", "limit"}
        return {"data": [trace], "meta": {"page": 1, "limit": 100, "totalItems": 1, "totalPages": 1}}
    if path == "/api/public/v2/prompts/refund":
        version = {"production": 3, "first": 1}.get(query.get("label", ""), int(query.get("version", 0)))
        if version in {1, 2, 3}:
            return {
                "name": "refund",
                "version": version,
                "prompt": f"rule {version}",
                "type": "text",
                "labels": [],
            }
    return None


PAIR = base64.b64encode(b"pk:secret").decode()


@pytest.fixture(scope="module")
def langfuse_url() -> Iterator[str]:
    with served(langfuse, lambda headers: headers["authorization"] == f"Basic {PAIR}") as url:
        yield url


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCT_KEY", "secret")


def make_langfuse(bench: Drivers, url: str, *provides: str, **config: Any) -> Source:
    auth = {"basic": {"user": "pk", "password": "env:PRODUCT_KEY"}}
    return make_source(bench, "langfuse", provides, **{"base": url, "auth": auth, **config})


@pytest.mark.usefixtures("secrets")
class TestLangfuseSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, langfuse_url: str) -> Source:
        return make_langfuse(bench, langfuse_url, "requests", traces=True, prompts=[{"name": "refund"}])

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make_langfuse(bench, f"http://127.0.0.1:{free_port()}", "requests", traces=True)

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now(trace_ids=("t-1",))


@pytest.mark.usefixtures("secrets")
async def test_langfuse_gives_traces_and_prompts(
    bench: Drivers, langfuse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [{"name": "refund"}, {"name": "refund", "label": "first"}]
    source = make_langfuse(bench, langfuse_url, traces=True, prompts=prompts)
    found = await documents(source, just_now(trace_ids=("t-1",)))
    assert found["trace t-1"]["observations"][0]["type"] == "GENERATION"
    assert found["traces around the alarm"]["data"][0]["id"] == "t-1"
    prompt = found["prompt refund@production"]
    assert (prompt["then"]["prompt"], prompt["now"]["prompt"]) == ("rule 2", "rule 3")
    assert found["prompt refund@first"]["then"] is None
    _, error = await gather(source, just_now(trace_ids=("t-9",)))
    assert isinstance(error, Gone)
    monkeypatch.setenv("PRODUCT_KEY", "wrong")
    _, error = await gather(source, just_now(trace_ids=("t-1",)))
    assert isinstance(error, Denied)


# ------------------------------------------------------------------------------------------------- langsmith


def langsmith(method: str, path: str, _: dict[str, str], body: Any) -> Any:
    """https://api.smith.langchain.com/redoc: runs/query, and commits of a prompt."""
    if (method, path) == ("POST", "/api/v1/runs/query"):
        assert body.get("trace") or body["session"] == ["p-1"]
        runs = [{"id": "run-1", "trace_id": "t-1", "name": "answer", "run_type": "chain"}]
        return {"runs": runs if body.get("trace") in {None, "t-1"} else [], "cursors": {}}
    if path == "/api/v1/commits/-/refund":
        return {"commits": [{"commit_hash": f"hash-{each}"} for each in (3, 2, 1)], "total": 3}
    if path.startswith("/api/v1/commits/-/refund/"):
        tag = path.rsplit("/", 1)[1]
        found = {"latest": "hash-3", "first": "hash-1"}.get(tag, tag)
        if found in {"hash-1", "hash-2", "hash-3"}:
            return {"commit_hash": found, "manifest": {"text": f"rule {found[-1]}"}, "examples": []}
    return None


@pytest.fixture(scope="module")
def langsmith_url() -> Iterator[str]:
    with served(langsmith, lambda headers: headers["x-api-key"] == "secret") as url:
        yield url


def make_langsmith(bench: Drivers, url: str, *provides: str, **config: Any) -> Source:
    auth = {"header": {"name": "X-API-Key", "secret": "env:PRODUCT_KEY"}}
    return make_source(bench, "langsmith", provides, **{"base": url, "auth": auth, **config})


@pytest.mark.usefixtures("secrets")
class TestLangsmithSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, langsmith_url: str) -> Source:
        return make_langsmith(bench, langsmith_url, projects=["p-1"], prompts=[{"name": "refund"}])

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make_langsmith(bench, f"http://127.0.0.1:{free_port()}", projects=["p-1"])

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now(trace_ids=("t-1",))


@pytest.mark.usefixtures("secrets")
async def test_langsmith_gives_runs_and_prompts(bench: Drivers, langsmith_url: str) -> None:
    prompts = [{"name": "refund"}, {"name": "refund", "tag": "first"}]
    source = make_langsmith(bench, langsmith_url, projects=["p-1"], prompts=prompts)
    found = await documents(source, just_now(trace_ids=("t-1",)))
    assert found["runs of trace t-1"]["runs"][0]["id"] == "run-1"
    assert found["runs of project p-1 around the alarm"]["runs"]
    prompt = found["prompt refund@latest"]
    assert [prompt[when]["manifest"]["text"] for when in ("then", "now")] == ["rule 2", "rule 3"]
    assert found["prompt refund@first"]["then"] is None
    _, error = await gather(source, just_now(trace_ids=("t-9",)))
    assert isinstance(error, Gone)
    assert "runs of trace t-9" in str(error)


# --------------------------------------------------------------------------------------------------- litellm


def litellm(method: str, path: str, query: dict[str, str], _: Any) -> Any:
    """https://litellm-api.up.railway.app: the proxy's admin API."""
    assert method == "GET"
    if path == "/model/info":
        return {
            "data": [{"model_name": "gpt", "litellm_params": {"model": "openai/gpt-4o"}, "model_info": {}}]
        }
    if path == "/guardrails/list":
        return {"guardrails": [{"guardrail_name": "refund-cap"}]}
    if path == "/spend/logs":
        return [{"request_id": "r-1", "model": "gpt"}] if query["request_id"] == "r-1" else []
    return None


@pytest.fixture(scope="module")
def litellm_url() -> Iterator[str]:
    with served(litellm, lambda headers: headers["authorization"] == "Bearer secret") as url:
        yield url


def make_litellm(bench: Drivers, url: str, *provides: str, **config: Any) -> Source:
    given = {"base": url, "auth": {"bearer": "env:PRODUCT_KEY"}, "guardrails": True, "logs": True}
    return make_source(bench, "litellm", provides, **{**given, **config})


@pytest.mark.usefixtures("secrets")
class TestLitellmSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, litellm_url: str) -> Source:
        return make_litellm(bench, litellm_url, "model-route", "requests")

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make_litellm(bench, f"http://127.0.0.1:{free_port()}")

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now("r-1")


@pytest.mark.usefixtures("secrets")
async def test_litellm_gives_routes_guardrails_and_logs(bench: Drivers, litellm_url: str) -> None:
    source = make_litellm(bench, litellm_url)
    found = await documents(source, just_now("r-1"))
    assert found["models"]["data"][0]["model_name"] == "gpt"
    assert found["guardrails"]["guardrails"][0]["guardrail_name"] == "refund-cap"
    assert found["log of request r-1"][0]["request_id"] == "r-1"
    _, error = await gather(source, just_now("r-9"))
    assert isinstance(error, Gone)
    assert "log of request r-9" in str(error)
