"""The first tokens: one for each person, once, for their eyes only, and in the register as a digest."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firestation import tokens
from firestation.authority import Bell, Member, Role, Station
from firestation.credentials import SECRETS
from firestation.drivers.register import Register, open_register
from worker.access import LIFETIME, make_tokens

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return open_register(tmp_path / "access")


@pytest.fixture
def told() -> Station:
    ana = Member(id="ana", name="Ana", roles=(Role.CAPTAIN,), address="ana")
    bo = Member(id="bo", name="Bo", roles=(Role.SCRIBE,), address="bo", token="env:BO_TOKEN")
    bells = (Bell(id="prometheus"), Bell(id="eval", tokens=("file:bells/new", "file:bells/old")))
    return Station(station="demo", people=(ana, bo), escalation=("ana",), bells=bells)


def the_token(tmp_path: Path) -> tokens.Given:
    given = tokens.read((tmp_path / "tokens" / "ana").read_text().strip())
    assert given
    return given


async def test_tokens_are_made_once_and_only_for_their_owner(
    tmp_path: Path, register: Register, told: Station
) -> None:
    assert await make_tokens(told, tmp_path, register, NOW) == ["ana", "bell-prometheus", "new", "old"]
    for path in ("tokens/ana", "tokens/bell-prometheus", "bells/new", "bells/old"):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o600
        assert SECRETS.search((tmp_path / path).read_text())
    given = the_token(tmp_path)
    held = await register.find("token", given.id)
    assert held
    assert (held.token.person, held.token.expires, held.ended(NOW)) == ("ana", NOW + LIFETIME, None)
    assert held.token.belongs_to(given.secret)
    assert await make_tokens(told, tmp_path, register, NOW) == []
    assert the_token(tmp_path) == given


async def test_a_start_in_its_last_days_makes_a_new_one(
    tmp_path: Path, register: Register, told: Station
) -> None:
    await make_tokens(told, tmp_path, register, NOW)
    before = the_token(tmp_path)
    late = NOW + LIFETIME - timedelta(days=30)
    assert await make_tokens(told, tmp_path, register, late) == ["ana"]
    after = the_token(tmp_path)
    assert after.id != before.id
    held = await register.find("token", after.id)
    assert held
    assert held.token.expires == late + LIFETIME
    assert [each.name for each in (tmp_path / "tokens").iterdir() if each.name.startswith(".")] == []


async def test_a_token_that_was_revoked_is_not_made_anew(
    tmp_path: Path, register: Register, told: Station
) -> None:
    await make_tokens(told, tmp_path, register, NOW)
    assert await register.revoke(the_token(tmp_path).id, NOW)
    assert await make_tokens(told, tmp_path, register, NOW) == []


async def test_a_token_of_the_old_form_is_replaced(tmp_path: Path, register: Register, told: Station) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "ana").write_text("a-token-that-was-kept-as-it-is")
    assert "ana" in await make_tokens(told, tmp_path, register, NOW)
    assert await register.find("token", the_token(tmp_path).id)
