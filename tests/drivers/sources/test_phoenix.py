"""The Phoenix source on a real Phoenix."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from firestation.drivers import Drivers
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.sources.reading import documents, just_now, make_source
from tests.e2e.processes import free_port, wait_for

pytestmark = pytest.mark.driver
TRACE = "0af7651916cd43dd8448eb211c80319c"
ALL = {"project": "default", "request_attribute": "session.id", "prompts": [{"name": "refund"}]}


def span(trace: str, number: str, request: str, parent: str | None = None) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "name": "answer",
        "context": {"trace_id": trace, "span_id": number},
        "parent_id": parent,
        "span_kind": "CHAIN",
        "start_time": (now - timedelta(seconds=5)).isoformat(),
        "end_time": now.isoformat(),
        "status_code": "OK",
        "attributes": {"session.id": request, "input.value": "a refund?", "output.value": "approved"},
    }


def version(text: str) -> dict[str, Any]:
    return {
        "prompt": {"name": "refund"},
        "version": {
            "model_provider": "OPENAI",
            "model_name": "gpt-4o-mini",
            "template": {"type": "chat", "messages": [{"role": "system", "content": text}]},
            "template_type": "CHAT",
            "template_format": "MUSTACHE",
            "invocation_parameters": {"type": "openai", "openai": {}},
        },
    }


@pytest.fixture(scope="module")
def url(phoenix: str) -> Iterator[str]:
    with httpx.Client(base_url=f"{phoenix}/v1", trust_env=False, timeout=60) as http:
        made = [
            http.post("/prompts", json=version(text)).raise_for_status().json()["data"]["id"]
            for text in ("Rule by the policy.", "Be friendly.")
        ]
        http.post(f"/prompt_versions/{made[1]}/tags", json={"name": "production"}).raise_for_status()
        http.post(f"/prompt_versions/{made[0]}/tags", json={"name": "first"}).raise_for_status()
        spans = [
            span(TRACE, "b7ad6b7169203331", "r-1"),
            span(TRACE, "b7ad6b7169203332", "r-1", "b7ad6b7169203331"),
            span("1" * 32, "2" * 16, "r-2"),
        ]
        http.post("/projects/default/spans", json={"data": spans}).raise_for_status()

        def kept() -> bool:
            answer = http.get("/projects/default/spans")
            return answer.is_success and len(answer.json()["data"]) == len(spans)

        wait_for("Phoenix to keep the spans", kept)
        noted = {"annotator_kind": "HUMAN", "result": {"label": "wrong", "explanation": "old policy"}}
        of_span = [{"span_id": "b7ad6b7169203332", "name": "verdict", **noted}]
        of_trace = [{"trace_id": TRACE, "name": "case", **noted}]
        http.post("/span_annotations?sync=true", json={"data": of_span}).raise_for_status()
        http.post("/trace_annotations?sync=true", json={"data": of_trace}).raise_for_status()
        yield phoenix


def make(bench: Drivers, url: str, *provides: str, **config: Any) -> Source:
    return make_source(bench, "phoenix", provides, **{"base": url, **config})


@pytest.mark.asyncio
class TestPhoenixSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, url: str) -> Source:
        return make(bench, url, "requests", **ALL)

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make(bench, f"http://127.0.0.1:{free_port()}", "requests", **ALL)

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now("r-2", trace_ids=(TRACE,))


async def test_it_freezes_spans_with_what_was_noted_on_them(bench: Drivers, url: str) -> None:
    found = await documents(make(bench, url, "requests", **ALL), just_now("r-2", trace_ids=(TRACE,)))
    trace = found[f"trace {TRACE}"]
    assert {each["context"]["trace_id"] for each in trace["spans"]} == {TRACE}
    assert len(trace["spans"]) == 2
    assert {each["name"] for each in trace["annotations"]} == {"verdict", "case"}
    assert {each["result"]["explanation"] for each in trace["annotations"]} == {"old policy"}
    (of_request,) = found["spans of request r-2"]["spans"]
    assert of_request["attributes"]["session.id"] == "r-2"
    assert len(found["spans around the alarm"]["data"]) == 3


async def test_it_freezes_a_prompt_beside_the_one_before(bench: Drivers, url: str) -> None:
    prompts = [{"name": "refund"}, {"name": "refund", "tag": "first"}]
    found = await documents(make(bench, url, "prompts", prompts=prompts), just_now())
    now, then = (found["prompt refund@production"][when] for when in ("now", "then"))
    assert "Be friendly." in str(now["template"])
    assert "Rule by the policy." in str(then["template"])
    assert found["prompt refund@first"]["then"] is None


@pytest.mark.parametrize(
    ("config", "about", "said"),
    [
        ({"project": "default"}, {"trace_ids": ("f" * 32,)}, "no trace ffff"),
        ({"project": "nowhere"}, {}, "spans around the alarm: .* 404"),
        ({"prompts": [{"name": "none"}]}, {}, "404"),
        ({"prompts": [{"name": "refund", "tag": "staging"}]}, {}, "404"),
        ({"project": "default"}, {"until": datetime(2020, 1, 2, tzinfo=UTC)}, "nothing of it"),
    ],
)
async def test_what_is_not_there_is_named(
    bench: Drivers, url: str, config: dict[str, Any], about: dict[str, Any], said: str
) -> None:
    span = {"since": datetime(2020, 1, 1, tzinfo=UTC), **about} if "until" in about else about
    scope = just_now().changed(**span)
    with pytest.raises(Gone, match=said):
        await documents(make(bench, url, **config), scope)
