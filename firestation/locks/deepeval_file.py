"""A lock as a deepeval test case with a metric that is computed. deepeval runs pytest, so its report is pytest's."""

from firestation.locks.case import Case
from firestation.locks.pytest_file import ANSWER, QUIET, read
from firestation.locks.python_source import ask, head
from firestation.locks.tool import Tool

IMPORTS = """
import json
import os

import httpx
import pytest
from deepeval import assert_test
from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase
"""

METRIC = '''

class Lock(BaseMetric):
    """1 when all that is expected holds, and 0 otherwise. No model is asked."""

    def __init__(self, wrong):
        self.threshold, self.async_mode, self.wrong = 1.0, False, wrong

    def measure(self, test_case, *_args, **_more):
        self.score = 0.0 if self.wrong else 1.0
        self.success = not self.wrong
        self.reason = "; ".join(self.wrong) or "what is expected holds"
        return self.score

    async def a_measure(self, test_case, *_args, **_more):
        return self.measure(test_case)

    def is_successful(self):
        return bool(self.success)

    @property
    def __name__(self):
        return "Lock"


def check(answer, wrong):
    """Let deepeval assert it."""
    case = LLMTestCase(input=BODY or URL, actual_output=json.dumps(answer))
    assert_test(case, [Lock(wrong)], run_async=False)
'''

COMPUTED = '''

def test_lock(answer):
    """What went wrong then does not go wrong."""
    check(answer, unmet(answer))
'''

JUDGED = '''

@pytest.fixture
def judged(answer):
    """The judge is asked only of what holds otherwise."""
    return None if unmet(answer) else ask_judge(answer)


def test_lock(answer, judged):
    """What went wrong then does not go wrong."""
    check(answer, unmet(answer) or unmet(judged, GOOD))
'''


def write(case: Case) -> str:
    """The file."""
    usage = head(case, f"deepeval test run {TOOL.file_name(case)}")
    return usage + IMPORTS + ask(case) + ANSWER + METRIC + (JUDGED if case.judge else COMPUTED)


TOOL = Tool(
    program="deepeval",
    package="pkg:pypi/deepeval",
    media_type="text/x-python",
    file="test_lock_{name}.py",
    write=write,
    arguments=("test", "run", "{file}"),
    environment={
        "PYTEST_ADDOPTS": QUIET,
        "PYTHONDONTWRITEBYTECODE": "1",
        "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
        "DEEPEVAL_DISABLE_DOTENV": "1",
    },
    report="report.xml",
    read=read,
)
