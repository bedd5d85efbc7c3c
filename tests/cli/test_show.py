import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from cli.clockface import clock, towards
from firestation.picture import Picture

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_what_is_known_and_the_next_command(run: Run) -> None:
    said = run("show", NAME).output
    assert "phase open" in said
    assert "severity not declared (sev2 proposed)" in said
    assert "captain NOBODY" in said
    assert f"$ firestation ack {NAME}" in said
    assert "not sealed yet: no lever moves before it is" in said
    assert re.search(r"due +acknowledged, in (2m|1m \d+s)", said)


def test_evidence_gaps_and_firebreaks(run: Run, station: Any) -> None:
    station.seal()
    station.act("acknowledge", "ana")
    said = " ".join(run("show", NAME).output.split())
    assert "sealed manifest bbbbbbbbbbbb: 1 artifacts, 2 levers" in said
    assert "GAP ! judges, which this runbook needs: not-configured: no source gave judge outputs" in said
    assert "how bad? Count the refunds that the policy denies" in said
    digests = [each.digest[:12] for each in station.incident.firebreaks]
    assert f"refund_tool enabled -> disabled authorized {digests[0]} pre-authorized by the runbook" in said
    assert f"reranker off -> on proposed {digests[1]} decide by" in said
    assert f"$ firestation approve {NAME} {digests[1]}" in said
    assert re.search(r"met acknowledged, \d+s after the bell", said)


def test_facts_and_hypotheses_are_apart(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    station.act("note", "ben", text="perhaps the prompt")
    station.act("note", "ana", text="the reranker is off", standing="fact", cause=True)
    said = run("show", NAME).output
    facts, guesses = said.index("\nFacts"), said.index("\nHypotheses, not known to be true")
    assert facts < said.index("2. the reranker is off [the cause] (ana)") < guesses
    assert guesses < said.index("1. perhaps the prompt (ben)")


def test_who_stands_for_a_fact_and_who_refuted_what(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    for text in ("the reranker is off", "the prompt is old"):
        station.act("note", "ben", text=text)
    station.act("establish", "ana", entry=1, reason="the log shows it")
    station.act("establish", "ana", entry=2, holds=False, reason="it is of today")
    said = " ".join(run("show", NAME).output.split())
    assert "Facts 1. the reranker is off (ben; ana stands for it: the log shows it)" in said
    assert "Refuted 2. the prompt is old (ben; ana refuted it: it is of today)" in said


def test_how_the_severity_came_to_be(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    station.act("declare", "ana", severity="sev2", reason="money")
    station.act("declare", "ana", severity="sev3", reason="one tenant")
    station.act("assess", "ben", harm=3, reason="a customer was hurt")
    said = " ".join(run("show", NAME).output.split())
    assert "severity sev3 (sev1 proposed)" in said
    assert re.search(r"ana declares sev2: money \d\d:\d\d:\d\d ana lowers to sev3: one tenant", said)
    assert "harm 3: people are in danger (ben: a customer was hurt)" in said
    assert re.search(r"sev1 is proposed since .*, declared is sev3: raise it or say why not", said)
    assert f"$ firestation declare {NAME} sev1 --reason '...'" in said


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_no_line_is_wider_than_the_terminal_but_what_is_to_be_copied(
    run: Run, station: Any, columns: str
) -> None:
    station.seal("a very long reason " * 40)
    said = run("show", NAME, env={"COLUMNS": columns}).output
    assert "\x1b" not in said
    wide = [line for line in said.splitlines() if len(line) > int(columns)]
    assert all(line.strip().startswith("$ firestation ") for line in wide)


def test_hostile_evidence_is_shown_and_does_nothing(run: Run, station: Any) -> None:
    station.ring("\x1b[2J[bold red]owned[/bold red] \u202egnp.exe" + "x" * 3000)
    station.act("acknowledge", "ana")
    station.act("note", "ana", text="[link=file:///etc/passwd]x[/link]\x1b]8;;evil\x07")
    said = run("show", NAME, "--all", env={"FORCE_COLOR": "1"}).output
    bare = "".join(re.sub(r"\x1b\[[0-9;]*m", "", said).split())
    assert r"\x1b[2J[boldred]owned[/boldred]\u202egnp.exe" in bare
    assert "[link=file:///etc/passwd]x[/link]" in bare
    assert not re.search(r"\x1b(?!\[[0-9;]*m)", said)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", said)


def test_without_colour_nothing_is_lost(run: Run, station: Any) -> None:
    station.seal()
    strip = re.compile(r"\x1b\[[0-9;]*m")
    coloured = run("show", NAME, env={"FORCE_COLOR": "1"}).output
    bare = run("show", NAME, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).output
    assert "\x1b[1;31m" in coloured
    assert not re.search(r"\x1b\[(\d+;)?3\d", bare)
    words = [
        re.sub(r"\d+s|\d\d:\d\d:\d\d|in 1m|in \d+m", "", strip.sub("", each)).split()
        for each in (coloured, bare)
    ]
    assert words[0] == words[1]


def test_the_tail_of_the_timeline_and_all_of_it(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    for number in range(30):
        station.act("note", "ana", text=f"thought {number}.")
    count = len(station.record)
    assert f"Timeline (the last 12 of {count}; all with --all)" in run("show", NAME).output
    everything = run("show", NAME, "--all").output
    assert "ana notes a hypothesis: thought 0." in everything
    assert "the last" not in everything


def test_json_is_the_whole_picture(run: Run, station: Any) -> None:
    station.seal()
    result = run("show", NAME, "--json")
    assert result.stderr == ""
    assert Picture.model_validate(json.loads(result.stdout)).incident == NAME


def test_json_is_ascii_so_that_it_does_nothing_to_a_terminal(run: Run, station: Any) -> None:
    station.ring("\x1b[2J\u202e")
    assert run("show", NAME, "--json").stdout.isascii()
    assert "\x1b" not in run("show", NAME, "--json").stdout


def act_while_looked_at(station: Any, *acts: Callable[[], None]) -> None:
    """Do one of these at each look."""
    left = [lambda: None, *acts]
    station.before_picture = lambda: left.pop(0)() if left else None


def test_follow_prints_new_lines_and_ends_with_the_incident(run: Run, station: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("cli.watch.POLL_SECONDS", 0.01)
    act_while_looked_at(
        station,
        lambda: station.act("acknowledge", "ana"),
        lambda: station.act("dismiss", "ana", reason="a load test"),
    )
    result = run("show", NAME, "--follow")
    assert result.exit_code == 0
    taken, over = result.output.index("ana takes it as captain"), result.output.index("ana dismisses it")
    assert taken < result.output.index(f"$ firestation declare {NAME} sev2") < over
    assert "The incident is dismissed. Nothing is waited for." in result.output


def test_follow_prints_a_note_of_what_happened_before(run: Run, station: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("cli.watch.POLL_SECONDS", 0.01)
    station.act("acknowledge", "ana")
    act_while_looked_at(
        station,
        lambda: station.act("note", "ana", text="the lights went out", at=NOON),
        lambda: station.act("dismiss", "ana", reason="a load test"),
    )
    followed = run("show", NAME, "--follow").output.partition("Timeline")[2]
    assert followed.count("ana takes it as captain") == 1
    assert followed.count("the lights went out") == 1
    assert followed.index("the lights went out") < followed.index("ana dismisses it")


def test_follow_as_json_is_one_object_a_line(run: Run, station: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("cli.watch.POLL_SECONDS", 0.01)
    station.act("acknowledge", "ana")
    act_while_looked_at(station, lambda: station.act("dismiss", "ana", reason="a load test"))
    lines = [json.loads(line) for line in run("show", NAME, "-f", "--json").stdout.splitlines()]
    assert [each["kind"] for each in lines] == [event.kind for event in station.record]


def test_follow_waits_for_a_station_that_is_away(run: Run, station: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("cli.watch.POLL_SECONDS", 0.01)
    station.act("acknowledge", "ana")

    act_while_looked_at(
        station,
        lambda: setattr(station, "outages", 3),
        lambda: station.act("dismiss", "ana", reason="a load test"),
    )
    result = run("show", NAME, "--follow")
    assert result.exit_code == 0
    assert "still watching: the station cannot do it now: Temporal is away" in " ".join(result.output.split())


def test_incidents_lists_and_says_what_to_type(run: Run, station: Any) -> None:
    said = run("incidents").output
    assert f"{NAME}  open  captain nobody" in said
    assert f"$ firestation show {NAME}" in said
    station.names = []
    assert "No incident is open. Those that have ended: --all" in run("incidents").output
    assert json.loads(run("incidents", "--json").stdout) == []


def test_times_are_in_the_readers_zone_and_dated_when_not_today() -> None:
    here = NOON.astimezone()
    assert clock(NOON, NOON) == f"{here:%H:%M:%S}"
    assert clock(NOON - timedelta(days=3), NOON) == f"{here - timedelta(days=3):%Y-%m-%d %H:%M:%S}"


def test_what_is_late_says_so() -> None:
    assert towards(NOON + timedelta(minutes=3), NOON) == "in 3m"
    assert towards(NOON - timedelta(minutes=3), NOON) == "OVERDUE by 3m"


def test_the_list_says_for_how_long_something_is_waited_for(run: Run, station: Any) -> None:
    since = (datetime.now(UTC) - timedelta(hours=2, minutes=5)).isoformat()
    row = {"incident": NAME, "phase": "declared", "open": True, "waiting": "the overdue word to the team"}
    for said, told in (
        (since, "the overdue word to the team, for 2h 5m"),
        (None, "to the team\n"),
        ("x", "team\n"),
    ):
        station.override = 200, json.dumps([{**row, "waiting_since": said}]).encode()
        assert told in run("incidents").output
