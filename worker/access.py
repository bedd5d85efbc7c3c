"""The first tokens of a station: one for each person, kept by them in a file, by the gateway as SHA-256 only."""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from firestation import tokens
from firestation.authority import Station
from firestation.drivers.register import Register
from firestation.files import create_private
from firestation.tokens import RANDOM_BYTES, SECRET_BYTES

LIFETIME = timedelta(days=366)
RENEWED_BEFORE = timedelta(days=90)
"""A start in the last 90 days makes a new one, so that no token of a station that is started now and then ends."""


async def make_tokens(station: Station, state: Path, register: Register, now: datetime) -> list[str]:
    """Make what is not there yet: the people's tokens, and the secrets that are left to us; the names of those made.

    `tokens/NAME` in the state folder is the person's own copy, for the command on this machine; the gateway does not
    read it.
    """
    asked = [each.id for each in station.people if each.token is None]
    made = [name for name in asked if await _make(register, state / "tokens" / name, name, now)]
    for reference in _references(station):
        path = state / reference
        if create_private(path, f"{tokens.bell_secret(secrets.token_bytes(SECRET_BYTES))}\n".encode()):
            made.append(path.name)
    return made


async def _make(register: Register, path: Path, person: str, now: datetime) -> bool:
    """A token for this person, unless they have one here that the register knows and that lasts a while."""
    given = _copy(path)
    held = await register.find("token", given.id) if given else None
    if held and (held.revoked or held.token.expires > now + RENEWED_BEFORE):
        return False  # what was revoked stays so
    token, text = tokens.mint(
        secrets.token_bytes(RANDOM_BYTES),
        person=person,
        now=now,
        lifetime=LIFETIME,
        name="made by the station",
    )
    await register.add(token)
    _write(path, f".{path.name}.{token.id}", text)
    return True


def _copy(path: Path) -> tokens.Given | None:
    if not path.exists():
        return None
    return tokens.read(path.read_text(encoding="utf-8", errors="replace").strip())


def _write(path: Path, half: str, text: str) -> None:
    create_private(path.with_name(half), f"{text}\n".encode())
    path.with_name(half).replace(path)


def _references(station: Station) -> Iterator[str]:
    """The files in the state folder to which the station file refers for a person's own secret, or a bell's."""
    people = [person.token for person in station.people if person.token]
    bells = [reference for bell in station.bells for reference in bell.token_references]
    for reference in (*people, *bells):
        if reference.startswith("file:"):
            yield reference.removeprefix("file:")
