"""What the watch counts: shares of customers' answers in a span of time, which the dashboard does not show."""

import datetime as dt
from typing import Any

import pytest
from starlette.testclient import TestClient
from test_agent import TOO_LATE, ask

HOUR = dt.timedelta(hours=1)


def counted(client: TestClient, since: dt.datetime, until: dt.datetime) -> dict[str, Any]:
    query = {"since": since.isoformat(), "until": until.isoformat()}
    found: dict[str, Any] = client.get("/quality", params=query).json()
    return found


def test_the_seeds_fault_is_seen_in_the_share_of_answers_by_policies_in_force(client: TestClient) -> None:
    now = dt.datetime.now(dt.UTC)
    ask(client)
    client.post("/faults/stale_policy")
    wrong = ask(client)["request_id"]
    found = counted(client, now - HOUR, now + HOUR)
    assert found["fresh"] == {"n": 2, "good": 1, "share": 0.5, "failing": [wrong]}
    assert found["grounded"]["share"] == 1.0  # the retired edition was reviewed, too
    assert found["denied"] == {"n": 2, "total": 1, "squares": 1, "mean": 0.5}
    assert found["tokens"]["squares"] > found["tokens"]["total"] ** 2 / 2  # a long answer and a short one


def test_a_report_is_counted_once_in_the_span_in_which_it_came(client: TestClient) -> None:
    first = dt.datetime.now(dt.UTC)
    wrong = ask(client)["request_id"]
    between = dt.datetime.now(dt.UTC)
    for _ in range(2):
        assert client.post("/report", json={"request_id": wrong}).json() == {
            "request_id": wrong,
            "reported": True,
        }
    assert counted(client, first, between)["reported"] == {"n": 1, "total": 0, "failing": []}
    assert counted(client, between, between + HOUR)["reported"] == {"n": 1, "total": 1, "failing": [wrong]}
    for body, status in (({"request_id": "nobody"}, 404), ({}, 422), ([], 422)):
        assert client.post("/report", json=body).status_code == status


def test_the_golden_eval_has_slices(client: TestClient) -> None:
    client.post("/faults/stale_policy")
    found = client.post("/evals/run").json()["slices"]
    assert {name: (each["total"], each["passed"]) for name, each in found.items()} == {
        "excluded": (1, 1),
        "granted": (2, 2),
        "late": (3, 1),
    }
    assert len(found["late"]["failing"]) == 2


def test_an_unreviewed_note_is_no_ground(client: TestClient) -> None:
    now = dt.datetime.now(dt.UTC)
    client.post("/faults/index_poisoned")
    ask(client)
    found = counted(client, now - HOUR, now + HOUR)
    assert (found["grounded"]["good"], found["fresh"]["good"]) == (0, 1)


def test_each_request_is_in_one_span_and_rehearsals_are_in_none(client: TestClient) -> None:
    first = dt.datetime.now(dt.UTC)
    ask(client)
    between = dt.datetime.now(dt.UTC)
    ask(client)
    ask(client, tenant="eval")
    client.post("/rehearse", json=TOO_LATE)
    last = dt.datetime.now(dt.UTC)
    spans = [(first, between), (between, last), (last, last + HOUR)]
    assert [counted(client, *span)["requests"] for span in spans] == [1, 1, 0]


def test_nothing_asked_is_no_share(client: TestClient) -> None:
    now = dt.datetime.now(dt.UTC)
    assert counted(client, now, now + HOUR)["fresh"] == {"n": 0, "good": 0, "share": None, "failing": []}


@pytest.mark.parametrize("since", ["", "yesterday", "2026-11-26T10:00:00"])
def test_a_time_that_is_none_is_refused_by_its_name(client: TestClient, since: str) -> None:
    answer = client.get("/quality", params={"since": since, "until": "2026-11-26T10:00:00Z"})
    assert (answer.status_code, answer.json()["field"]) == (422, "since")


def test_evals_say_of_how_many(client: TestClient) -> None:
    client.post("/faults/stale_policy")
    found = client.post("/evals/run").json()
    assert (found["total"], found["passed"], len(found["failing"])) == (6, 4, 2)
    judged = client.get("/evals/judge").json()
    assert (judged["total"], judged["agreed"]) == (6, 6)
