"""The case that a lock is made of: what was asked, what is expected, and which frozen artifact it comes from.

Everything here may have been written by an attacker, so it leaves this module as JSON in ASCII only: no quote, brace,
line end or change of direction in it means anything in a file that it is put into.
"""

import json
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, JsonValue

from firestation.errors import Gone, NotConfigured, Withheld
from firestation.evidence import ArtifactRef
from firestation.expect import MISSING, Expectation, judge, steps, value_at
from firestation.hole import Hole
from firestation.lock_plan import Judge, LockPlan
from firestation.model import Id, Line, Model, Sha256
from firestation.ports import LockCase
from firestation.privacy import CREDENTIAL, Privacy, touches

MOST_BODY = 8 * 1024 * 1024
"""Bytes of a request that a file still holds."""


class Case(Model):
    """What a lock asks and expects. `evidence` is the digest of the artifact that it is made from, `artifact` its name.

    `control`: it asks what is harmless, and is the other half of a guardrail's lock. `body` is JSON in ASCII, the very
    bytes that every tool sends; None for a request without a body.
    """

    incident: Id
    title: Line
    evidence: Sha256
    artifact: Line
    method: Line
    url: Line
    body: str | None
    expect: tuple[Expectation, ...] = Field(min_length=1)
    judge: Judge | None = None
    control: bool = False

    @property
    def name(self) -> str:
        """What the lock's file is called after."""
        return f"{self.incident}_control" if self.control else self.incident

    @property
    def story(self) -> str:
        """What the file showed when it was proved."""
        if self.control:
            return "It is harmless, and passed the guardrail that stops the other. In a release gate:"
        return "It failed on what was frozen then, and passed on the repaired system. In a release gate:"

    @property
    def target(self) -> str:
        """Path and query of what is asked."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def expectations(self) -> str:
        """What is expected, as JSON: path, steps, op and value of each."""
        return as_json([_expected(each) for each in self.expect])

    def judged(self) -> str:
        """What is expected of the judge's answer, likewise; an empty list without a judge."""
        return as_json([_expected(each) for each in self.judge.passes] if self.judge else [])


def _expected(each: Expectation) -> dict[str, JsonValue]:
    # Not by model_dump, which puts another character where evidence has half of one.
    return {"path": each.path, "steps": list(each.steps()), "op": each.op, "value": each.value}


def as_json(value: Any) -> str:
    """JSON in ASCII. Raises `NotConfigured` for what JSON cannot say (NaN, infinity)."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        msg = f"this cannot be written down as JSON: {error}; name another artifact in lock.where"
        raise NotConfigured(msg) from error


def plain(text: str) -> str:
    """A text as it may stand in a comment: on one line, and nothing in it that cannot be seen."""
    shown = "".join(" " if each.isspace() else each for each in text)
    return "".join(each if unicodedata.category(each)[0] in "LMNPSZ" else "?" for each in shown)


def make_case(
    incident: str, plan: LockPlan, asked: LockCase, artifact: ArtifactRef, content: Any
) -> tuple[Case, JsonValue]:
    """The case, and the answer that was frozen. `content` is that of the artifact.

    Raises `Withheld` where privacy took out what the lock needs, `Gone` where the evidence does not have it, and
    `NotConfigured` where the plan does not fit the check.
    """
    body = _body(plan, asked, artifact, content)
    answer = value_at(content, plan.answer)
    if answer is MISSING:
        raise Gone(f"{artifact.name} has no answer at {plan.answer}; correct lock.answer")
    for each in asked.expect:
        _untouched(artifact, content, _joined(plan.answer, each.path))
    verdict, detail = judge(asked.expect, answer)
    if verdict == "inconclusive":
        raise Gone(f"what {artifact.name} has frozen cannot be judged: {detail}; name another in lock.where")
    case = Case(
        incident=incident,
        title=plan.title,
        evidence=artifact.digest,
        artifact=artifact.name,
        method=asked.method,
        url=asked.url,
        body=_written(body),
        expect=asked.expect,
        judge=plan.judge,
    )
    return case, answer


def control_cases(case: Case, plan: LockPlan, asked: LockCase) -> tuple[Case, Case] | None:
    """What is harmless, sent where the input that got through was, and expected to pass; None without a control.

    The second is the same, expected to be stopped like the other: where that holds, the guardrail stops everything.
    """
    if plan.control is None:
        return None
    body = _written(placed(asked.body, plan.into, plan.control.input))
    control = case.changed(body=body, expect=plan.control.expect, control=True)
    return control, control.changed(expect=case.expect)


def _body(plan: LockPlan, asked: LockCase, artifact: ArtifactRef, content: Any) -> JsonValue:
    """What is asked: what the check asks, and in it what was asked then."""
    if plan.input is not None:
        return placed(asked.body, plan.into, _frozen(artifact, content, plan.input, "lock.input"))
    if not plan.ask:
        return asked.body
    if not isinstance(asked.body, dict):
        msg = f"lock.ask names members of the body, and the check {plan.check} sends none; leave ask out"
        raise NotConfigured(msg)
    frozen = {name: _frozen(artifact, content, path, "lock.ask") for name, path in plan.ask.items()}
    return {**asked.body, **frozen}


def placed(body: JsonValue, path: str, value: JsonValue) -> JsonValue:
    """The body with this value at the path, which must be there. Raises `NotConfigured`."""
    where = steps(path)
    if not where:
        return value
    whole: Any = json.loads(as_json(body))
    inner = whole
    try:
        for step in where[:-1]:
            inner = inner[step]
        inner[where[-1]]  # what is not there is not put there
        inner[where[-1]] = value
    except (KeyError, IndexError, TypeError):
        msg = f"the request of the check has nothing at {path}; correct lock.into"
        raise NotConfigured(msg) from None
    changed: JsonValue = whole
    return changed


def _written(body: JsonValue) -> str | None:
    text = None if body is None else as_json(body)
    if text and len(text) > MOST_BODY:
        raise NotConfigured(f"the request has {len(text)} bytes, and a lock holds {MOST_BODY}; name another")
    return text


def impossible(plan: LockPlan, asked: LockCase, privacy: Privacy) -> Iterator[Hole]:
    """Why this plan can never make a lock of this check: seen before the night, and not after the fire."""
    if plan.ask and not isinstance(asked.body, dict):
        problem = f"the check {plan.check} sends no object, so no member of it can be asked as frozen"
        yield Hole(field="lock.ask", problem=problem, fix="Leave ask out, or name a check that sends one")
    needed = [(f"lock.ask.{name}", path) for name, path in plan.ask.items()]
    if plan.input is not None:
        needed.append(("lock.input", plan.input))
        try:
            placed(asked.body, plan.into, None)
        except NotConfigured as error:
            yield Hole(field="lock.into", problem=str(error), fix="Name where the check sends its input")
    needed += [("lock.check", _joined(plan.answer, each.path)) for each in asked.expect]
    for field, path in needed:
        for pattern in (*privacy.drop, *privacy.mask, *privacy.pseudonymise):
            if touches(pattern, steps(path), whole=False):
                problem = (
                    f"privacy takes {pattern} out of what {plan.source} freezes, and the lock needs {path}"
                )
                yield Hole(field=field, problem=problem, fix="Ask and expect what privacy leaves as it was")


def readable(artifact: ArtifactRef) -> None:
    """Raises `Withheld` when the station itself cannot read this artifact."""
    if artifact.encryption is not None:
        names = ", ".join(each[:12] for each in artifact.encryption.recipients)
        msg = (
            f"{artifact.name} is encrypted to {names}…, so no lock can be made from it here; "
            "name a source that is not, or make the lock by hand and waive this one"
        )
        raise Withheld(msg)


def _frozen(artifact: ArtifactRef, content: Any, path: str, field: str) -> JsonValue:
    _untouched(artifact, content, path)
    found: Any = value_at(content, path)
    if found is MISSING:
        raise Gone(f"{artifact.name} has nothing at {path}; correct {field}")
    value: JsonValue = found
    return value


def _untouched(artifact: ArtifactRef, content: Any, path: str) -> None:
    """Raises `Withheld` when privacy changed, or may have changed, what stands there."""
    found = value_at(content, path)
    for each in artifact.redactions:
        if each.how == "credential":
            hit = found is not MISSING and CREDENTIAL in json.dumps(found)
        else:
            hit = touches(each.what, steps(path), whole=isinstance(found, dict | list))
        if hit:
            msg = f"{each.what} of {artifact.name} was {_WORDS[each.how]}, and the lock needs what stood at {path}"
            raise Withheld(f"{msg}; ask and expect what privacy leaves as it was")


_WORDS = {
    "dropped": "dropped",
    "masked": "masked",
    "pseudonymised": "pseudonymised",
    "credential": "taken out as a credential",
}


def _joined(first: str, second: str) -> str:
    return first + second.removeprefix("$")
