"""The lock as a file that a team keeps: plain pytest and httpx, nothing of ours in it."""

import json

from firestation.ports import LockCase

TEMPLATE = '''"""{title}

The lock of the incident {incident}. It fails on the evidence that was frozen then, and passes on the repaired
system. Run it in your release gate:

    pytest {name}                                    against {url}
    LOCK_FROZEN=frozen.json pytest {name}            against the frozen answer
"""

import json
import os
import pathlib

import httpx

URL = os.environ.get("LOCK_URL", {url!r})
BODY = json.loads({body!r})
EXPECT = json.loads({expect!r})
MISSING = object()


def answer():
    frozen = os.environ.get("LOCK_FROZEN")
    if frozen:
        return json.loads(pathlib.Path(frozen).read_text())
    token = os.environ.get("LOCK_TOKEN")
    headers = {{"Authorization": f"Bearer {{token}}"}} if token else {{}}
    response = httpx.request({method!r}, URL, json=BODY, headers=headers, timeout=30)
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


def test_lock():
    data = answer()
    for each in EXPECT:
        found = value_at(data, each["steps"])
        held = OPERATIONS[each["op"]](found, each["value"])
        assert held, f"{{each['path']}}: expected {{each['op']}} {{each['value']!r}}, found {{found!r}}"
'''


def lock_file(incident: str, title: str, case: LockCase) -> str:
    """The source of the test. All data goes in as JSON literals, so hostile evidence stays data."""
    expect = [{**each.model_dump(mode="json"), "steps": each.steps()} for each in case.expect]
    return TEMPLATE.format(
        title=" ".join(title.replace('"', "'").replace("\\", "/").split()),
        incident=incident,
        name=f"test_lock_{incident}.py",
        url=case.url,
        method=case.method,
        body=json.dumps(case.body),
        expect=json.dumps(expect),
    )
