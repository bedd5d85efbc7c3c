"""Expectations on a JSON answer: data, never evaluated text. Checks judge by them, and locks are made of them."""

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, JsonValue, model_validator

from firestation.model import Model

MISSING = object()
PATH = re.compile(r"\$(?:\.[A-Za-z_][\w-]*|\[\d+\])*")
STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]")

Verdict = Literal["passed", "failed", "inconclusive"]


def _is_path(path: str) -> str:
    if not PATH.fullmatch(path):
        msg = f"{path!r} is not a path; write it like $.answer or $.cases[0].ruling"
        raise ValueError(msg)
    return path


JsonPath = Annotated[str, AfterValidator(_is_path)]
"""A path into JSON: `$` is the whole, `.name` a member, `[0]` an element."""


def steps(path: str) -> list[str | int]:
    """The steps of a path, members as text and elements as numbers."""
    return [name or int(index) for name, index in STEP.findall(path)]


def value_at(data: Any, path: str) -> Any:
    """The value at the path, or `MISSING`."""
    for step in steps(path):
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return data


class Expectation(Model):
    """What must hold at one path."""

    path: JsonPath
    op: Literal["equals", "not-equals", "at-least", "at-most", "in", "absent", "present"]
    value: JsonValue = None

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if self.op == "in" and not isinstance(self.value, list):
            msg = "in needs a list of the values that are right; write value: [a, b]"
            raise ValueError(msg)
        if self.op in {"at-least", "at-most"} and (
            isinstance(self.value, bool) or not isinstance(self.value, int | float | str)
        ):
            msg = f"{self.op} needs a number, or text such as a date; write value: 0.9"
            raise ValueError(msg)
        if self.op in {"absent", "present"} and self.value is not None:
            msg = f"{self.op} compares with nothing; leave value out"
            raise ValueError(msg)
        return self

    def in_words(self) -> str:
        """What must hold, as a person reads it."""
        if self.op in {"absent", "present"}:
            return f"{self.path} is {self.op}"
        return f"{self.path} {self.op.replace('-', ' ')} {json.dumps(self.value, ensure_ascii=False)}"

    def steps(self) -> list[str | int]:
        """The steps of the path."""
        return steps(self.path)


def judge(expectations: tuple[Expectation, ...], data: Any) -> tuple[Verdict, str]:
    """Whether all expectations hold. Nothing expected, or nothing to look at, is inconclusive and never passed."""
    if not expectations:
        return "inconclusive", "nothing is expected, so nothing can be shown"
    verdicts = [_one(each, value_at(data, each.path)) for each in expectations]
    for wanted in ("failed", "inconclusive"):
        found = [detail for verdict, detail in verdicts if verdict == wanted]
        if found:
            return wanted, "; ".join(found)[:4000]
    return "passed", "; ".join(detail for _, detail in verdicts)[:4000]


def _one(each: Expectation, found: Any) -> tuple[Verdict, str]:
    if each.op in {"absent", "present"}:
        absent = found is MISSING or found is None
        held = absent if each.op == "absent" else not absent
        return ("passed" if held else "failed"), f"{each.path} is {'absent' if absent else 'present'}"
    if found is MISSING:
        return "inconclusive", f"{each.path} is not in the answer"
    try:
        held = _compare(each.op, found, each.value)
    except TypeError:
        return "inconclusive", f"{each.path} is {found!r}, which cannot be compared with {each.value!r}"
    said = f"{each.path} is {found!r}"[:300]
    return ("passed", said) if held else ("failed", f"{said}, expected {each.op} {each.value!r}")


def _compare(op: str, found: Any, wanted: Any) -> bool:
    if op == "equals":
        return bool(found == wanted)
    if op == "not-equals":
        return bool(found != wanted)
    if op == "in":
        return found in wanted
    return bool(found >= wanted) if op == "at-least" else bool(found <= wanted)
