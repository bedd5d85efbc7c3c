"""How long the audit of many incidents takes beside Temporal's bare Replayer, and that its memory does not grow.

The incidents are those of tests/histories, recorded on a real Temporal server and read from their files again each
time, until there are a thousand. (Their ids stay: the digests of their actions are made of them.) The two take turns, a
batch each, with one Replayer for a batch on both sides.
"""

import argparse
import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from benchmarks.history import say
from firestation.verdicts import Verdict, judge, summed
from tests.histories.record import FOLDER
from worker.repeat import Repeater
from worker.wiring import workflow_runner
from workflows.histories import as_json
from workflows.incident import IncidentWorkflow

INCIDENTS, BATCH = 1000, 50
RECORDED = [sorted(path.glob("*.json")) for path in sorted(FOLDER.glob("2*")) if (path / "1.json").exists()]


def main() -> None:
    """Measure and print a Markdown table."""
    asyncio.run(_measure(INCIDENTS))


async def _measure(incidents: int) -> None:
    say(f"{incidents} incidents, of {len(RECORDED)} that were recorded ...")
    wanted = list(itertools.islice(itertools.cycle(RECORDED), incidents))
    await _bare(wanted[: len(RECORDED)])  # what is loaded once counts for neither
    await _audited(wanted[: len(RECORDED)])
    bare, audited, found = (0.0, 0.0), (0.0, 0.0), list[Verdict]()
    grown: dict[int, int] = {}
    for start in range(0, incidents, BATCH):
        batch = wanted[start : start + BATCH]
        began = _clocks()
        await _bare(batch)
        between = _clocks()
        found += await _audited(batch)
        bare, audited = _added(bare, began, between), _added(audited, between, _clocks())
        grown[start + len(batch)] = _rss()
        say(f"{len(found)}: {audited[0] / bare[0]:.2f} x")
    summary = summed(found)
    assert summary.passed, summary
    runs = sum(each.runs for each in found)
    print("\n| | by the clock | of the processor |\n|---|---:|---:|")
    print(f"| the bare Replayer | {bare[0]:.0f} s | {bare[1]:.0f} s |")
    print(f"| audit: integrity, eleven rules, replay | {audited[0]:.0f} s | {audited[1]:.0f} s |")
    print(f"| ratio | {audited[0] / bare[0]:.2f} x | {audited[1] / bare[1]:.2f} x |")
    print(f"\n{incidents} incidents, {runs} runs, {sum(each.events for each in found)} events")
    for number in (min(2 * BATCH, incidents), incidents):
        print(f"memory of the process after {number}: {grown[number] / 2**20:.0f} MiB")


Clocks = tuple[float, float]


def _clocks() -> Clocks:
    """Seconds on the wall, and of the processor for all threads of this process."""
    return time.perf_counter(), time.process_time()


def _added(so_far: Clocks, began: Clocks, ended: Clocks) -> Clocks:
    return so_far[0] + ended[0] - began[0], so_far[1] + ended[1] - began[1]


def _load(files: list[Path]) -> list[WorkflowHistory]:
    return [WorkflowHistory.from_json(str(file), json.loads(file.read_text())) for file in files]


async def _bare(incidents: list[list[Path]]) -> None:
    """What anybody can do with Temporal alone."""
    replayer = Replayer(
        workflows=[IncidentWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
    )

    async def histories() -> AsyncIterator[WorkflowHistory]:
        for files in incidents:
            for history in _load(files):
                yield history

    await replayer.replay_workflows(histories())


async def _audited(incidents: list[list[Path]]) -> list[Verdict]:
    """What `firestation audit run` does with each, from the same files."""
    found = []
    async with Repeater() as repeater:
        for files in incidents:
            chain = _load(files)
            difference = await repeater.difference(chain)
            found.append(judge(files[0].parent.name, "1", [as_json(each) for each in chain], difference))
    return found


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=INCIDENTS)
    asyncio.run(_measure(parser.parse_args().incidents))
