"""A storm of alarms, while Temporal is away for its middle third and the gateway is killed once in it.

    python benchmarks/storm.py

10,000 alarms of 100 fires come from 50 connections, ten in a delivery, as Alertmanager sends them. Temporal, worker and
gateway are real processes. It ends with 1 when an alarm is lost, or counted twice.
"""

import asyncio
import os
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from firestation.picture import Picture
from firestation.settings import Settings
from tests.e2e.processes import ROOT, free_port, running, wait_for
from worker.station import temporal_command
from workflows.client import connect
from workflows.messages import PICTURE, WORKFLOW

ALARMS, FIRES, KINDS, CONNECTIONS, TOGETHER = 10_000, 100, 5, 50, 10
RAW = 1500
BELL = "secret-of-the-bell-of-the-storm"
GOAL_TIMES, GOAL_MS = 5.0, 250.0

STATION = """
station: storm
people:
  - {id: ana, name: Ana, roles: [captain, scribe, approver], address: ana@example.org}
escalation: [ana]
page_every: 2h
bells: [{id: alertmanager}]
"""
SYSTEM = """
system: storm
title: A system in a storm
fire_labels: [fire]
checks:
  - id: up
    title: It is up
    driver: http
    with: {base: "URL", request: {url: /healthz}, expect: [{path: $.status, op: equals, value: ok}]}
channels:
  - {id: pager, title: Pager, driver: file, audience: pager, with: {file: words/pager.jsonl}}
  - {id: room, title: Room, driver: file, audience: internal, with: {file: words/room.jsonl}}
trackers:
  - {id: tasks, title: Tasks, driver: file, with: {folder: tasks}}
"""
RUNBOOK = """
runbook: general
title: Something is wrong
pattern: general
match: {}
severity: {harm: 1, spread: 1, reversibility: 1, momentum: 1}
updates: {internal: "{severity}, {phase}", public: "We look into it."}
recovery: {checks: [up], soak: 10m, every: 1m}
lock: {kind: process, title: Somebody looks at it}
"""


@dataclass
class Storm:
    """What became of it."""

    seconds: list[float] = field(default_factory=list)
    acknowledged: int = 0
    again: int = 0
    incidents: set[str] = field(default_factory=set)


class House:
    """The processes, each of which may be killed and started again."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.url, self.temporal = f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        (folder / "runbooks").mkdir()
        (folder / "station.yaml").write_text(STATION)
        (folder / "system.yaml").write_text(SYSTEM.replace("URL", self.url))
        (folder / "runbooks" / "general.yaml").write_text(RUNBOOK)
        tokens = folder / "tokens"
        tokens.mkdir(mode=0o700)
        (tokens / "bell-alertmanager").write_text(BELL)
        (tokens / "bell-alertmanager").chmod(0o600)
        self.settings = Settings(
            state=folder,
            station=folder / "station.yaml",
            systems=folder / "system.yaml",
            runbooks=folder / "runbooks",
            gateway_port=int(self.url.rpartition(":")[2]),
            coalesce="2s",
        )
        self.processes: dict[str, Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start this one; it is ended with the benchmark at the latest."""
        command = [sys.executable, "-m", name]
        if name == "temporal":
            command = temporal_command(self.settings, self.temporal, free_port())
        environment = self.settings.for_children(TEMPORAL_ADDRESS=self.temporal, PYTHONPATH=str(ROOT))
        ours = {each: value for each, value in environment.items() if os.environ.get(each) != value}
        self.processes[name] = self.stack.enter_context(running(command, self.folder, name, **ours))

    def kill(self, name: str) -> None:
        """Kill -9."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def healthy(self) -> bool:
        """Whether the gateway says that all is there."""
        try:
            return bool(httpx.get(f"{self.url}/readyz", timeout=5).json()["status"] == "ready")
        except (httpx.HTTPError, KeyError):
            return False

    def waiting(self) -> int:
        """How many rows the spool holds, as its file says it."""
        with closing(sqlite3.connect(self.settings.spool_file)) as disk:
            return int(disk.execute("SELECT count(*) FROM waiting").fetchone()[0])


def main() -> None:
    """Measure, and print a Markdown table."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sys.exit(asyncio.run(_measure(House(Path(folder), stack))))


async def _measure(house: House) -> int:
    for name in ("temporal", "gateway"):
        house.start(name)
    await asyncio.to_thread(wait_for, "the station", house.healthy, 60)
    house.start("worker")
    client = await connect(house.temporal)
    raw = await _raw(client)
    say(
        f"{ALARMS:,} alarms; Temporal is killed after a third, back after two thirds; the gateway after a half ..."
    )
    storm = Storm()
    began = time.monotonic()
    work = asyncio.create_task(_rage(house, storm))
    for share, what, change in (
        (1 / 3, "temporal", house.kill),
        (1 / 2, "gateway", house.kill),
        (1 / 2, "gateway", house.start),
        (2 / 3, "temporal", house.start),
    ):
        while storm.acknowledged < share * ALARMS:  # noqa: ASYNC110 - it is counted in other tasks
            await asyncio.sleep(0.005)
        change(what)
    await work
    took = time.monotonic() - began
    say("the spool is drained ...")
    began = time.monotonic()
    async with asyncio.timeout(300):
        while house.waiting():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
    return await _report(client, storm, raw, took, time.monotonic() - began)


async def _raw(client: Client) -> float:
    """Signals with start a second that the same server takes from as many connections; nobody runs them."""
    say(f"{RAW:,} raw signals with start ...")
    numbers = iter(range(RAW))

    async def send() -> None:
        for number in numbers:
            await client.start_workflow(
                "Nobody",
                id=f"raw-{number % FIRES}",
                task_queue="nobody-works-here",
                start_signal="ring",
                start_signal_args=[{"number": number}],
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )

    began = time.monotonic()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return RAW / (time.monotonic() - began)


async def _rage(house: House, storm: Storm) -> None:
    deliveries = iter(range(ALARMS // TOGETHER))
    headers = {"Authorization": f"Bearer {BELL}"}
    limits = httpx.Limits(max_connections=CONNECTIONS)

    async def connection(http: httpx.AsyncClient) -> None:
        for number in deliveries:
            while True:
                began = time.monotonic()
                try:
                    key = {"Idempotency-Key": f"delivery-{number:06}"}
                    answer = await http.post("/alarms/alertmanager", json=_delivery(number), headers=key)
                except httpx.HTTPError:
                    answer = None
                if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                    break
                storm.again += 1
                await asyncio.sleep(0.2)
            storm.seconds.append(time.monotonic() - began)
            storm.acknowledged += TOGETHER
            storm.incidents |= {each["incident"] for each in answer.json()["incidents"]}

    async with httpx.AsyncClient(base_url=house.url, headers=headers, limits=limits, timeout=10) as http:
        await asyncio.gather(*(connection(http) for _ in range(CONNECTIONS)))


def _delivery(number: int) -> dict[str, Any]:
    """Ten alarms of ten fires; each fire has a few alarms, which ring again and again."""
    alerts = []
    for each in range(number * TOGETHER, (number + 1) * TOGETHER):
        fire, kind = each % FIRES, each // FIRES % KINDS
        alerts.append(
            {
                "status": "firing",
                "labels": {"alertname": "Storm", "system": "storm", "fire": str(fire), "kind": str(kind)},
                "annotations": {"summary": f"measured: {each}"},
                "startsAt": "2026-11-26T02:14:03Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "fingerprint": f"{fire}-{kind}",
            }
        )
    return {"version": "4", "groupKey": "storm", "status": "firing", "alerts": alerts}


async def _report(client: Client, storm: Storm, raw: float, took: float, drained: float) -> int:
    found = [each async for each in client.list_workflows(f"WorkflowType = '{WORKFLOW}'")]
    counts, longest = [], 0
    for each in found:
        handle = client.get_workflow_handle(each.id)
        seen: Picture = await handle.query(PICTURE, result_type=Picture)
        counts.append(sum(rung.times for rung in seen.alarms))
        longest = max(longest, (await handle.describe()).history_length)
    rate, ordered = ALARMS / took, sorted(storm.seconds)
    p50, p99 = (1000 * ordered[int(share * len(ordered))] for share in (0.5, 0.99))
    exact = len(found) == FIRES == len(storm.incidents) and counts == [ALARMS // FIRES] * FIRES
    print("\n| a storm | |\n|---|---:|")
    for what, figure in (
        ("alarms acknowledged durably, a second", f"{rate:,.0f}"),
        ("raw signals with start of the same server, a second", f"{raw:,.0f}"),
        (f"times as many (goal {GOAL_TIMES:.0f})", f"{rate / raw:.1f}"),
        ("a delivery of ten is acknowledged, p50", f"{p50:.0f} ms"),
        (f"and p99 (goal {GOAL_MS:.0f} ms)", f"{p99:.0f} ms"),
        ("deliveries that had to be sent again", f"{storm.again}"),
        ("incidents", f"{len(found)}"),
        ("alarms that they count", f"{sum(counts):,} of {ALARMS:,}"),
        ("events of the longest history", f"{longest}"),
        ("drained after the storm within", f"{drained:.0f} s"),
    ):
        print(f"| {what} | {figure} |")
    if not exact:
        say(f"WRONG: incidents {len(found)}, counts {sorted(set(counts))}")
    return 0 if exact else 1


def say(what: str) -> None:
    """Progress, apart from the table."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
