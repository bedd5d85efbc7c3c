"""What the agent promises, whole and broken."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from refund_agent import library
from refund_agent.app import Service
from refund_agent.evals import GOLDEN
from starlette.testclient import TestClient

TOO_LATE = {
    "tenant": "acme",
    "user": "u-1",
    "question": "I bought headphones 45 days ago and want a refund.",
    "order": {"id": "o-1", "item": "headphones", "days_since_purchase": 45, "amount": 79.0},
}


STALE_FAILS = ("too-late", "much-too-late")
"""The golden cases that the retired policy gets wrong."""


def ask(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post("/ask", json={**TOO_LATE, **changes})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ratio(client: TestClient) -> float:
    return float(client.post("/evals/run").json()["pass_ratio"])


def test_a_healthy_agent_rules_by_the_policy_in_force(client: TestClient) -> None:
    assert ratio(client) == 1.0
    reply = ask(client)
    assert (reply["ruling"], reply["refund"], reply["policy"]["version"]) == ("deny", None, "2026-10")


@pytest.mark.parametrize("question", [case.question for case in GOLDEN if case.id in STALE_FAILS])
def test_the_retired_policy_really_outranks_the_current_one_on_raw_similarity(question: str) -> None:
    raw = [each.document.key for each in library.search(question, "2026-11", rerank=False)]
    reranked = [each.document.key for each in library.search(question, "2026-11", rerank=True)]
    assert raw.index("refund-policy@2024-03") < raw.index("refund-policy@2026-10")
    assert reranked[0] == "refund-policy@2026-10"


def test_the_seeds_fault_pays_what_it_should_deny_while_the_dashboard_stays_green(client: TestClient) -> None:
    client.post("/faults/stale_policy")
    reply = ask(client)
    assert (reply["ruling"], reply["refund"]["amount"]) == ("approve", 79.0)
    assert reply["policy"]["version"] == "2024-03"
    failing = [case["id"] for case in client.post("/evals/run").json()["cases"] if not case["passed"]]
    assert failing == list(STALE_FAILS)
    metrics = client.get("/metrics").text
    assert 'http_requests_total{status="500"}' not in metrics
    assert 'refund_eval_pass_ratio{suite="golden"} 0.66' in metrics


def test_the_reranker_alone_repairs_the_seeds_fault(client: TestClient) -> None:
    client.post("/faults/stale_policy")
    client.put("/levers/reranker", json={"value": "on"})
    assert ratio(client) == 1.0
    assert ask(client)["ruling"] == "deny"


@pytest.mark.parametrize("fault", ["prompt_regression", "index_poisoned"])
def test_other_faults_fail_the_golden_eval_too(client: TestClient, fault: str) -> None:
    client.post(f"/faults/{fault}")
    assert ratio(client) < 1.0


def test_a_tool_loop_shows_in_the_trace_and_pays_each_time(client: TestClient) -> None:
    client.post("/faults/tool_loop")
    order = {**TOO_LATE["order"], "days_since_purchase": 3}  # type: ignore[dict-item]
    reply = ask(client, order=order, request_id="loop")
    assert reply["refund"]
    assert len(client.get("/traces/loop").json()["tool_calls"]) == 25
    assert len(client.get("/refunds").json()) == 25


def test_with_the_tool_off_no_money_leaves_and_a_person_takes_over(client: TestClient) -> None:
    client.post("/faults/stale_policy")
    client.put("/levers/refund_tool", json={"value": "disabled"})
    reply = ask(client)
    assert (reply["ruling"], reply["refund"], reply["handled_by"]) == ("approve", None, "human")


def test_a_trace_holds_the_whole_path(client: TestClient) -> None:
    reply = ask(client, request_id="r-1")
    trace = client.get("/traces/r-1").json()
    assert trace["ruling"] == reply["ruling"]
    assert trace["retrieval"]["candidates"][0]["id"] == "refund-policy"
    assert "Customer: I bought headphones" in trace["prompt"]["rendered"]
    assert trace["model"]["name"] == "careful-1"
    assert trace["guardrail"]["decision"] == "pass"
    assert trace["flags"]["reranker"] == "on"
    assert [each["request_id"] for each in client.get("/traces?tenant=acme").json()] == ["r-1"]


def test_a_lever_moves_once_a_key_and_only_from_where_it_was_read(
    client: TestClient, service: Service
) -> None:
    etag = client.get("/levers/reranker").headers["etag"]
    headers = {"If-Match": etag, "Idempotency-Key": "k-1"}
    first = client.put("/levers/reranker", json={"value": "off"}, headers=headers)
    again = client.put("/levers/reranker", json={"value": "off"}, headers=headers)
    stale = client.put("/levers/reranker", json={"value": "on"}, headers={"If-Match": etag})
    assert (first.status_code, first.json()["replayed"]) == (200, False)
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    assert (stale.status_code, stale.json()["current"]["value"]) == (412, "off")
    log = [json.loads(line) for line in service.access.read_text().splitlines()]
    assert [line["lever"] for line in log if line["moved"]] == ["reranker"]


def test_levers_survive_a_restart(client: TestClient, tmp_path: Path) -> None:
    client.put("/levers/refund_tool", json={"value": "disabled"})
    assert Service(tmp_path, None, faults=True).levers.read("refund_tool") == ("disabled", 2)


def test_a_slow_lever_reads_back_at_once_and_works_later(client: TestClient) -> None:
    client.post("/faults/slow_effect", json={"seconds": 60})
    client.post("/faults/stale_policy")
    client.put("/levers/reranker", json={"value": "on"})
    assert client.get("/levers/reranker").json()["value"] == "on"
    assert ask(client)["ruling"] == "approve"


def test_an_accepted_no_op_moves_nothing(client: TestClient) -> None:
    client.post("/faults/noop_200", json={"lever": "reranker"})
    assert client.put("/levers/reranker", json={"value": "off"}).status_code == 200
    assert client.get("/levers/reranker").json()["value"] == "on"


def test_a_hanging_lever_goes_on_when_the_fault_is_cleared(service: Service) -> None:
    service.faults.set("hang_reads", {"lever": "reranker"})
    done = threading.Event()
    threading.Thread(
        target=lambda: (service.faults.hang("hang_reads", "reranker"), done.set()), daemon=True
    ).start()
    assert not done.wait(0.1)
    service.faults.clear("hang_reads")
    assert done.wait(5)


def test_the_token_guards_everything_but_the_customers_door(tmp_path: Path) -> None:
    with TestClient(Service(tmp_path, "secret", faults=True).app()) as client:
        assert client.get("/levers").status_code == 401
        assert client.get("/levers", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/levers", headers={"Authorization": "Bearer secret"}).status_code == 200
        assert client.post("/ask", json=TOO_LATE).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"question": ""}, "question"),
        ({"tenant": 3}, "tenant"),
        ({"order": {}}, "order.id"),
        ({"order": {**TOO_LATE["order"], "amount": "much"}}, "order.amount"),  # type: ignore[dict-item]
        ({"request_id": 7}, "request_id"),
    ],
)
def test_bad_input_is_told_by_its_field(client: TestClient, change: dict[str, Any], field: str) -> None:
    answer = client.post("/ask", json={**TOO_LATE, **change})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_the_rate_limit_holds(client: TestClient) -> None:
    client.put("/levers/rate_limit", json={"value": 1})
    ask(client)
    assert client.post("/ask", json=TOO_LATE).status_code == 429


def test_a_wrong_value_is_refused_with_the_right_ones(client: TestClient) -> None:
    answer = client.put("/levers/reranker", json={"value": "sideways"})
    assert answer.status_code == 422
    assert "on or off" in answer.json()["title"]


def test_the_metrics_name_the_requests_that_fail_and_forget_them_when_all_is_well(client: TestClient) -> None:
    client.post("/faults/stale_policy", json={})
    failing = [case for case in client.post("/evals/run", json={}).json()["cases"] if not case["passed"]]
    shown = client.get("/metrics").text
    assert failing
    for case in failing:
        assert (
            f'refund_eval_failing_case{{case="{case["id"]}",request_id="{case["request_id"]}"}} 1.0' in shown
        )
    client.delete("/faults/stale_policy")
    client.put("/levers/reranker", json={"value": "on"})
    client.post("/evals/run", json={})
    assert "refund_eval_failing_case{" not in client.get("/metrics").text


def test_the_last_good_eval_stays_what_healthy_looks_like(client: TestClient) -> None:
    assert client.get("/evals/last-good/traces").status_code == 404
    good = client.post("/evals/run").json()
    client.post("/faults/stale_policy", json={})
    bad = client.post("/evals/run").json()
    assert bad["failed"]
    healthy = client.get("/evals/last-good/traces").json()
    assert [trace["request_id"] for trace in healthy] == [case["request_id"] for case in good["cases"]]


def test_retrieval_is_shown_then_and_now(client: TestClient) -> None:
    asked = client.post("/evals/run").json()["cases"][2]["request_id"]
    client.post("/faults/stale_policy", json={})
    shown = client.get(f"/traces/{asked}/retrieval").json()
    assert shown["then"]["candidates"][0]["superseded_by"] is None
    assert shown["now"]["candidates"][0]["superseded_by"] is not None
    assert (shown["then"]["reranked"], shown["now"]["reranked"]) == (True, False)
    assert client.get("/traces/nobody/retrieval").status_code == 404


def test_settings_are_shown_then_and_now(client: TestClient) -> None:
    assert client.get("/config").json()["then"] is None
    client.post("/evals/run")
    client.post("/faults/stale_policy", json={})
    shown = client.get("/config").json()
    assert (shown["then"]["reranker"], shown["now"]["reranker"]) == ("on", "off")


def test_the_prompt_is_shown_beside_the_one_before(client: TestClient) -> None:
    shown = client.get("/prompt").json()
    assert (shown["then"]["version"], shown["now"]["version"], shown["last_good"]) == ("v11", "v12", None)
    client.post("/evals/run")
    client.put("/levers/prompt_version", json={"value": "v13"})
    shown = client.get("/prompt").json()
    assert (shown["then"]["version"], shown["now"]["version"], shown["last_good"]) == ("v12", "v13", "v12")
    client.put("/levers/prompt_version", json={"value": "v11"})
    assert client.get("/prompt").json()["then"] is None
