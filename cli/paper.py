"""`firestation runbook print`: the plan on paper, for the night when the engine itself is the fire."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.desk import Desk, Json
from cli.files import WALL, Wall, checked_system, write_text
from cli.plain import plain
from firestation.drivers import Drivers
from firestation.lint import fitting
from firestation.loader import load_station, load_wall
from firestation.oncall import roster as on_duty
from firestation.paper import Hands, hands, paper
from firestation.secrets import ReferenceSecrets
from firestation.severity import Severity
from firestation.system import System


def on_paper(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="SYSTEM_FILE", help="The system that burns.")],
    *,
    wall: Wall = WALL,
    station: Annotated[
        Path | None, typer.Option("--station", metavar="FILE", help="The station file: whom to call.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it into this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the plan for the night without an engine: each runbook with the commands to type by hand.

    For every lever the commands to read, move, check and restore it; no credential stands in them.

    Example:
      firestation runbook print examples/refund_agent/system.yaml --station examples/station/station.yaml

    Next: put it on paper, where it is found when every screen is dark; print it again after each change.
    """
    desk = Desk.of(ctx, as_json=as_json)
    system, pages = checked_system(file), load_wall(wall)
    now = datetime.now(UTC)
    roster = on_duty(load_station(station), now, Severity.SEV1) if station else None
    by_hand = asyncio.run(_hands(system))
    text = paper(system, pages, by_hand, roster, now.date())
    if out:
        write_text(out, text)
    if desk.json:
        told = [page.runbook for page in fitting(pages, system)]
        desk.answer(
            {
                "system": system.system,
                "runbooks": told,
                "commands": by_hand.model_dump(mode="json"),
                "text": text,
            }
        )
    elif out:
        desk.console.print(Text(f"wrote {plain(out)}"), soft_wrap=True)
    else:
        print(text, end="")


async def _hands(system: System) -> Hands:
    async with Drivers(ReferenceSecrets(Path())) as bench:
        return hands(system, bench)
