"""Looking at the bells: whether each alert system was heard, and why it was last refused."""

from datetime import UTC, datetime

import typer
from rich.text import Text

from cli.clockface import clock, zone
from cli.desk import As, Desk, Json
from cli.plain import SHORT, plain
from cli.show import BAD, DIM, GOOD, say
from firestation.bell.view import BellView, Known
from firestation.model import show_duration

COLOURS = {"heard": GOOD, "refused": BAD, "never heard": BAD}
MOST_WIDE = 30


def bells(ctx: typer.Context, *, who: As = None, as_json: Json = False) -> None:
    """Show whether each bell of the station file works: when this gateway heard it, and why it was last refused.

    Example:
      firestation bells
      firestation bells --json

    Next: what stands under a bell that was never heard, or was refused; docs/bells.md says how each is set up.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    found = desk.gateway().bells()
    if desk.json:
        desk.answer(found.model_dump(mode="json"))
        return
    now = datetime.now(UTC)
    wide = min(max((len(each.bell) for each in found.bells), default=0), MOST_WIDE)
    for each in found.bells:
        _print(desk, each, wide, now)
    if found.strangers.refused:
        say(desk.console, Text(_strangers(found.strangers, now), style=DIM))
    heard = "as this gateway heard them; another gateway counts its own"
    say(desk.console, Text(f"{heard}; times in {zone(now)}", style=DIM))


def _print(desk: Desk, each: BellView, wide: int, now: datetime) -> None:
    word = (f"{each.standing:<12}", COLOURS.get(each.standing, DIM))
    shows = f"  {each.format}, shows itself by {each.shows}"
    say(desk.console, Text.assemble(word, (f"{each.bell:<{wide}}", "bold"), (shows, DIM)))
    if each.heard and each.since:
        taken = f"{each.taken()} since {clock(each.since, now)}"
        say(desk.console, Text(f"last heard {_at(each.heard, now)}; {taken}"), 2)
    if each.refused:
        why = plain(each.refused.sentence(), SHORT)
        told = f"last refused {_at(each.refused.at, now)}, {each.refusals} in all: {why}"
        say(desk.console, Text(told, style=BAD if each.standing == "refused" else DIM), 2)
    if each.next:
        say(desk.console, Text(f"next: {plain(each.next, SHORT)}"), 2)


def _at(moment: datetime, now: datetime) -> str:
    return f"{clock(moment, now)} ({show_duration(max(now - moment, now - now))} ago)"


def _strangers(known: Known, now: datetime) -> str:
    last = f", the last {_at(known.refused.at, now)}" if known.refused else ""
    came = f"{known.turned_away()} came to no bell of the station file{last}"
    return f"{came}: perhaps a name or a routing key is mistyped"
