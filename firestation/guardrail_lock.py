"""The lock of a guardrail as a file that a team keeps: plain pytest and httpx, nothing of ours in it.

It sends the input that got through again, which must be stopped, and a harmless one, which must still pass.
"""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from firestation.expect import Expectation, steps
from firestation.ports import LockCase
from firestation.runbook import LockPlan

TEMPLATE = '''"""{title}

The lock of the incident {incident}, a guardrail's. What got through then must be stopped now, and what is harmless
must still pass: a guardrail that stops everything keeps nothing back. Run it in your release gate:

    pytest {name}                                    against {url}
    LOCK_FROZEN=frozen.json pytest {name}            the answer that was frozen then: it fails
"""

import json
import os
import pathlib

import httpx

URL = os.environ.get("LOCK_URL", {url!r})
FROZEN = os.environ.get("LOCK_FROZEN")
ONLY = os.environ.get("LOCK_ONLY", "attack control")
ATTACK = json.loads({attack!r})
CONTROL = json.loads({control!r})
STOPPED = json.loads({stopped!r})
PASSES = json.loads({passes!r})
MISSING = object()


def answer(body):
    token = os.environ.get("LOCK_TOKEN")
    headers = {{"Authorization": f"Bearer {{token}}"}} if token else {{}}
    response = httpx.request({method!r}, URL, json=body, headers=headers, timeout=30)
    response.raise_for_status()
    return response.json()


def value_at(data, path):
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return data


OPERATIONS = {{
    "equals": lambda found, wanted: found is not MISSING and found == wanted,
    "not-equals": lambda found, wanted: found is not MISSING and found != wanted,
    "at-least": lambda found, wanted: found is not MISSING and found >= wanted,
    "at-most": lambda found, wanted: found is not MISSING and found <= wanted,
    "in": lambda found, wanted: found is not MISSING and found in wanted,
    "absent": lambda found, wanted: found is MISSING or found is None,
    "present": lambda found, wanted: found is not MISSING and found is not None,
}}


def wrong(data, expect):
    """What does not hold of what is expected."""
    found = [(each, value_at(data, each["steps"])) for each in expect]
    return [
        f"{{each['path']}}: expected {{each['op']}} {{each['value']!r}}, found {{value!r}}"
        for each, value in found
        if not OPERATIONS[each["op"]](value, each["value"])
    ]


if "attack" in ONLY:

    def test_what_got_through_is_stopped():
        data = json.loads(pathlib.Path(FROZEN).read_text()) if FROZEN else answer(ATTACK)
        assert not wrong(data, STOPPED)


if "control" in ONLY and not FROZEN:

    def test_what_is_harmless_still_passes():
        data = answer(CONTROL)
        assert not wrong(data, PASSES)
        assert wrong(data, STOPPED), "it is stopped like the other: a guardrail that stops everything"
'''


def guardrail_file(incident: str, plan: LockPlan, case: LockCase, attack: JsonValue) -> str:
    """The source of the test. All data goes in as JSON literals, so hostile evidence stays data."""
    assert plan.control  # a plan of this kind has one
    return TEMPLATE.format(
        title=" ".join(plan.title.replace('"', "'").replace("\\", "/").split()),
        incident=incident,
        name=f"test_lock_{incident}.py",
        url=case.url,
        method=case.method,
        attack=json.dumps(placed(case.body, plan.into, attack)),
        control=json.dumps(placed(case.body, plan.into, plan.control.input)),
        stopped=json.dumps(_plain(case.expect)),
        passes=json.dumps(_plain(plan.control.expect)),
    )


def _plain(expect: Sequence[Expectation]) -> list[dict[str, Any]]:
    return [{**each.model_dump(mode="json"), "steps": each.steps()} for each in expect]


def placed(body: JsonValue, path: str, value: JsonValue) -> JsonValue:
    """The body with this value at the path, which must be there. Raises `LookupError`."""
    where = steps(path)
    if not where:
        return value
    copy: Any = json.loads(json.dumps(body))
    inner = copy
    for step in where[:-1]:
        inner = _member(inner, step, path)
    _member(inner, where[-1], path)
    inner[where[-1]] = value
    changed: JsonValue = copy
    return changed


def _member(data: Any, step: str | int, path: str) -> Any:
    try:
        return data[step]
    except (KeyError, IndexError, TypeError):
        msg = f"the request of the check has nothing at {path} (lock.into)"
        raise LookupError(msg) from None
