"""A storm of alarms, while Temporal is away for its middle third and the gateway is killed once in it.

    python benchmarks/storm.py

10,000 alarms of 100 fires come from 50 connections, ten in a delivery, as Alertmanager sends them; each connection
sends its next delivery as soon as the last one is acknowledged, and again after 0.2 s when it was not. Temporal,
worker, gateway and the sender are real processes that share this machine. It ends with 1 when an alarm is lost, or
counted twice; the goals are said to be met or missed, and change nothing.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, NamedTuple

import httpx
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from firestation.garbage import pass_over_what_stays
from firestation.picture import Picture
from firestation.settings import Settings
from tests.e2e.processes import ROOT, free_port, running, wait_for
from worker.station import temporal_command
from workflows.client import connect
from workflows.messages import PICTURE, WORKFLOW

ALARMS, FIRES, KINDS, CONNECTIONS, TOGETHER = 10_000, 100, 5, 50, 10
RAW = 500
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


class Sent(NamedTuple):
    """One delivery: when it was sent first, when last, and when it was acknowledged, by a monotonic clock."""

    first: float
    last: float
    acknowledged: float


@dataclass
class Storm:
    """What became of it, and when what was killed and was there again."""

    began: float
    sent: list[Sent] = field(default_factory=list)
    again: int = 0
    incidents: set[str] = field(default_factory=set)
    changes: dict[tuple[str, str], float] = field(default_factory=dict)

    def acknowledged(self) -> int:
        """How many alarms."""
        return TOGETHER * len(self.sent)

    def seconds(self) -> float:
        """How long it took until all were."""
        return max(each.acknowledged for each in self.sent) - self.began

    def there_again(self) -> float:
        """When the gateway that was started again acknowledged something."""
        killed = self.changes["gateway", "kill"]
        return min(each.acknowledged for each in self.sent if each.last > killed)


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
    raw = [await _raw(client, "before")]
    say(
        f"{ALARMS:,} alarms; Temporal is killed after a third, back after two thirds; the gateway after a half ..."
    )
    storm = Storm(time.monotonic())
    work = asyncio.create_task(_rage(house, storm))
    for share, what, change in (
        (1 / 3, "temporal", house.kill),
        (1 / 2, "gateway", house.kill),
        (1 / 2, "gateway", house.start),
        (2 / 3, "temporal", house.start),
    ):
        while storm.acknowledged() < share * ALARMS:  # noqa: ASYNC110 - it is counted in other tasks
            await asyncio.sleep(0.005)
        storm.changes[what, change.__name__] = time.monotonic()
        await asyncio.to_thread(change, what)
    await work
    say("the spool is drained ...")
    began = time.monotonic()
    async with asyncio.timeout(300):
        while house.waiting():
            for name, process in house.processes.items():
                if process.poll() is not None:
                    say(f"the {name} has ended by itself, so nothing can be counted")
                    return 1
            await asyncio.sleep(0.2)
    drained = time.monotonic() - began
    raw.append(await _raw(client, "after"))
    exact = await _counts(client, storm)
    _report(storm, raw, drained)
    return 0 if exact else 1


async def _raw(client: Client, when: str) -> float:
    """Signals with start a second that the same server takes from as many connections; nobody runs them."""
    say(f"{RAW:,} raw signals with start, {when} the storm ...")
    numbers = iter(range(RAW))

    async def send() -> None:
        for number in numbers:
            await client.start_workflow(
                "Nobody",
                id=f"raw-{when}-{number % FIRES}",
                task_queue="nobody-works-here",
                start_signal="ring",
                start_signal_args=[{"number": number}],
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )

    began = time.monotonic()
    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return RAW / (time.monotonic() - began)


async def _rage(house: House, storm: Storm) -> None:
    """Send everything. Each connection is a client of its own: a shared pool lets some wait for others."""
    deliveries = iter([(number, json.dumps(_delivery(number))) for number in range(ALARMS // TOGETHER)])
    headers = {"Authorization": f"Bearer {BELL}", "Content-Type": "application/json"}
    pass_over_what_stays()  # else the sender stops for a moment now and then, and it would be counted
    context = httpx.create_ssl_context()  # of no use to plain HTTP, but each client would load its own

    async def connection() -> None:
        async with httpx.AsyncClient(base_url=house.url, headers=headers, verify=context, timeout=10) as http:
            for number, body in deliveries:
                first = time.monotonic()
                key = {"Idempotency-Key": f"delivery-{number:06}"}
                while True:
                    last = time.monotonic()
                    try:
                        answer = await http.post("/alarms/alertmanager", content=body, headers=key)
                    except httpx.HTTPError:
                        answer = None
                    if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                        break
                    storm.again += 1
                    await asyncio.sleep(0.2)
                storm.sent.append(Sent(first, last, time.monotonic()))
                storm.incidents |= {each["incident"] for each in answer.json()["incidents"]}

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


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


async def _counts(client: Client, storm: Storm) -> bool:
    """Whether there is one incident a fire, and each counts exactly the alarms that were acknowledged."""
    found = [each async for each in client.list_workflows(f"WorkflowType = '{WORKFLOW}'")]
    counts, longest = [], 0
    for each in found:
        handle = client.get_workflow_handle(each.id)
        seen: Picture = await handle.query(PICTURE, result_type=Picture)
        counts.append(sum(rung.times for rung in seen.alarms))
        longest = max(longest, (await handle.describe()).history_length)
    print("\n| a storm | |\n|---|---:|")
    row("incidents", f"{len(found)}")
    row("alarms that they count", f"{sum(counts):,} of {ALARMS:,}")
    row("events of the longest history", f"{longest}")
    exact = len(found) == FIRES == len(storm.incidents) and counts == [ALARMS // FIRES] * FIRES
    if not exact:
        say(f"WRONG: incidents {len(found)}, counts {sorted(set(counts))}")
    return exact


def _report(storm: Storm, raw: Sequence[float], drained: float) -> None:
    killed, again = storm.changes["gateway", "kill"], storm.there_again()
    rate, over_all = ALARMS / (storm.seconds() - (again - killed)), ALARMS / storm.seconds()
    gone, back = storm.changes["temporal", "kill"], storm.changes["temporal", "start"]
    apart = [each for each in storm.sent if each.acknowledged < killed or each.first > again]
    without = [each for each in apart if gone <= each.first and each.acknowledged <= back]
    row("alarms acknowledged durably, a second, while the gateway was there", f"{rate:,.0f}")
    row("deliveries, a second", f"{rate / TOGETHER:,.0f}")
    row("alarms, a second, with the time in which it was away", f"{over_all:,.0f}")
    row("raw signals with start of the same server, a second, before and after", _both(raw))
    row("alarms for each raw signal, of the faster ones", _goal(rate / max(raw), GOAL_TIMES, ""))
    row("and with the time in which the gateway was away", f"{over_all / max(raw):.1f}")
    row("deliveries for each raw signal", f"{rate / TOGETHER / max(raw):.1f}")
    row("the gateway was away for", f"{again - killed:.1f} s")
    row("deliveries that met it away", f"{len(storm.sent) - len(apart)}, sent again {storm.again} times")
    row("any other is acknowledged, from its first attempt, p50", f"{_ms(apart, 0.5):.0f} ms")
    row("and p99", _goal(_ms(apart, 0.99), GOAL_MS, " ms"))
    row("of these, without Temporal, p50 and p99", _both((_ms(without, 0.5), _ms(without, 0.99)), " ms"))
    row("every delivery, p50 and p99", _both((_ms(storm.sent, 0.5), _ms(storm.sent, 0.99)), " ms"))
    answered = [each._replace(first=each.last) for each in storm.sent]
    row("the attempt that was answered, p50 and p99", _both((_ms(answered, 0.5), _ms(answered, 0.99)), " ms"))
    row("drained after the storm within", f"{drained:.0f} s")


def _ms(sent: Sequence[Sent], share: float) -> float:
    """Milliseconds from the first attempt, within which this share was acknowledged."""
    ordered = sorted(each.acknowledged - each.first for each in sent)
    return 1000 * ordered[int(share * len(ordered))] if ordered else float("nan")


def _both(figures: Sequence[float], unit: str = "") -> str:
    return " and ".join(f"{each:,.0f}{unit}" for each in figures)


def _goal(figure: float, goal: float, unit: str) -> str:
    """A figure beside its goal: times are to be more, milliseconds less."""
    met = figure < goal if unit else figure >= goal
    return f"{figure:,.{0 if unit else 1}f}{unit} (goal {goal:.0f}{unit}: {'met' if met else 'missed'})"


def row(what: str, figure: str) -> None:
    """One line of the table."""
    print(f"| {what} | {figure} |")


def say(what: str) -> None:
    """Progress, apart from the table."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
