"""What one incident costs in Temporal's history, and how that grows with alarms.

The demo's incident is lived with real processes; then alarms ring into an open one through the gateway.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from tests.e2e.captain import approve, finish, stands, take
from tests.e2e.processes import Agent, Station, a_station, an_agent, wait_for

ALARMS = 200
STARTED = datetime.now(UTC).isoformat()
ACTIONS = {
    "start": EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    "update": EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    "signal": EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    "activity": EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    "timer": EventType.EVENT_TYPE_TIMER_STARTED,
    "search attributes": EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    "memo": EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
}
"""What Temporal Cloud bills as an action, by the event that stands for it. Retries of an activity leave none."""

Size = tuple[int, int, int, int]
"""Events of the record, events of the history, actions, bytes of the history."""


def main() -> None:
    """Measure and print two Markdown tables."""
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder))


def _measure(folder: Path) -> None:
    with an_agent(folder / "agent") as agent, a_station(folder / "state", agent) as station:
        _demo(agent, station)
        _alarms(station)


def _demo(agent: Agent, station: Station) -> None:
    say("one incident as in the demo, from the alarm to the lock ...")
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    station.until(incident, "the refund tool to be off", stands("refund_tool", "effective"))
    approve(station, incident)
    finish(station, incident, agent)
    events = recorded(station, incident)
    kinds = Counter(event.event_type for event in events)
    actions = {name: kinds[kind] for name, kind in ACTIONS.items() if kinds[kind]}
    record, count, total, size = measure(station, incident)
    print("\n| the demo's incident | |\n|---|---:|")
    print(f"| events of our record | {record} |")
    print(f"| events of Temporal's history | {count} |")
    print(f"| actions | {total} ({', '.join(f'{n} {name}' for name, n in actions.items())}) |")
    print(f"| bytes | {size:,} |")


def _alarms(station: Station) -> None:
    say(f"{ALARMS} alarms into an open incident, one at a time, at once, and again ...")
    incident = ring(station, ["first"])
    station.until(incident, "the evidence", lambda seen: seen.sealed)
    rows: dict[str, tuple[str, list[list[str]]]] = {
        "one at a time": ("distinct", [[f"one-{n}"] for n in range(ALARMS)]),
        "in one delivery": ("distinct", [[f"many-{n}" for n in range(ALARMS)]]),
        "again, within the coalescing window": ("repeats", [[f"many-{n}" for n in range(ALARMS)]]),
    }
    print("\n| alarms | | record events | history events | actions | bytes |\n|---|---|---:|---:|---:|---:|")
    before = measure(station, incident)
    for how, (what, deliveries) in rows.items():
        for keys in deliveries:
            ring(station, keys)
        wait_for("all of it to be told", lambda: not station.as_person("ana").spool()["waiting"], 120)
        after = measure(station, incident)
        each = [(now - then) / ALARMS for now, then in zip(after, before, strict=True)]
        print(f"| {ALARMS} {what} | {how} | {' | '.join(f'{n:+.2f}' for n in each)} |")
        before = after
    print("\nEach figure of the second table is the growth per alarm.")


def ring(station: Station, keys: list[str]) -> str:
    """Deliver alarms of one incident as Alertmanager does; the incident's id."""
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "BenchmarkFire", "system": "refund-agent", "instance": key},
            "annotations": {"summary": f"measured by the benchmark: {key}"},
            "startsAt": STARTED,
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": key,
        }
        for key in keys
    ]
    answer = httpx.post(
        f"{station.url}/alarms/alertmanager",
        json={"version": "4", "groupKey": "benchmark", "status": "firing", "alerts": alerts},
        headers={"Authorization": f"Bearer {station.token('bell-alertmanager')}"},
        timeout=60,
    )
    answer.raise_for_status()
    return str(answer.json()["incidents"][0]["incident"])


def recorded(station: Station, incident: str) -> list[HistoryEvent]:
    """The history of the incident's latest run; none of the benchmark's is long enough for a second."""

    async def fetch() -> list[HistoryEvent]:
        client = await Client.connect(station.temporal)
        history: Any = await client.get_workflow_handle(incident).fetch_history()
        return list(history.events)

    return asyncio.run(fetch())


def measure(station: Station, incident: str) -> Size:
    """How big it is now."""
    events = recorded(station, incident)
    kinds = Counter(event.event_type for event in events)
    return (
        len(station.picture(incident).timeline),
        len(events),
        sum(kinds[kind] for kind in ACTIONS.values()),
        sum(event.ByteSize() for event in events),
    )


def say(what: str) -> None:
    """Progress, apart from the tables."""
    print(what, file=sys.stderr, flush=True)
