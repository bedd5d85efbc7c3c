"""Incidents that really happened replay as they were, and the audit passes them; altered ones it does not pass."""

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firestation.audit import Report, audit
from firestation.errors import InvalidInput
from firestation.state import Phase
from tests.histories.record import FOLDER, STORIES
from worker.replay import load, main, replay

pytestmark = pytest.mark.replay

INCIDENTS = sorted(path for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("_"))
ENDS = {
    "closed": Phase.CLOSED,
    "dismissed": Phase.DISMISSED,
    "refused": Phase.CLOSED,
    "expired": Phase.DISMISSED,
    "continued": Phase.CLOSED,
    "hurried": Phase.CLOSED,
    "late": Phase.CLOSED,
    "stopped": Phase.CLOSED,
    "captains": Phase.CLOSED,
    "waived": Phase.CLOSED,
    "recurred": Phase.CLOSED,
    "spoken": Phase.CLOSED,
}
History = dict[str, Any]


def runs(incident: Path) -> list[Path]:
    return sorted(incident.glob("*.json"))


def raw(incident: Path) -> list[History]:
    return [json.loads(file.read_text()) for file in runs(incident)]


def latest(story: str) -> list[History]:
    return raw(next(path for path in reversed(INCIDENTS) if path.name.endswith(story)))


def test_every_story_is_kept() -> None:
    assert {path.name.rpartition("-")[2] for path in INCIDENTS} >= set(STORIES)
    assert set(ENDS) == set(STORIES)


def test_no_history_tells_where_it_was_recorded() -> None:
    assert not [file for incident in INCIDENTS for file in runs(incident) if "stackTrace" in file.read_text()]


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda path: path.name)
async def test_the_code_decides_today_as_it_decided_then(incident: Path) -> None:
    assert await replay(load(runs(incident))) is None


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda path: path.name)
def test_the_audit_passes_what_was_right(incident: Path) -> None:
    report = audit(raw(incident))
    assert report.passed, report.findings
    assert report.phase is ENDS[incident.name.rpartition("-")[2]]
    assert report.runs == len(runs(incident))
    assert len(report.rules) == 11


@pytest.mark.parametrize("followed", sorted(FOLDER.glob("_*-followed")), ids=lambda path: path.name)
async def test_what_came_after_an_incident_replays_as_it_was(followed: Path) -> None:
    assert len(runs(followed)) > 1
    assert await replay(load(runs(followed))) is None


async def test_a_drill_from_before_there_were_guards_goes_on_as_it_began() -> None:
    """Nobody answered it, so it was scored and called off."""
    (drilled,) = FOLDER.glob("_*-drilled")
    assert await replay(load(runs(drilled))) is None


async def test_a_guard_that_cleared_up_before_guards_told_the_drill_goes_on_as_it_began() -> None:
    """Its drill was terminated."""
    (guarded,) = FOLDER.glob("_*-guarded")
    assert await replay(load(runs(guarded))) is None


def test_what_comes_after_an_incident_is_kept() -> None:
    assert list(FOLDER.glob("_*-followed"))


async def test_a_replay_notices_that_the_code_decides_otherwise(tmp_path: Path) -> None:
    (history,) = latest("closed")
    other = next(each for each in history["events"] if _is(each, "ACTIVITY_TASK_SCHEDULED"))
    other["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "something-else"
    (tmp_path / "1.json").write_text(json.dumps(history))
    difference = await replay(load([tmp_path / "1.json"]))
    assert difference is not None
    assert "something-else" in difference


def test_the_command_replays_saved_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [str(file) for file in runs(next(path for path in INCIDENTS if path.name.endswith("continued")))]
    monkeypatch.setattr("sys.argv", ["replay", "--json", "--file", *files])
    for what_is_the_whole_process in ("set_up", "forward_logs"):
        monkeypatch.setattr(f"worker.replay.{what_is_the_whole_process}", lambda *_: None)
    assert main() == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["passed"], report["replay"], report["runs"]) == (True, "same", len(files))


# What an attacker, or a bug, might have done to a history ------------------------------------------------------


def _is(event: History, kind: str) -> bool:
    return bool(event["eventType"] == f"EVENT_TYPE_{kind}")


def _payload(value: Any) -> History:
    data = base64.b64encode(json.dumps(value).encode()).decode()
    return {"metadata": {"encoding": base64.b64encode(b"json/plain").decode()}, "data": data}


def _value(payloads: History) -> Any:
    return json.loads(base64.b64decode(payloads["payloads"][0]["data"]))


def _updates(history: History, name: str) -> list[History]:
    accepted = "workflowExecutionUpdateAcceptedEventAttributes"
    inputs = [event[accepted]["acceptedRequest"]["input"] for event in history["events"] if accepted in event]
    return [each for each in inputs if each["name"] == name]


def _results(history: History, activity: str) -> list[History]:
    scheduled = {
        event["eventId"]
        for event in history["events"]
        if _is(event, "ACTIVITY_TASK_SCHEDULED")
        and event["activityTaskScheduledEventAttributes"]["activityType"]["name"] == activity
    }
    done = [
        event["activityTaskCompletedEventAttributes"]
        for event in history["events"]
        if _is(event, "ACTIVITY_TASK_COMPLETED")
    ]
    return [each for each in done if each["scheduledEventId"] in scheduled]


def _alter(payloads: History, **changes: Any) -> None:
    payloads["payloads"] = [_payload({**_value(payloads), **changes})]


def another_approver(history: History) -> None:
    """The second approval was given by the first person again: a quorum of one."""
    _alter(_updates(history, "approve")[1]["args"], by="ana")


def an_auditor_approved(history: History) -> None:
    """The first approval was given by somebody without the role."""
    _alter(_updates(history, "approve")[0]["args"], by="dan")


def another_action_was_approved(history: History) -> None:
    """What was approved is not what was moved."""
    for update in _updates(history, "approve"):
        _alter(update["args"], action="0" * 64)


def no_seal(history: History) -> None:
    """The levers moved, and the evidence was never sealed."""
    (seal,) = _results(history, "seal")
    order = next(e for e in history["events"] if e["eventId"] == seal["scheduledEventId"])
    order["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "keep"
    artifact = {"digest": "a" * 64, "size": 1, "media_type": "text/plain", "name": "x", "source": "s"}
    seal["result"] = {"payloads": [_payload({**artifact, "collected_at": "2026-11-23T03:00:00Z"})]}


def the_soak_was_short(history: History) -> None:
    """Recovery was called after a single reading."""
    for soak in _results(history, "soak"):
        _alter(soak["result"], readings=1)


def the_lock_never_failed(history: History) -> None:
    """A lock that passes on the frozen evidence locks nothing."""
    (lock,) = _results(history, "prove_lock")
    proof = _value(lock["result"])
    proof["runs"] = [{**run, "outcome": "passed"} for run in proof["runs"]]
    lock["result"] = {"payloads": [_payload(proof)]}


def the_way_back_failed(history: History) -> None:
    """The tool never went back, and the incident was closed all the same."""
    last = _results(history, "move_lever")[-1]
    _alter(last["result"], result="uncertain", found=None, detail="nobody answers")


ATTACKS: dict[Callable[[History], None], int] = {
    another_approver: 3,
    an_auditor_approved: 3,
    another_action_was_approved: 3,
    no_seal: 1,
    the_soak_was_short: 8,
    the_lock_never_failed: 9,
    the_way_back_failed: 6,
}


def broken(report: Report) -> set[int]:
    return {finding.rule for finding in report.findings if finding.level == "broken"}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_altered_history_is_found_out(attack: Callable[[History], None]) -> None:
    (history,) = latest("closed")
    before = copy.deepcopy(history)
    attack(history)
    assert history != before
    report = audit([history])
    assert not report.passed
    assert ATTACKS[attack] in broken(report), report.findings


def test_a_history_with_a_hole_is_no_history() -> None:
    (history,) = latest("closed")
    del history["events"][40]
    with pytest.raises(InvalidInput, match=r"events\[40\]"):
        audit([history])


def test_a_chain_with_a_missing_run_is_no_chain() -> None:
    chain = latest("continued")
    for incomplete in (chain[1:], chain[:-1], [chain[0], *chain[2:]]):
        with pytest.raises(InvalidInput, match="run"):
            audit(incomplete)


def test_a_record_altered_between_two_runs_is_found_out() -> None:
    chain = latest("continued")
    payloads = chain[2]["events"][0]["workflowExecutionStartedEventAttributes"]["input"]
    start = _value(payloads)
    acted = next(event for event in start["record"] if event["kind"] == "acted")
    acted["act"]["by"] = "ben"
    payloads["payloads"] = [_payload(start)]
    assert 10 in broken(audit(chain))


def test_a_run_that_goes_on_by_another_runbook_is_found_out() -> None:
    """From one run to the next a second person is asked no more."""
    chain = latest("continued")
    payloads = chain[2]["events"][0]["workflowExecutionStartedEventAttributes"]["input"]
    start = _value(payloads)
    start["brief"]["runbook"]["firebreaks"][1]["approvals"] = 1
    payloads["payloads"] = [_payload(start)]
    assert 10 in broken(audit(chain))


def _signals(history: History) -> list[History]:
    told = "workflowExecutionSignaledEventAttributes"
    return [event[told] for event in history["events"] if told in event]


def test_a_signal_that_nobody_can_read_is_dropped_as_the_workflow_dropped_it() -> None:
    """Anybody may send bytes: they make no incident unreadable."""
    (history,) = latest("refused")
    signal = _signals(history)[-1]
    assert audit([history]).passed
    signal["input"]["payloads"][0]["data"] = base64.b64encode(b'{"by": "an').decode()
    assert audit([history]).passed


def test_what_is_encrypted_is_decoded_first_and_never_passed() -> None:
    for place in ("signal", "update", "start"):
        (history,) = latest("refused")
        given = {
            "signal": lambda history: _signals(history)[-1]["input"],
            "update": lambda history: _updates(history, "approve")[0]["args"],
            "start": lambda history: history["events"][0]["workflowExecutionStartedEventAttributes"]["input"],
        }[place](history)
        given["payloads"][0]["metadata"]["encoding"] = base64.b64encode(b"binary/encrypted").decode()
        with pytest.raises(InvalidInput, match="decode the history first"):
            audit([history])


@pytest.mark.parametrize(
    "kind",
    [
        "WORKFLOW_EXECUTION_STARTED",
        "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
        "ACTIVITY_TASK_SCHEDULED",
        "ACTIVITY_TASK_COMPLETED",
        "WORKFLOW_EXECUTION_COMPLETED",
    ],
)
def test_an_event_that_cannot_be_read_is_bad_input_and_no_crash(kind: str) -> None:
    (history,) = latest("closed")
    event = next(each for each in history["events"] if _is(each, kind))
    for key in [key for key in event if key.endswith("Attributes")]:
        event[key] = ["nonsense"]
    with pytest.raises(InvalidInput, match="cannot be read"):
        audit([history])
