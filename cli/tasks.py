"""What incidents have left to people: the list of tasks, and the word that one is done."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from cli.clockface import clock
from cli.desk import As, Desk, Incident, Json, Reason
from cli.plain import SHORT, plain
from cli.show import ASK, BAD, DIM, GOOD, command, say
from firestation.follow_words import FollowPicture, TaskView
from firestation.model import show_duration

PANEL = "4. End it"
COLOURS = {"done": GOOD, "dropped": DIM, "open": ASK}


def tasks(
    ctx: typer.Context,
    incident: Annotated[
        str | None,
        typer.Argument(
            metavar="[INCIDENT]", help="Only of this incident, of all its fires; otherwise of all."
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Also where all is done.")] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """List what incidents have left to people: the postmortem, the lock, follow-ups; what is late first.

    Example:
      firestation tasks
      firestation tasks refund-agent-1a2b3c4d --json

    Next: close the ticket in your tracker, or `firestation finish INCIDENT TASK --reason '...'`.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    name = gateway.find(incident) if incident else None
    found, not_shown = gateway.tasks(name, only_open=not every)
    if desk.json:
        shown = [each.model_dump(mode="json") for each in found]
        desk.answer({"incidents": shown, "not_shown": not_shown})
        return
    for each in not_shown:
        desk.console.print(Text(f"CANNOT BE SHOWN NOW: {plain(each, 200)}", style=BAD), soft_wrap=True)
    if not found and not not_shown:
        where = f"{plain(name)} has left no task" if name else "No task is left"
        desk.console.print(f"{where}." + ("" if every or name else " Those that are done: --all"))
        return
    now = datetime.now(UTC)
    for seen in found:
        show(desk, seen, now)


def show(desk: Desk, seen: FollowPicture, now: datetime) -> None:
    """The tasks of one incident, open ones first, and what comes next."""
    ended = f"the incident is {seen.ended}" if seen.ended else "the incident goes on"
    head = Text.assemble(
        (plain(seen.incident), "bold"), f"  {plain(seen.title)}, {ended}, captain {seen.captain}"
    )
    say(desk.console, head)
    for line in _lines(seen, now):
        say(desk.console, line, indent=2, hang=6)
    first = next((each for each in seen.tasks if each.command), None)
    if first and first.command:
        command(desk.console, first.command)


def _lines(seen: FollowPicture, now: datetime) -> Iterator[Text]:
    for each in seen.tasks:
        yield _line(each, now)
    if seen.waived_until:
        who = " and ".join(seen.waived_by)
        over = "ran out" if now >= seen.waived_until else "runs out"
        style = BAD if now >= seen.waived_until else ASK
        yield Text(f"the lock was waived by {who}; that {over} {clock(seen.waived_until, now)}", style=style)
    if seen.over:
        yield Text("nothing is left", style=GOOD)
    else:
        when = f", next at {clock(seen.next, now)}" if seen.next else ""
        yield Text(f"waits for {plain(seen.waits_for, SHORT)}{when}", style=DIM)


def _line(each: TaskView, now: datetime) -> Text:
    """One task. That it is late is a word too, not only a colour."""
    name = f"{plain(each.task)}: {plain(each.title, SHORT)}"
    if each.done_at:
        said = f", by {plain(each.done_by)}" if each.done_by else ""
        why = f": {plain(each.said, SHORT)}" if each.said else ""
        return Text.assemble(
            (f"{each.state:<6}", COLOURS[each.state]), f"{name}, {clock(each.done_at, now)}{said}{why}"
        )
    besides = "".join(f", {part}" for part in each.state.split(", ")[1:])
    ticket = f", {plain(each.ticket, SHORT)}" if each.ticket else ""
    owned = f"{name}, {plain(each.owner)}{ticket}{besides}"
    if each.late_since:
        late = f" LATE since {clock(each.late_since, now)} ({show_duration(now - each.late_since)})"
        return Text.assemble((f"{'LATE':<6}", BAD), owned, (late, BAD))
    due = f" due {clock(each.due, now)} (in {show_duration(each.due - now)})" if each.due else ""
    return Text.assemble((f"{'open':<6}", ASK), owned, due)


def finish(
    ctx: typer.Context,
    incident: Incident,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Its name, as `firestation tasks` shows it.")],
    *,
    reason: Reason,
    fire: Annotated[
        str,
        typer.Option(
            "--fire", metavar="MARK", help="Which fire, where several of this incident have open tasks."
        ),
    ] = "",
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say that a task is done, where the tracker cannot tell, or not yet. Everybody of the station may.

    Example:
      firestation finish refund-agent-1a2b3c4d eval-lock --reason 'it runs in CI since today'

    Next: its reminders end; when every task is done, so does the after-action.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    name = gateway.find(incident)
    answer = gateway.finish(name, task, {"reason": reason, "fire": fire})
    if desk.json:
        desk.answer({**answer, "incident": name})
        return
    desk.console.print(Text.assemble(("done ", "green"), f"{plain(task)} of {name}"))
    found, _ = gateway.tasks(name, only_open=False)
    for seen in found:
        show(desk, seen, datetime.now(UTC))
