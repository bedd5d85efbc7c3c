"""`firestation tasks` and `firestation finish`: what is left to people, and their word that it is done."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from cli.clockface import clock
from cli.errors import ExitCode
from firestation.after_action import Ticket
from firestation.follow_up import Handed, LockWaiver, not_read

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"


def said(result: Result) -> str:
    return " ".join(result.output.split())


def overdue(station: Any, task: str, by: timedelta) -> datetime:
    """Let this task have been due so long ago."""
    found, due = station.course.named(task), datetime.now(UTC) - by
    station.course = station.course.kept(found.changed(task=found.task.changed(due=due)))
    return due


def test_late_tasks_stand_first_and_say_so(run: Run, station: Any) -> None:
    due = overdue(station, "eval-lock", timedelta(days=2, hours=1))
    station.course = station.course.told(
        Handed(
            tickets=(Ticket(kind="eval-lock", tracker="tasks", reference="OPS-7"),),
            captain="ana",
            ended="closed",
        )
    )
    station.course = not_read(station.course, "postmortem", "no answer", datetime.now(UTC))
    text = said(run("tasks"))
    lock, paper = text.index("LATE eval-lock: Lock: A refund"), text.index("open postmortem: Postmortem of")
    assert lock < paper
    assert f"LATE since {clock(due, datetime.now(UTC))} (2d 1h)" in text
    assert "OPS-7" in text
    assert "its tracker cannot be read due" in text
    assert f"{NAME} Refund agent, the incident is closed, captain ana" in text
    assert f"$ firestation finish {NAME} eval-lock --reason '...'" in text


def test_the_waiver_of_the_lock_is_named(run: Run, station: Any) -> None:
    until = datetime.now(UTC) - timedelta(hours=1)
    waiver = LockWaiver(by="ana", seconded_by="ben", reason="no time", until=until)
    station.course = station.course.told(Handed(tickets=(), captain="ana", ended="closed", waiver=waiver))
    assert "the lock was waived by ana and ben; that ran out" in said(run("tasks", NAME))


def test_what_cannot_be_shown_is_not_hidden(run: Run, station: Any) -> None:
    station.not_shown = ["after-refund-agent-5e6f7a8b-0198"]
    assert "CANNOT BE SHOWN NOW: after-refund-agent-5e6f7a8b-0198" in said(run("tasks"))
    assert json.loads(run("tasks", "--json").output)["not_shown"] == station.not_shown


def test_people_finish_tasks_until_nothing_is_left(run: Run, station: Any) -> None:
    station.course = station.course.told(Handed(tickets=(), captain="ana", ended="closed"))
    first = run("finish", NAME, "postmortem", "--reason", "it is written", "--fire", "0198")
    assert (first.exit_code, station.fires) == (0, ["0198"])
    assert f"done postmortem of {NAME}" in said(first)
    assert "by ana: it is written" in said(first)
    answer = json.loads(run("finish", NAME, "eval-lock", "--reason", "in CI", "--json").output)
    assert answer == {"accepted": True, "task": "eval-lock", "missing": None, "incident": NAME}
    assert "nothing is left" in said(run("tasks", NAME))
    assert "No task is left. Those that are done: --all" in said(run("tasks"))
    assert "it is written" in said(run("tasks", "--all"))


def test_a_task_that_is_not_there_is_refused_with_those_that_are(run: Run) -> None:
    refused = run("finish", NAME, "no-such", "--reason", "x")
    assert refused.exit_code == ExitCode.REFUSED
    assert "postmortem, eval-lock" in refused.stderr


@pytest.mark.parametrize("body", [b"[]", b'{"incidents": [{"task": 1}]}', b'"x"', b"{}"])
def test_a_station_that_answers_something_else_is_no_station(run: Run, station: Any, body: bytes) -> None:
    station.override = (200, body)
    assert run("tasks").exit_code == ExitCode.UNREACHABLE


def test_nothing_from_outside_reaches_the_terminal_as_it_is(run: Run, station: Any) -> None:
    found = station.course.named("postmortem")
    bad = found.changed(task=found.task.changed(title="evil \x1b[2J\u202e", owner="te\x07am"))
    station.course = station.course.kept(bad)
    out = run("tasks").output
    assert "\x1b[2J" not in out
    assert "\u202e" not in out
    assert "\x07" not in out
