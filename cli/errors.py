"""What a mistake looks like in the terminal: one message, one exit code, never a stack trace."""

import json
import sys
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from cli.plain import plain
from firestation.errors import (
    Denied,
    DriverError,
    FirestationError,
    Gone,
    InvalidFile,
    InvalidInput,
    NotConfigured,
    Refused,
)

MOST_LINES = 40


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    OK = 0
    REFUSED = 1
    BAD_INPUT = 2
    NOT_ALLOWED = 3
    UNKNOWN = 4
    UNREACHABLE = 5
    DEFECT = 70


EXIT_CODES = """Exit codes:
   0  done
   1  refused by a rule of the house, or a check failed
   2  bad input or usage
   3  not authenticated, or not allowed
   4  unknown incident
   5  the station cannot be reached
  70  a defect of ours"""


def exit_code(error: Exception) -> ExitCode:
    """The exit code that goes with an error."""
    match error:
        case Refused():
            return ExitCode.REFUSED
        case InvalidInput() | NotConfigured():
            return ExitCode.BAD_INPUT
        case Denied():
            return ExitCode.NOT_ALLOWED
        case Gone():
            return ExitCode.UNKNOWN
        case DriverError():
            return ExitCode.UNREACHABLE
        case FirestationError():
            return ExitCode.REFUSED
        case _:
            return ExitCode.DEFECT


def as_data(error: Exception) -> dict[str, Any]:
    """The error as `--json` prints it: what kind, what it says, and the field and fix or the rule."""
    data: dict[str, Any] = {"error": type(error).__name__, "message": message(error)}
    match error:
        case InvalidFile():
            data |= {"file": error.file, "line": error.line}
    match error:
        case InvalidInput():
            data |= {"field": error.field, "problem": error.problem, "fix": error.fix}
        case Refused():
            data |= {"rule": error.rule, "title": error.title, "missing": error.missing}
    return data | {"exit_code": int(exit_code(error))}


def message(error: Exception) -> str:
    """What to tell a person."""
    if isinstance(error, FirestationError):
        return "\n".join(plain(line) for line in str(error).splitlines()[:MOST_LINES])
    return plain(f"this is a defect of firestation's, please report it: {type(error).__name__}: {error}")


class StationGroup(TyperGroup):
    """The top command: it turns every error into a message and an exit code."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # Typer's own context, made public
        """Run the command that was asked for. Raises `typer.Exit` with the exit code of an error."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, KeyboardInterrupt, EOFError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the outermost door: people get a message, never a stack trace
            wants_json = bool(getattr(ctx.obj, "json", False))
            if wants_json:
                print(json.dumps(as_data(error)))
            print(f"firestation: {message(error)}", file=sys.stderr)
            raise typer.Exit(exit_code(error)) from None
