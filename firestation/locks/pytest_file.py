"""A lock as a plain pytest file with httpx."""

from xml.etree import ElementTree as ET

from firestation.locks.case import Case
from firestation.locks.python_source import ask, head
from firestation.locks.tool import Result, Tool

TEST = "test_lock"

IMPORTS = """
import json
import os

import httpx
import pytest
"""

ANSWER = '''

@pytest.fixture
def answer():
    """In a fixture, so that a system that cannot be asked is an error, and neither a pass nor a fail."""
    return ask()
'''

COMPUTED = '''

def test_lock(answer):
    """What went wrong then does not go wrong."""
    wrong = unmet(answer)
    assert not wrong, "; ".join(wrong)
'''

JUDGED = '''

@pytest.fixture
def judged(answer):
    """The judge is asked only of what holds otherwise."""
    return None if unmet(answer) else ask_judge(answer)


def test_lock(answer, judged):
    """What went wrong then does not go wrong."""
    wrong = unmet(answer) or unmet(judged, GOOD)
    assert not wrong, "; ".join(wrong)
'''


def write(case: Case) -> str:
    """The file."""
    usage = head(case, f"pytest {TOOL.file_name(case)}")
    return usage + IMPORTS + ask(case) + ANSWER + (JUDGED if case.judge else COMPUTED)


def read(report: bytes, _: Case) -> Result:
    """Judge a JUnit report: one test, which was neither skipped nor in trouble before it began."""
    try:
        root = ET.fromstring(report)  # noqa: S314 - pytest wrote it, and it declares no entities
    except ET.ParseError as error:
        return "error", f"its report cannot be read: {error}"
    tests = list(root.iter("testcase"))
    if [each.get("name") for each in tests] != [TEST]:
        return "error", f"it ran {len(tests)} tests, and not {TEST} once"
    (test,) = tests
    for kind in ("error", "skipped", "failure"):
        found = test.find(kind)
        if found is not None:
            said = (found.get("message") or found.text or "").strip()[:2000] or kind
            first = said.splitlines()[0].removeprefix("AssertionError: ")
            return ("failed" if kind == "failure" else "error"), first or kind
    return "passed", "what is expected holds"


QUIET = "-p no:cacheprovider --config-file=/dev/null --rootdir=. --noconftest --junitxml=report.xml"
"""In PYTEST_ADDOPTS, for deepeval has options of the same names."""

TOOL = Tool(
    program="pytest",
    package="pkg:pypi/pytest",
    media_type="text/x-python",
    file="test_lock_{name}.py",
    write=write,
    arguments=("-q", "--no-header", "{file}"),
    environment={
        "PYTEST_ADDOPTS": QUIET,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    },
    report="report.xml",
    read=read,
)
