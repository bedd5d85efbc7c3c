"""Hostile evidence stays data: a lock's file sends exactly the bytes, and judges as the check itself does."""

import json
import subprocess
import sys
import tempfile
import types
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firestation.confidence import lower_bound
from firestation.expect import Expectation, judge, value_at
from firestation.lock_plan import Judge
from firestation.locks import deepeval_file, inspect_file, promptfoo_file, pytest_file
from firestation.locks.case import Case, as_json
from firestation.locks.registry import TOOLS
from firestation.locks.tool import Tool
from firestation.privacy import touches
from tests.drivers.products import program
from tests.property import values

NASTY = [
    '"""',
    "'''",
    "\\",
    "*/",
    "//",
    "{{ 7*7 }}",
    "{% raw %}",
    "{% endraw %}",
    "${HOME}",
    "`",
    "{}",
    "{0.__class__}",
    "%s",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\x00",
    "\r\n",
    "\x85",
    "coding: utf-7",
    "</script>",
    "file:///etc/passwd",
    "__proto__",
    "constructor",
    "\ud800",
    "🔥",
]
TEXTS = st.lists(st.sampled_from(NASTY) | st.text(max_size=4), max_size=5).map("".join)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
LINES = TEXTS.map(lambda text: text.encode(errors="ignore").decode()).filter(str.strip)
ANSWERS = st.fixed_dictionaries({}, optional={"a": JSON, "b": st.lists(JSON, max_size=2)}) | JSON
PATHS = st.sampled_from(
    ["$", "$.a", "$.a.a", "$.b[0]", "$.b[1].a", "$.a[0]", "$.__proto__", "$.length", "$.toString"]
)
SCALARS = st.integers(-3, 3) | st.sampled_from(["a", "b", "🔥", "\uffff"])


@st.composite
def expectations(draw: st.DrawFn, answer: Any) -> Expectation:
    path = draw(PATHS)
    found = value_at(answer, path)
    near = st.just(found) if isinstance(found, dict | list | str | int | float | bool) else st.none()
    op = draw(st.sampled_from(["equals", "not-equals", "in", "absent", "present", "at-least", "at-most"]))
    value = {
        "absent": st.none(),
        "present": st.none(),
        "in": st.lists(JSON | near, max_size=3),
        "at-least": SCALARS,
        "at-most": SCALARS,
    }.get(op, JSON | near)
    return Expectation.model_validate({"path": path, "op": op, "value": draw(value)})


@st.composite
def tried(draw: st.DrawFn) -> tuple[Case, Any]:
    """A case, and an answer of the system."""
    answer = draw(ANSWERS)
    body = draw(st.none() | st.dictionaries(TEXTS, JSON, max_size=3))
    case = Case(
        incident="refund-agent-1",
        title=draw(LINES.map(lambda text: text[:300])),
        evidence="a" * 64,
        artifact=draw(LINES.map(lambda text: text[:300])),
        method="POST",
        url="http://127.0.0.1:1/ask?a={b}",
        body=None if body is None else as_json(body),
        expect=tuple(draw(st.lists(expectations(answer), min_size=1, max_size=3))),
    )
    return case, answer


HALF: Any = {"a": {"\ud800": "\ud800"}}
HALVES = Case(
    incident="refund-agent-1",
    title="x",
    evidence="a" * 64,
    artifact="x",
    method="POST",
    url="http://127.0.0.1:1/ask",
    body=as_json(HALF),
    expect=(Expectation(path="$", op="equals", value=HALF),),
)


class Answered:
    """An answer over HTTP."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def raise_for_status(self) -> None:
        """All is well."""

    def json(self) -> Any:
        return json.loads(json.dumps(self.answer))


class Anything(types.ModuleType):
    """A library of which a file only takes names: decorators and base classes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return (
            object if name == "BaseMetric" else lambda *given, **_: given[0] if given else lambda each: each
        )


@contextmanager
def libraries(answer: Any, asked: list[tuple[Any, ...]]) -> Iterator[None]:
    """An httpx that writes down what is asked, and the tools as far as a file names them."""
    httpx = types.ModuleType("httpx")

    def request(method: str, url: str, *, content: Any, headers: Any, timeout: float) -> Answered:
        asked.append((method, url, content, headers))
        return Answered(answer)

    httpx.request = request  # type: ignore[attr-defined]
    names = ["deepeval", "deepeval.metrics", "deepeval.test_case", "inspect_ai"]
    names += [f"inspect_ai.{each}" for each in ("dataset", "scorer", "solver")]
    before = dict(sys.modules)
    sys.modules.update({"httpx": httpx, **{name: Anything(name) for name in names}})
    try:
        yield
    finally:
        sys.modules.clear()
        sys.modules.update(before)


@pytest.mark.parametrize(
    "tool", [pytest_file.TOOL, deepeval_file.TOOL, inspect_file.TOOL], ids=lambda tool: tool.program
)
@settings(deadline=None)
@example(tried=(HALVES, HALF))
@given(tried=tried())
def test_a_file_in_python_sends_the_bytes_and_judges_as_the_check_does(
    tool: Tool, tried: tuple[Case, Any]
) -> None:
    case, answer = tried
    asked: list[tuple[Any, ...]] = []
    source = tool.write(
        case
    ).encode()  # as Python reads a file: with whatever it takes for a declaration of its coding
    space: dict[str, Any] = {"__name__": "lock"}
    with libraries(answer, asked):
        exec(compile(source, "lock.py", "exec", dont_inherit=True), space)
        found = space["ask"]()
    assert asked == [
        ("POST", case.url, case.body, {"Content-Type": "application/json"} if case.body is not None else {})
    ]
    assert space["EXPECT"] == json.loads(case.expectations())
    assert (space["unmet"](found) == []) is (judge(case.expect, answer)[0] == "passed")


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.program)
@settings(deadline=None)
@given(tried=tried())
def test_nothing_in_a_file_is_invisible(tool: Tool, tried: tuple[Case, Any]) -> None:
    text = tool.write(tried[0])
    assert {each for each in text if unicodedata.category(each)[0] == "C" or each in "\u2028\u2029"} <= {"\n"}


HARNESS = """
import { readFileSync } from "node:fs";
const tried = JSON.parse(readFileSync(process.argv[2], "utf8"));
const told = [];
for (const { file, answer } of tried) {
  let sent = null;
  globalThis.fetch = async (url, options) => {
    sent = [options.method, url, options.body ?? null, options.headers];
    return { ok: true, text: async () => answer };
  };
  const { default: config } = await import(file);
  const { output, error } = await config.providers[0]();
  const passed = error ? error : config.tests[0].assert.map((each) => each.value(output).pass);
  told.push({ sent, passed });
}
console.log(JSON.stringify(told));
"""


@settings(max_examples=12, deadline=None)
@example(many=[(HALVES, HALF)])
@given(many=st.lists(tried(), min_size=1, max_size=12))
def test_a_file_in_javascript_sends_the_bytes_and_judges_as_the_check_does(
    many: list[tuple[Case, Any]],
) -> None:
    node = program("unleash", "node")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tries = []
        for number, (case, answer) in enumerate(many):
            path = folder / f"lock_{number}.mjs"
            path.write_bytes(promptfoo_file.write(case).encode())
            tries.append({"file": str(path), "answer": json.dumps(answer)})
        (folder / "harness.mjs").write_text(HARNESS)
        (folder / "tried.json").write_text(json.dumps(tries))
        command = [node, str(folder / "harness.mjs"), str(folder / "tried.json")]
        done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for (case, answer), told in zip(many, json.loads(done.stdout), strict=True):
        headers = {"Content-Type": "application/json"} if case.body is not None else {}
        assert told["sent"] == ["POST", case.url, case.body, headers]
        assert told["passed"] == [judge((each,), answer)[0] == "passed" for each in case.expect]


# ------------------------------------------------------------------------------------------ reports that lie


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.program)
@settings(deadline=None)
@given(tried=tried(), report=st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_strange_report_is_a_verdict(tool: Tool, tried: tuple[Case, Any], report: bytes) -> None:
    assert tool.read(report, tried[0])[0] == "error"


# ------------------------------------------------------------------------------------------ privacy


@given(path=values.PATHS, how=st.sampled_from(["exact", "deep", "any", "above"]))
def test_what_privacy_changed_is_seen(path: str, how: str) -> None:
    steps = [
        step if isinstance(step, str) else int(step) for step in Expectation(path=path, op="present").steps()
    ]
    if not steps:
        return
    path = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    pattern = {
        "exact": path,
        "above": path,
        "any": "$" + "".join("[*]" if isinstance(step, int) else f".{step}" for step in steps),
        "deep": f"$..{steps[-1]}" if isinstance(steps[-1], str) else path,
    }[how]
    longer = [*steps, "more"] if how == "above" else steps
    assert touches(pattern, longer, whole=False)
    assert not touches(f"{pattern}.other", steps, whole=False)
    assert touches(f"{pattern}.other", steps, whole=True)


# ------------------------------------------------------------------------------------------ confidence


@pytest.mark.parametrize(
    ("held", "of", "level", "bound"),
    [  # of tables of the binomial distribution, and where all hold (1 - level) ** (1 / of)
        (20, 20, 0.95, 0.8609),
        (18, 20, 0.95, 0.7174),
        (9, 10, 0.95, 0.6058),
        (1, 1, 0.9, 0.1),
        (0, 5, 0.95, 0.0),
        (5, 10, 0.975, 0.1871),
    ],
)
def test_the_bound_is_that_of_the_tables(held: int, of: int, level: float, bound: float) -> None:
    assert lower_bound(held, of, level) == pytest.approx(bound, abs=5e-5)


@given(of=st.integers(1, 60), level=st.floats(0.51, 0.999), data=st.data())
def test_more_that_hold_show_more_and_more_confidence_shows_less(
    of: int, level: float, data: st.DataObject
) -> None:
    held = data.draw(st.integers(1, of))
    bound = lower_bound(held, of, level)
    assert 0 < bound < held / of or of == held
    assert lower_bound(held - 1, of, level) < bound
    assert lower_bound(held, of, (1 + level) / 2) < bound


@pytest.mark.parametrize(("held", "of", "level"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 1.0), (1, 3, 0.0)])
def test_what_is_no_result_has_no_bound(held: int, of: int, level: float) -> None:
    with pytest.raises(ValueError, match="is no result"):
        lower_bound(held, of, level)


def test_a_judge_that_could_never_be_sure_enough_is_refused() -> None:
    passes = (Expectation(path="$.verdict", op="equals", value="good"),)
    with pytest.raises(ValueError, match=r"5 runs show no more than 0\.55"):
        Judge(rubric="is it polite", url="https://judge.example.org", passes=passes, repetitions=5)
