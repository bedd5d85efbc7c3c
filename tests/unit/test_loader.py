"""The files that people write, and what they are told when something in them is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.authority import Station
from firestation.errors import InvalidFile, InvalidInput, NotConfigured
from firestation.loader import (
    LARGEST_BYTES,
    _read,
    at_lines,
    load_runbook,
    load_station,
    load_system,
    load_wall,
    problems_in,
)
from firestation.model import Model
from firestation.runbook import Runbook
from firestation.system import System

ROOT = Path(__file__).parents[2]

SYSTEM = """\
system: refund-agent
title: Refund agent
sources:
  - id: traces
    title: Traces
    driver: http
    provides: [requests, retrieval]
levers:
  - id: reranker
    title: The reranker
    driver: http
    positions: {on: on, off: off, half: 0.5, none: null, yes: true}
    with:
      read: {url: /levers/reranker, path: $.position}
checks:
  - {id: golden, title: Golden eval, driver: http, time_box: 1m 30s}
channels:
  - {id: room, title: Room, driver: file, audience: internal, with: {file: room.jsonl}}
trackers:
  - {id: tasks, title: Tasks, driver: file, with: {folder: tasks}}
"""


def write(folder: Path, text: str | bytes, name: str = "system.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def found(path: Path, model: Any = System) -> list[tuple[int, str, str, str]]:
    return [(each.line, each.field, each.problem, each.fix) for each in problems_in(path, model)]


def test_a_system_file(tmp_path: Path) -> None:
    system = load_system(write(tmp_path, SYSTEM))
    assert problems_in(tmp_path / "system.yaml", System) == []
    assert system.levers[0].positions == {"on": "on", "off": "off", "half": 0.5, "none": None, "yes": True}
    assert system.levers[0].config == {"read": {"url": "/levers/reranker", "path": "$.position"}}
    assert system.checks[0].time_box.total_seconds() == 90


def test_the_files_of_this_repository_are_right() -> None:
    assert load_wall(ROOT / "runbooks")
    assert load_station(ROOT / "examples/station/station.yaml").people


def test_every_mistake_is_named_with_its_line_and_fix(tmp_path: Path) -> None:
    text = SYSTEM.replace("title: Traces", "titel: Traces").replace("[requests,", "[request,")
    text = (
        text.replace("id: golden", "id: Golden Eval").replace("1m 30s", "soon").replace("internal", "staff")
    )
    problems = found(write(tmp_path, text))
    assert [(line, field) for line, field, _, _ in problems] == [
        (4, "sources[0].title"),
        (5, "sources[0].titel"),
        (7, "sources[0].provides[0]"),
        (16, "checks[0].id"),
        (16, "checks[0].time_box"),
        (18, "channels[0].audience"),
    ]
    fixes = [fix for _, _, _, fix in problems]
    assert fixes[0] == "Add it: what it is, in a line that a captain understands"
    assert fixes[1] == "Did you mean 'title'?"
    assert fixes[2].startswith("Choose from user-visible-io, requests")
    assert fixes[3].startswith("Use lower-case letters")
    assert fixes[4].startswith("Write it like 90s")
    assert "'internal'" in fixes[5]


def test_loading_raises_the_first_and_notes_the_others(tmp_path: Path) -> None:
    path = write(tmp_path, SYSTEM.replace("title: Traces", "titel: Traces"))
    with pytest.raises(InvalidFile) as caught:
        load_system(path)
    assert str(caught.value) == (
        f"{path}:4: sources[0].title: this field is missing. "
        "Add it: what it is, in a line that a captain understands"
    )
    assert caught.value.__notes__ == [
        f"{path}:5: sources[0].titel: there is no such field. Did you mean 'title'?"
    ]


def test_a_key_written_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, SYSTEM.replace("title: Refund agent", "title: Refund agent\ntitle: Another"))
    assert found(path) == [
        (3, "title", "this key is written twice", "Keep one of them; the first is on line 2")
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: &x [1]\nb: *x\n", 2, "alias"),
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", 2, "tag"),
        ("a: 1\nb: !!binary aGk=\n", 2, "tag"),
        ("a: !!int hello\n", 1, "tag"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        ("a: 1\n? [x]\n: 2\n", 2, "a key is not text"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        ("a: 1\nb: \x07\n", 2, "control character"),
        ("", 0, "says nothing"),
        ("# nothing\n", 0, "says nothing"),
        ("[" * 50_000, 0, "nested too deep"),
        ("a" * (LARGEST_BYTES + 1), 0, "bigger than"),
        ("- a\n- b\n", 1, "no `name: value` pairs"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(tmp_path: Path, text: str | bytes, line: int, said: str) -> None:
    problems = found(write(tmp_path, text))
    assert any(at == line and said in problem for at, _, problem, _ in problems), problems
    assert all(fix for _, _, _, fix in problems)


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    problems = found(write(tmp_path, "\n".join(lines)))
    assert len(problems) == 1
    assert "alias" in problems[0][2]


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="no system file"):
        load_system(tmp_path / "none.yaml")
    assert [each.line for each in problems_in(tmp_path / "none.yaml", System)] == [0]
    with pytest.raises(NotConfigured, match="no station file"):
        load_station(tmp_path)
    with pytest.raises(NotConfigured, match=r"has no \.yaml file"):
        load_wall(tmp_path)


def test_two_runbooks_of_one_id_are_refused(tmp_path: Path) -> None:
    text = (ROOT / "runbooks/general.yaml").read_text()
    write(tmp_path, text, "a.yaml")
    write(tmp_path, text, "b.yml")
    with pytest.raises(InvalidFile, match=r"already the id of a\.yaml") as caught:
        load_wall(tmp_path)
    assert caught.value.file.endswith("b.yml")
    assert caught.value.line == 3


def test_problems_that_others_found_get_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path, SYSTEM)
    wrong = InvalidInput("levers[0].with.read.path", "p", "f")
    missing = InvalidInput("levers[0].with.move", "p", "f")
    assert [(each.line, each.field) for each in at_lines(path, [wrong, missing])] == [
        (14, "levers[0].with.read.path"),
        (13, "levers[0].with.move"),
    ]


def test_a_station_that_does_not_fit_together(tmp_path: Path) -> None:
    text = (ROOT / "examples/station/station.yaml").read_text().replace("[ana, ben]", "[ana, zoe]")
    problems = found(write(tmp_path, text, "station.yaml"), Station)
    assert any("escalation names 'zoe'" in problem for _, _, problem, _ in problems)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_is_in_the_file_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.getbasetemp(), content, "any.yaml")
    assert problems_in(path, System)


class Held(Model):
    value: Any


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="ascii")),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz"), inner, max_size=4),
        max_leaves=12,
    )
)
def test_json_is_loaded_as_it_is_written(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = write(tmp_path_factory.getbasetemp(), json.dumps({"value": value}), "round.yaml")
    loaded, problems = _read(path, Held)
    assert problems == []
    assert loaded is not None
    assert loaded.value == value


def test_a_runbook(tmp_path: Path) -> None:
    text = (ROOT / "runbooks/stale-policy.yaml").read_text()
    path = write(tmp_path, text.replace('to: "on"', "to: on"), "r.yaml")
    runbook = load_runbook(path)
    assert isinstance(runbook, Runbook)
    assert {step.to for step in runbook.firebreaks} == {"disabled", "on"}
