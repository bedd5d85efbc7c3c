"""Tokens on the command line: shown once, listed without their secret, ended; no station runs."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from firestation import tokens
from firestation.drivers.register import open_register
from firestation.tokens import RANDOM_BYTES

Run = Callable[..., Result]
EXAMPLE = str(Path(__file__).parents[2] / "examples/station/station.yaml")


@pytest.fixture
def token(run: Run, tmp_path: Path) -> Callable[..., Result]:
    def call(*words: str, **env: str) -> Result:
        surroundings = {"FIRESTATION_STATION": EXAMPLE, "COLUMNS": "200", **env}
        return run("--state", str(tmp_path), "token", *words, env=surroundings)

    return call


def made(token: Run, *words: str) -> dict[str, Any]:
    result = token("new", "--person", "ana", *words, "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def listed(token: Run) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(token("list", "--json").stdout)
    return told


def test_a_token_is_printed_once_and_kept_as_a_digest(token: Run, tmp_path: Path) -> None:
    result = token("new", "--person", "ana", "--scope", "look,act", "--expires", "30d", "--name", "laptop")
    assert result.exit_code == 0
    given = tokens.read(result.stdout.strip())
    assert given
    assert "not shown again" in result.stderr
    assert f"firestation token revoke {given.id}" in result.stderr
    held = asyncio.run(open_register(tmp_path / "access").find("token", given.id))
    assert held
    assert held.token.belongs_to(given.secret)
    assert (held.token.person, held.token.name, list(held.token.scopes)) == ("ana", "laptop", ["look", "act"])
    left = held.token.expires - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    for words in (("list",), ("list", "--json")):
        said = token(*words).output
        assert given.id in said
        assert given.secret not in said
        assert held.token.digest not in said
    assert "ana: token 'laptop', look, act, until" in token("list").output


def test_without_a_word_it_is_for_everything_and_for_ninety_days(token: Run) -> None:
    told = made(token)
    assert told["scopes"] == ["look", "act", "ring"]
    assert "digest" not in told
    span = datetime.fromisoformat(told["expires"]) - datetime.fromisoformat(told["created"])
    assert span == timedelta(days=90)


@pytest.mark.parametrize(
    ("words", "field", "says"),
    [
        (("--person", "zoe"), "--person", "ana, ben, cara, dan"),
        (("--person", "ana", "--scope", "burn"), "--scope", "look, act, ring"),
        (("--person", "ana", "--scope", ""), "--scope", "look, act, ring"),
        (("--person", "ana", "--expires", "never"), "--expires", "90d"),
        (("--person", "ana", "--expires", "0s"), "--expires", "90d"),
        (("--person", "ana", "--expires", "367d"), "--expires", "366d"),
        (("--person", "ana", "--expires", "9" * 400 + "d"), "--expires", "366d"),
        (("--person", "ana", "--name", " "), "--name", "what the token is for"),
    ],
)
def test_bad_input_names_the_field_and_makes_nothing(
    token: Run, words: tuple[str, ...], field: str, says: str
) -> None:
    result = token("new", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{field}: " in result.stderr
    assert says in result.stderr
    assert listed(token) == []


def test_a_station_file_that_is_not_there_is_named(token: Run) -> None:
    result = token("new", "--person", "ana", "--station", "nowhere.yaml")
    assert result.exit_code == 2
    assert "nowhere.yaml" in result.stderr


def test_one_is_ended_and_the_others_are_not(token: Run) -> None:
    first, second = made(token), made(token)
    result = token("revoke", first["id"], "--json")
    assert json.loads(result.stdout) == {"revoked": [first["id"]]}
    assert {each["id"]: each["state"] for each in listed(token)} == {
        first["id"]: "revoked",
        second["id"]: "good",
    }
    assert "REVOKED" in token("list").output
    again = token("revoke", first["id"])
    assert (again.exit_code, "nothing that was still good" in again.output) == (0, True)


def test_a_whole_token_that_was_found_somewhere_is_ended_by_itself(token: Run) -> None:
    told = made(token)
    assert json.loads(token("revoke", told["token"], "--json").stdout) == {"revoked": [told["id"]]}


def test_all_of_a_person_is_ended_sessions_too(token: Run, tmp_path: Path) -> None:
    register = open_register(tmp_path / "access")
    ended = [made(token)["id"], made(token)["id"]]
    for person in ("ana", "ben"):
        session, _ = tokens.mint(
            person.encode().ljust(RANDOM_BYTES),
            kind="session",
            person=person,
            now=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )
        asyncio.run(register.add(session))
        ended += [session.id] if person == "ana" else []
    assert {each["kind"] for each in listed(token)} == {"token", "session"}
    assert set(json.loads(token("revoke", "--person", "ana", "--json").stdout)["revoked"]) == set(ended)
    assert {each["person"] for each in listed(token) if each["state"] == "good"} == {"ben"}


def test_one_that_cannot_be_read_saves_nobody_from_being_ended(token: Run, tmp_path: Path) -> None:
    told = made(token)
    folder = tmp_path / "access/token"
    (folder / f".{told['id']}.x7w_q2").write_text('{"kind": "tok')
    (folder / "bbbbbbbbbb").write_text('{"of": "another version"}')
    result = token("list")
    assert (result.exit_code, told["id"] in result.stdout) == (0, True)
    assert "token bbbbbbbbbb cannot be read" in result.stderr
    result = token("revoke", "--person", "ana", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["revoked"], len(answer["unread"])) == (5, [told["id"]], 1)
    assert "token bbbbbbbbbb cannot be read" in result.stderr
    assert token("revoke", "bbbbbbbbbb").exit_code == 0
    assert token("revoke", "--person", "ana").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "nothing is named"),
        (("xyz",), 2, "not the id of a token"),
        (("fst_aaaaaaaaaa_short",), 2, "not the id of a token"),
        (("aaaaaaaaaa",), 4, "there is no token aaaaaaaaaa"),
    ],
)
def test_what_cannot_be_ended_is_said(token: Run, words: tuple[str, ...], code: int, says: str) -> None:
    result = token("revoke", *words)
    assert (result.exit_code, says in result.stderr) == (code, True)


def test_an_unknown_one_among_them_ends_none(token: Run) -> None:
    told = made(token)
    assert token("revoke", told["id"], "aaaaaaaaaa").exit_code == 4
    assert [each["state"] for each in listed(token)] == ["good"]


def test_the_register_may_lie_elsewhere(token: Run, tmp_path: Path) -> None:
    elsewhere = {"FIRESTATION_ACCESS": str(tmp_path / "elsewhere")}
    assert token("new", "--person", "ana", **elsewhere).exit_code == 0
    assert listed(token) == []
    assert len(list((tmp_path / "elsewhere/token").iterdir())) == 1
