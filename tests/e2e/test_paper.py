"""The plan on paper, typed by hand against the real refund agent: no engine runs in this test."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from firestation.loader import load_system
from tests.e2e.processes import TOKEN, Agent, write_station

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

TYPED = re.compile(r"^([A-Z`][^\n]*):\n\n```bash\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


class Night:
    """Somebody with the paper and a shell."""

    def __init__(self, text: str, folder: Path) -> None:
        self.text, self.folder = text, folder

    def commands(self, chapter: str) -> Iterator[tuple[str, str]]:
        """What to type in this chapter, each with the line that stands before it."""
        after = self.text.partition(f"(`{chapter}`)\n")[2].partition("\n## ")[0]
        yield from TYPED.findall(after)

    def type(self, command: str) -> str:
        """Its answer; it must succeed."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def night(agent: Agent, tmp_path: Path) -> Night:
    state = tmp_path / "station"
    state.mkdir()
    config = write_station(state, agent)
    command = ["runbook", "print", str(config / "system.yaml"), "--runbooks", str(config / "runbooks")]
    done = CliRunner().invoke(app, [*command, "--station", str(config / "station.yaml")])
    assert done.exit_code == 0, done.output
    return Night(done.stdout, state)


def told(answer: str) -> object:
    """The JSON of an answer, below its headers where they are shown."""
    return json.loads(answer.replace("\r\n", "\n").rpartition("\n\n")[2])


def test_every_printed_command_does_what_the_paper_says(agent: Agent, night: Night) -> None:
    """Read, move, read again, check, restore: lever by lever, with the truth from the agent itself."""
    agent.fault("stale_policy")
    before = {name: agent.lever(name) for name in ("refund_tool", "reranker")}
    assert before == {"refund_tool": "enabled", "reranker": "off"}
    done: list[str] = []
    for line, command in night.commands("stale-policy"):
        answer = night.type(command)
        match line.split("`"):
            case ["READ ", lever, *_]:
                assert isinstance(found := told(answer), dict)
                assert found["value"] == before[lever]
                assert "etag:" in answer.lower()
            case ["MOVE ", lever, _, to, *_]:
                assert agent.lever(lever) == to
            case ["RESTORE ", lever, _, at, *_]:
                assert agent.lever(lever) == at == before[lever]
                agent.clear("stale_policy")
            case ["", "no-wrong-refund", said]:
                assert "$.refund is absent" in said
                assert isinstance(found := told(answer), dict)
                assert found.get("refund") is None
            case ["", "golden", said]:
                assert "$.pass_ratio equals 1.0" in said
                assert isinstance(found := told(answer), dict)
                assert "pass_ratio" in found
            case _:
                pytest.fail(f"the paper says something else: {line}")
        done.append(line.partition(" ")[0].strip("`,"))
    assert done == [
        "READ",
        "MOVE",
        "no-wrong-refund",
        "RESTORE",
        "READ",
        "MOVE",
        "golden",
        "RESTORE",
        "golden",
    ]
    assert [move[:1] + move[2:] for move in agent.moves() if move[0] in before][-4:] == [
        ("refund_tool", "disabled"),
        ("refund_tool", "enabled"),
        ("reranker", "on"),
        ("reranker", "off"),
    ]


def test_the_lever_that_is_moved_by_hand_puts_the_fire_out(agent: Agent, night: Night) -> None:
    agent.fault("stale_policy")
    typed = dict(night.commands("stale-policy"))
    check = next(command for line, command in typed.items() if line.startswith("`golden`"))
    assert isinstance(burning := told(night.type(check)), dict)
    assert burning["pass_ratio"] < 1.0
    night.type(next(command for line, command in typed.items() if line.startswith("MOVE `reranker`")))
    assert isinstance(put_out := told(night.type(check)), dict)
    assert put_out["pass_ratio"] == 1.0


def test_every_lever_of_the_system_can_be_read_by_hand(agent: Agent, night: Night) -> None:
    before = night.text.partition("## Where every lever stands")[2].partition("\n## ")[0]
    typed = TYPED.findall(before)
    levers = load_system(night.folder / "config" / "system.yaml").levers
    assert [line.split("`")[1] for line, _ in typed] == [lever.id for lever in levers]
    for line, command in typed:
        assert isinstance(found := told(night.type(command)), dict)
        assert found["value"] == agent.lever(line.split("`")[1])


def test_the_paper_holds_no_credential(night: Night) -> None:
    assert TOKEN not in night.text
    assert '"Authorization: Bearer $(cat tokens/refund-agent)"' in night.text
    assert "1. Ana Reyes, ana@example.org; no answer after 2m: call the next one" in night.text
