"""The register of tokens and sessions, through obstore: a local folder, or a bucket that several gateways share.

Nothing in it is ever overwritten. A token is an object, `token/ID`; that it was revoked is another, `revoked/ID`; that
it was used on a day is a third, `used/ID/DAY`. So a revocation cannot be lost to whoever writes at the same time.
"""

import asyncio
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from firestation.drivers.shelf import ObstoreShelf, open_shelf
from firestation.errors import DriverError, Nonsense
from firestation.tokens import Held, Kind, Token, is_id

FORGOTTEN_AFTER = timedelta(days=2)
"""Longer than any session."""


class Listed(NamedTuple):
    """What the register has of a kind, the oldest first; and of each record that cannot be read, why.

    One that cannot be read and is revoked needs nobody any more, and is left out.
    """

    held: list[Held]
    unread: list[DriverError]


class Register:
    """Who holds which token. No secret is in it, only SHA-256 of secrets."""

    def __init__(self, shelf: ObstoreShelf) -> None:
        self._shelf, self.where = shelf, shelf.where

    async def add(self, token: Token) -> bool:
        """Keep this one, durably. False, and nothing changed, when there is one of its id already."""
        return await self._shelf.create(f"{token.kind}/{token.id}", token.canonical())

    async def find(self, kind: Kind, number: str) -> Held | None:
        """The one of this id, and since when it is revoked. Both are asked for at once, also where there is none."""
        found, revoked = await asyncio.gather(
            self._shelf.get(f"{kind}/{number}"), self._shelf.get(f"revoked/{number}")
        )
        if found is None:
            return None
        try:
            return Held(
                Token.model_validate_json(found),
                datetime.fromisoformat(revoked.decode()) if revoked is not None else None,
            )
        except ValueError as error:
            kind_of = type(error).__name__ if isinstance(error, ValidationError) else "no time"
            raise Nonsense(f"the register's {kind} {number} cannot be read ({kind_of}); revoke it") from None

    async def revoke(self, number: str, now: datetime) -> bool:
        """End it for good. False when it was revoked before."""
        return await self._shelf.create(f"revoked/{number}", now.isoformat().encode())

    async def used(self, number: str, day: date) -> None:
        """Remember that it was used on this day; only the last day is kept."""
        if await self._shelf.create(f"used/{number}/{day.isoformat()}", b""):
            for key in await self._shelf.names(f"used/{number}"):
                if not key.endswith(day.isoformat()):
                    await self._shelf.delete(key)

    async def last_used(self, number: str) -> date | None:
        """The day on which it was used last."""
        days = [key.rsplit("/", 1)[1] for key in await self._shelf.names(f"used/{number}")]
        return date.fromisoformat(max(days)) if days else None

    async def all(self, kind: Kind = "token") -> Listed:
        """All of them. A record that cannot be read hides no other; a file that a death left half is no record."""
        listed, revoked = Listed([], []), await self._shelf.names("revoked")
        for number in sorted(key.rsplit("/", 1)[1] for key in await self._shelf.names(kind)):
            if not is_id(number):
                continue
            try:
                found = await self.find(kind, number)
            except Nonsense as error:
                listed.unread.extend([] if f"revoked/{number}" in revoked else [error])
            except DriverError as error:
                listed.unread.append(error)
            else:
                listed.held.extend([found] if found else [])
        listed.held.sort(key=lambda each: each.token.created)
        return listed

    async def sweep(self, now: datetime) -> None:
        """Forget the sessions that are so old that they have ended, whatever they were."""
        for key, made in (await self._shelf.names("session")).items():
            if made + FORGOTTEN_AFTER < now:
                await self._shelf.delete(key)
                await self._shelf.delete(key.replace("session/", "revoked/", 1))


def open_register(where: str | Path) -> Register:
    """The register in a folder (made if it is not there, for its owner only) or at a URL. Raises `NotConfigured`."""
    return Register(open_shelf(where, "register of tokens"))
