"""Eight drills, one after the other, on one station with one agent: each is scored, and nobody outside hears of it.

Whether the agent is as it was before is measured on the agent itself.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from firestation.drill import KINDS
from firestation.picture import Picture
from tests.docs.documents import commands
from tests.e2e.processes import ROOT, Place, Station, a_place, reached, wait_for
from workflows.drill import NOT_BEGUN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with a_place(tmp_path_factory.mktemp("drills")) as place:
        yield place


def firestation(station: Station, *words: str, person: str = "ana") -> subprocess.CompletedProcess[str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("FIRESTATION_", "TEMPORAL_"))
    }
    here = {"FIRESTATION_STATE": str(station.state), "FIRESTATION_AS": person, "COLUMNS": "100"}
    return reached(
        lambda: subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=ROOT,
            env=kept | here | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    )


RUN, *REST = commands(ROOT / "docs/drills.md")
RUNBOOKS = {
    "prompt-rollback": "prompt-regression",
    "stale-policy": "stale-policy",
    "tool-runaway": "tool-loop-runaway",
    "privacy-leak": "privacy-leak",
    "judge-drift": "judge-drift",
    "cost-spike": "cost-runaway",
    "model-route": "model-route-regression",
    "soft-failure": "latency-fallback-harm",
}
AUDITED = ("stale-policy", "soft-failure")
"""The kinds whose history is replayed and audited here, too; the property tests do it with many lives."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_drill(place: Place, kind: str) -> None:
    agent, station = place.agent, place.station
    command = RUN.replace("stale-policy", kind).split()[1:]
    done = firestation(station, *command, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    name, score = result["mark"]["drill"], result["score"]
    assert (result["verdict"], score["ended"]) == ("in time", "closed"), result
    assert score["runbook"] == RUNBOOKS[kind]
    assert {line["what"]: line["verdict"] for line in score["lines"]} == dict.fromkeys(
        ["acknowledge", "staff", "declare", "seal", "decide", "first word", "effective", "restore", "lock"],
        "in time",
    )
    assert score["moves"]
    assert all(move["effective"] for move in score["moves"])

    assert agent.http.get("/faults").json() == {}
    assert agent.levers() == place.start

    seen = station.picture(name)
    assert (seen.title, seen.tickets) == ("DRILL: Refund agent", ())
    ours = [
        word
        for channel in ("pager", "room")
        for word in place.station.words(channel)
        if word["incident"] == name
    ]
    paged = {word["to"] for word in ours if word["to"]}
    assert {"ana@example.org"} <= paged <= {"ana@example.org", "ben@example.org"}
    assert all(word["title"].startswith("DRILL") for word in ours)
    assert (place.station.words("public"), seen.recall) == ([], None)
    assert not list((station.state / "words").glob("tasks/*"))
    if kind == "privacy-leak":
        the_leak_is_frozen_and_nobody_is_named(station, seen)
    if kind in AUDITED:
        report = station.replay(name)
        assert (report["passed"], report["replay"]) == (True, "same"), report


def the_leak_is_frozen_and_nobody_is_named(station: Station, seen: Picture) -> None:
    """The evidence shows that the filter was gone and what was found and told; whose it is stands as a pseudonym."""
    assert seen.sealed
    (artifact,) = (
        each
        for each in seen.sealed.artifacts
        if each.source == "traces" and each.name == f"trace {seen.incident}"
    )
    kept = station.state / "evidence" / "sha256" / artifact.digest[:2] / artifact.digest[2:]
    trace = json.loads(kept.read_bytes())
    assert (trace["tenant_filter"], trace["accounts"]["filtered_by"]) == ("none", [])
    assert "Account: " in trace["prompt"]["rendered"]
    assert trace["flags"]["account_details"] == "on"
    assert (trace["disclosed"]["others"], "@" in trace["answer"]) == (2, True)
    named = [trace, *trace["accounts"]["candidates"], *trace["disclosed"]["of"]]
    assert {each["user"][:2] for each in named} == {"p-"}
    assert trace["disclosed"]["of"][0]["user"] != trace["user"]
    told = json.dumps([station.words("pager"), station.words("room")])
    assert "@mail.example" not in told


def test_the_report_is_for_a_manager_and_a_drill_may_come_by_itself(place: Place) -> None:
    """Each further command of the document."""
    drill = json.loads(firestation(place.station, "drill", "report", "--json").stdout)["results"][0]["mark"][
        "drill"
    ]
    told = []
    for command in REST:
        done = firestation(place.station, *command.replace("DRILL", drill).split()[1:])
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
        told.append(" ".join(done.stdout.split()))
    report, one, wall, made, listed, removed = told
    assert report.count("in time drill-") == len(KINDS)
    assert "never drilled guardrail-bypass no drill of this system goes by it" in report
    assert "never drilled privacy-leak" not in report
    assert f"DRILL {drill}: " in one
    assert "IN TIME 9 of 9 things with a limit were done in time; recovery was proved" in one
    assert "somebody took it" in one
    assert "ready on refund-agent: last drilled on" in wall
    assert "never drilled on refund-agent: no drill of this system goes by it" in wall
    schedule = (
        "cost-spike-on-refund-agent: every 30d, within 8h; drilled by whoever is on call; ordered by ana"
    )
    assert (made, listed, removed) == (schedule, schedule, "removed cost-spike-on-refund-agent")
    assert "No drill comes by itself" in firestation(place.station, "drill", "schedule").stdout


def test_a_drill_that_is_called_off_leaves_no_lever_where_the_fault_had_moved_it(place: Place) -> None:
    agent, ana = place.agent, place.station.as_person("ana")
    drill = ana.order_drill({"kind": "stale-policy", "system": "refund-agent"})["mark"]["drill"]
    wait_for("the fault", lambda: "stale_policy" in agent.http.get("/faults").json())
    assert agent.lever("reranker") == "off"
    ana.stop_drill(drill)
    results = wait_for(
        "its result",
        lambda: [each for each in ana.drills("refund-agent")["results"] if each["mark"]["drill"] == drill],
    )
    assert [each["trouble"] for each in results] in ([None], [NOT_BEGUN])
    assert (agent.http.get("/faults").json(), agent.levers()) == ({}, place.start)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "no-such"), "there is no drill 'no-such'"),
        (("run", "stale-policy", "--system", "no-such"), "there is no system 'no-such'"),
        (("run", "stale-policy", "--driller", "cara"), "nobody of those who drill may be the captain"),
        (("schedule", "stale-policy", "--every", "1h"), "every"),
        (("stop", "drill-stale-policy-00000000"), "no drill"),
    ],
)
def test_an_order_that_cannot_be_followed_says_why(place: Place, words: tuple[str, ...], says: str) -> None:
    done = firestation(place.station, "drill", *words)
    assert done.returncode not in {0, 70}
    assert says in " ".join((done.stdout + done.stderr).split())


def test_only_captains_order_drills(place: Place) -> None:
    done = firestation(place.station, "drill", "run", "stale-policy", person="cara")
    assert done.returncode == 1
    assert "cara does not hold the role captain" in " ".join((done.stdout + done.stderr).split())
