"""The proof of a guardrail's lock: what got through is stopped now, every time, and what is harmless still passes."""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from firestation.after_action import Run
from firestation.expect import MISSING, judge, value_at
from firestation.guardrail_lock import guardrail_file
from firestation.orders import LockOrder
from firestation.ports import EvidenceStore, LockCase

Against = Literal["frozen", "live", "control"]
RunTest = Callable[[Path, Against, dict[str, str]], Awaitable[tuple[Run, str]]]
"""Runs `test_lock.py` in a folder with these variables: the run, and all that it said."""


class Exchange(NamedTuple):
    """What got through: the digest of the artifact that shows it, the input, and the answer as it was frozen."""

    artifact: str
    given: JsonValue
    answer: JsonValue


async def frozen_exchange(order: LockOrder, store: EvidenceStore) -> Exchange:
    """The first artifact in which the input stands, and for which all of `where` holds."""
    for artifact in order.evidence:
        try:
            content = json.loads(await store.get(artifact.digest))
        except ValueError:
            continue
        given = value_at(content, order.plan.input or "$")
        there = not order.plan.where or judge(order.plan.where, content)[0] == "passed"
        if there and given is not MISSING:
            answer = value_at(content, order.plan.answer)
            return Exchange(artifact.digest, given, None if answer is MISSING else answer)
    message = (
        f"no frozen artifact of {order.plan.source} holds an input that got through (lock.where, lock.input)"
    )
    raise ApplicationError(message, type="NoEvidence", non_retryable=True)


async def guardrail_runs(
    order: LockOrder, case: LockCase, seen: Exchange, token: Mapping[str, str], run: RunTest
) -> tuple[str, tuple[Run, ...], str]:
    """The file of the lock, its runs, and what they said.

    The frozen answer must fail; then, as often as the plan says, the input is sent and must be stopped, and the control
    is sent and must pass. Both are of the same file, which the team keeps.
    """
    try:
        text = guardrail_file(order.incident, order.plan, case, seen.given)
    except LookupError as error:
        raise ApplicationError(str(error), type="NotLockable", non_retryable=True) from error
    with tempfile.TemporaryDirectory(prefix="firestation-lock-") as name:
        folder = Path(name)
        await asyncio.to_thread((folder / "test_lock.py").write_text, text)
        await asyncio.to_thread((folder / "frozen.json").write_text, json.dumps(seen.answer, indent=2))
        attack, control = {**token, "LOCK_ONLY": "attack"}, {**token, "LOCK_ONLY": "control"}
        frozen = {"LOCK_ONLY": "attack", "LOCK_FROZEN": str(folder / "frozen.json")}
        results = [await run(folder, "frozen", frozen)]
        for _ in range(order.plan.runs):
            results += [await run(folder, "live", attack), await run(folder, "control", control)]
    output = "\n\n".join(f"== against {each.against}: {each.outcome}\n{said}" for each, said in results)
    return text, tuple(each for each, _ in results), output
