"""The files that people write: found, read, and checked before the night when they are needed."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.desk import Desk, Json
from cli.errors import ExitCode
from cli.plain import plain
from cli.show import say
from cli.teach import teach
from firestation.drivers import problems
from firestation.errors import InvalidInput
from firestation.evidence import readiness, ready_percent
from firestation.loader import at_lines, load_system
from firestation.system import System

WALL = Path("runbooks")
ENDINGS = (".yaml", ".yml")

system = typer.Typer(no_args_is_help=True, help="The systems under protection.")

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[PATH]...", help="Files, or folders of them; otherwise ./runbooks."),
]
Wall = Annotated[
    Path, typer.Option("--runbooks", metavar="DIR", help="The runbook wall; otherwise ./runbooks.")
]


def check(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="System files.")],
    *,
    as_json: Json = False,
) -> None:
    """Say whether the evidence could be frozen tonight: each item of the minimum snapshot, and who gives it.

    Example:
      firestation system check examples/refund_agent/system.yaml

    Next: add a source for each gap that you can fill; exit code 1 while there is one.
    """
    desk = Desk.of(ctx, as_json=as_json)
    found = [checked_system(file) for file in files]
    gaps = [item for each in found for item, given in readiness(each) if not given]
    if desk.json:
        desk.answer(
            [
                {
                    "system": each.system,
                    "ready_percent": ready_percent(each),
                    "readiness": dict(readiness(each)),
                }
                for each in found
            ]
        )
    for each in [] if desk.json else found:
        title = f"{plain(each.title)} ({each.system}): {ready_percent(each)} % of the minimum snapshot"
        say(desk.console, Text(title, style="bold"))
        for item, given in readiness(each):
            word = Text("ready  ", style="green") if given else Text("GAP    ", style="bold red")
            told = ", ".join(given) if given else "nothing gives it: it will stand in the manifest as a gap"
            say(desk.console, Text.assemble(word, f"{item:<17}", plain(told)), indent=2, hang=24)
    if gaps:
        raise typer.Exit(ExitCode.REFUSED)


def checked_system(file: Path) -> System:
    """The system file, whole and understood by its drivers. Raises as `load_system`, `InvalidFile` for a driver too."""
    made = load_system(file)
    for wrong in at_lines(file, problems(made)):
        raise wrong
    return made


def yaml_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The YAML files that these paths name. Raises `InvalidInput` for a path that names none."""
    for path in paths:
        found = sorted(each for each in path.iterdir() if each.suffix in ENDINGS) if path.is_dir() else [path]
        if not path.exists() or not found:
            raise InvalidInput(
                "path", f"there is no runbook at {path}", "Name a YAML file, or a folder of them"
            )
        yield from found


def write_text(path: Path, text: str) -> None:
    """Write the file, and its folder. Raises `InvalidInput` when that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror}"
        raise InvalidInput("--out", problem, "Name a place where you may write") from error


teach(system, "check", check)
