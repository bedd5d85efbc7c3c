"""How long from the alarm to the sealed manifest, and how much memory a big artifact takes.

Eight HTTP sources that answer after 50 ms each, read by a real incident on a real Temporal server, beside a bare
`asyncio.gather` of the same eight reads; then one artifact of 1 GiB, through the sieve, into the store.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from temporalio.testing import ActivityEnvironment

from activities.snapshot import SnapshotActivities
from benchmarks.history import say
from firestation.drivers import Drivers
from firestation.drivers.age import Age
from firestation.drivers.shelf import open_shelf
from firestation.drivers.sieve import DetectSecretsSieve
from firestation.drivers.store import open_store
from firestation.evidence import Collected, Scope
from firestation.orders import CollectOrder
from firestation.privacy import Redactor
from firestation.secrets import ReferenceSecrets
from firestation.signing import KeySigner, ensure_key
from firestation.system import ChannelFitting, CheckFitting, SourceFitting, System, TrackerFitting
from tests.workflows.stage import Stage, Town, real_server, short_brief
from worker.wiring import incident_worker

SOURCES, DELAY_SECONDS, ROUNDS = 8, 0.05, 7
BIG = 1024**3
LINE = b'{"request_id": "r-%09d", "prompt": "I bought headphones 45 days ago and want a refund.", "score": 0.91}\n'


def main() -> None:
    """Measure both and print a Markdown table."""
    with tempfile.TemporaryDirectory() as folder:
        print("\n| | |\n|---|---:|")
        asyncio.run(_sealing(Path(folder)))
        asyncio.run(_streaming(Path(folder) / "streaming"))


async def _sealing(folder: Path) -> None:
    say(f"{ROUNDS} incidents with {SOURCES} sources at {DELAY_SECONDS * 1000:.0f} ms ...")
    async with _slow_server() as url, real_server() as environment:
        bare = [await _bare(url) for _ in range(ROUNDS)]
        async with Drivers(ReferenceSecrets(folder), folder=folder) as bench:
            worker = incident_worker(
                environment.client,
                bench,
                open_store(folder / "evidence"),
                _signer(folder),
                ReferenceSecrets(folder),
                redactor=Redactor(DetectSecretsSieve(), b"key"),
                cipher=Age(),
                shelf=open_shelf(folder / "evidence", "evidence store"),
                keys=(),
            )
            async with worker:
                sealed = [await _sealed(Stage(environment, Town(), _brief(url))) for _ in range(ROUNDS)]
    of_bare, of_sealed = statistics.median(bare), statistics.median(sealed[1:])
    what = f"{SOURCES} reads of {DELAY_SECONDS * 1000:.0f} ms by a bare asyncio.gather"
    print(f"| {what} | {of_bare * 1000:.0f} ms |")
    ratio = f"{of_sealed / of_bare:.1f} x"
    print(f"| from the alarm to the sealed manifest of the same | {of_sealed * 1000:.0f} ms ({ratio}) |")


async def _bare(url: str) -> float:
    async with httpx.AsyncClient() as client:
        began = time.perf_counter()
        await asyncio.gather(*(client.get(f"{url}/{number}") for number in range(SOURCES)))
        return time.perf_counter() - began


async def _sealed(stage: Stage) -> float:
    """By the record's own times: from the alarm that opened it to the seal."""
    await stage.ring()
    seen = await stage.until("the seal", lambda seen: seen.sealed)
    assert seen.sealed
    assert len(seen.sealed.artifacts) == SOURCES, seen.sealed.gaps
    at = next(moment.at for moment in seen.timeline if moment.kind == "sealed")
    await stage.handle.terminate("measured")
    return (at - seen.opened_at).total_seconds()


def _brief(url: str) -> Any:
    def fitting(kind: type[Any], name: str, driver: str, config: dict[str, Any], **more: Any) -> Any:
        return kind.model_validate({"id": name, "title": name, "driver": driver, "with": config, **more})

    brief = short_brief()
    request = {
        "request": {"url": f"{url}/check"},
        "expect": [{"path": "$.well", "op": "equals", "value": False}],
    }
    system = System(
        system="refund-agent",
        title="Eight slow sources",
        sources=tuple(
            fitting(
                SourceFitting,
                f"s{n}",
                "http",
                {"requests": [{"name": f"s{n}", "url": f"{url}/{n}"}]},
                provides=["requests"],
            )
            for n in range(SOURCES)
        ),
        checks=(
            fitting(CheckFitting, "golden", "http", request),
            fitting(CheckFitting, "no-wrong-refund", "http", request),
        ),
        channels=(fitting(ChannelFitting, "pager", "file", {"file": "words.jsonl"}, audience="pager"),),
        trackers=(fitting(TrackerFitting, "tasks", "file", {"folder": "tasks"}),),
    )
    return brief.changed(system=system, runbook=brief.runbook.changed(firebreaks=()))


async def _streaming(folder: Path) -> None:
    say("one artifact of 1 GiB ...")
    (folder / "logs").mkdir(parents=True)
    await asyncio.to_thread(_write, folder / "logs" / "big.jsonl")
    config = {"folder": "logs", "files": "*.jsonl", "max_bytes": 2 * BIG}
    source = SourceFitting.model_validate(
        {
            "id": "logs",
            "title": "Logs",
            "driver": "file",
            "provides": ["requests"],
            "with": config,
            "time_box": "8m",
        }
    )
    now = datetime.now(UTC)
    order = CollectOrder(
        source=source, scope=Scope(incident="i-1", request_ids=(), since=now - timedelta(hours=1), until=now)
    )
    async with Drivers(ReferenceSecrets(folder), folder=folder) as bench:
        redactor = Redactor(DetectSecretsSieve(), b"key")
        activities = SnapshotActivities(
            bench, open_store(folder / "evidence"), _signer(folder), redactor, Age()
        )
        before, began = _rss(), time.perf_counter()
        watch = asyncio.create_task(_highest(before))
        collected: Collected = await ActivityEnvironment().run(activities.collect, order)
        seconds = time.perf_counter() - began
        watch.cancel()
        highest = await watch
    (artifact,) = collected.artifacts
    assert artifact.size >= BIG
    print(f"| one artifact of {artifact.size / BIG:.2f} GiB into the store | {seconds:.0f} s |")
    print(f"| by which the process grew | {(highest - before) / 2**20:.0f} MiB |")


def _write(path: Path) -> None:
    with path.open("wb") as file:
        number = 0
        while file.tell() < BIG:
            file.write(b"".join(LINE % each for each in range(number, number + 10_000)))
            number += 10_000


async def _highest(before: int) -> int:
    highest = before
    try:
        while True:
            highest = max(highest, _rss())
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return highest


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _signer(folder: Path) -> KeySigner:
    ensure_key(folder / "key")
    return KeySigner(folder / "key")


@asynccontextmanager
async def _slow_server() -> AsyncIterator[str]:
    """Answers everything with a little JSON after the delay."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            while (await reader.readline()).strip():
                pass
            await asyncio.sleep(DELAY_SECONDS)
            writer.write(
                b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"well": true}'
            )
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


if __name__ == "__main__":
    main()
