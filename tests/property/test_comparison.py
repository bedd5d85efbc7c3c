"""What a comparison promises, for any two JSON documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.comparison import Difference, closest, compare, then_and_now
from firestation.model import canonical_json
from tests.property.values import JSON


@given(JSON)
def test_a_document_differs_in_nothing_from_itself(document: Any) -> None:
    assert compare(document, document).differences == ()


@given(JSON, JSON)
def test_documents_that_differ_are_told_apart_and_the_other_way_round_too(bad: Any, healthy: Any) -> None:
    forth, back = compare(bad, healthy), compare(healthy, bad)
    if canonical_json(bad) == canonical_json(healthy):
        assert forth.differences == ()
    assert len(forth.differences) == len(back.differences)
    assert {each.path for each in forth.differences} == {each.path for each in back.differences}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), min_size=1), st.data())
def test_the_closest_is_the_one_that_differs_least(bad: dict[str, int], data: st.DataObject) -> None:
    changed = data.draw(st.sampled_from(sorted(bad)))
    near = {**bad, changed: bad[changed] + 10}
    far = {key: value + 10 for key, value in bad.items()} | {"z": 1}
    document: Any = bad
    healthy: list[Any] = [far, near]
    assert closest(document, healthy) == 1
    assert closest(document, []) is None


@given(JSON, JSON)
def test_now_is_compared_with_then(now: Any, then: Any) -> None:
    found = then_and_now({"prompt": "refund", "then": then, "now": now})
    assert found == compare(now, then)


@given(JSON)
def test_other_documents_have_no_then(document: Any) -> None:
    if not isinstance(document, dict) or not {"then", "now"} <= document.keys():
        assert then_and_now(document) is None


def test_candidates_are_compared_by_name_and_their_order_is_told() -> None:
    old, new = {"id": "policy", "version": "2024"}, {"id": "policy", "version": "2026"}
    bad: Any = {
        "request_id": "r-2",
        "found": [{**old, "score": 0.9}, {**new, "score": 0.8}],
        "route": "fallback",
    }
    healthy: Any = {
        "request_id": "r-1",
        "found": [{**new, "score": 0.8}, {**old, "score": 0.6}],
        "route": "primary",
    }
    order, score, route, name = compare(bad, healthy).differences
    assert order == Difference(
        path="$.found",
        kind="order",
        bad=["policy 2024", "policy 2026"],
        healthy=["policy 2026", "policy 2024"],
    )
    assert (score.path, score.bad, score.healthy) == ("$.found[policy 2024].score", 0.9, 0.6)
    assert (route.path, route.incidental) == ("$.route", False)
    assert (name.path, name.incidental) == ("$.request_id", True)


def test_ids_and_times_differ_between_any_two_requests_and_come_last() -> None:
    bad: Any = {
        "at": "2026-11-23T03:00:00Z",
        "started": "2026-11-23T03:00:00Z",
        "latency_ms": 3,
        "prompt": "b",
    }
    healthy: Any = {
        "at": "2026-11-22T03:00:00Z",
        "started": "2026-11-22T03:00:00Z",
        "latency_ms": 4,
        "prompt": "a",
    }
    made = compare(bad, healthy)
    assert [each.path for each in made.telling] == ["$.prompt"]
    assert {each.path for each in made.differences[1:]} == {"$.at", "$.started", "$.latency_ms"}
    assert made.same == 0


def test_what_is_true_is_not_one() -> None:
    assert compare({"a": True}, {"a": 1}).telling
    assert not compare({"a": 1}, {"a": 1.0}).telling


@pytest.mark.parametrize("depth", [39, 40, 41, 300, 5000])
def test_however_deep_it_is_nested_it_is_told_apart(depth: int) -> None:
    one: Any = {"a": 1, "b": [1]}
    other: Any = {"a": 2, "b": [1]}
    for _ in range(depth):
        one, other = {"n": one}, {"n": other}
    made = compare(one, other)
    assert [each.kind for each in made.differences] == ["value"]
    assert compare(one, one).differences == ()
    assert ("nested deeper" in str(made.differences[0].bad)) is (depth >= 300)
