"""The runbook wall on the command line: what hangs there, and what each page says."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.desk import Desk, Json
from cli.files import WALL, Paths, write_text, yaml_files
from cli.lint import lint
from cli.plain import plain
from cli.show import command, say
from cli.teach import teach
from firestation.loader import load_runbook
from firestation.runbook import Runbook
from firestation.schema import KINDS, schema
from firestation.severity import propose


class Kind(StrEnum):
    """The files that have a schema."""

    RUNBOOK = "runbook"
    SYSTEM = "system"
    STATION = "station"


runbook = typer.Typer(no_args_is_help=True, help="The runbook wall: check it, list it, read it, print it.")


def wall(ctx: typer.Context, paths: Paths = None, *, as_json: Json = False) -> None:
    """List the runbooks: what each is for, and what it would move.

    Example:
      firestation runbook list runbooks

    Next: `firestation runbook lint` checks them against a system.
    """
    desk = Desk.of(ctx, as_json=as_json)
    found = [(file, load_runbook(file)) for file in yaml_files(paths or [WALL])]
    if desk.json:
        desk.answer([{"file": str(file), **each.model_dump(mode="json")} for file, each in found])
        return
    for _, each in found:
        _tell(desk, each)


def _tell(desk: Desk, each: Runbook) -> None:
    console = desk.console
    say(console, Text.assemble((each.runbook, "bold"), f"  {plain(each.title)}"))
    names = ", ".join(each.match.names) or "whatever no other runbook is for"
    say(console, Text(f"for {plain(names)}; proposes {propose(each.severity).severity}"), indent=2)
    for step in each.firebreaks:
        word = (
            f"pre-authorized at {', '.join(step.preauthorized)}"
            if step.preauthorized
            else "the captain decides"
        )
        say(console, Text(f"{step.id}: {step.lever} -> {step.to} ({word})"), indent=2)
    command(console, f"firestation runbook lint --system FILE   # does {each.runbook} fit your system?")


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
teach(runbook, "schema", schema_of)
teach(runbook, "lint", lint)
