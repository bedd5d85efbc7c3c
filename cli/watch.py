"""Looking at incidents: the list, one picture, and one picture that goes on."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import Gateway
from cli.clockface import clock
from cli.desk import As, Desk, Incident, Json
from cli.plain import SHORT, plain
from cli.show import command, moment, say, show, waiting
from firestation.briefing import briefing
from firestation.errors import Unreachable
from firestation.model import show_duration
from firestation.picture import Picture
from firestation.state import ENDS

POLL_SECONDS = 0.5
LOUD = 30


def incidents(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """List the open incidents.

    Example:
      firestation incidents
      firestation incidents --all --json

    Next: `firestation show INCIDENT` for one of them.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    found = desk.gateway().incidents(only_open=not every)
    if desk.json:
        desk.answer(found)
        return
    if not found:
        desk.console.print("No incident" + ("." if every else " is open. Those that have ended: --all"))
        return
    for each in found:
        desk.console.print(_line(each, datetime.now(UTC)), soft_wrap=True)
    command(desk.console, f"firestation show {found[0].get('incident', 'INCIDENT')}")


def _line(each: dict[str, Any], now: datetime) -> Text:
    """One incident in two lines. A station may be newer than we are, so no field is taken for granted."""
    opened, waited = _time(each.get("opened_at"), now), _for(each.get("waiting_since"), now)
    state = " ".join(str(each[key]) for key in ("phase", "severity") if each.get(key))
    return Text.assemble(
        ("DRILL ", "bold yellow") if each.get("drill") else "",
        (plain(each.get("incident", "?"), 100), "bold"),
        f"  {plain(state, 60)}  captain {plain(each.get('captain') or 'nobody', 63)}",
        f"  since {opened}" if opened else "",
        f"\n  waits for {plain(each['waiting'], SHORT)}{waited}"
        if each.get("waiting") and each.get("open")
        else "",
    )


def _for(said: object, now: datetime) -> str:
    """For how long it is waited for, or overdue; nothing where the station does not say it."""
    try:
        return f", for {show_duration(now - datetime.fromisoformat(str(said)))}" if said else ""
    except (ValueError, TypeError):
        return ""


def _time(said: object, now: datetime) -> str | None:
    try:
        return clock(datetime.fromisoformat(str(said)), now) if said else None
    except ValueError:
        return None


def brief(ctx: typer.Context, incident: Incident, *, who: As = None, as_json: Json = False) -> None:
    """Brief whoever takes over, on one screen: what happened, what holds, what waits, what is not known.

    Example:
      firestation briefing refund-agent-1a2b3c4d

    Next: `firestation handover INCIDENT NAME` offers the captaincy, with this briefing.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    seen = gateway.picture(gateway.find(incident))
    now = datetime.now(UTC)
    found = briefing(seen, lambda at: clock(at, now))
    if desk.json:
        desk.answer(found.model_dump(mode="json"))
        return
    for line in found.lines():
        heading = not line.startswith(" ")
        say(
            desk.console, Text(plain(line.strip(), 300), style="bold" if heading else ""), 0 if heading else 2
        )


def show_incident(
    ctx: typer.Context,
    incident: Incident,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on printing until the incident ends.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="The whole timeline.")] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show what is known, what is waited for, and the command to type next.

    With --follow, new lines of the timeline are printed as they come; with --json, one object a line.

    Example:
      firestation show refund-agent-1a2b3c4d --follow

    Next: type the command that it ends with.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    seen = gateway.picture(gateway.find(incident))
    if not desk.json:
        show(desk.console, seen, everything=everything)
        _near(desk, gateway, seen)
    elif not follow:
        desk.answer(seen.model_dump(mode="json"))
    if follow:
        _follow(desk, gateway, seen)


def _near(desk: Desk, gateway: Gateway, seen: Picture) -> None:
    """Offer to merge what may be the same fire."""
    near = [] if seen.phase in ENDS else gateway.same_fire(seen.incident)
    if near:
        say(desk.console, Text("Perhaps the same fire, for it opened at about the same time", style="bold"))
    for other in near:
        command(desk.console, f"firestation merge {seen.incident} {other} --reason 'the same fire'")


def _follow(desk: Desk, gateway: Gateway, seen: Picture) -> None:
    """Print each new line of the timeline, and again what is waited for whenever that changes."""
    told = Counter(() if desk.json else seen.timeline)
    waits = seen.waiting
    for now in pictures(desk, gateway, seen):
        new = Counter(now.timeline) - told  # a note of what happened before stands further up
        for each in new.elements():
            if desk.json:
                desk.answer(each.model_dump(mode="json"))
            else:
                desk.console.print(moment(each, now.as_of), soft_wrap=True)
        told += new
        asked = [each.command for each in now.waiting if each.command]
        if not desk.json and asked != [each.command for each in waits if each.command]:
            waiting(desk.console, now)
        waits = now.waiting


def pictures(desk: Desk, gateway: Gateway, seen: Picture) -> Iterator[Picture]:
    """This picture, and each newer one until the incident has ended. A station that is away is waited for."""
    silent, gateway.patient = 0, False  # this is patient enough, and says so
    while True:
        yield seen
        if seen.phase in ENDS:
            return
        time.sleep(POLL_SECONDS)  # the pace of polling; nothing is assumed to have happened by then
        try:
            seen, silent = gateway.picture(seen.incident), 0
        except Unreachable as error:
            silent += 1
            if silent % LOUD == 1 and not desk.json:
                desk.console.print(Text(f"still watching: {plain(error)}", style="yellow"))
