"""Checking system files: their form, their drivers, and whether each rule of the triage has its turn."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.desk import Desk, Json
from cli.lint import in_lines, report
from firestation.drivers import problems
from firestation.errors import InvalidFile
from firestation.loader import at_lines, load_system, problems_in
from firestation.system import System
from firestation.triage_lint import over, unreachable


def lint(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="System files.")],
    *,
    as_json: Json = False,
) -> None:
    """Check system files: each field, and of the triage whether a rule can ever be reached.

    A warning says what is worth a look, such as a maintenance window that has ended; it does not change the exit code.

    Example:
      firestation system lint examples/refund_agent/system.yaml

    Next: exit code 1 when something is wrong; each line names file, line, field and fix.
    """
    desk = Desk.of(ctx, as_json=as_json)
    wrong: dict[Path, list[InvalidFile]] = {}
    warned: list[InvalidFile] = []
    for file in files:
        wrong[file] = problems_in(file, System)
        if not wrong[file]:
            system = load_system(file)
            wrong[file] = [*at_lines(file, problems(system)), *in_lines(file, unreachable(system))]
            warned += in_lines(file, over(system, datetime.now(UTC)))
    report(desk, wrong, warned, "system files")
