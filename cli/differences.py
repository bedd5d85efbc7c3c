"""Differences on a terminal: what the bad request has and what the healthy one, how things were and how they are."""

import difflib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from cli.plain import SHORT, plain
from cli.show import BAD, say
from firestation.comparison import Comparison, Difference
from firestation.firebreak import HOLDING, Lease
from firestation.picture import Picture

STANDS = HOLDING | {Lease.ADOPTED, Lease.LIFTING}
LONG_TEXT = 60
MOST_LINES = 40


class Sides(NamedTuple):
    """What the two sides of a comparison are called."""

    this: str
    other: str


REQUESTS = Sides("bad", "healthy")
TIMES = Sides("now", "then")


def levers(seen: Picture) -> Iterator[tuple[str, str, str]]:
    """Each lever: where it stood when the evidence was sealed, and where the record has it now."""
    now: dict[str, str] = {}
    for each in seen.firebreaks:
        if each.state in STANDS:
            now[each.action.lever] = str(each.action.to)
        elif each.state is Lease.LIFTED:
            now[each.action.lever] = str(each.action.origin)
    for state in seen.sealed.levers if seen.sealed else ():
        then = str(state.position) if state.position else "could not be read"
        yield state.lever, then, now.get(state.lever, then)


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
        bad, healthy = _names(each.bad), _names(each.healthy)
        for rank, name in enumerate(bad, start=1):
            was = str(healthy.index(name) + 1) if name in healthy else "not there"
            told = f"{rank}  {plain(name, SHORT)}  ({sides.other}: {was})"
            say(console, Text(told), indent=indent + 4)
        for name in healthy:
            if name not in bad:
                told = f"-  {plain(name, SHORT)}  ({sides.other}: {healthy.index(name) + 1})"
                say(console, Text(told), indent=indent + 4)
        return
    if (
        each.kind == "value"
        and isinstance(each.bad, str)
        and isinstance(each.healthy, str)
        and (len(each.bad) > LONG_TEXT or "\n" in each.bad)
    ):
        say(console, Text(plain(path), style=BAD), indent=indent)
        lines = list(
            difflib.unified_diff(each.healthy.splitlines(), each.bad.splitlines(), lineterm="", n=0)
        )[2:]
        for line in lines[:MOST_LINES]:
            if not line.startswith("@@"):
                side = sides.this if line[0] == "+" else sides.other
                say(console, Text(f"{side:<8}{plain(line[1:], SHORT)}"), indent=indent + 4, hang=8)
        return
    say(console, Text.assemble((plain(path), BAD), f": {_value(each, sides.other)}"), indent=indent, hang=6)


def _value(each: Difference, other: str) -> str:
    bad, healthy = (plain(json.dumps(value, ensure_ascii=False), SHORT) for value in (each.bad, each.healthy))
    return {"value": f"{bad}   {other}: {healthy}", "only in the bad one": f"{bad}   {other}: not there"}.get(
        each.kind, f"not there   {other}: {healthy}"
    )


def _names(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
