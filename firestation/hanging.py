"""Hanging an entry on the wall of locks, and reading the wall: nothing is believed that this station did not sign."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from firestation.errors import Denied, InvalidInput
from firestation.ports import Shelf, Signer
from firestation.signing import PublicKey, load_public_key, verify
from firestation.wall import (
    LONGEST_NAME,
    MOST_RECALLED,
    WALL_TYPE,
    Doubt,
    Entry,
    Hanging,
    Recall,
    Wall,
    WallBreak,
    WallLock,
    names,
    statement,
)

ENTRY: TypeAdapter[WallLock | WallBreak] = TypeAdapter(Entry)
FORMER = "former"
AT_ONCE = 16
"""How many documents are fetched at once."""


def wall_keys(public: PublicKey, keys: Path) -> tuple[PublicKey, ...]:
    """The keys that entries are verified with: today's, and those of before, in the folder `former` beside it.

    A lock hangs for years, and a station's key does not last so long. Raises `NotConfigured`, `InvalidInput`.
    """
    return (public, *(load_public_key(path) for path in sorted((keys / FORMER).glob("*.pub"))))


async def hang(
    entry: WallLock | WallBreak, shelf: Shelf, signer: Signer, keys: Sequence[PublicKey]
) -> Hanging:
    """Hang it, once. Raises `Denied` when both its names are taken by what this station has not signed.

    A name that somebody else's document has taken is never overwritten, nor does it keep the entry away.
    """
    sealed = await asyncio.to_thread(signer.seal, statement(entry))
    for name in names(entry):
        if await shelf.create(name, sealed):
            return Hanging(entry=entry, name=name)
        found = await shelf.get(name)
        if found is not None and _believed(name, found, keys) == entry:
            return Hanging(entry=entry, name=name)
    raise Denied(f"{name} is taken by what this station has not signed; look at it, and move it away")


def _believed(name: str, content: bytes, keys: Sequence[PublicKey]) -> WallLock | WallBreak | str:
    """The entry that this document is, or why it is none."""
    try:
        made = verify(content, keys)
    except InvalidInput as error:
        return error.problem
    if made.get("predicateType") != WALL_TYPE:
        return f"it is signed, and no entry of the wall: {str(made.get('predicateType'))[:100]}"
    try:
        entry = ENTRY.validate_python(made.get("predicate"))
    except ValidationError as error:
        first = error.errors()[0]
        return f"it is signed, and cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    if name not in names(entry):
        return f"it is signed for another name: {names(entry)[0]}"
    return entry if statement(entry) == made else "it is signed, and its subject is another one"


async def read(shelf: Shelf, keys: Sequence[PublicKey], system: str | None = None) -> Wall:
    """The wall, of one system or of all. What is not believed is told; it harms nothing else."""
    below = f"/{system}" if system else ""
    return await _read(shelf, keys, [f"locks{below}", f"broken{below}"])


async def _read(shelf: Shelf, keys: Sequence[PublicKey], folders: Sequence[str]) -> Wall:
    locks, broken, doubts = list[WallLock](), list[WallBreak](), list[Doubt]()
    listed = [name for folder in folders for name in await shelf.names(folder)]
    places = asyncio.Semaphore(AT_ONCE)

    async def fetched(name: str) -> bytes | None:
        async with places:
            return await shelf.get(name)

    for name, content in zip(listed, await asyncio.gather(*map(fetched, listed)), strict=True):
        entry = "it was there, and is gone" if content is None else _believed(name, content, keys)
        if isinstance(entry, WallLock):
            locks.append(entry)
        elif isinstance(entry, WallBreak):
            broken.append(entry)
        else:
            doubts.append(Doubt(name=name[:LONGEST_NAME], why=entry[:4000]))
    locks.sort(key=lambda each: (each.closed_at, each.incident, each.mark), reverse=True)
    locks.sort(key=lambda each: (each.system, each.pattern))
    return Wall(locks=_once(locks), broken=tuple(broken), doubts=tuple(doubts))


def _once(locks: list[WallLock]) -> tuple[WallLock, ...]:
    """Each once, though it may hang under both its names."""
    return tuple({names(each)[0]: each for each in locks}.values())


async def recall(
    shelf: Shelf, keys: Sequence[PublicKey], system: str, pattern: str, but: tuple[str, str]
) -> Recall:
    """What hangs for this system and class, but for the lock of the incident that asks."""
    wall = await _read(shelf, keys, [f"locks/{system}/{pattern}"])
    locks = [each for each in wall.locks if each.ours != but]
    return Recall(
        pattern=pattern,
        locks=tuple(locks[:MOST_RECALLED]),
        more=max(0, len(locks) - MOST_RECALLED),
        doubts=wall.doubts[:MOST_RECALLED],
    )
