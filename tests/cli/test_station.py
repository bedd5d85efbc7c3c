import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []

    def become(program: str, words: list[str]) -> None:
        told.extend(words)
        raise SystemExit

    monkeypatch.setattr("os.execv", become)
    return told


def test_up_becomes_the_station(run: Run, became: list[str]) -> None:
    run(
        "--state",
        "s",
        "up",
        "--station",
        "st.yaml",
        "--systems",
        "sys",
        "--port",
        "1",
        "--ui-port",
        "2",
        "--json",
    )
    assert became[:3] == [sys.executable, "-m", "worker.station"]
    assert became[3:] == [
        "--state",
        "s",
        "--station",
        "st.yaml",
        "--systems",
        "sys",
        "--port",
        "1",
        "--ui-port",
        "2",
        "--json",
    ]


def test_replay_says_how_it_ended(run: Run, monkeypatch: Any, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def start(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[1:])
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr("subprocess.run", start)
    (tmp_path / "station.json").write_text(json.dumps({"temporal": "127.0.0.1:9"}))
    result = run("--state", str(tmp_path), "replay", NAME, "--json")
    assert result.exit_code == 1
    assert asked == [["-m", "worker.replay", NAME, "--address", "127.0.0.1:9", "--json"]]


def test_the_gateway_of_the_state_folder_is_found(url: str, tmp_path: Path) -> None:
    (tmp_path / "station.json").write_text(json.dumps({"gateway": url}))
    surroundings = {"FIRESTATION_TOKEN": "token-ana", "FIRESTATION_URL": None}
    result = CliRunner().invoke(app, ["--state", str(tmp_path), "ack", NAME], env=surroundings)
    assert result.exit_code == 0


def test_a_broken_station_json_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "station.json").write_text("[")
    surroundings = {"FIRESTATION_URL": None, "FIRESTATION_TOKEN": None}
    result = CliRunner().invoke(app, ["--state", str(tmp_path), "incidents"], env=surroundings)
    assert result.exit_code in {3, 5}
    assert "http://127.0.0.1:8420" in result.stderr
