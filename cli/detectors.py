"""Looking at the watch: what each detector sees now, and how near it is to ringing."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from cli.clockface import clock, zone
from cli.desk import As, Desk, Json
from cli.plain import SHORT, plain
from cli.show import ASK, BAD, DIM, GOOD, command, say
from firestation.watch.view import DetectorView

COLOURS = {"quiet": GOOD, "suspects": ASK, "rang": BAD, "silent": BAD}


def detectors(
    ctx: typer.Context,
    system: Annotated[
        str | None, typer.Argument(metavar="SYSTEM", help="Only the detectors of this system.")
    ] = None,
    *,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show the watch: what each detector sees, since when, how near it is to ringing, and when it last rang.

    Example:
      firestation detectors
      firestation detectors refund-agent --json

    Next: `firestation show INCIDENT` for one that rang; the `watch` of the system file for one that should ring sooner.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    found = desk.gateway().detectors(system)
    if desk.json:
        desk.answer({"detectors": [each.model_dump(mode="json") for each in found]})
        return
    if not found:
        desk.console.print("No detector watches: a system file has them under `watch`.")
    now = datetime.now(UTC)
    for each in found:
        _print(desk, each, now)
    if found:
        say(desk.console, Text(f"times in {zone(now)}", style=DIM))


def _print(desk: Desk, each: DetectorView, now: datetime) -> None:
    word = (f"{each.standing:<9}", COLOURS.get(each.standing, DIM))
    say(desk.console, Text.assemble(word, (plain(each.title), "bold"), f"  {each.system}/{each.detector}"))
    seen = f"sees {plain(each.seen, SHORT)}" if each.seen else "has counted nothing yet"
    wrong = "no word since" if each.standing == "silent" else "going wrong since"
    since = f"; {wrong} {clock(each.since, now)}" if each.since else ""
    near = f"; {each.near:.0%} of the way to ringing"
    say(desk.console, Text(f"{seen}; promised is {plain(each.promise, SHORT)}{since}{near}"), 2)
    if each.looked_at:
        looked = f"looked at {clock(each.looked_at, now)}: {plain(each.said, SHORT)}"
        say(desk.console, Text(looked, style=DIM), 2)
    if each.paused:
        say(desk.console, Text("IT IS PAUSED: somebody has paused its schedule in Temporal", style=BAD), 2)
    elif each.late:
        say(desk.console, Text("IT DOES NOT LOOK ANY MORE: is there a worker?", style=BAD), 2)
    if each.owed:
        say(desk.console, Text(f"the bell does not have {each.owed} of its alarms yet", style=BAD), 2)
    if each.rang_at:
        say(desk.console, Text(f"last rang at {clock(each.rang_at, now)}"), 2)
    if each.incident:
        command(desk.console, f"firestation show {each.incident}")
