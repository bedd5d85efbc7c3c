"""The published schemas: up to date, true of the files that ship, and as strict about names as the loader."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import Result

from firestation.loader import _read
from firestation.model import Model
from firestation.schema import KINDS, schema

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "runbooks" / "schema"
BROKEN = ROOT / "tests" / "runbooks_broken"
SHIPPED = [
    *(("runbook", path) for path in sorted((ROOT / "runbooks").glob("*.yaml"))),
    *(("system", path) for path in sorted((ROOT / "examples").glob("*/system*.yaml"))),
    ("station", ROOT / "examples" / "station" / "station.yaml"),
]
UNKNOWN_KEYS = ["unknown-key", "unknown-key-far-off", "unknown-key-in-match", "three-mistakes"]


class _Anything(Model):
    """Reads YAML as the loader does, and judges nothing."""

    model_config = {"extra": "allow"}


def plain_data(path: Path) -> Any:
    loaded, problems = _read(path, _Anything)
    assert loaded is not None, problems
    return loaded.model_extra


def complaints(kind: str, data: Any) -> list[str]:
    found: Iterator[Any] = Draft202012Validator(schema(kind)).iter_errors(data)
    return [f"{each.json_path}: {each.message}" for each in found]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_published_is_what_is_read(run: Run, kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))
    printed = run("runbook", "schema", kind).stdout
    assert (PUBLISHED / f"{kind}.schema.json").read_text() == printed, "run: firestation runbook schema --out"


def test_all_three_are_written_into_a_folder(run: Run, tmp_path: Path) -> None:
    told = json.loads(run("runbook", "schema", "--out", str(tmp_path / "new"), "--json").stdout)
    assert told == [str(tmp_path / "new" / f"{kind}.schema.json") for kind in KINDS]
    assert [json.loads(Path(path).read_text()) for path in told] == [schema(kind) for kind in KINDS]


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=lambda each: getattr(each, "stem", each))
def test_a_shipped_file_is_valid_and_names_its_schema(kind: str, path: Path) -> None:
    assert complaints(kind, plain_data(path)) == []
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    named = (path.parent / first.partition("=")[2]).resolve()
    assert named == PUBLISHED / f"{kind}.schema.json"


@pytest.mark.parametrize("name", UNKNOWN_KEYS)
def test_a_key_that_nobody_knows_is_invalid(name: str) -> None:
    told = complaints("runbook", plain_data(BROKEN / f"{name}.yaml"))
    assert any("Additional properties are not allowed" in each for each in told)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("duration-in-words", "$.firebreaks[0].expires_after"),
        ("duration-of-a-number-without-unit", "$.firebreaks[0].decide_within"),
        ("id-with-capitals", "$.runbook"),
        ("needs-what-is-no-evidence", "$.needs[0]"),
        ("no-probe", "$.firebreaks[0]"),
        ("not-a-list", "$.firebreaks[0].preauthorized"),
        ("severity-out-of-range", "$.severity.harm"),
        ("severity-that-is-none", "$.firebreaks[0].preauthorized[0]"),
        ("title-not-text", "$.title"),
    ],
)
def test_an_editor_sees_what_is_wrong_in_the_form(name: str, place: str) -> None:
    (told,) = complaints("runbook", plain_data(BROKEN / f"{name}.yaml"))
    assert told.startswith(f"{place}: ")


def test_the_schema_teaches() -> None:
    page = schema("runbook")
    assert page["properties"]["cadence"]["examples"]
    probe = page["$defs"]["FirebreakStep"]["properties"]["probe"]
    assert "never seen to be effective" in probe["description"]
    assert "with" in schema("system")["$defs"]["LeverFitting"]["properties"]
    silent = [name for name, field in page["properties"].items() if "description" not in field]
    assert silent == []
