"""Differences on a terminal: what the bad request has, and what the healthy one."""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.plain import SHORT, plain
from cli.show import BAD, say
from firestation.comparison import Difference
from firestation.firebreak import HOLDING, Lease
from firestation.picture import Picture

STANDS = HOLDING | {Lease.ADOPTED, Lease.LIFTING}
LONG_TEXT = 60
MOST_LINES = 40


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


def tell(console: Console, each: Difference) -> None:
    """Print one difference: the bad request's value, and the healthy one's."""
    path = each.path.removeprefix("$.")
    if each.kind == "order":
        say(console, Text(f"{plain(path)}: the order differs", style=BAD), indent=2)
        bad, healthy = _names(each.bad), _names(each.healthy)
        for rank, name in enumerate(bad, start=1):
            was = f"healthy: {healthy.index(name) + 1}" if name in healthy else "healthy: not there"
            say(console, Text(f"{rank}  {plain(name, SHORT)}  ({was})"), indent=6)
        for name in healthy:
            if name not in bad:
                say(console, Text(f"-  {plain(name, SHORT)}  (healthy: {healthy.index(name) + 1})"), indent=6)
        return
    if (
        each.kind == "value"
        and isinstance(each.bad, str)
        and isinstance(each.healthy, str)
        and (len(each.bad) > LONG_TEXT or "\n" in each.bad)
    ):
        say(console, Text(plain(path), style=BAD), indent=2)
        lines = list(
            difflib.unified_diff(each.healthy.splitlines(), each.bad.splitlines(), lineterm="", n=0)
        )[2:]
        for line in lines[:MOST_LINES]:
            if not line.startswith("@@"):
                say(
                    console,
                    Text(f"{'bad     ' if line[0] == '+' else 'healthy '}{plain(line[1:], SHORT)}"),
                    indent=6,
                    hang=8,
                )
        return
    say(console, Text.assemble((plain(path), BAD), f": {_value(each)}"), indent=2, hang=6)


def _value(each: Difference) -> str:
    bad, healthy = (plain(json.dumps(value, ensure_ascii=False), SHORT) for value in (each.bad, each.healthy))
    return {"value": f"{bad}   healthy: {healthy}", "only in the bad one": f"{bad}   healthy: not there"}.get(
        each.kind, f"not there   healthy: {healthy}"
    )


def _names(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
