import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from cli.main import app

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"


def one_message(result: Result) -> str:
    """The only thing on standard error, in one line."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("firestation: ")
    return lines[0]


def test_1_refused_by_a_rule(run: Run) -> None:
    result = run("close", NAME)
    assert result.exit_code == 1
    assert (
        "refused by rule 2, one captain: close is the captain's word, and there is no captain yet"
        in one_message(result)
    )


def test_1_refused_by_the_order_of_things(run: Run, station: Any) -> None:
    station.act("dismiss", "ana", reason="none") if station.incident.captain else station.act(
        "acknowledge", "ana"
    )
    station.act("dismiss", "ana", reason="none")
    result = run("ack", NAME)
    assert result.exit_code == 1
    assert "refused: the incident is dismissed" in one_message(result)


def test_2_a_field_that_the_station_refuses(run: Run) -> None:
    result = run("note", NAME, "   ")
    assert result.exit_code == 2
    assert "text: String should have at least 1 character. Write a text." in one_message(result)


@pytest.mark.parametrize(
    "words",
    [
        ("approve", NAME, "xyz"),
        ("approve", NAME, "abc"),
        ("show", "../../etc/passwd"),
        ("show", "Refund Agent"),
        ("waive", NAME, "lock", "--reason", "x", "--until", "soon"),
        ("ring", "s", "n", "x", "--label", "no-equals"),
        ("ack", NAME, "--as", "../ana"),
    ],
)
def test_2_what_can_be_seen_to_be_wrong_here(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert one_message(result)


@pytest.mark.parametrize(
    "words", [("ack",), ("declare", NAME, "sev9", "--reason", "x"), ("nosuch",), ("refuse", NAME, "a")]
)
def test_2_usage(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_2_several_incidents_begin_so(run: Run, station: Any) -> None:
    station.names = [NAME, "refund-agent-5e6f7a8b"]
    result = run("show", "refund")
    assert result.exit_code == 2
    assert f"2 incidents begin with 'refund'. Write more of it: {NAME}, refund-agent-5e6f7a8b" in one_message(
        result
    )


def test_3_the_station_does_not_know_the_token(run: Run) -> None:
    result = run("show", NAME, env={"FIRESTATION_TOKEN": "nobody's"})
    assert result.exit_code == 3
    assert "--as NAME or FIRESTATION_AS" in one_message(result)


def test_3_no_token_for_this_person(run: Run, tmp_path: Path) -> None:
    result = run("--state", str(tmp_path), "show", NAME, "--as", "ana", env={"FIRESTATION_TOKEN": ""})
    assert result.exit_code == 3
    assert f"there is no token for ana: {tmp_path}/tokens/ana does not exist" in one_message(result)


def test_3_not_allowed(run: Run, station: Any) -> None:
    station.override = (403, b'{"detail": "a bell cannot act"}')
    result = run("ack", NAME)
    assert result.exit_code == 3
    assert "not allowed: a bell cannot act" in one_message(result)


def test_2_a_token_that_others_can_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tokens" / "ana"
    path.parent.mkdir()
    path.write_text("token-ana")
    path.chmod(stat.S_IRUSR | stat.S_IRGRP)
    result = run("--state", str(tmp_path), "show", NAME, "--as", "ana")
    assert result.exit_code == 2
    assert f"run: chmod 600 {path}" in one_message(result)


def test_4_unknown_incident(run: Run) -> None:
    for words in (("show", "refund-agent-00000000"), ("show", "chat"), ("ack", "refund-agent-00000000")):
        result = run(*words)
        assert result.exit_code == 4
        assert "firestation incidents --all" in one_message(result)


def test_5_no_station_there(run: Run) -> None:
    result = run("--url", "http://127.0.0.1:1", "show", NAME)
    assert result.exit_code == 5
    assert "Start it with: firestation up" in one_message(result)


@pytest.mark.parametrize(
    "answer",
    [(503, b'{"detail": "Temporal is away"}'), (500, b"<html>oops"), (200, b"<html>hello"), (200, b"{}")],
)
def test_5_a_station_that_cannot_answer(
    run: Run, station: Any, answer: tuple[int, bytes], monkeypatch: Any
) -> None:
    monkeypatch.setattr("cli.client.TRIES", 1)
    station.override = answer
    for words in (("show", NAME), ("incidents",)):
        result = run(*words)
        assert result.exit_code == 5
        assert one_message(result)


def test_70_a_defect_has_a_message_too(run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr("cli.client.Gateway.picture", lambda *_: {}["missing"])  # type: ignore[index]
    result = run("show", NAME)
    assert result.exit_code == 70
    assert "a defect of firestation's, please report it: KeyError: 'missing'" in one_message(result)


def test_json_errors_are_json_too(run: Run) -> None:
    result = run("close", NAME, "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert (data["error"], data["rule"], data["exit_code"]) == ("Refused", 2, 1)
    assert data["missing"].startswith("close is the captain's word")
    data = json.loads(run("approve", NAME, "xyz", "--json").stdout)
    assert (data["field"], data["exit_code"]) == ("digest", 2)


def test_a_hostile_station_cannot_write_to_the_terminal(run: Run, station: Any) -> None:
    station.override = (
        409,
        json.dumps({"rule": 2, "title": "x", "missing": "\x1b[2J\u202e" + "y" * 10**6}).encode(),
    )
    said = one_message(run("close", NAME))
    assert r"\x1b[2J\u202e" in said
    assert len(said) < 3000


def commands(group: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        inside = commands(command, (*before, name)) if hasattr(command, "commands") else [(*before, name)]
        found += inside
    return found


EVERY = commands(typer.main.get_command(app))


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_has_an_example_and_says_what_follows(run: Run, words: tuple[str, ...]) -> None:
    said = run(*words, "--help").output
    assert "Example:" in said
    assert f"firestation {' '.join(words)}" in said
    assert re.search(r"^ *Next: ", said, re.MULTILINE)
    assert max(len(line) for line in said.splitlines()) <= 80


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_speaks_json(run: Run, words: tuple[str, ...]) -> None:
    assert "--json" in run(*words, "--help").output


def test_the_top_help_shows_the_path_and_the_exit_codes(run: Run) -> None:
    said = run("--help").output
    path = [
        "incidents, show",
        "ack, declare",
        "approve, refuse",
        "note, update",
        "lift, adopt",
        "prove, close",
    ]
    places = [said.index(each) for each in path]
    assert places == sorted(places)
    for code in (
        "0  done",
        "1  refused",
        "2  bad input",
        "3  not auth",
        "4  unknown",
        "5  the station",
        "70  a defect",
    ):
        assert code in said


def test_2_an_address_that_is_none(run: Run) -> None:
    result = run("--url", "station.example.org", "incidents")
    assert result.exit_code == 2
    assert "Write it like http://" in one_message(result)


def test_4_a_station_that_says_itself_where_to_look_is_believed(run: Run, station: Any) -> None:
    detail = "no drill 'drill-stale-policy-1a2b3c4d' is held now. See which is: firestation drill report"
    station.override = (404, json.dumps({"detail": detail}).encode())
    result = run("drill", "stop", "drill-stale-policy-1a2b3c4d")
    assert result.exit_code == 4
    assert one_message(result).removeprefix("firestation: ") == detail
