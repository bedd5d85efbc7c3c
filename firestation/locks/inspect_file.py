"""A lock as an Inspect task. Its command line ends with 0 whatever came of it, so the log is read."""

import json
from typing import Any

from firestation.locks.case import Case
from firestation.locks.python_source import ask, head
from firestation.locks.tool import Result, Tool

SAMPLE, SCORER = "lock", "nothing_wrong"

IMPORTS = """
import json
import os
import sys

import httpx
from inspect_ai import Task, eval, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import CORRECT, INCORRECT, Score, accuracy, scorer
from inspect_ai.solver import solver
"""

TASK = '''

@solver
def system():
    """Ask the system. One that cannot be asked is an error, and neither right nor wrong."""

    async def solve(state, generate):
        state.output.completion = json.dumps(ask())
        state.completed = True
        return state

    return solve


@scorer(metrics=[accuracy()])
def nothing_wrong():
    """Right when all that is expected holds. No model is asked."""

    async def score(state, target):
        answer = json.loads(state.output.completion)
        wrong = {wrong}
        return Score(value=INCORRECT if wrong else CORRECT, explanation="; ".join(wrong) or "what is expected holds")

    return score


@task
def lock():
    """What went wrong then does not go wrong."""
    return Task(dataset=[Sample(id="lock", input="what was asked then")], solver=system(), scorer=nothing_wrong())


if __name__ == "__main__":
    (log,) = eval(lock(), model="none", display="plain")
    right = log.status == "success" and log.results.scores[0].metrics["accuracy"].value == 1
    sys.exit(0 if right else 1)
'''


def write(case: Case) -> str:
    """The file."""
    name = TOOL.file_name(case)
    usage = head(
        case, f"python {name}", f"inspect eval {name} --model none     ends with 0 in any case: read its log"
    )
    wrong = "unmet(answer) or unmet(ask_judge(answer), GOOD)" if case.judge else "unmet(answer)"
    return usage + IMPORTS + ask(case) + TASK.replace("{wrong}", wrong)


def read(report: bytes, _: Case) -> Result:
    """Judge a log: it ended well, and one sample was scored once."""
    try:
        log = json.loads(report)
        if log["status"] != "success":
            return "error", _said((log.get("error") or {}).get("message") or f"it ended as {log['status']}")
        (sample,) = log["samples"]
        score = sample["scores"][SCORER]
        if sample["id"] != SAMPLE or sample.get("error") or list(sample["scores"]) != [SCORER]:
            return "error", "its log shows no sample of ours that was scored"
        outcome = {"C": "passed", "I": "failed"}[score["value"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return "error", f"its log cannot be read: {type(error).__name__} {_said(error)}"
    return ("passed" if outcome == "passed" else "failed"), _said(score.get("explanation") or outcome)


def _said(text: Any) -> str:
    return str(text)[:2000]


TOOL = Tool(
    program="inspect",
    package="pkg:pypi/inspect-ai",
    media_type="text/x-python",
    file="lock_{name}.py",
    write=write,
    arguments=(
        *("eval", "{file}", "--model", "none", "--display", "plain"),
        *("--log-format", "json", "--log-dir", "logs", "--max-retries", "0"),
    ),
    environment={"PYTHONDONTWRITEBYTECODE": "1", "INSPECT_TELEMETRY": "", "NO_COLOR": "1"},
    report="logs/*.json",
    read=read,
)
