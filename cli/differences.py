"""Differences on a terminal: what the bad request has and what the healthy one, how things were and how they are."""

import json
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from cli.plain import SHORT, plain
from cli.show import BAD, say
from firestation.comparison import Comparison, Difference
from firestation.differing import changed_lines, ranks

MOST_LINES = 40


class Sides(NamedTuple):
    """What the two sides of a comparison are called."""

    this: str
    other: str


REQUESTS = Sides("bad", "healthy")
TIMES = Sides("now", "then")


def changes(console: Console, name: str, made: Comparison, *, every: bool) -> None:
    """Print how one thing changed."""
    shown = made.differences if every else made.telling
    if any(each.path == "$" for each in made.differences):
        say(console, Text(f"{plain(name, SHORT)}: nothing is known of then"), indent=2)
        return
    told = f"{len(shown)} differences" if shown else "the same then and now"
    say(console, Text(f"{plain(name, SHORT)}: {told}"), indent=2)
    for each in shown:
        tell(console, each, TIMES, indent=4)


def tell(console: Console, each: Difference, sides: Sides = REQUESTS, *, indent: int = 2) -> None:
    """Print one difference: the value on this side, and the one on the other."""
    path = each.path.removeprefix("$.")
    if each.kind == "order":
        say(console, Text(f"{plain(path)}: the order differs", style=BAD), indent=indent)
        for rank in ranks(each):
            told = (
                f"{rank.here or '-'}  {plain(rank.name, SHORT)}  ({sides.other}: {rank.there or 'not there'})"
            )
            say(console, Text(told), indent=indent + 4)
        return
    if lines := changed_lines(each):
        say(console, Text(plain(path), style=BAD), indent=indent)
        for line in lines[:MOST_LINES]:
            side = sides.this if line.here else sides.other
            say(console, Text(f"{side:<8}{plain(line.text, SHORT)}"), indent=indent + 4, hang=8)
        return
    say(console, Text.assemble((plain(path), BAD), f": {_value(each, sides.other)}"), indent=indent, hang=6)


def _value(each: Difference, other: str) -> str:
    bad, healthy = (plain(json.dumps(value, ensure_ascii=False), SHORT) for value in (each.bad, each.healthy))
    return {"value": f"{bad}   {other}: {healthy}", "only in the bad one": f"{bad}   {other}: not there"}.get(
        each.kind, f"not there   {other}: {healthy}"
    )
