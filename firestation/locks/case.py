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
from firestation.model import Id, Line, Model, Sha256
from firestation.ports import LockCase
from firestation.privacy import CREDENTIAL, Privacy, touches
from firestation.runbook import Judge, LockPlan

MOST_BODY = 8 * 1024 * 1024
"""Bytes of a request that a file still holds."""


class Case(Model):
    """What a lock asks and expects. `evidence` is the digest of the artifact that it is made from, `artifact` its name.

    `body` is JSON in ASCII, the very bytes that every tool sends; None for a request without a body.
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
    body = asked.body
    if plan.ask:
        if not isinstance(body, dict):
            msg = f"lock.ask names members of the body, and the check {plan.check} sends none; leave ask out"
            raise NotConfigured(msg)
        body = {**body, **{name: _frozen(artifact, content, path) for name, path in plan.ask.items()}}
    answer = value_at(content, plan.answer)
    if answer is MISSING:
        raise Gone(f"{artifact.name} has no answer at {plan.answer}; correct lock.answer")
    for each in asked.expect:
        _untouched(artifact, content, _joined(plan.answer, each.path))
    verdict, detail = judge(asked.expect, answer)
    if verdict == "inconclusive":
        raise Gone(f"what {artifact.name} has frozen cannot be judged: {detail}; name another in lock.where")
    text = None if body is None else as_json(body)
    if text and len(text) > MOST_BODY:
        raise NotConfigured(f"the request has {len(text)} bytes, and a lock holds {MOST_BODY}; name another")
    case = Case(
        incident=incident,
        title=plan.title,
        evidence=artifact.digest,
        artifact=artifact.name,
        method=asked.method,
        url=asked.url,
        body=text,
        expect=asked.expect,
        judge=plan.judge,
    )
    return case, answer


def impossible(plan: LockPlan, asked: LockCase, privacy: Privacy) -> Iterator[Hole]:
    """Why this plan can never make a lock of this check: seen before the night, and not after the fire."""
    if plan.ask and not isinstance(asked.body, dict):
        problem = f"the check {plan.check} sends no object, so no member of it can be asked as frozen"
        yield Hole(field="lock.ask", problem=problem, fix="Leave ask out, or name a check that sends one")
    needed = [(f"lock.ask.{name}", path) for name, path in plan.ask.items()]
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


def _frozen(artifact: ArtifactRef, content: Any, path: str) -> JsonValue:
    _untouched(artifact, content, path)
    found: Any = value_at(content, path)
    if found is MISSING:
        raise Gone(f"{artifact.name} has nothing at {path}; correct lock.ask")
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
