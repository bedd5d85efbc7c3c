"""What waits for a person: look, open it, or say why it is none."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from cli.clockface import clock, zone
from cli.desk import As, Desk, Json
from cli.plain import SHORT, plain
from cli.show import ASK, BAD, DIM, command, say
from cli.teach import kept, teach
from firestation.model import count, show_duration
from firestation.waits import Wait

triage = typer.Typer()

MOST_SHOWN = 5
Waits = Annotated[str, typer.Argument(metavar="ID", help="As `firestation triage` shows it.")]


def listing(ctx: typer.Context, *, who: As = None, as_json: Json = False) -> None:
    """Show which alarms wait for a person, the most urgent first: nobody decides, and it is an incident by itself.

    Example:
      firestation triage
      firestation triage --json

    Next: `firestation triage open ID`, or `firestation triage dismiss ID --reason WHY`.
    """
    if ctx.invoked_subcommand is not None:
        return
    desk = Desk.of(ctx, who, as_json=as_json)
    found, not_shown, more = desk.gateway().waits()
    if desk.json:
        waiting = [each.model_dump(mode="json") for each in found]
        desk.answer({"waiting": waiting, "not_shown": not_shown, "more": more})
        return
    now = datetime.now(UTC)
    for each in found:
        _print(desk, each, now)
    for name in not_shown:
        say(desk.console, Text(f"{plain(name, 100)} waits too, and cannot be shown now", style=BAD))
    if more:
        others = "Still others wait than are shown here, and one of them may be more urgent."
        say(desk.console, Text(f"{others} Decide these, and look again.", style=BAD))
    if not (found or not_shown):
        desk.console.print("No alarm waits for a person.")
    first = next((each for each in found if each.ended is None), None)
    if first:
        command(desk.console, f"firestation triage open {first.incident}")
        command(desk.console, f"firestation triage dismiss {first.incident} --reason WHY")


def _print(desk: Desk, each: Wait, now: datetime) -> None:
    heaps = list(each.heaps.values())
    name = heaps[0].alarm.name if heaps else "?"
    say(
        desk.console,
        Text.assemble((plain(each.incident, 100), "bold"), f"  {plain(each.title)}: {plain(name)}"),
    )
    for heap in heaps[:MOST_SHOWN]:
        over = " (says that it is over)" if heap.alarm.status == "resolved" else ""
        say(desk.console, Text(f"{plain(heap.alarm.summary, SHORT)}{over}"), 2)
        for file in heap.alarm.attachments:
            told = f"{file.by} attached {plain(file.name, 200)}, to be read once it is an incident"
            say(desk.console, Text(told, style=DIM), 2)
    if len(heaps) > MOST_SHOWN:
        say(desk.console, Text(f"and {count(len(heaps) - MOST_SHOWN, 'other alarm')}", style=DIM), 2)
    kind = f"{each.class_}, " if each.class_ else ""
    rule = f"{kind}rang {count(each.times, 'time')}, waits by the rule {each.rule}: {plain(each.why, SHORT)}"
    say(desk.console, Text(rule, style=DIM), 2)
    if each.ended is None:
        left = f"in {show_duration(each.until - now)}" if each.until > now else "now"
        by_itself = f"becomes an incident by itself at {clock(each.until, now)} {zone(now)} ({left})"
        say(desk.console, Text(by_itself, style=ASK), 2)
        return
    say(desk.console, Text(f"opened by {each.ended.by or 'itself'}, it is ringing", style=ASK), 2)
    if each.trouble:
        say(desk.console, Text(plain(each.trouble, SHORT), style=BAD), 2)


def open_(
    ctx: typer.Context,
    incident: Waits,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, if there is something to say.")] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Open the incident in whose place an alarm waits.

    Example:
      firestation triage open refund-agent-1a2b3c4d

    Next: `firestation show ID`, as for any other incident.
    """
    _decide(ctx, incident, "open", reason, who, as_json=as_json)


def dismiss(
    ctx: typer.Context,
    incident: Waits,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why this is no incident.")],
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say that what waits is no incident, and why. Your name and the reason stay on its history.

    Example:
      firestation triage dismiss refund-agent-1a2b3c4d --reason 'a load test, announced yesterday'

    Next: when it rings again, it waits again.
    """
    _decide(ctx, incident, "dismiss", reason, who, as_json=as_json)


def _decide(
    ctx: typer.Context, incident: str, word: str, reason: str | None, who: str | None, *, as_json: bool
) -> None:
    desk = Desk.of(ctx, who, as_json=as_json)
    answer = desk.gateway().decide(incident, word, {"reason": reason} if reason else {})
    if desk.json:
        desk.answer(answer)
        return
    done = "opened, it rings" if word == "open" else "dismissed"
    desk.console.print(Text.assemble((f"{done} ", "green"), plain(incident, 100)), soft_wrap=True)
    if word == "open":
        command(desk.console, f"firestation show {plain(incident, 100)}")


triage.callback(help=kept(listing.__doc__ or ""), invoke_without_command=True)(listing)
teach(triage, "open", open_)
teach(triage, "dismiss", dismiss)
