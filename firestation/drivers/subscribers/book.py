"""The book of subscribers, in a folder or a bucket that nobody else reads.

| name | what |
|---|---|
| `people/ID.json` | one who has confirmed it; the address, and a webhook's secret, encrypted (AES-256-GCM) |
| `asked/HOUR/MAILBOX` | in this hour since 1970 somebody was asked to confirm |
| `told/WORD/ID` | this word was told to this one, or that was begun |
| `over/WORD` | everybody was told this word |
| `failing/ID/WORD` | this one could not be told this word, for there is nobody any more |

No name holds an address: see `public_page/subscriber.py`.
"""

import asyncio
import os
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from obstore.exceptions import BaseError
from pydantic import ValidationError

from firestation.drivers.place import open_place
from firestation.drivers.shelf import ObstoreShelf
from firestation.files import make_folder, replace_private
from firestation.model import Model, Time
from firestation.public_page.subscriber import Subscriber, SubscriberId, Wish, derived, mailbox

log = structlog.get_logger()

HOUR = 3600
MOST_AN_HOUR = 1000
"""Addresses that are asked in one hour, whoever asks: else anybody could have a station write to everybody."""
NONCE_BYTES = 12
REMEMBERED = timedelta(days=2)
"""How long it is kept to whom a word was told, after all were: longer than a worker that hung can come back."""


class PrivateShelf(ObstoreShelf):
    """A shelf whose documents can be replaced, whole; for its owner only."""

    async def replace(self, name: str, content: bytes) -> None:
        """Write this anew. Raises `Unreachable` or `Denied`."""
        try:
            if self._folder is not None:
                await asyncio.to_thread(_replace, self._folder / name, content)
            else:
                await self._store.put_async(name, content)
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error


class Entry(Model):
    """One subscriber, as it is kept."""

    confirmed_at: Time
    sealed: str


class SubscriberBook:
    """The subscribers on this shelf. `key` is the station's own, of which all other keys are made."""

    def __init__(self, shelf: PrivateShelf, key: bytes) -> None:
        self.shelf, self.key = shelf, key
        self._cipher = AESGCM(derived(key, "addresses"))
        self._swept = 0

    # Who -------------------------------------------------------------------------------------------------

    async def ids(self) -> tuple[SubscriberId, ...]:
        """Everybody who has confirmed it. Raises `Unreachable` or `Denied`, as all that follows."""
        names = await self.shelf.names("people")
        return tuple(name.removeprefix("people/").removesuffix(".json") for name in names)

    async def find(self, subscriber: SubscriberId) -> Subscriber | None:
        """Who that is; None when there is nobody, or, with a word in the log, when it was altered."""
        content = await self.shelf.get(_person(subscriber))
        if content is None:
            return None
        try:
            entry = Entry.model_validate_json(content)
            raw = bytes.fromhex(entry.sealed)
            plain = self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], subscriber.encode())
            wish = Wish.model_validate_json(plain)
        except (InvalidTag, ValueError, ValidationError) as error:  # what they say may hold the address
            log.warning("a subscriber cannot be read", subscriber=subscriber, problem=type(error).__name__)
            return None
        return Subscriber(id=subscriber, wish=wish, confirmed_at=entry.confirmed_at)

    async def keep(self, subscriber: Subscriber) -> None:
        """Keep this one, in place of what was kept of the same."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, subscriber.wish.canonical(), subscriber.id.encode())
        entry = Entry(confirmed_at=subscriber.confirmed_at, sealed=(nonce + sealed).hex())
        await self.shelf.replace(_person(subscriber.id), entry.canonical())

    async def forget(self, subscriber: SubscriberId) -> bool:
        """Let go of all that is kept of this one. Whether there was one."""
        name = _person(subscriber)
        there = await self.shelf.get(name) is not None
        await self.shelf.delete(name)
        await self.well(subscriber)
        return there

    # Asking ----------------------------------------------------------------------------------------------

    async def may_ask(self, wish: Wish, now: datetime) -> bool:
        """Whether this address may be asked to confirm: once an hour, whoever asks for it and at whichever gateway.

        Who is told yes has used it up. In one hour no more than `MOST_AN_HOUR` are asked.
        """
        at = now.timestamp()
        hour, who = int(at // HOUR), mailbox(wish.kind, wish.address, self.key)
        before = await self.shelf.get(f"asked/{hour - 1}/{who}")
        if before is not None and at - float(before) < HOUR:
            return False
        names = [(int(name.split("/")[1]), name) for name in await self.shelf.names("asked")]
        if sum(asked == hour for asked, _ in names) >= MOST_AN_HOUR:
            log.warning(
                "so many were asked to confirm that nobody is for the rest of the hour", most=MOST_AN_HOUR
            )
            return False
        if not await self.shelf.create(f"asked/{hour}/{who}", str(at).encode()):
            return False
        if self._swept != hour:
            self._swept = hour
            for asked, name in names:
                if asked < hour - 1:
                    await self.shelf.delete(name)
        return True

    # Telling ---------------------------------------------------------------------------------------------

    async def begun(self, word: str) -> frozenset[SubscriberId]:
        """To whom this word was told, or that was begun."""
        return frozenset(name.rpartition("/")[2] for name in await self.shelf.names(f"told/{word}"))

    async def begin(self, word: str, subscriber: SubscriberId) -> bool:
        """Note that this one is told now. False when that was noted before."""
        return await self.shelf.create(f"told/{word}/{subscriber}", b"")

    async def give_back(self, word: str, subscriber: SubscriberId) -> None:
        """They were surely not told."""
        await self.shelf.delete(f"told/{word}/{subscriber}")

    async def finish(self, word: str) -> None:
        """Everybody was told."""
        await self.shelf.create(f"over/{word}", b"")

    async def is_over(self, word: str) -> bool:
        """Whether everybody was told."""
        return await self.shelf.get(f"over/{word}") is not None

    async def sweep(self, now: datetime) -> None:
        """Let go of who was told what is long over."""
        over = await self.shelf.names("over")
        old = {name.partition("/")[2] for name, since in over.items() if now - since > REMEMBERED}
        for name in await self.shelf.names("told"):
            if name.partition("/")[2].rpartition("/")[0] in old:
                await self.shelf.delete(name)

    # Failing ---------------------------------------------------------------------------------------------

    async def failing(self) -> Counter[SubscriberId]:
        """How many words each could not be told, since the last that it was."""
        return Counter(name.split("/")[1] for name in await self.shelf.names("failing"))

    async def failed(self, subscriber: SubscriberId, word: str) -> None:
        """Note that there was nobody. Of one word it is noted once."""
        await self.shelf.create(f"failing/{subscriber}/{word.replace('/', '-')}", b"")

    async def well(self, subscriber: SubscriberId) -> None:
        """There is somebody."""
        for name in await self.shelf.names(f"failing/{subscriber}"):
            await self.shelf.delete(name)


def open_book(where: str, key: bytes) -> SubscriberBook:
    """The book in a folder (made if it is not there, for its owner only) or at a URL. Raises `NotConfigured`."""
    place = open_place(where, "book of subscribers")
    return SubscriberBook(PrivateShelf(place.store, place.where, place.folder, "book of subscribers"), key)


def _person(subscriber: SubscriberId) -> str:
    return f"people/{subscriber}.json"


def _replace(path: Path, content: bytes) -> None:
    make_folder(path.parent)
    replace_private(path, content)
