"""The lock and its people on a terminal: who is missing, what hangs on the wall, what broke it."""

import hashlib
import json
import shlex
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import Result

from firestation.acts import ACTS
from firestation.record import Recalled
from firestation.wall import Doubt, Recall, Wall
from gateway.app import side_by_side
from tests.docs.documents import ROOT, commands
from tests.property.worlds import START, wall_break, wall_lock

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"
BEN = {"FIRESTATION_TOKEN": "token-ben"}


def flat(result: Result) -> str:
    return " ".join(result.output.split())


def test_a_waiver_says_who_is_missing_and_the_second_person_ends_it(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    result = run("waive", NAME, "lock", "--until", "14d", "--reason", "the eval is not ready")
    assert result.exit_code == 0
    assert "a second person for the waiver of the lock until" in flat(result)
    assert f"$ firestation second {NAME} --reason '...'" in result.output
    assert "MISSING a second person" in flat(run("show", NAME))
    alone = run("second", NAME, "--reason", "mine")
    assert (alone.exit_code != 0, "a second person is needed (who could: ben)" in flat(alone)) == (True, True)
    result = run("second", NAME, "--reason", "it is ordered", env=BEN)
    assert result.exit_code == 0
    assert "You stand for the waiver of the lock" in flat(result)
    assert "lock waived by ana, seconded by ben" in flat(run("show", NAME))


def test_what_was_replaced_between_the_look_and_the_word_is_not_seconded(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    until = datetime.now().astimezone() + timedelta(days=3)
    station.act("waive", "ana", what="lock", reason="first", until=until)
    asked, act = [], station.act

    def replaced(kind: str, by: str, **fields: Any) -> None:
        asked.append(fields)
        act("waive", "ana", what="lock", reason="another", until=until)
        act(kind, by, **fields)

    station.act = replaced
    result = run("second", NAME, "--reason", "the first", env=BEN)
    assert (result.exit_code != 0, "was replaced meanwhile" in flat(result)) == (True, True)
    assert len(asked[0]["word"]) == 64


def test_a_document_goes_by_its_digest(run: Run, station: Any, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []
    station.act = lambda kind, by, **fields: asked.append(fields)
    (tmp_path / "handbook.md").write_text("Two people sign.")
    words = ("attest", NAME, "--change", "two sign", "--reference", "4.2", "--verify-by", "90d", "--document")
    assert run(*words, str(tmp_path / "handbook.md")).exit_code == 0
    assert asked[0]["document"] == hashlib.sha256(b"Two people sign.").hexdigest()
    result = run(*words, str(tmp_path / "nowhere.md"))
    assert (result.exit_code != 0, "--document" in result.output) == (True, True)
    odd = run(*words[:-3], "--verify-by", "some day")
    assert "--verify-by" in odd.output


def test_every_command_of_the_document_is_one(run: Run, station: Any, tmp_path: Path) -> None:
    handbook = tmp_path / "handbook.md"
    handbook.write_text("Two people sign.")
    asked: list[str] = []

    def heard(kind: str, by: str, **fields: Any) -> None:
        ACTS[kind].model_validate({"by": by, **fields})
        asked.append(kind)

    station.act = heard
    ours = [line for line in commands(ROOT / "docs/locks.md") if line.startswith("firestation ")]
    for line in ours:  # the tools' own are run in tests/e2e/test_locks.py
        words = [NAME if word == "INCIDENT" else word for word in shlex.split(line)]
        words = [str(handbook) if word == handbook.name else word for word in words]
        if "--as" in words:
            del words[words.index("--as") : words.index("--as") + 2]
        if words[1] == "locks":
            wall(station, locks=(wall_lock(),))
        assert (words[0], run(*words[1:]).exit_code) == ("firestation", 0), line
        station.override = None
        asked += ["locks"] if words[1] == "locks" else []
    assert asked == ["waive", "second", "attest", "second", "locks", "locks"]


def wall(station: Any, **parts: Any) -> None:
    told = side_by_side(Wall(**parts)).model_dump(mode="json")
    station.override = (200, json.dumps(told).encode())


def test_the_wall_says_since_when_by_whom_and_what_broke_it(run: Run, station: Any) -> None:
    lock = wall_lock()
    over = wall_lock(
        incident="refund-agent-00000000", how="waived", by=("ana", "ben"), until=START - timedelta(days=1)
    )
    broken = wall_break(lock)
    doubt = Doubt(name="locks/refund-agent/x.json", why="another key sealed it \x1b[31m")
    wall(station, locks=(lock, over), broken=(broken,), doubts=(doubt,))
    result = run("locks")
    text = flat(result)
    assert "refund-agent: reranker-regression" in text
    assert "proved 2026-10-24 A refund after the window is denied" in text
    assert "broken by refund-agent-99999999, 2026-11-23" in text
    assert "waived 2026-10-24 by ana and ben until 2026-11-22 (OVER)" in text
    assert "not believed: locks/refund-agent/x.json" in text
    assert "\x1b" not in result.output
    found = json.loads(run("locks", "refund-agent", "--json").output)
    assert found["locks"][0]["broken"][0]["incident"] == "refund-agent-99999999"


def test_an_empty_wall_and_a_strange_one_are_told_apart(run: Run, station: Any) -> None:
    wall(station)
    assert "No lock hangs on the wall yet" in run("locks").output
    station.override = (200, b'{"locks": [{"lock": {"kind": "door"}}]}')
    assert run("locks").exit_code != 0
    station.override = (200, b"[]")
    assert run("locks").exit_code != 0


def test_a_broken_lock_stands_above_everything(run: Run, station: Any) -> None:
    recall = Recall(pattern="reranker-regression", locks=(wall_lock(),))
    station.happen(Recalled(at=datetime.now().astimezone(), recall=recall))
    line = "lock broken: A refund after the window is denied, proved 2026-10-24 after refund-agent-5e6f7a8b"
    for command in ("show", "briefing"):
        assert line in flat(run(command, NAME)), command
    assert "one step graver than sev2" in flat(run("show", NAME))
