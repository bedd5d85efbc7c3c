"""Checking the runbook wall: each mistake with its file, line, field and fix, before the night when it matters."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.desk import Desk, Json
from cli.errors import ExitCode, as_data
from cli.files import WALL, Paths, checked_system, yaml_files
from cli.plain import plain
from firestation.doubts import doubts
from firestation.drivers import Drivers
from firestation.errors import InvalidFile, InvalidInput, NotConfigured
from firestation.hole import Hole
from firestation.lint import dangling, holes
from firestation.loader import at_lines, load_runbook, problems_in
from firestation.locks.case import impossible
from firestation.ports import Lockable, LockCase
from firestation.runbook import GENERAL, Runbook
from firestation.secrets import ReferenceSecrets
from firestation.system import System

Systems = Annotated[
    list[Path] | None,
    typer.Option("--system", metavar="FILE", help="Also check that it fits this system; may be repeated."),
]


def lint(ctx: typer.Context, paths: Paths = None, *, against: Systems = None, as_json: Json = False) -> None:
    """Check runbooks: each field, each step's turn, and with --system each name that they use.

    A warning says what is worth a look, such as a runbook that nobody went through for long;
    it does not change the exit code.

    Example:
      firestation runbook lint runbooks --system examples/refund_agent/system.yaml

    Next: exit code 1 when something is wrong; each line names file, line, field and fix.
    """
    desk = Desk.of(ctx, as_json=as_json)
    systems = [checked_system(path) for path in against or []]
    wrong: dict[Path, list[InvalidFile]] = {}
    warned: list[InvalidFile] = []
    for path in paths or [WALL]:
        files = list(yaml_files([path]))
        for file in files:
            wrong[file] = problems_in(file, Runbook)
            if not wrong[file]:
                found, doubted = _judged(load_runbook(file), systems)
                wrong[file] += in_lines(file, found)
                warned += in_lines(file, doubted)
        if path.is_dir():
            read = {file: load_runbook(file) for file in files if not problems_in(file, Runbook)}
            for each in _together(path, read, systems, whole=len(read) == len(files)):
                wrong.setdefault(Path(each.file), []).append(each)
    report(desk, wrong, warned)


def _judged(runbook: Runbook, systems: Iterable[System]) -> tuple[list[Hole], tuple[Hole, ...]]:
    """What is wrong beyond the form, and what is worth a look. A system that it is not for is left out."""
    meant = [each for each in systems if not runbook.match.systems or each.system in runbook.match.systems]
    found = [*holes(runbook)]
    for system in meant:
        found += dangling(runbook, system) or _unlockable(runbook, system)
    return found, doubts(runbook, datetime.now(UTC).date(), meant)


def _unlockable(runbook: Runbook, system: System) -> list[Hole]:
    """Whether the lock's check can be written down as a test; it would be found out after the incident otherwise."""
    fitting = system.check(runbook.lock.check) if runbook.lock.check else None
    if fitting is None:  # two people attest it
        return []

    async def asked() -> LockCase | str:
        async with Drivers(ReferenceSecrets(Path())) as bench:
            check = bench.check(fitting)
            if not isinstance(check, Lockable):
                return f"the check {fitting.id} cannot become a lock: its driver {fitting.driver} cannot write a test"
            try:
                return check.lock_case()
            except NotConfigured as error:
                return str(error).partition("; ")[0]

    found = asyncio.run(asked())
    if isinstance(found, str):
        return [Hole(field="lock.check", problem=found, fix="Name a simpler check")]
    source = next(each for each in system.sources if each.id == runbook.lock.source)
    return list(impossible(runbook.lock, found, source.privacy))


def _together(
    folder: Path, wall: dict[Path, Runbook], systems: Iterable[System], *, whole: bool
) -> Iterator[InvalidFile]:
    """What is wrong with a wall though each of its runbooks is good by itself; `whole` when all could be read."""
    first: dict[str, Path] = {}
    for file, runbook in wall.items():
        if runbook.runbook in first:
            problem = f"{runbook.runbook!r} is already the id of {first[runbook.runbook].name}"
            yield from in_lines(
                file, [Hole(field="runbook", problem=problem, fix="Give each runbook its own id")]
            )
        first.setdefault(runbook.runbook, file)
    general = [each for each in wall.values() if each.pattern == GENERAL]
    fix = f"Add a runbook of the pattern {GENERAL}, for the alarms that no other is for"
    if not general and whole:
        yield InvalidFile(str(folder), 0, "(whole)", f"the wall has no runbook of the pattern {GENERAL}", fix)
    for system in systems if general else ():
        if all(holes(each) or dangling(each, system) for each in general):
            problem = f"no runbook of the pattern {GENERAL} fits the system {system.system}"
            yield InvalidFile(str(folder), 0, "(whole)", problem, fix)


def in_lines(file: Path, found: Iterable[Hole]) -> list[InvalidFile]:
    """What is wrong with a file, each with its line."""
    return at_lines(file, [InvalidInput(each.field, each.problem, each.fix) for each in found])


def report(
    desk: Desk, wrong: dict[Path, list[InvalidFile]], warned: list[InvalidFile], kind: str = "runbooks"
) -> None:
    """Print what is wrong, a line each, as editors follow it. Raises `typer.Exit` when anything is."""
    found = [each for of_one in wrong.values() for each in of_one]
    files = [file for file in wrong if not file.is_dir()]
    if desk.json:
        told = [
            {name: getattr(each, name) for name in ("file", "line", "field", "problem", "fix")}
            for each in warned
        ]
        desk.answer(
            {
                "files": [str(file) for file in files],
                "problems": [as_data(each) for each in found],
                "warnings": told,
            }
        )
    else:
        for each in found:
            desk.console.print(Text(plain(each)), soft_wrap=True)
        for each in warned:
            said = f"{each.file}:{each.line}: warning: {each.field}: {each.problem}. {each.fix}"
            desk.console.print(Text(plain(said), style="yellow"), soft_wrap=True)
        good = sum(1 for file in files if not wrong[file])
        desk.console.print(f"{good} of {len(files)} {kind} are good.")
    if found:
        raise typer.Exit(ExitCode.REFUSED)
