"""The register of tokens: nothing is overwritten, nobody else may read it, and there is no secret in it."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from firestation import tokens
from firestation.drivers import register as module
from firestation.drivers.register import Register, open_register
from firestation.drivers.shelf import ObstoreShelf
from firestation.errors import DriverError, Nonsense, NotConfigured, Unreachable
from firestation.tokens import RANDOM_BYTES, Held, Token

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def made(number: int, kind: tokens.Kind = "token", person: str = "ana") -> tuple[Token, str]:
    return tokens.mint(
        number.to_bytes(RANDOM_BYTES, "little"), person=person, now=NOW, lifetime=timedelta(days=9), kind=kind
    )


@pytest.fixture(params=["folder", "bucket"])
def register(request: pytest.FixtureRequest, tmp_path: Path) -> Register:
    return (
        open_register(tmp_path / "access")
        if request.param == "folder"
        else Register(ObstoreShelf(MemoryStore(), "memory:"))
    )


async def test_what_was_added_is_found_and_only_under_its_kind(register: Register) -> None:
    token, text = made(1)
    assert await register.add(token)
    assert await register.find("token", token.id) == Held(token)
    assert await register.find("session", token.id) is None
    assert await register.find("token", "b" * 10) is None
    given = tokens.read(text)
    assert given
    assert token.belongs_to(given.secret)


async def test_nothing_is_overwritten(register: Register) -> None:
    token, _ = made(1)
    assert await register.add(token)
    assert not await register.add(token.changed(person="mallory"))
    assert await register.find("token", token.id) == Held(token)
    assert await register.revoke(token.id, NOW)
    assert not await register.revoke(token.id, NOW + timedelta(days=1))
    assert await register.find("token", token.id) == Held(token, NOW)


async def test_of_many_who_add_the_same_id_one_does(register: Register) -> None:
    token, _ = made(1)
    people = [token.changed(person=f"p{number}") for number in range(20)]
    done = await asyncio.gather(*(register.add(each) for each in people))
    assert done.count(True) == 1
    held = await register.find("token", token.id)
    assert held
    assert held.token == people[done.index(True)]


async def test_all_are_listed_the_oldest_first(register: Register) -> None:
    young, old = made(1)[0], made(2)[0].changed(created=NOW - timedelta(days=1))
    session = made(3, "session")[0]
    for each in (young, old, session):
        await register.add(each)
    await register.revoke(old.id, NOW)
    assert await register.all() == ([Held(old, NOW), Held(young)], [])
    assert await register.all("session") == ([Held(session)], [])


async def test_one_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """Nor does the half of a file, which whoever was killed while writing it leaves beside the others."""
    register = open_register(tmp_path / "access")
    token, _ = made(1)
    await register.add(token)
    await register.used(token.id, NOW.date())
    (tmp_path / f"access/token/.{token.id}.x7w_q2").write_bytes(token.canonical()[:40])
    (tmp_path / f"access/used/{token.id}/.{NOW.date()}.x7w_q2").write_bytes(b"")
    (tmp_path / "access/token/bbbbbbbbbb").write_bytes(
        token.changed(id="b" * 10).canonical()[:-1] + b',"new":1}'
    )
    held, unread = await register.all()
    assert held == [Held(token)]
    assert ["bbbbbbbbbb" in str(each) for each in unread] == [True]
    assert await register.last_used(token.id) == NOW.date()
    (tmp_path / f"access/used/{token.id}/{NOW.date()}").unlink()
    assert await register.last_used(token.id) is None


async def test_a_revocation_without_its_time_is_not_overlooked(tmp_path: Path) -> None:
    register = open_register(tmp_path / "access")
    token, _ = made(1)
    await register.add(token)
    (tmp_path / "access/revoked").mkdir()
    (tmp_path / f"access/revoked/{token.id}").write_bytes(b"")
    with pytest.raises(Nonsense, match="revoke it"):
        await register.find("token", token.id)


async def test_the_last_day_of_use_is_kept(register: Register) -> None:
    assert await register.last_used("aaaaaaaaaa") is None
    for days in (0, 1, 1, 3):
        await register.used("aaaaaaaaaa", (NOW + timedelta(days=days)).date())
    assert await register.last_used("aaaaaaaaaa") == (NOW + timedelta(days=3)).date()
    assert len(await register._shelf.names("used/aaaaaaaaaa")) == 1


async def test_sessions_that_ended_long_ago_are_forgotten_and_tokens_are_not(register: Register) -> None:
    token, session = made(1)[0], made(2, "session")[0]
    for each in (token, session):
        await register.add(each)
        await register.revoke(each.id, NOW)
    await register.sweep(datetime.now(UTC))
    assert await register.find("session", session.id)
    await register.sweep(datetime.now(UTC) + module.FORGOTTEN_AFTER + timedelta(minutes=1))
    assert await register.find("session", session.id) is None
    assert await register.find("token", token.id) == Held(token, NOW)
    assert set(await register._shelf.names("revoked")) == {f"revoked/{token.id}"}


async def test_its_files_are_for_their_owner_only(tmp_path: Path) -> None:
    register = open_register(tmp_path / "access")
    token, text = made(1)
    await register.add(token)
    await register.revoke(token.id, NOW)
    await register.used(token.id, NOW.date())
    found = list((tmp_path / "access").rglob("*"))
    assert {stat.S_IMODE(each.stat().st_mode) for each in found if each.is_file()} == {0o600}
    assert stat.S_IMODE((tmp_path / "access").stat().st_mode) == 0o700
    secret = text.rsplit("_", 1)[1]
    assert not [each for each in found if each.is_file() and secret in each.read_text()]


@pytest.mark.parametrize("content", ["", "{}", "no json", '{"person": "ana"}'])
async def test_what_cannot_be_read_is_nobodys(tmp_path: Path, content: str) -> None:
    register = open_register(tmp_path / "access")
    (tmp_path / "access/token").mkdir()
    (tmp_path / "access/token/aaaaaaaaaa").write_text(content)
    with pytest.raises(Nonsense, match="revoke it"):
        await register.find("token", "aaaaaaaaaa")


async def test_a_broken_folder_is_our_error(tmp_path: Path) -> None:
    register = open_register(tmp_path / "access")
    (tmp_path / "access/token").write_text("a file where a folder should be")
    with pytest.raises(DriverError) as caught:
        await register.add(made(1)[0])
    assert isinstance(caught.value, Unreachable)
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_is_named() -> None:
    with pytest.raises(NotConfigured, match="register of tokens at ftp://host/x"):
        open_register("ftp://host/x")
