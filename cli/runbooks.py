"""The runbook wall on the command line: what hangs there, and what each page says."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.desk import As, Desk, Json
from cli.drill_page import shown, standing
from cli.files import ENDINGS, WALL, Paths, Wall, write_text, yaml_files
from cli.lint import lint
from cli.matching import match
from cli.page import kept_true, meant_for, show_page
from cli.paper import on_paper
from cli.plain import plain
from cli.show import command, say
from cli.teach import teach
from firestation.drill_report import Readiness
from firestation.errors import InvalidInput
from firestation.graph import graph, mermaid, svg
from firestation.loader import load_runbook, load_wall
from firestation.order import in_order
from firestation.runbook import Runbook
from firestation.schema import KINDS, schema
from firestation.severity import propose
from firestation.steps import FirebreakStep, ManualStep


class Kind(StrEnum):
    """The files that have a schema."""

    RUNBOOK = "runbook"
    SYSTEM = "system"
    STATION = "station"


class Form(StrEnum):
    """How a graph is rendered."""

    MERMAID = "mermaid"
    SVG = "svg"


runbook = typer.Typer(no_args_is_help=True, help="The runbook wall: check it, list it, read it, print it.")


def wall(
    ctx: typer.Context,
    paths: Paths = None,
    *,
    drills: Annotated[
        bool,
        typer.Option(
            "--drills", help="Ask the station, too, when each was last drilled, and on which system."
        ),
    ] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """List the runbooks: what each is for, who keeps it true, and what it would move.

    Example:
      firestation runbook list runbooks
      firestation runbook list runbooks --drills

    Next: `firestation runbook lint` checks them against a system.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    found = [(file, load_runbook(file)) for file in yaml_files(paths or [WALL])]
    ready = shown(desk.gateway()).readiness if drills else ()
    if desk.json:
        today = _today()
        desk.answer(
            [
                {
                    "file": str(file),
                    "stale": each.stale(today),
                    **each.model_dump(mode="json"),
                    **(
                        {"drills": [one.model_dump(mode="json") for one in _of(ready, each)]}
                        if drills
                        else {}
                    ),
                }
                for file, each in found
            ]
        )
        return
    for _, each in found:
        _tell(desk, each)
        for one in _of(ready, each):
            say(desk.console, standing(one), indent=2)
    command(desk.console, "firestation runbook lint --system FILE   # do they fit your system?")


def _of(ready: Iterable[Readiness], page: Runbook) -> list[Readiness]:
    """How ready each system is for what this runbook is for."""
    return [one for one in ready if one.runbook == page.runbook]


def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUNBOOK", help="Its file, or its id on the wall.")],
    *,
    wall: Wall = WALL,
    as_json: Json = False,
) -> None:
    """Read one runbook on a page: what it is for, each step with its price, and when it is over.

    Example:
      firestation runbook show stale-policy

    Next: `firestation runbook graph` draws it, `firestation runbook print` puts it on paper.
    """
    desk = Desk.of(ctx, as_json=as_json)
    found = page_of(name, wall)
    if desk.json:
        desk.answer(found.model_dump(mode="json"))
        return
    show_page(desk.console, found, stale=found.stale(_today()))


def draw(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUNBOOK", help="Its file, or its id on the wall.")],
    *,
    wall: Wall = WALL,
    form: Annotated[
        Form, typer.Option("--format", help="mermaid is text that many tools draw; svg is an image.")
    ] = (Form.MERMAID),
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it into this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw a runbook: from the alarm over each step, its conditions and fallbacks, to recovery and lock.

    With --json the boxes and arrows themselves.

    Example:
      firestation runbook graph stale-policy --format mermaid

    Next: put the picture on the wall, or into the runbook's page of your handbook.
    """
    desk = Desk.of(ctx, as_json=as_json)
    found = graph(page_of(name, wall))
    drawn = svg(found) if form is Form.SVG else mermaid(found)
    if out:
        write_text(out, drawn)
    if desk.json:
        desk.answer(found.model_dump(mode="json"))
    elif out:
        desk.console.print(Text(f"wrote {plain(out)}"), soft_wrap=True)
    else:
        print(drawn, end="")


def page_of(name: str, folder: Path) -> Runbook:
    """The runbook of this file, or of this id in the folder. Raises `InvalidInput`, and as `load_runbook`."""
    path = Path(name)
    if path.suffix in ENDINGS or path.is_file():
        return load_runbook(path)
    pages = load_wall(folder)
    for page in pages:
        if page.runbook == name:
            return page
    fix = f"There is {', '.join(page.runbook for page in pages)}"
    raise InvalidInput("runbook", f"there is no runbook {name!r} in {folder}", fix)


def _tell(desk: Desk, each: Runbook) -> None:
    console = desk.console
    say(console, Text.assemble((each.runbook, "bold"), f"  {plain(each.title)}"))
    proposed = propose(each.severity).severity
    say(console, Text(f"{each.pattern}; for {plain(meant_for(each))}; proposes {proposed}"), indent=2)
    say(console, kept_true(each, stale=each.stale(_today())), indent=2)
    for step in in_order(each):
        say(console, Text(_line(step)), indent=2)


def _line(step: FirebreakStep | ManualStep) -> str:
    if isinstance(step, ManualStep):
        return f"{step.id}: by hand: {plain(step.title)}"
    allowed = ", ".join(step.preauthorized)
    word = f"pre-authorized at {allowed}" if allowed else "the captain decides"
    return f"{step.id}: {step.lever} -> {step.to} ({word})"


def _today() -> date:
    return datetime.now(UTC).date()


def schema_of(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="Which file: runbook, system or station.")] = Kind.RUNBOOK,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write all three into this folder, as KIND.schema.json."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of the files that people write, for editors that check while you type.

    The schema is JSON with and without --json.

    Example:
      firestation runbook schema runbook

    Next: name it in the first line of the file: # yaml-language-server: $schema=PATH
    """
    desk = Desk.of(ctx, as_json=as_json)
    if out is None:
        print(json.dumps(schema(kind), indent=2))
        return
    written = [out / f"{each}.schema.json" for each in KINDS]
    for path, each in zip(written, KINDS, strict=True):
        write_text(path, json.dumps(schema(each), indent=2) + "\n")
    if desk.json:
        desk.answer([str(path) for path in written])
    for path in [] if desk.json else written:
        desk.console.print(Text(f"wrote {plain(path)}"), soft_wrap=True)


teach(runbook, "list", wall)
teach(runbook, "show", show)
teach(runbook, "graph", draw)
teach(runbook, "match", match)
teach(runbook, "print", on_paper)
teach(runbook, "schema", schema_of)
teach(runbook, "lint", lint)
