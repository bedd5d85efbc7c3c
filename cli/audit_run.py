"""Auditing every incident of a namespace. The work is a program of the worker's, as with `replay`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.desk import Desk, Json
from cli.errors import ExitCode
from cli.station import Address, words


def run(
    ctx: typer.Context,
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="How long ago (30d, 12h), a day, or a time.")
    ],
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="The same; now without it.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", metavar="ID", help="Only the incidents of this system.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the report as JSON to a new file.")
    ] = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Audit and replay every incident that was going on since then; progress goes to standard error.

    Example:
      firestation audit run --since 30d

    Next: exit code 0 says that each could be read, that no rule was broken but on the record, and that today's code
    decides as it decided then; 1 that one is broken or unreadable. Look closer at it with `firestation replay`.
    """
    desk = Desk.of(ctx, as_json=as_json)
    given = {
        "--since": since,
        "--until": until,
        "--system": system,
        "--out": out,
        "--address": address or desk.options.where("temporal"),
    }
    command = [sys.executable, "-m", "worker.audits", *words(given, as_json=as_json)]
    done = subprocess.run(command, check=False)  # noqa: S603 - our own program, no shell
    raise typer.Exit(done.returncode if done.returncode >= 0 else ExitCode.DEFECT)
