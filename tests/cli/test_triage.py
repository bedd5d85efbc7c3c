"""Triage on a terminal: what waits, the two words, and what is wrong with declared rules."""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import Result

from firestation.storm import pile
from firestation.waits import Ended, Wait
from gateway.waiting import WaitList
from tests.docs.documents import ROOT, commands
from tests.property.worlds import START
from tests.property.worlds import alarm as one_alarm
from workflows.messages import Decided

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"
NOW = datetime.now(UTC)
SYSTEM = ROOT / "examples/refund_agent/system.yaml"


def answers(station: Any, value: Any, status: int = 200) -> None:
    station.override = (status, json.dumps(value).encode())


def wait(**more: Any) -> Wait:
    heaps = {"generic/k1": pile(None, one_alarm().changed(summary="dear \x1b[31m"), START)}
    fields = {"incident": NAME, "system": "refund-agent", "title": "Refund agent", "rule": "cost-drifts"}
    return Wait(
        why="a campaign", since=NOW, until=NOW + timedelta(minutes=30), heaps=heaps, **(fields | more)
    )


def test_the_commands_that_the_document_teaches(run: Run, station: Any) -> None:
    listed = WaitList(waiting=(wait(),)).model_dump(mode="json")
    decided = Decided(accepted=True, incident=NAME).model_dump(mode="json")
    held: dict[str, Any] = {"waiting": [], "untold": [], "trouble": None}
    given = {"spool": held, "triage": listed, "open": decided, "dismiss": decided}
    told = [shlex.split(line) for line in commands(ROOT / "docs/triage.md")]
    assert len(told) == 5
    for words in told:
        kind = next((word for word in ("open", "dismiss") if word in words), words[1])
        answers(station, given.get(kind))
        result = run(*words[1:])
        assert result.exit_code == 0, result.output


def test_what_waits_says_until_when_and_what_to_type(run: Run, station: Any) -> None:
    rung = Ended(word="open", by=None, reason="nobody has decided in time", at=NOW)
    late = wait(incident="refund-agent-5e6f7a8b", ended=rung, trouble="no bell")
    answers(
        station, WaitList(waiting=(wait(class_="cost"), late), not_shown=("x-1",)).model_dump(mode="json")
    )
    text = " ".join(run("triage").output.split())
    assert "becomes an incident by itself at" in text
    assert f"$ firestation triage dismiss {NAME} --reason WHY" in text
    assert "cost, rang 1 time, waits by the rule cost-drifts: a campaign" in text
    assert "opened by itself, it is ringing no bell" in text
    assert "x-1 waits too" in text
    assert f"firestation triage open {NAME}" in text
    assert "\x1b[31m" not in run("triage").output
    assert json.loads(run("triage", "--json").stdout)["not_shown"] == ["x-1"]
    assert "others wait" not in text
    answers(station, WaitList(waiting=(wait(),), more=True).model_dump(mode="json"))
    assert "Still others wait than are shown here" in " ".join(run("triage").output.split())
    assert json.loads(run("triage", "--json").stdout)["more"] is True
    answers(station, {"waiting": []})
    assert "No alarm waits for a person." in run("triage").output


def test_a_dismissal_without_a_reason_is_asked_for_one(run: Run, station: Any) -> None:
    assert run("triage", "dismiss", NAME).exit_code == 2
    answers(station, {"title": "the order of things", "missing": "it was opened by ana"}, 409)
    result = run("triage", "dismiss", NAME, "--reason", "a test")
    assert "it was opened by ana" in result.output


def test_lint_finds_a_rule_out_of_reach_and_warns_of_a_window_that_is_over(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "system.yaml"
    wide = "  - {id: all, match: {names: [CostUp]}, why: a}\n"
    narrow = "  - {id: some, match: {names: [CostUp], labels: {tier: [one]}}, then: record, why: b}\n"
    window = (
        "  - {id: old, starts: 2020-01-01T00:00:00Z, ends: 2020-01-02T00:00:00Z, "
        "match: {names: [A]}, by: ana, why: c}\n"
    )
    file.write_text(SYSTEM.read_text() + f"triage:\n{narrow}{wide}maintenance:\n{window}")
    good = run("system", "lint", str(file))
    assert good.exit_code == 0, good.output
    assert "warning: maintenance[0].ends: the window old ended 2020-01-02" in " ".join(good.output.split())
    file.write_text(SYSTEM.read_text() + f"triage:\n{wide}{narrow}{wide}")
    twice = run("system", "lint", str(file), "--json")
    assert twice.exit_code == 1
    assert [each["field"] for each in json.loads(twice.stdout)["problems"]] == ["triage[2].id"]
    file.write_text(SYSTEM.read_text() + f"triage:\n{wide}{narrow}")
    dead = run("system", "lint", str(file), "--json")
    assert dead.exit_code == 1
    line = file.read_text().splitlines().index(narrow.rstrip("\n")) + 1
    assert [(each["field"], each["line"]) for each in json.loads(dead.stdout)["problems"]] == [
        ("triage[1].match", line)
    ]


def test_what_may_be_the_same_fire_is_shown_with_the_command_that_merges_it(run: Run, station: Any) -> None:
    assert "the same fire" not in run("show", NAME).output
    station.near = ["refund-agent-5e6f7a8b"]
    text = " ".join(run("show", NAME).output.split())
    assert f"$ firestation merge {NAME} refund-agent-5e6f7a8b --reason 'the same fire'" in text
