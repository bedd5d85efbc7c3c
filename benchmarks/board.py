"""What the board costs: the list of many open incidents, and one incident that many people look at.

A real Temporal server, worker and gateway. But for one, the incidents of the list lie on a task queue that no worker
serves: a list that had to wake them would never come. How often Temporal is asked is what its own metrics say.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from benchmarks.history import say
from firestation.settings import Settings
from firestation.state import Phase
from tests.e2e.processes import ROOT, Agent, Station, an_agent, free_port, running, wait_for, write_station
from worker.station import temporal_command
from workflows import messages, search
from workflows.client import connect

INCIDENTS, LOOKS = 500, 50
VIEWERS, OF_ONE = (1, 50, 200), 30
"""How many watch, and how many pages one of them may leave open (`gateway.watching.MOST_OF_ONE`)."""

PEOPLE = [f"viewer-{number}" for number in range(-(-max(VIEWERS) // OF_ONE))]
READS = ("QueryWorkflow", "DescribeWorkflowExecution", "ListWorkflowExecutions")
GOAL_MS = 300


def main(incidents: int = INCIDENTS) -> None:
    """Measure, print two Markdown tables, and say whether the goals are met."""
    with tempfile.TemporaryDirectory() as folder, a_station(Path(folder)) as (station, agent, metrics):
        failed = asyncio.run(_measure(station, agent, metrics, incidents))
    if failed:
        sys.exit(f"not met: {'; '.join(failed)}")


@contextmanager
def a_station(folder: Path) -> Iterator[tuple[Station, Agent, str]]:
    """A station on a Temporal server that counts what it is asked; the address of the counts."""
    state, address, metrics = folder / "state", f"127.0.0.1:{free_port()}", free_port()
    state.mkdir()
    with an_agent(folder / "agent") as agent:
        config = write_station(state, agent)
        people = "".join(
            f"  - {{id: {name}, name: {name}, roles: [auditor], address: {name}@example.org}}\n"
            for name in PEOPLE
        )
        file = config / "station.yaml"
        file.write_text(file.read_text().replace("people:\n", f"people:\n{people}", 1))
        server = temporal_command(Settings(state=state), address, free_port())
        with running([*server, "--metrics-port", str(metrics)], folder, "temporal"):
            wait_for("Temporal", lambda: asyncio.run(_answers(address)), 60)
            command = [sys.executable, "-m", "worker.station", "--state", str(state), "--address", address]
            command += ["--station", str(file), "--systems", str(config / "system.yaml")]
            command += ["--runbooks", str(config / "runbooks"), "--port", str(free_port())]
            with running(command, state, "station", PYTHONPATH=str(ROOT)) as process:
                wait_for("the station", (state / "station.json").exists, 90)
                yield Station(state, process), agent, f"http://127.0.0.1:{metrics}/metrics"


async def _answers(address: str) -> bool:
    try:
        return await (await connect(address)).service_client.check_health()
    except (RuntimeError, RPCError):
        return False


async def _measure(station: Station, agent: Agent, metrics: str, incidents: int) -> list[str]:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    station.until(incident, "the proposals", lambda seen: seen.plans)
    say(f"{incidents} open incidents ...")
    await _open(await connect(station.temporal), incidents - 1)
    async with AsyncExitStack() as stack:
        visitors = [await stack.enter_async_context(_visitor(station, name)) for name in PEOPLE]
        wait_for("the list", lambda: _listed(station) >= incidents, 60)
        listing = await _pages(visitors[0], "/board", metrics, pause=2.1)
        page = await _pages(visitors[0], f"/board/{incident}", metrics, pause=1.1)
        print(f"\n| page, of {incidents} open incidents | median | 99 of 100 | bytes | asked of Temporal |")
        print("|---|---:|---:|---:|---|")
        for name, (times, size, asked) in {"the list": listing, "one incident": page}.items():
            print(
                f"| {name} | {median(times):.0f} ms | {_p99(times):.0f} ms | {size:,} | {_each(asked, times)} |"
            )
        print(
            "\n| pages left open on one incident | until the last is drawn anew | asked of Temporal | gateway |"
        )
        print("|---:|---:|---|---:|")
        found = [await _watched(station, incident, number, visitors, metrics) for number in VIEWERS]
    failed = [f"the list takes {_p99(listing[0]):.0f} ms"] if _p99(listing[0]) > GOAL_MS else []
    if max(found) > found[0] + 1:
        failed.append(f"pictures asked for, by viewers: {found}")
    return failed


async def _open(client: Client, number: int) -> None:
    """Incidents as the gateway opens them, on a task queue that nobody serves."""

    async def one(index: int) -> None:
        attributes = {
            search.SYSTEM: "refund-agent",
            search.PHASE: str(Phase.OPEN),
            search.SEVERITY: f"sev{index % 4 + 1}",
            search.CAPTAIN: "nobody",
            search.WAITING: "a captain: nobody has acknowledged",
        }
        await client.start_workflow(
            messages.WORKFLOW,
            id=f"refund-agent-{index:08x}",
            task_queue="nobody",
            memo={"title": f"Refund agent {index}", messages.STATION: "example"},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(key, value) for key, value in attributes.items()]
            ),
        )

    for start in range(0, number, 50):
        await asyncio.gather(*(one(index) for index in range(start, min(start + 50, number))))


def _listed(station: Station) -> int:
    return len(station.as_person("ana").incidents(only_open=True))


@contextmanager
def _timed(into: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into.append((time.perf_counter() - began) * 1000)


@asynccontextmanager
async def _visitor(station: Station, name: str) -> AsyncIterator[httpx.AsyncClient]:
    """One person's browser, who has logged in."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=station.url, timeout=60, limits=limits, headers={"Origin": station.url}
    ) as http:
        csrf = re.search(r'name="csrf" value="([^"]+)"', (await http.get("/login")).text)
        assert csrf
        answer = await http.post("/login", data={"csrf": csrf[1], "token": station.token(name)})
        assert answer.has_redirect_location, answer.text
        yield http


Measured = tuple[list[float], int, Counter[str]]


async def _pages(http: httpx.AsyncClient, path: str, metrics: str, *, pause: float) -> Measured:
    """Look at a page, again and again, each time after what is shared has grown old."""
    say(f"{path}, {LOOKS} times ...")
    times, size, before = list[float](), 0, await _asked(metrics)
    for _ in range(LOOKS):
        await asyncio.sleep(pause)
        with _timed(times):
            answer = await http.get(path)
        answer.raise_for_status()
        size = len(answer.content)
    return times, size, await _asked(metrics) - before


async def _watched(
    station: Station, incident: str, number: int, visitors: list[httpx.AsyncClient], metrics: str
) -> int:
    """So many pages are open, somebody writes a note, each is drawn anew. How often the picture was asked for."""
    say(f"{number} pages left open ...")
    path, pages = f"/board/{incident}", [visitors[index // OF_ONE] for index in range(number)]
    version = re.search(r'data-version="([^"]+)"', (await pages[0].get(path)).text)
    assert version
    async with AsyncExitStack() as stack:
        query = {"seen": version[1]}
        streams = [
            await stack.enter_async_context(http.stream("GET", f"{path}/events", params=query))
            for http in pages
        ]
        lines = [stream.aiter_lines() for stream in streams]
        await asyncio.gather(*(_first(each) for each in lines))
        await asyncio.sleep(2)  # what else goes on is over
        before = await _asked(metrics)

        async def renewed(http: httpx.AsyncClient, stream: Any) -> None:
            async for line in stream:
                if line.startswith("event: changed"):
                    break
            (await http.get(path)).raise_for_status()

        waiting = [asyncio.create_task(renewed(*each)) for each in zip(pages, lines, strict=True)]
        times = list[float]()
        with _timed(times):
            await asyncio.to_thread(
                station.act, "ana", incident, "note", text=f"{number} people look at this"
            )
            await asyncio.gather(*waiting)
        asked = await _asked(metrics) - before
    print(f"| {number} | {times[0]:,.0f} ms | {_each(asked, [0])} | {_gateway_mib(station):.0f} MiB |")
    return asked["QueryWorkflow"]


async def _first(lines: Any) -> None:
    await anext(lines)


async def _asked(metrics: str) -> Counter[str]:
    """How often Temporal's frontend was asked for each thing, so far; it sums that up once a second."""
    await asyncio.sleep(1.5)
    async with httpx.AsyncClient() as http:
        text = (await http.get(metrics)).text
    found = Counter[str]()
    for line in text.splitlines():
        labels = re.match(r"service_requests\{(.*)\} (\d+)", line)
        if labels and 'service_name="frontend"' in labels[1]:
            name = re.search(r'operation="(\w+)"', labels[1])
            if name and name[1] in READS:
                found[name[1]] += int(labels[2])
    return found


def _each(asked: Counter[str], times: list[float]) -> str:
    return ", ".join(f"{asked[name] / len(times):g} {name}" for name in READS if asked[name]) or "nothing"


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100, method="inclusive")[-1]


def _gateway_mib(station: Station) -> float:
    status = Path(f"/proc/{station.children()['gateway']}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=INCIDENTS)
    main(parser.parse_args().incidents)
