"""The files that people write: the runbook wall and the systems, checked before the night when they are needed."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.desk import Desk, Json
from cli.errors import ExitCode, as_data
from cli.plain import plain
from cli.show import command, say
from cli.teach import teach
from firestation.drivers import problems
from firestation.errors import InvalidFile, InvalidInput
from firestation.evidence import readiness, ready_percent
from firestation.lint import dangling, holes
from firestation.loader import at_lines, load_runbook, load_system, problems_in
from firestation.runbook import Runbook
from firestation.severity import propose
from firestation.system import System

WALL = Path("runbooks")
ENDINGS = (".yaml", ".yml")

runbook = typer.Typer(no_args_is_help=True, help="The runbook wall: check it, list it.")
system = typer.Typer(no_args_is_help=True, help="The systems under protection.")

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[PATH]...", help="Files, or folders of them; otherwise ./runbooks."),
]
Systems = Annotated[
    list[Path] | None,
    typer.Option("--system", metavar="FILE", help="Also check that it fits this system; may be repeated."),
]


def lint(ctx: typer.Context, paths: Paths = None, *, against: Systems = None, as_json: Json = False) -> None:
    """Check runbooks: each field, and with --system each lever, position, check and source that they name.

    Example:
      firestation runbook lint runbooks --system examples/refund_agent/system.yaml

    Next: exit code 1 when something is wrong; each line names file, line, field and fix.
    """
    desk = Desk.of(ctx, as_json=as_json)
    systems = [load_system(path) for path in against or []]
    files = list(yaml_files(paths or [WALL]))
    wrong = {file: runbook_problems(file, systems) for file in files}
    report(desk, wrong, "runbook")


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
    found = [load_system(file) for file in files]
    wrong = [each for file, made in zip(files, found, strict=True) for each in at_lines(file, problems(made))]
    if wrong:
        raise wrong[0]
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


def runbook_problems(file: Path, systems: Iterable[System]) -> list[InvalidFile]:
    """Everything wrong in a runbook, and every name in it that one of the systems does not know."""
    wrong = problems_in(file, Runbook)
    if wrong:
        return wrong
    runbook = load_runbook(file)
    found = [*holes(runbook), *(hole for each in systems for hole in dangling(runbook, each))]
    return at_lines(file, [InvalidInput(each.field, each.problem, each.fix) for each in found])


def report(desk: Desk, wrong: dict[Path, list[InvalidFile]], kind: str) -> None:
    """Print what is wrong, a line each, as editors follow it. Raises `typer.Exit` when anything is."""
    found = [each for problems_of_one in wrong.values() for each in problems_of_one]
    if desk.json:
        told = [as_data(each) for each in found]
        desk.answer({"files": [str(file) for file in wrong], "problems": told})
    for each in [] if desk.json else found:
        desk.console.print(Text(plain(each)), soft_wrap=True)
    if not desk.json:
        good = sum(1 for problems_of_one in wrong.values() if not problems_of_one)
        desk.console.print(f"{good} of {len(wrong)} {kind}s are good.")
    if found:
        raise typer.Exit(ExitCode.REFUSED)


def yaml_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The YAML files that these paths name. Raises `InvalidInput` for a path that names none."""
    for path in paths:
        found = sorted(each for each in path.iterdir() if each.suffix in ENDINGS) if path.is_dir() else [path]
        if not path.exists() or not found:
            raise InvalidInput(
                "path", f"there is no runbook at {path}", "Name a YAML file, or a folder of them"
            )
        yield from found


def _tell(desk: Desk, each: Runbook) -> None:
    console = desk.console
    say(console, Text.assemble((each.runbook, "bold"), f"  {plain(each.title)}"))
    labels = [f"{label} {' or '.join(values)}" for label, values in each.match.labels.items()]
    what = ", ".join([*each.match.names, *labels]) or "whatever no other runbook is for"
    say(console, Text(f"for {plain(what)}; proposes {propose(each.severity).severity}"), indent=2)
    for step in each.firebreaks:
        word = (
            f"pre-authorized at {', '.join(step.preauthorized)}"
            if step.preauthorized
            else "the captain decides"
        )
        say(console, Text(f"{step.id}: {step.lever} -> {step.to} ({word})"), indent=2)
    command(console, f"firestation runbook lint --system FILE   # does {each.runbook} fit your system?")


teach(runbook, "lint", lint)
teach(runbook, "list", wall)
teach(system, "check", check)
