"""A real Prometheus and Alertmanager ring the bell when the agent's own metric falls, and again when it is well.

Alertmanager rings twice: as itself, and as the client of PagerDuty that it has built in.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from firestation.firebreak import Lease
from tests.e2e.captain import approve, finish, stands, take
from tests.e2e.processes import Agent, Station, a_station, an_agent, free_port, needs, running, wait_for
from tests.e2e.prometheus import ready, settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RULE = "RefundGoldenEvalFailing"
BELL = "  - id: alertmanager\n    format: alertmanager\n"
BELLS = {BELL: f"{BELL}  - {{id: pager, format: pagerduty-events}}\n"}


def prometheus_files(folder: Path, agent: Agent, alertmanager: str) -> None:
    """What an operator would write: scrape the agent, alert on its golden eval, send it to Alertmanager."""
    (folder / "prometheus.json").write_text(json.dumps(settings(agent, alertmanager)))


def alertmanager_file(folder: Path, station: Station) -> None:
    token = station.state / "tokens" / "bell-alertmanager"
    webhook = {
        "url": f"{station.url}/alarms/alertmanager",
        "send_resolved": True,
        "http_config": {"authorization": {"type": "Bearer", "credentials_file": str(token)}},
    }
    pagerduty = {
        "url": f"{station.url}/v2/enqueue",
        "routing_key": station.token("bell-pager"),
        "class": "{{ .CommonLabels.alertname }}",
        "details": {"system": "{{ .CommonLabels.system }}"},
    }
    route = {"receiver": "firestation", "group_wait": "1s", "group_interval": "2s", "repeat_interval": "4s"}
    receiver = {"name": "firestation", "webhook_configs": [webhook], "pagerduty_configs": [pagerduty]}
    config = {"route": route, "receivers": [receiver]}
    (folder / "alertmanager.json").write_text(json.dumps(config))


@contextmanager
def watching(folder: Path, agent: Agent, station: Station) -> Iterator[None]:
    """Prometheus and Alertmanager, from Debian's packages, started by us."""
    prometheus = needs("prometheus", "prometheus")
    alertmanager = needs("prometheus-alertmanager", "prometheus-alertmanager")
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    folder.mkdir()
    prometheus_files(folder, agent, addresses[1])
    alertmanager_file(folder, station)
    with ExitStack() as stack:
        for program, name, address, more in (
            (alertmanager, "alertmanager", addresses[1], ["--cluster.listen-address="]),
            (prometheus, "prometheus", addresses[0], []),
        ):
            storage = "storage.tsdb.path" if name == "prometheus" else "storage.path"
            command = [program, f"--config.file={folder / name}.json", f"--{storage}={folder / name}"]
            command += [f"--web.listen-address={address}", *more]
            stack.enter_context(running(command, folder, name))
            wait_for(name, lambda address=address: ready(f"http://{address}"))  # type: ignore[misc]
        yield


def incidents(station: Station) -> list[str]:
    return [str(row["incident"]) for row in station.as_person("ana").incidents(only_open=False)]


def test_prometheus_rings_the_bell_and_its_all_clear_is_evidence_not_closure(tmp_path: Path) -> None:
    with (
        an_agent(tmp_path / "agent", eval_every="1") as agent,
        a_station(tmp_path / "station", agent, station_changes=BELLS) as station,
        watching(tmp_path / "watch", agent, station),
    ):
        wait_for(
            "a green dashboard", lambda: 'pass_ratio{suite="golden"} 1.0' in agent.http.get("/metrics").text
        )
        assert incidents(station) == []
        agent.fault("stale_policy")
        (incident,) = wait_for("the bell", lambda: incidents(station))
        seen = station.until(incident, "both bells", lambda seen: len(seen.alarms) == 2)
        assert seen.runbook == "stale-policy"
        assert {rung.alarm.name for rung in seen.alarms} == {RULE}
        assert {rung.alarm.source for rung in seen.alarms} == {"alertmanager", "pager"}

        take(station, incident)
        station.until(incident, "the refund tool to be off", stands("refund_tool", Lease.EFFECTIVE))
        approve(station, incident)
        seen = station.until(
            incident,
            "the all-clear",
            lambda seen: {rung.alarm.status for rung in seen.alarms} == {"resolved"},
        )
        assert seen.phase not in {"closed", "dismissed"}
        closed = finish(station, incident, agent)

        assert incidents(station) == [incident]
        assert len(closed.alarms) == 2
        rang = [moment.text for moment in closed.timeline if moment.kind == "rang"]
        said = [text.split(":")[0] for text in rang]
        assert said == ["alarm firing", "alarm firing", "alarm resolved", "alarm resolved"]
