"""Expectations: what a JSON answer must show, as data."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firestation.expect import MISSING, Expectation, judge, steps, value_at

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
DATA = {"answer": {"ruling": "denied", "score": 0.92, "cases": [{"id": 1}, {"id": 2}], "why": None}}


def expect(path: str, op: Any, value: Any = None) -> Expectation:
    return Expectation(path=path, op=op, value=value)


@pytest.mark.parametrize(
    ("expectation", "verdict"),
    [
        (expect("$.answer.ruling", "equals", "denied"), "passed"),
        (expect("$.answer.ruling", "equals", "approved"), "failed"),
        (expect("$.answer.ruling", "not-equals", "approved"), "passed"),
        (expect("$.answer.ruling", "not-equals", "denied"), "failed"),
        (expect("$.answer.ruling", "in", ["denied", "escalated"]), "passed"),
        (expect("$.answer.ruling", "in", ["approved"]), "failed"),
        (expect("$.answer.score", "at-least", 0.9), "passed"),
        (expect("$.answer.score", "at-least", 0.95), "failed"),
        (expect("$.answer.score", "at-most", 0.92), "passed"),
        (expect("$.answer.score", "at-most", 0.5), "failed"),
        (expect("$.answer.cases[1].id", "equals", 2), "passed"),
        (expect("$.answer.why", "absent"), "passed"),
        (expect("$.answer.ruling", "absent"), "failed"),
        (expect("$.answer.ruling", "present"), "passed"),
        (expect("$.nothing", "present"), "failed"),
        (expect("$.nothing", "absent"), "passed"),
    ],
)
def test_each_operation(expectation: Expectation, verdict: str) -> None:
    assert judge((expectation,), DATA)[0] == verdict


@pytest.mark.parametrize("op", ["equals", "not-equals", "at-least", "at-most", "in"])
def test_a_missing_value_has_neither_passed_nor_failed(op: str) -> None:
    value = ["x"] if op == "in" else 1
    verdict, detail = judge((expect("$.answer.cases[7].id", op, value),), DATA)
    assert verdict == "inconclusive"
    assert "$.answer.cases[7].id" in detail


def test_a_value_that_cannot_be_compared_is_inconclusive() -> None:
    assert judge((expect("$.answer.ruling", "at-least", 0.9),), DATA)[0] == "inconclusive"


def test_nothing_expected_never_passes() -> None:
    assert judge((), DATA)[0] == "inconclusive"


def test_all_must_hold_and_one_failure_outweighs_a_hole() -> None:
    held = expect("$.answer.ruling", "equals", "denied")
    hole = expect("$.nothing", "equals", 1)
    broken = expect("$.answer.score", "at-most", 0.1)
    assert judge((held, hole), DATA)[0] == "inconclusive"
    assert judge((held, hole, broken), DATA)[0] == "failed"


@pytest.mark.parametrize(
    "path", ["answer", "$answer", "$.", "$[", "$[-1]", "$..a", "$.a b", "$.a\n", "", "$[*]"]
)
def test_a_wrong_path_is_refused_with_an_example(path: str) -> None:
    with pytest.raises(ValidationError, match=r"write it like \$\.answer"):
        expect(path, "present")


@pytest.mark.parametrize(
    ("op", "value", "fix"),
    [
        ("in", "denied", r"write value: \[a, b\]"),
        ("at-least", True, "write value: 0.9"),
        ("at-most", None, "write value: 0.9"),
        ("present", 1, "leave value out"),
    ],
)
def test_a_value_that_could_never_be_compared_is_refused(op: str, value: Any, fix: str) -> None:
    with pytest.raises(ValidationError, match=fix):
        expect("$.a", op, value)


@given(JSON, st.lists(st.sampled_from([".answer", ".cases", "[0]", "[1]", ".id"]), max_size=5))
def test_looking_never_raises(data: Any, path: list[str]) -> None:
    text = "$" + "".join(path)
    assert len(steps(text)) == len(path)
    found = value_at(data, text)
    verdict, _ = judge((expect(text, "equals", "no such text"),), data)
    assert verdict == (
        "inconclusive" if found is MISSING else "failed" if found != "no such text" else "passed"
    )
