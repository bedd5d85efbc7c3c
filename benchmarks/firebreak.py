"""How long from a captain's decision to the firebreak that is seen to be effective, beside a bare script's same calls.

The lever and the check are those of a small product over HTTP (tests/drivers/lever_service.py). The script reads,
writes, reads back and probes; so does the engine, and keeps it in a history that outlives it.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.history import say
from firestation import acts
from firestation.drivers import Drivers
from firestation.drivers.age import Age
from firestation.drivers.shelf import open_shelf
from firestation.drivers.sieve import DetectSecretsSieve
from firestation.drivers.store import open_store
from firestation.firebreak import Lease
from firestation.picture import Picture
from firestation.privacy import Redactor
from firestation.secrets import ReferenceSecrets
from firestation.signing import KeySigner, ensure_key
from firestation.system import CheckFitting, LeverFitting
from tests.drivers.lever_service import Product, running
from tests.workflows.stage import Stage, Town, firebreak, real_server, short_brief, stands
from worker.wiring import incident_worker

ROUNDS = 9
LEVER, TRACE = "/levers/reranker", "/traces/probe"


def main() -> None:
    """Measure both and print a Markdown table."""
    with tempfile.TemporaryDirectory() as folder, running() as product:
        say(f"{ROUNDS} firebreaks, and {ROUNDS} times the same calls ...")
        bare = [_bare(product) for _ in range(ROUNDS)]
        ours = asyncio.run(_moved(Path(folder), product))
    of_bare, of_ours = statistics.median(bare) * 1000, statistics.median(ours[1:]) * 1000
    print("\n| | |\n|---|---:|")
    print(f"| read, move, read back and probe, by a bare script | {of_bare:.0f} ms |")
    print(f"| from the decision to the effective firebreak, on the record | {of_ours:.0f} ms |")


def _bare(product: Product) -> float:
    product.reset()
    with httpx.Client(base_url=product.url, trust_env=False) as http:
        began = time.perf_counter()
        etag = http.get(LEVER).headers["ETag"]
        http.put(LEVER, json={"position": "on"}, headers={"If-Match": etag}).raise_for_status()
        assert http.get(LEVER).json()["lever"]["position"] == "on"
        assert http.get(TRACE).json()["id"] == "probe"
        return time.perf_counter() - began


async def _moved(folder: Path, product: Product) -> list[float]:
    ensure_key(folder / "key")
    async with real_server() as environment:
        with Town().open() as town:
            async with Drivers(ReferenceSecrets(folder), folder=folder) as bench:
                worker = incident_worker(
                    environment.client,
                    _Joined(town, bench),
                    open_store(folder / "evidence"),
                    KeySigner(folder / "key"),
                    ReferenceSecrets(folder),
                    redactor=Redactor(DetectSecretsSieve(), b"key"),
                    cipher=Age(),
                    shelf=open_shelf(folder / "evidence", "evidence store"),
                    keys=(),
                )
                async with worker:
                    return [
                        await _one(Stage(environment, Town(), _brief(product.url)), product)
                        for _ in range(ROUNDS)
                    ]


class _Joined:
    """The town's drivers, but for the lever and its check, which are real ones over HTTP."""

    def __init__(self, town: Any, bench: Drivers) -> None:
        self.town, self.bench = town, bench

    def __getattr__(self, kind: str) -> Any:
        return lambda fitting: getattr(self.bench if fitting.driver == "http" else self.town, kind)(fitting)


def _brief(url: str) -> Any:
    brief = short_brief()
    lever = LeverFitting.model_validate(
        {
            "id": "reranker",
            "title": "Reranker",
            "driver": "http",
            "positions": {"on": "on", "off": "off"},
            "with": {
                "base": url,
                "read": {"url": LEVER, "path": "$.lever.position", "revision": {"header": "ETag"}},
                "move": {"url": LEVER, "body": {"position": "{position}"}},
            },
        }
    )
    check = CheckFitting.model_validate(
        {
            "id": "seen",
            "title": "The effect is seen",
            "driver": "http",
            "with": {"base": url, "request": {"url": TRACE}, "expect": [{"path": "$.id", "op": "present"}]},
        }
    )
    system = brief.system.changed(levers=(lever,), checks=(*brief.system.checks, check))
    step = brief.runbook.firebreaks[1]
    step = step.changed(approvals=1, probe=step.probe.changed(check="seen"))
    return brief.changed(system=system, runbook=brief.runbook.changed(firebreaks=(step,)))


async def _one(stage: Stage, product: Product) -> float:
    """From the decision to the probe that passed, by the record's own times."""
    product.reset()
    await stage.ring()
    seen = await stage.until("the proposal", stands("reranker", Lease.PROPOSED))
    await stage.do(acts.Acknowledge(by="ana"))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    await stage.do(acts.Approve(by="ana", action=wanted.digest))
    seen = await stage.until("the effect", stands("reranker", Lease.EFFECTIVE))
    await stage.do(acts.Stop(by="ana", reason="measured"))
    await stage.until("the way back", lambda seen: _has(seen, "released"))
    await stage.handle.terminate("measured")
    moments = {moment.kind: moment.at for moment in seen.timeline if moment.kind in {"acted", "probed"}}
    return (moments["probed"] - moments["acted"]).total_seconds()


def _has(seen: Picture, kind: str) -> bool:
    return any(moment.kind == kind for moment in seen.timeline)


if __name__ == "__main__":
    main()
