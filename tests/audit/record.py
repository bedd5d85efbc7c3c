"""`python -m tests.audit.record [NAME]...`: live incidents on a real Temporal server, and keep all that a bundle is of.

Kept are the histories, the evidence store and the station's public key. They are of edition 3, which is released: what
is built for the next one does not change them.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firestation import acts
from firestation.state import Phase
from tests.histories.record import captains, closed, without_stacks
from tests.workflows.stage import Stage, live, real_server, staged
from workflows.histories import fetch_family

FOLDER = Path(__file__).parent / "recorded"
RELEASED = 3


async def waived(stage: Stage) -> None:
    """The incident is closed without a lock: the captain waives it until a date, with a reason."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the lock", lambda seen: seen.lock is not None)
    until = datetime.now(UTC) + timedelta(days=7)
    await stage.do(acts.Waive(by="ana", what="lock", reason="the eval is rewritten this week", until=until))
    await stage.do(acts.Close(by="ana"))


async def burning(stage: Stage) -> None:
    """It burns still: the first firebreak holds, and nobody has decided on the second."""
    await live(stage, until=Phase.CONTAINED)


STORIES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    story.__name__: story for story in (closed, captains, waived, burning)
}


async def keep(name: str) -> Path:
    """Live one story, and write what is left of it."""
    target = FOLDER / name
    shutil.rmtree(target, ignore_errors=True)
    (target / "store").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        async with real_server() as environment, staged(environment, Path(folder)) as stage:
            stage.brief = stage.brief.changed(edition=RELEASED)
            await STORIES[name](stage)
            if name != burning.__name__:
                await stage.ended()
                await stage.proved()
            (chain, *_) = await fetch_family(environment.client, stage.brief.incident)
            kept = stage.town.evidence.kept
        shutil.copy(Path(folder) / "station.key.pub", target / "station.pub")
    for number, run in enumerate(chain, start=1):
        text = json.dumps(without_stacks(run), indent=1, sort_keys=True)
        (target / f"{number}.json").write_text(f"{text}\n")
    for digest, content in kept.items():
        (target / "store" / digest).write_bytes(content)
    return target


async def main(names: list[str]) -> int:
    """Record these stories, or every one."""
    for name in names or STORIES:
        print(await keep(name))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
