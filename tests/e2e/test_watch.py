"""The seed's silent fault: every dashboard is green, nobody complains, and the watch rings."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from firestation.picture import Picture
from firestation.watch.view import DetectorView
from tests.docs.documents import ROOT, commands
from tests.e2e.fires import LATE
from tests.e2e.processes import Agent, Station, a_station, reached, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

EACH_SECOND = {
    "check: golden\n    at_least: 0.98\n    matters: 0.05\n    every: 5m": (
        "check: golden\n    at_least: 0.98\n    matters: 0.05\n    every: 1s"
    ),
    "check: fresh-policy\n    at_least: 0.99\n    matters: 0.02\n    every: 1m": (
        "check: fresh-policy\n    at_least: 0.99\n    matters: 0.02\n    every: 1s"
    ),
}
FAST_SECONDS, MOST = 0.5, 0.9
"""A dashboard of latency is green while most answers are fast; a machine under load stalls now and then."""


def customer(agent: Agent) -> str:
    """A customer asks for a late refund; the request's id."""
    question, item, days, amount = LATE
    order = {"id": "o-late", "item": item, "days_since_purchase": days, "amount": amount}
    body = {"tenant": "acme", "user": "u-7", "question": question, "order": order}
    return str(agent.http.post("/ask", json=body).raise_for_status().json()["request_id"])


def dashboards(agent: Agent) -> None:
    """What a dashboard of requests has: no answer is an error, and none is slow."""
    told = agent.http.get("/metrics").text
    assert not re.findall(r'^http_requests_total\{status="[45]\d\d"\} .+$', told, re.MULTILINE)
    asked = float(re.findall(r"^ask_latency_seconds_count (.+)$", told, re.MULTILINE)[0])
    (fast,) = re.findall(rf'^ask_latency_seconds_bucket\{{le="{FAST_SECONDS}"\}} (.+)$', told, re.MULTILINE)
    assert float(fast) >= MOST * asked


def run(station: Station, command: str) -> str:
    found = {"FIRESTATION_STATE": str(station.state), "FIRESTATION_AS": "ana", "COLUMNS": "200"}
    path = f"{ROOT / '.venv/app/bin'}:{os.environ['PATH']}"
    words, around = shlex.split(command), os.environ | found | {"PATH": path}
    done = reached(
        lambda: subprocess.run(words, cwd=ROOT, env=around, capture_output=True, text=True, check=False)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def detectors(station: Station) -> dict[str, DetectorView]:
    return {each.detector: each for each in station.as_person("ana").detectors("refund-agent")}


def test_it_rings_for_the_silent_fault_with_every_dashboard_green(agent: Agent, tmp_path: Path) -> None:
    with a_station(tmp_path / "station", agent, system_changes=EACH_SECOND, watch=True) as station:
        gateway = station.as_person("ana")

        def all_quiet() -> bool:
            customer(agent)
            seen = detectors(station)
            return {seen[name].standing for name in ("golden", "fresh")} == {"quiet"}

        wait_for("the watch to find it quiet", all_quiet)
        assert detectors(station)["cost"].standing == "waits"  # it looks every five minutes
        assert gateway.incidents(only_open=False) == []

        agent.fault("stale_policy")
        harmed: list[str] = []

        def incident() -> str | None:
            harmed.append(customer(agent))
            found = gateway.incidents(only_open=True)
            return str(found[0]["incident"]) if found else None

        name = wait_for("the watch to ring", incident)
        dashboards(agent)

        def both(seen: Picture) -> bool:
            return {each.alarm.labels["detector"] for each in seen.alarms} == {"golden", "fresh"}

        picture = station.until(name, "both detectors", both)
        assert len(gateway.incidents(only_open=False)) == 1  # one fire, not two
        alarms = {each.alarm.labels["detector"]: each.alarm for each in picture.alarms}
        assert {each.source for each in alarms.values()} == {"watch"}
        assert float(alarms["golden"].annotations["e_value"]) > 10**7
        assert "at least 98.0 % is promised" in alarms["golden"].summary
        assert set(alarms["fresh"].request_ids) & set(harmed)

        sealed = station.until(name, "the evidence", lambda seen: seen.sealed).sealed
        assert sealed is not None
        frozen = " ".join(each.name for each in sealed.artifacts)
        assert any(each in frozen for alarm in alarms.values() for each in alarm.request_ids)

        told = [run(station, command) for command in commands(ROOT / "docs/watch.md")]
        assert f"firestation show {name}" in told[0]
        shown = {each["detector"]: each for each in json.loads(told[1])["detectors"]}
        assert shown["golden"]["standing"] == "rang"
        assert shown["golden"]["incident"] == name
