"""Everything dies in the middle of a drill, and it ends as it should: cleared, scored, and told to nobody outside."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from firestation.errors import Unreachable
from firestation.firebreak import Lease
from tests.e2e.captain import stands
from tests.e2e.processes import ROOT, SHORTER, Station, a_station, an_agent, free_port, standing, wait_for
from workflows import messages

pytestmark = [pytest.mark.e2e, pytest.mark.kill, pytest.mark.timeout(240)]

QUICK = SHORTER | {"soak: 10m": "soak: 1s"}
DRILL = messages.drill_workflow("refund-agent")


@contextmanager
def playing(station: Station) -> Iterator[subprocess.Popen[bytes]]:
    """The command that orders a drill and plays its people, whatever dies around it."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("FIRESTATION_", "TEMPORAL_"))
    }
    here = {"FIRESTATION_STATE": str(station.state), "FIRESTATION_AS": "ana", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli", "drill", "run", "stale-policy", "--auto", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=kept | here, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def burning(station: Station) -> str:
    """The name of the drill, once it has rung."""

    def look() -> str:
        with suppress(Unreachable):
            for each in station.as_person("ana").drills("refund-agent")["running"]:
                if each["step"] == "burning":
                    return str(each["mark"]["drill"])
        return ""

    return wait_for("the bell", look)


def seconds(line: dict[str, Any]) -> float:
    return float(line["took"])


def guard(station: Station) -> WorkflowExecutionStatus | None:
    """How the guard of the drill is."""

    async def described() -> WorkflowExecutionStatus | None:
        client = await Client.connect(station.temporal)
        name = messages.drill_guard("refund-agent")
        return (await client.get_workflow_handle(name).describe()).status

    return asyncio.run(described())


def test_everything_dies_and_the_drill_ends_as_it_should(tmp_path: Path) -> None:
    state, ports = tmp_path / "station", [free_port() for _ in range(3)]
    with an_agent(tmp_path / "agent") as agent:
        start = agent.levers()
        agent.fault("hang_moves", lever="model_route")  # so the way out of the fault hangs
        agent.fault("hang_after_move", lever="reranker")  # and nothing recovers before all was dead
        with a_station(state, agent, changes=QUICK, ports=ports) as station, playing(station) as people:
            wait_for("the fault to be set", lambda: "stale_policy" in agent.http.get("/faults").json())
            station.kill("worker")
            drill = burning(station)
            station.until(drill, "the reranker to be moved", stands("reranker", Lease.MOVING))
            dead_at = time.monotonic()
            station.kill_all()
            with standing(state, ports) as again:
                outage = time.monotonic() - dead_at
                agent.clear("hang_after_move")
                wait_for(
                    "the fault to be half cleared",
                    lambda: "stale_policy" not in agent.http.get("/faults").json(),
                )
                again.kill("worker")
                assert (again.done(DRILL, "clear_fault"), agent.lever("model_route")) == (0, "fallback")
                agent.clear("hang_moves")
                said, trouble = people.communicate(timeout=150)
                assert people.returncode == 0, trouble
                ended(again, drill, json.loads(said), outage)
        assert (agent.http.get("/faults").json(), agent.levers()) == ({}, start)


def ended(station: Station, drill: str, result: dict[str, Any], outage: float) -> None:
    """What must be so in the end."""
    lines = {line["what"]: line for line in result["score"]["lines"]}
    assert (result["mark"]["drill"], result["score"]["ended"]) == (drill, "closed"), result
    assert (result["verdict"], result["trouble"]) == ("in time", None)
    assert seconds(lines["restore"]) > seconds(lines["effective"]) >= outage, "what the outage cost counts"
    assert [station.done(DRILL, each) for each in ("inject_fault", "ring_drill", "keep_drill")] == [1, 1, 1]
    assert guard(station) is WorkflowExecutionStatus.COMPLETED

    seen = station.picture(drill)
    assert (seen.title, seen.drill and seen.drill.drill) == ("DRILL: Refund agent", drill)
    assert (seen.tickets, seen.recall, station.words("public")) == ((), None, [])
    assert not list((station.state / "words").glob("tasks/*"))
    for channel in ("pager", "room"):
        words = station.words(channel)
        keys = [each["key"] for each in words]
        assert words, channel
        assert len(keys) == len(set(keys)), "nobody is told twice"
        assert all(each["title"].startswith("DRILL") for each in words)
    assert {each["to"] for each in station.words("pager")} <= {"ana@example.org", "ben@example.org"}
    report = station.replay(drill)
    assert (report["passed"], report["replay"]) == (True, "same"), report
