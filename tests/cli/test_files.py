import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from firestation.drivers import problems
from firestation.lint import dangling
from firestation.loader import load_station, load_system, load_wall

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
SYSTEM = ROOT / "examples" / "refund_agent" / "system.yaml"
WALL = ROOT / "runbooks"
PAGE = WALL / "stale-policy.yaml"


def changed(folder: Path, old: str, new: str) -> Path:
    text = PAGE.read_text()
    assert old in text
    path = folder / "page.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_the_example_files_are_good_and_fit_together() -> None:
    system = load_system(SYSTEM)
    assert problems(system) == ()
    assert [dangling(page, system) for page in load_wall(WALL)] == [()] * len(load_wall(WALL))
    station = load_station(ROOT / "examples" / "station" / "station.yaml")
    assert station.escalation == ("ana", "ben")
    assert [bell.id for bell in station.bells] == ["refund-eval", "alertmanager", "watch"]


def test_lint_of_a_good_wall(run: Run) -> None:
    result = run("runbook", "lint", str(WALL), "--system", str(SYSTEM))
    assert result.exit_code == 0
    assert "12 of 12 runbooks are good." in result.output


def test_lint_names_file_line_field_and_fix(run: Run, tmp_path: Path) -> None:
    path = changed(tmp_path, "expires_after: 4h", "expires_after: a while")
    result = run("runbook", "lint", str(path))
    assert result.exit_code == 1
    line = path.read_text().splitlines().index("    expires_after: a while") + 1
    assert f"{path}:{line}: firebreaks[0].expires_after: 'a while' is not a duration" in result.output
    assert "0 of 1 runbooks are good." in result.output


def test_lint_against_a_system_finds_names_that_it_does_not_know(run: Run, tmp_path: Path) -> None:
    path = changed(tmp_path, "lever: refund_tool", "lever: refund_tol")
    assert run("runbook", "lint", str(path)).exit_code == 0
    result = run("runbook", "lint", str(path), "--system", str(SYSTEM), "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["problems"]
    line = path.read_text().splitlines().index("    lever: refund_tol") + 1
    assert [(each["line"], each["field"]) for each in found] == [(line, "firebreaks[0].lever")]
    assert "It has reranker, refund_tool" in found[0]["fix"]


@pytest.mark.parametrize("words", [("lint", "/no/such"), ("list", "/no/such")])
def test_a_path_that_is_not_there(run: Run, words: tuple[str, ...]) -> None:
    result = run("runbook", *words)
    assert result.exit_code == 2
    assert "there is no runbook at /no/such" in result.stderr


def test_a_file_of_nonsense_is_a_message(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00[{")
    result = run("runbook", "lint", str(path))
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_the_wall_as_a_list(run: Run) -> None:
    said = run("runbook", "list", str(WALL)).output
    assert "stale-policy  A stale policy outranks the current one" in said
    assert "for alarms named RefundGoldenEvalFailing; proposes sev2" in said
    assert "for label pattern tool-loop-runaway; proposes sev1" in said
    assert "for whatever no other runbook is for; proposes sev2" in said
    assert "stop-refunds: refund_tool -> disabled (pre-authorized at sev1, sev2)" in said
    listed = json.loads(run("runbook", "list", str(WALL), "--json").stdout)
    assert [each["runbook"] for each in listed] == sorted(path.stem for path in WALL.glob("*.yaml"))


def test_a_system_says_what_its_snapshot_would_lack(run: Run) -> None:
    result = run("system", "check", str(SYSTEM))
    assert result.exit_code == 1
    assert "GAP    human-review     nothing gives it" in result.output
    assert "ready  retrieval        traces" in result.output
    found = json.loads(run("system", "check", str(SYSTEM), "--json").stdout)[0]
    assert [item for item, given in found["readiness"].items() if not given] == ["human-review"]


def test_a_wrong_driver_setting_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_text(SYSTEM.read_text().replace("path: $.value", "path: value", 1))
    result = run("system", "check", str(path))
    assert result.exit_code == 2
    assert f"{path}:" in result.stderr
    assert "levers[0].with.read.path: 'value' is not a path" in result.stderr
