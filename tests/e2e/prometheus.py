"""A Prometheus as the agent's operators would set it up: scrape the agent, and alert by its own rules."""

from contextlib import suppress
from typing import Any

import httpx

from tests.e2e.processes import ROOT, Agent


def settings(agent: Agent, *alertmanagers: str) -> dict[str, Any]:
    """The configuration, with its alerts sent to these addresses."""
    target = agent.url.removeprefix("http://")
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ROOT / "examples" / "refund_agent" / "alerts.yaml")],
        "scrape_configs": [{"job_name": "refund-agent", "static_configs": [{"targets": [target]}]}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
    }


def ready(url: str) -> bool:
    """Whether Prometheus or Alertmanager says that it is."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/-/ready").is_success
    return False
