"""The people of the station: who is on call, and whether their file is right. Both need the file alone, no engine."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.clockface import instant
from cli.desk import Desk, Json
from cli.lint import in_lines, report
from cli.plain import plain
from cli.show import say
from cli.teach import teach
from firestation.authority import Station
from firestation.drivers import pager_problems
from firestation.errors import InvalidFile
from firestation.keyring import read_keyring
from firestation.loader import at_lines, load_station, problems_in
from firestation.muster import amiss, weak, worth_a_look
from firestation.oncall import Shift, roster, watch
from firestation.secrets import ReferenceSecrets
from firestation.severity import Severity

FILE = Path("station.yaml")

station = typer.Typer(no_args_is_help=True, help="The station's people, and who of them is on call.")


def lint(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", envvar="FIRESTATION_STATION", help="The station file.")
    ] = FILE,
    *,
    as_json: Json = False,
) -> None:
    """Check the station file: each field and pager, each rotation's gaps of 30 days, each key.

    A warning says what is worth a look, such as a person whom no pager reaches; it does not
    change the exit code.

    Example:
      firestation station lint examples/station/station.yaml

    Next: exit code 1 when something is wrong; each line names file, line, field and fix.
    """
    desk = Desk.of(ctx, as_json=as_json)
    wrong, warned = problems_in(file, Station), list[InvalidFile]()
    if not wrong:
        now, read = datetime.now(UTC), load_station(file)
        ring, unread = read_keyring(read, file.parent)
        wrong = in_lines(file, [*unread, *amiss(read, now, ring)]) + at_lines(file, pager_problems(read))
        short = weak(read, ReferenceSecrets(desk.options.state))
        warned = in_lines(file, [*worth_a_look(read, now, ring), *short])
    report(desk, {file: wrong}, warned, "station files")


def oncall(
    ctx: typer.Context,
    *,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Another moment, such as 2026-12-24T18:00; otherwise now."),
    ] = None,
    file: Annotated[
        Path,
        typer.Option("--station", metavar="FILE", envvar="FIRESTATION_STATION", help="The station file."),
    ] = FILE,
    as_json: Json = False,
) -> None:
    """Say who is on call in each rotation, until when, and who is next; and who would be paged.

    Times are in your own zone, also the one that you give without an offset.

    Example:
      firestation oncall --at 2026-12-24T18:00 --station examples/station/station.yaml

    Next: `firestation station lint` tells the gaps of the next 30 days.
    """
    desk = Desk.of(ctx, as_json=as_json)
    moment, read = instant("--at", at) if at else datetime.now(UTC), load_station(file)
    watches = {rotation.id: watch(rotation, moment) for rotation in read.rotations}
    paged = {each: roster(read, moment, each).escalation for each in Severity}
    if desk.json:
        told = [
            {"rotation": name, **_shift(now), "next": then and _shift(then)}
            for name, (now, then) in watches.items()
        ]
        desk.answer({"at": moment.isoformat(), "rotations": told, "paged": paged})
        return
    say(desk.console, Text(f"At {_here(moment)}", style="bold"))
    for name, (now, then) in watches.items():
        say(desk.console, _line(name, now, then), indent=2)
    for severity, names in paged.items():
        say(desk.console, Text(f"paged at {severity}: {', '.join(names)}"), indent=2)


def _shift(shift: Shift) -> dict[str, Any]:
    return shift.model_dump(mode="json")


def _line(name: str, now: Shift, then: Shift | None) -> Text:
    who = Text(now.person, style="bold") if now.person else Text("NOBODY", style="bold red")
    by = f" ({now.by})" if now.by else ""
    until = f", until {_here(now.until)}" if now.until else ", and nothing changes"
    following = f", then {then.person or 'NOBODY'}" if then else ""
    return Text.assemble(f"{plain(name)}: ", who, by, until, following)


def _here(moment: datetime) -> str:
    """A moment in the reader's zone, as it is called on that day."""
    return f"{moment.astimezone():%a %Y-%m-%d %H:%M %Z}"


teach(station, "lint", lint)
