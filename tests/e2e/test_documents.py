"""Every command of the documents, typed as a reader would, on a station with the agent that they speak of."""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from firestation.firebreak import Lease
from tests.docs.documents import ROOT, blocks, commands
from tests.e2e.captain import approve, finish, firebreak, stands, take
from tests.e2e.processes import Agent, Station, a_station, free_port, reached, wait_for, write_station

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

BIN = ROOT / ".venv" / "app" / "bin"
EXPECTED = {
    "firestation system check examples/refund_agent/system.yaml": 1
}  # its honest gap: no human review


def surroundings(more: Mapping[str, str]) -> dict[str, str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("FIRESTATION_", "TEMPORAL_"))
    }
    return kept | {"PATH": f"{BIN}:{kept['PATH']}", "COLUMNS": "100"} | dict(more)


def run(command: str, **environment: str) -> str:
    """Its output; it must end as the document leads one to expect."""
    done = reached(
        lambda: subprocess.run(
            shlex.split(command),
            cwd=ROOT,
            env=surroundings(environment),
            capture_output=True,
            text=True,
            check=False,
        )
    )
    assert done.returncode == EXPECTED.get(command, 0), f"$ {command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def a_wrong_refund(agent: Agent) -> str:
    """The id of a request whose ruling is wrong; the eval asks what the lock of the runbook asks."""
    body = agent.http.post("/evals/run").json()
    return str(next(case["request_id"] for case in body["cases"] if not case["passed"]))


def test_readme() -> None:
    demo, tests = commands(ROOT / "README.md")
    assert tests == "make test"  # which runs this
    told = run(demo)
    for line in ("audit            PASSED: 11 rules", "lock, frozen     failed", "lock, live       passed"):
        assert line in told


def test_authoring() -> None:
    for command in commands(ROOT / "docs/authoring.md"):
        assert run(command).strip()


def test_access(tmp_path: Path) -> None:
    """Each command needs the state folder and the station file alone."""
    station = {"FIRESTATION_STATION": "examples/station/station.yaml", "FIRESTATION_STATE": str(tmp_path)}
    for command in commands(ROOT / "docs/access.md"):
        assert run(command, **station).strip()


def test_evidence(agent: Agent, station: Station, tmp_path: Path) -> None:
    """Each command once the evidence is sealed; the export goes to a folder of the test's."""
    agent.fault("stale_policy")
    incident = agent.ring(station)
    sealed = station.until(incident, "the seal", lambda seen: seen.sealed).sealed
    assert sealed
    places = {
        "INCIDENT": incident,
        "DIGEST": sealed.artifacts[0].digest[:8],
        "evidence-of-the-night": str(tmp_path / "export"),
        ".firestation": str(station.state),
    }
    for command in commands(ROOT / "docs/evidence.md"):
        for word, place in places.items():
            command = command.replace(word, place)  # noqa: PLW2901 - it is the command as it is typed
        assert run(command, FIRESTATION_STATE=str(station.state), FIRESTATION_AS="ana").strip()


def test_firebreaks(agent: Agent, station: Station) -> None:
    """Each command at its moment, on the lever that it speaks of."""
    agent.fault("stale_policy")
    incident = agent.ring(station)
    station.act("ana", incident, "acknowledge")
    station.act("ana", incident, "declare", severity="sev2", reason="wrong refunds leave")
    states = {"approve": Lease.PROPOSED, "extend": Lease.EFFECTIVE, "stop": Lease.EFFECTIVE}
    for command in commands(ROOT / "docs/firebreaks.md"):
        verb, digest = command.split()[1], ""
        if verb in states:
            seen = station.until(incident, f"the moment to {verb}", stands("reranker", states[verb]))
            digest = firebreak(seen, "reranker").digest[:12]
        typed = command.replace("INCIDENT", incident).replace("DIGEST", digest)
        told = run(typed, FIRESTATION_STATE=str(station.state), FIRESTATION_AS="ana")
        if command.endswith("--plan"):
            assert "reranker: off -> on" in told
            assert "gone through on 2026-11-25" in told
    seen = station.until(incident, "the way back", stands("reranker", Lease.LIFTED))
    assert seen.runbook == "retrieval-poisoning"


def test_after_action(agent: Agent, station: Station) -> None:
    """The tasks of an incident that has ended: they are followed up whatever dies, and finished by a person's word."""
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    station.until(incident, "the refund tool to be off", stands("refund_tool", Lease.EFFECTIVE))
    approve(station, incident)
    finish(station, incident, agent)
    station.kill("worker")
    who = {"FIRESTATION_STATE": str(station.state), "FIRESTATION_AS": "ben"}

    def listed() -> bool:
        """Visibility is a moment behind, and a worker that died is a moment away."""
        return f"firestation finish {incident} postmortem" in run("firestation tasks", **who)

    told: list[str] = []
    wait_for("the tasks", listed)
    for command in commands(ROOT / "docs/after-action.md"):
        told.append(" ".join(run(command.replace("INCIDENT", incident), **who).split()))
        assert "eval-lock" in told[-1]
    assert "by ben: it is written and discussed" in told[-1]


def test_legal_clocks(agent: Agent, tmp_path: Path) -> None:
    """Each command on a station whose system file has the `legal` that the document teaches."""
    agent.fault("stale_policy")
    (legal,) = blocks(ROOT / "docs/legal-clocks.md", "yaml")
    changes = {"title: Refund agent\n": f"title: Refund agent\n{legal}"}
    with a_station(tmp_path / "station", agent, system_changes=changes) as station:
        incident = agent.ring(station)
        station.act("ana", incident, "acknowledge")
        station.act("ana", incident, "declare", severity="sev2", reason="wrong refunds leave")
        seen = station.until(incident, "the proposal", stands("reranker", Lease.PROPOSED))
        digest = firebreak(seen, "reranker").digest[:12]
        for command in commands(ROOT / "docs/legal-clocks.md"):
            typed = command.replace("INCIDENT", incident).replace("DIGEST", digest)
            told = " ".join(run(typed, FIRESTATION_STATE=str(station.state), FIRESTATION_AS="ana").split())
            if command.endswith("--plan"):
                assert "THE LAW do not alter before informing applies" in told
            if command.startswith("firestation show"):
                assert "runs eu-ai-act-73-2, for serious-incident: due" in told
        seen = station.picture(incident)
        assert [(each.clock.id, each.running) for each in seen.legal] == [
            ("eu-ai-act-73-2", False),
            ("gdpr-33", False),
        ]


def test_operations_up(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first command, with ports and a folder that are free here."""
    up, *_ = commands(ROOT / "docs/operations.md")
    state = tmp_path_factory.mktemp("up")
    write_station(state, agent)
    ports = [f"--{name} {free_port()}" for name in ("port", "temporal-port", "ui-port")]
    command = up.replace("firestation", f"firestation --state {state}", 1) + " " + " ".join(ports)
    with subprocess.Popen(
        shlex.split(command), cwd=ROOT, env=surroundings({}), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "The station is up.\n"
        finally:
            process.terminate()
    assert process.returncode == 0


def test_operations_at_three_in_the_morning(agent: Agent, station: Station) -> None:
    """The walk of the document, each command once what it needs is there."""
    agent.fault("stale_policy")
    _, ring, *walk = commands(ROOT / "docs/operations.md")
    here = {"FIRESTATION_STATE": str(station.state), "FIRESTATION_AS": "ana"}
    told = run(ring.replace("REQUEST", a_wrong_refund(agent)), **here)
    incident = re.search(r"refund-agent-[0-9a-f]{8}", told)
    assert incident, told
    name = incident[0]
    levers = {"approve": "reranker", "adopt": "reranker", "lift": "refund_tool"}
    needed = {
        "approve": stands("reranker", Lease.PROPOSED),
        "adopt": lambda seen: seen.restored_at,
        "lift": stands("refund_tool", Lease.EFFECTIVE),
        "close": lambda seen: seen.lock_proved and seen.postmortem,
    }
    for command in walk:
        verb = command.split()[1]
        if verb in needed:
            station.until(name, f"the moment to {verb}", needed[verb], 90)
        if verb == "incidents":
            wait_for("the list", lambda: name in run("firestation incidents", **here))
        digest = firebreak(station.picture(name), levers[verb]).digest[:8] if verb in levers else ""
        told = run(command.replace("INCIDENT", name).replace("DIGEST", digest), **here)
        assert told.strip()
        if verb == "replay":
            assert "PASSED" in told or '"passed": true' in told
