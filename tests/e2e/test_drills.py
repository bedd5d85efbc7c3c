"""Eight drills, one after the other, on one station with one agent: each is scored, and nobody outside hears of it.

Whether the agent is as it was before is measured on the agent itself.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firestation.drill import KINDS
from tests.e2e.processes import ROOT, SHORTER, Agent, Station, a_station, an_agent

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

QUICK = {**SHORTER, "soak: 10m": "soak: 1s"}


@dataclass(frozen=True)
class Place:
    """The agent and its station, and how the levers stood before the first drill."""

    agent: Agent
    station: Station
    start: dict[str, Any]

    def words(self, channel: str) -> list[dict[str, Any]]:
        """Everything that was ever sent by this channel."""
        path = self.station.state / "words" / f"{channel}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("drills")
    with (
        an_agent(folder / "agent") as agent,
        a_station(folder / "station", agent, changes=QUICK) as station,
    ):
        yield Place(agent, station, agent.levers())


def firestation(station: Station, *words: str, person: str = "ana") -> subprocess.CompletedProcess[str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("FIRESTATION_", "TEMPORAL_"))
    }
    here = {"FIRESTATION_STATE": str(station.state), "FIRESTATION_AS": person, "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=ROOT,
        env=kept | here | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_drill(place: Place, kind: str) -> None:
    agent, station = place.agent, place.station
    done = firestation(station, "drill", "run", kind, "--auto", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    name, score = result["mark"]["drill"], result["score"]
    assert (result["verdict"], score["ended"]) == ("in time", "closed"), score
    assert {line["what"]: line["verdict"] for line in score["lines"]} == dict.fromkeys(
        ["acknowledge", "staff", "declare", "seal", "decide", "first word", "effective", "restore", "lock"],
        "in time",
    )
    assert score["moves"]
    assert all(move["effective"] for move in score["moves"])

    assert agent.http.get("/faults").json() == {}
    assert agent.levers() == place.start

    seen = station.picture(name)
    assert seen.title == "DRILL: Refund agent"
    assert seen.tickets == ()
    sent = [word for channel in ("pager", "room") for word in place.words(channel)]
    ours = [word for word in sent if word["incident"] == name]
    assert ours
    assert all(word["title"].startswith("DRILL") for word in ours)
    assert {word["to"] for word in ours if word["to"]} <= {"ana@example.org", "ben@example.org"}
    assert place.words("public") == []
    report = station.replay(name)
    assert (report["passed"], report["replay"]) == (True, "same"), report


def test_the_report_is_for_a_manager(place: Place) -> None:
    print(firestation(place.station, "drill", "report").stdout)
    print(Path.cwd())
