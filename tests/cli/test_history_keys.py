"""Keys of histories on the command line: made, listed, put into force, and destroyed when nothing needs them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cli.errors import ExitCode
from firestation.history_keys import HistoryKeys

Run = Callable[..., Result]
NOBODY = "127.0.0.1:1"


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Run:
    def call(*words: str, **environment: str) -> Result:
        return run("--state", str(tmp_path), "history-key", *words, env={"COLUMNS": "200", **environment})

    return call


def made(keys: Run, *words: str) -> str:
    result = keys("new", *words, "--json")
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["key"])


def test_a_key_is_made_and_says_what_makes_it_count(keys: Run, tmp_path: Path) -> None:
    result = keys("new")
    assert result.exit_code == 0
    assert "Back it up" in result.stdout
    assert f"FIRESTATION_HISTORY_KEYS is {tmp_path / 'history-keys'}" in result.stdout
    HistoryKeys(tmp_path / "history-keys")
    (secret,) = [each for each in (tmp_path / "history-keys").iterdir() if each.name != "current"]
    assert (
        secret.read_text().strip() not in result.output + keys("list").output + keys("list", "--json").output
    )


def test_the_folder_is_that_of_the_setting(keys: Run, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    result = keys("new", FIRESTATION_HISTORY_KEYS=str(folder))
    assert result.exit_code == 0
    assert "It counts where" not in result.stdout
    HistoryKeys(folder)


def test_the_newest_encrypts_unless_it_waits_until_it_is_used(keys: Run) -> None:
    first, second, waiting = made(keys), made(keys), made(keys, "--waiting")
    listed = {each["key"]: each["current"] for each in json.loads(keys("list", "--json").stdout)}
    assert listed == {first: False, second: True, waiting: False}
    assert f"{waiting} encrypts from now on" in keys("use", waiting).stdout
    shown = keys("list").stdout.splitlines()
    assert [line for line in shown if "encrypts" in line] == [line for line in shown if waiting in line]


def test_a_key_is_destroyed_only_when_temporal_says_that_nothing_needs_it(keys: Run) -> None:
    first, second = made(keys), made(keys)
    result = keys("retire", first, "--address", NOBODY)
    assert result.exit_code == ExitCode.UNREACHABLE
    assert f"does not say which histories need {first}" in result.stderr
    assert keys("retire", second, "--lose-histories").exit_code == ExitCode.BAD_INPUT
    result = keys("retire", first, "--lose-histories")
    assert f"{first} is destroyed" in result.stdout
    assert [each["key"] for each in json.loads(keys("list", "--json").stdout)] == [second]
    result = keys("retire", first, "--lose-histories")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert first in result.stderr


@pytest.mark.parametrize("key", ["../tokens/ana", "current", "never-made"])
def test_what_is_no_key_is_neither_used_nor_destroyed(keys: Run, key: str) -> None:
    known = made(keys)
    for words in (("use", key), ("retire", key, "--lose-histories")):
        assert keys(*words).exit_code == ExitCode.BAD_INPUT
    (left,) = json.loads(keys("list", "--json").stdout)
    assert (left["key"], left["current"]) == (known, True)


def test_without_a_key_the_command_that_makes_one_is_named(keys: Run) -> None:
    result = keys("list")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "firestation history-key new" in result.stderr
