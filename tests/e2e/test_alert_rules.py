"""The agent's alerting rules in a real Prometheus: each fault fires its own alert and no other, and it ends again."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.fires import FIRES, Fire
from tests.e2e.processes import Agent, an_agent, free_port, needs, running, wait_for
from tests.e2e.prometheus import ready, settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


class Watch:
    """An agent that evaluates itself every second, and the Prometheus that looks at it."""

    def __init__(self, agent: Agent, url: str) -> None:
        self.agent, self.url = agent, url
        self.start = agent.levers()

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that fire now."""
        answer = httpx.get(f"{self.url}/api/v1/alerts", timeout=30).json()
        return [alert for alert in answer["data"]["alerts"] if alert["state"] == "firing"]


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    prometheus, folder = needs("prometheus", "prometheus"), tmp_path_factory.mktemp("rules")
    with an_agent(folder / "agent", eval_every="0.5") as agent:
        address = f"127.0.0.1:{free_port()}"
        (folder / "prometheus.json").write_text(json.dumps(settings(agent)))
        command = [prometheus, f"--config.file={folder / 'prometheus.json'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
        with running(command, folder, "prometheus"):
            wait_for("Prometheus", lambda: ready(f"http://{address}"))
            yield Watch(agent, f"http://{address}")


@pytest.mark.parametrize("fire", FIRES, ids=lambda fire: fire.pattern)
def test_a_fault_fires_its_own_alert_and_no_other(watch: Watch, fire: Fire) -> None:
    wait_for("silence", lambda: not watch.alerts())
    watch.agent.fault(fire.fault)
    (alert,) = wait_for("the alert", watch.alerts)
    assert (alert["labels"]["pattern"], alert["labels"]["system"]) == (fire.pattern, "refund-agent")
    named = [name for name in alert["annotations"]["request_ids"].split(",") if name]
    assert named
    assert all(watch.agent.http.get(f"/traces/{name}").is_success for name in named)
    watch.agent.make_as_new(watch.start)
    wait_for("silence again", lambda: not watch.alerts())
