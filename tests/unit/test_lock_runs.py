"""One run of a tool, and the replay that it runs on: what hangs, lies or asks something else is no proof."""

import json
import os
import stat
import time
from pathlib import Path

import httpx
import pytest

from activities import toolbox
from activities.replay import replaying
from activities.toolbox import Toolbox
from firestation.errors import NotConfigured
from firestation.expect import Expectation
from firestation.locks import deepeval_file, inspect_file, promptfoo_file, pytest_file
from firestation.locks.case import Case
from firestation.locks.tool import Result
from tests.e2e.processes import wait_for

CASE = Case(
    incident="refund-agent-1",
    title="A late refund is denied",
    evidence="a" * 64,
    artifact="trace r-1",
    method="POST",
    url="http://127.0.0.1:1/ask?deep=1",
    body='{"question": "\\u202e"}',
    expect=(Expectation(path="$.ruling", op="equals", value="deny"),),
)
PASSED = b'<testsuites><testsuite><testcase name="test_lock"/></testsuite></testsuites>'


async def run(folder: Path, script: str) -> tuple[Result, str]:
    """What becomes of a lock whose pytest is this shell script."""
    program = folder / "bin" / "pytest"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    room = folder / "room"
    room.mkdir()
    tools = Toolbox(f"{program.parent}:{os.defpath}")
    return await tools.judge(pytest_file.TOOL, CASE, "", room, {"LOCK_URL": "http://127.0.0.1:1"})


async def test_a_tool_that_hangs_is_stopped_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolbox, "RUN_SECONDS", 5)
    (outcome, detail), said = await run(tmp_path, "sleep 1000 & echo $!; sleep 1000")
    assert (outcome, detail) == ("error", "it was not done within 5 s and was stopped")
    wait_for("the end of what it started", lambda: not _lives(int(said)))


async def test_nothing_that_a_tool_started_outlives_its_end(tmp_path: Path) -> None:
    _, said = await run(tmp_path, "sleep 1000 >/dev/null 2>&1 & echo $!")
    wait_for("the end of what it started", lambda: not _lives(int(said)))


async def test_a_child_that_leaves_its_group_neither_holds_the_run_up_nor_outlives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold the output open, and may have the token of the live system."""
    monkeypatch.setattr(toolbox, "RUN_SECONDS", 60)
    began = time.monotonic()
    _, said = await run(tmp_path, "setsid sh -c 'echo $$; exec sleep 1000' &\nsleep 1")
    assert time.monotonic() - began < 30
    wait_for("the end of what it started", lambda: not _lives(int(said)))


def _lives(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_a_flood_is_cut_and_its_beginning_and_end_are_kept(tmp_path: Path) -> None:
    script = f"echo first; head -c 100000000 /dev/zero; echo last; echo '{PASSED.decode()}' > report.xml"
    (outcome, _), said = await run(tmp_path, script)
    assert outcome == "passed"
    assert said.startswith("first\n")
    assert said.endswith("last\n")
    assert len(said) < 3 * toolbox.MOST_OUTPUT
    assert "99475" in said  # bytes left out


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 0", "it left 0 reports, and not one; what it said is kept"),
        (f"echo '{PASSED.decode()}' > report.xml; exit 1", "its report says passed, and it ended with 1"),
        ("echo nonsense > report.xml", "its report cannot be read: syntax error: line 1, column 0"),
    ],
)
async def test_an_exit_code_alone_is_never_believed(script: str, why: str, tmp_path: Path) -> None:
    result, _ = await run(tmp_path, script)
    assert result == ("error", why)


async def test_a_tool_sees_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTATION_SESSION_KEY", "secret")
    monkeypatch.setenv("AGENT_TOKEN", "secret")
    _, said = await run(tmp_path, "env")
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert "secret" not in said
    own = {"HOME", "TMPDIR", "PATH", "LANG", "COLUMNS", "LOCK_URL", "PWD", "OLDPWD", "SHLVL", "_"}
    assert names <= own | set(pytest_file.TOOL.environment)


async def test_a_tool_that_is_missing_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(
        NotConfigured, match=r"promptfoo is not installed for the worker: .* FIRESTATION_LOCK_TOOLS"
    ):
        Toolbox(str(tmp_path)).find(promptfoo_file.TOOL)


# ------------------------------------------------------------------------------------------ reports


def junit(*tests: str) -> bytes:
    return f"<testsuites><testsuite>{''.join(tests)}</testsuite></testsuites>".encode()


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (junit('<testcase name="test_lock"/>'), "passed"),
        (junit('<testcase name="test_lock"><failure message="$.ruling"/></testcase>'), "failed"),
        (junit('<testcase name="test_lock"><error message="refused"/></testcase>'), "error"),
        (junit('<testcase name="test_lock"><failure/><error message="in the end"/></testcase>'), "error"),
        (junit('<testcase name="test_lock"><skipped type="pytest.skip"/></testcase>'), "error"),
        (junit('<testcase name="test_lock"><skipped type="pytest.xfail"/></testcase>'), "error"),
        (junit(), "error"),
        (junit('<testcase name="test_other"/>'), "error"),
        (junit('<testcase name="test_lock"/>', '<testcase name="test_lock"/>'), "error"),
    ],
)
def test_a_report_of_pytest_is_read_whole(report: bytes, outcome: str) -> None:
    assert pytest_file.read(report, CASE)[0] == outcome
    assert deepeval_file.TOOL.read(report, CASE)[0] == outcome


def foo(*, success: bool = True, reason: int = 0, passes: tuple[object, ...] = (True,)) -> bytes:
    graded = {"componentResults": [{"pass": each, "reason": "so it is"} for each in passes]}
    result = {"success": success, "failureReason": reason, "error": None, "gradingResult": graded}
    return json.dumps({"results": {"results": [result]}}).encode()


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (foo(), "passed"),
        (foo(success=False, reason=1, passes=(False,)), "failed"),
        (foo(success=False, reason=2), "error"),
        (foo(passes=()), "error"),  # promptfoo passes a test that asserts nothing
        (foo(passes=(True, True)), "error"),
        (foo(passes=(False,)), "error"),
        (foo(passes=("yes",)), "error"),
        (foo(success=False, reason=1), "error"),
        (json.dumps({"results": {"results": []}}).encode(), "error"),
        (
            json.dumps({"results": {"results": [json.loads(foo())["results"]["results"][0]] * 2}}).encode(),
            "error",
        ),
    ],
)
def test_a_report_of_promptfoo_is_read_whole(report: bytes, outcome: str) -> None:
    assert promptfoo_file.read(report, CASE)[0] == outcome


def log(
    *, status: str = "success", value: object = "C", scorer: str = "nothing_wrong", error: object = None
) -> bytes:
    sample = {"id": "lock", "error": error, "scores": {scorer: {"value": value, "explanation": "so it is"}}}
    return json.dumps({"status": status, "error": {"message": "no"}, "samples": [sample]}).encode()


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (log(), "passed"),
        (log(value="I"), "failed"),
        (log(value="N"), "error"),
        (log(value=1.0), "error"),
        (log(status="error"), "error"),
        (log(status="cancelled"), "error"),
        (log(status="started"), "error"),
        (log(scorer="another"), "error"),
        (log(error={"message": "in the end"}), "error"),
        (json.dumps({"status": "success", "samples": []}).encode(), "error"),
    ],
)
def test_a_log_of_inspect_is_read_whole(report: bytes, outcome: str) -> None:
    assert inspect_file.read(report, CASE)[0] == outcome


# ------------------------------------------------------------------------------------------ the replay


def test_the_replay_answers_the_recorded_request_and_nothing_else() -> None:
    assert CASE.body
    with replaying(CASE, {"ruling": "allow"}) as replay, httpx.Client(trust_env=False, timeout=60) as client:
        assert replay.trouble() == "the lock never asked for the recorded answer"
        answer = client.post(replay.url, content=CASE.body)
        assert (answer.status_code, answer.json()) == (200, {"ruling": "allow"})
        assert replay.trouble() is None
        base = replay.url.partition("/ask")[0]
        others = [
            client.get(replay.url),
            client.head(replay.url),
            client.post(f"{base}/ask", content=CASE.body),
            client.post(f"{base}/ask?deep=2", content=CASE.body),
            client.post(replay.url, content=CASE.body + " "),
            client.post(replay.url),
            client.post(replay.url, content=iter([CASE.body.encode()])),  # of a length that nobody knows
            client.request("DELETE", base),
        ]
        assert [each.status_code for each in others] == [404] * len(others)
        assert "was not recorded" in others[2].json()["title"]
        assert len(replay.others) == len(others)
        assert str(replay.trouble()).startswith(
            "the lock asked for something that was not recorded: it asks GET"
        )
    with pytest.raises(httpx.ConnectError):
        httpx.post(replay.url, content=CASE.body, trust_env=False, timeout=60)
