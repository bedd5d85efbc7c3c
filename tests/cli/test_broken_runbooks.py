"""Runbooks that are wrong, each in its own way: the file says at its top which lines the command must print.

`# expect:` is a mistake and `# warn:` a warning, as `LINE: FIELD: PROBLEM. FIX`, all of them and nothing else.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
FOLDER = Path(__file__).parents[1] / "runbooks_broken"
SYSTEM = FOLDER / "system.yaml"
BROKEN = sorted(path for path in FOLDER.glob("*.yaml") if path != SYSTEM)
WALLS = sorted((FOLDER / "walls").iterdir())
GENERAL = "Add a runbook of the pattern general, for the alarms that no other is for"
OF_THE_WALL = {
    "no-general": f"0: (whole): the wall has no runbook of the pattern general. {GENERAL}",
    "no-general-that-fits": f"0: (whole): no runbook of the pattern general fits the system search. {GENERAL}",
    "two-of-one-id": None,
}


def announced(path: Path, word: str) -> list[str]:
    lines = path.read_text(errors="replace").splitlines()
    return [line.removeprefix(f"# {word}: ") for line in lines if line.startswith(f"# {word}: ")]


def told(found: list[dict[str, object]], path: Path) -> list[str]:
    return [
        f"{each['line']}: {each['field']}: {each['problem']}. {each['fix']}"
        for each in found
        if each["file"] == str(path)
    ]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_each_mistake_is_said_exactly(run: Run, path: Path) -> None:
    wrong, doubtful = announced(path, "expect"), announced(path, "warn")
    assert wrong or doubtful
    result = run("runbook", "lint", str(path), "--system", str(SYSTEM), "--json")
    assert result.exit_code == (1 if wrong else 0)
    found = json.loads(result.stdout)
    assert told(found["problems"], path) == wrong
    assert told(found["warnings"], path) == doubtful
    assert len(found["problems"] + found["warnings"]) == len(wrong + doubtful)


@pytest.mark.parametrize("folder", WALLS, ids=lambda path: path.name)
def test_a_wall_whose_pages_do_not_hang_together(run: Run, folder: Path) -> None:
    result = run("runbook", "lint", str(folder), "--system", str(SYSTEM), "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["problems"]
    for path in folder.glob("*.yaml"):
        assert told(found, path) == announced(path, "expect")
    of_the_wall = OF_THE_WALL[folder.name]
    assert told(found, folder) == ([of_the_wall] if of_the_wall else [])


def test_people_read_the_same_on_lines_that_editors_follow(run: Run) -> None:
    path = FOLDER / "three-mistakes.yaml"
    result = run("runbook", "lint", str(path))
    assert result.output.splitlines() == [
        *(f"{path}:{line}" for line in announced(path, "expect")),
        "0 of 1 runbooks are good.",
    ]


def test_a_warning_is_seen_and_breaks_nothing(run: Run) -> None:
    path = FOLDER / "warned-stale.yaml"
    result = run("runbook", "lint", str(path))
    assert result.exit_code == 0
    (line,) = announced(path, "warn")
    number, _, said = line.partition(": ")
    assert result.output.splitlines() == [
        f"{path}:{number}: warning: {said}",
        "1 of 1 runbooks are good.",
    ]


def test_a_wall_of_many_faults_names_them_all_at_once(run: Run) -> None:
    """One bad page hides no other: all files of a folder are read, and the count is honest."""
    result = run("runbook", "lint", str(FOLDER), "--system", str(SYSTEM), "--json")
    found = json.loads(result.stdout)
    assert len(found["files"]) == len(BROKEN) + 1
    ruined = {each["file"] for each in found["problems"]} - {str(SYSTEM)}
    assert {str(path) for path in BROKEN if announced(path, "expect")} <= ruined
