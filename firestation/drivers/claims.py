"""Claims on obstore: what was begun to be sent, so that a message whose product knows no keys is sent at most once.

Beside the evidence, in the same folder or bucket, so that every worker sees them: `claims/ab/cdef…` is created before
a sending, `….sent` after it, both once and never overwritten. The names are digests of the idempotency keys.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore
from pydantic import ValidationError

from firestation.board import Receipt
from firestation.drivers.place import open_place
from firestation.drivers.store import make_durable, our_error
from firestation.errors import Doubtful, DriverError, FirestationError, NotConfigured
from firestation.ports import Claims

log = structlog.get_logger()


class ObstoreClaims:
    """The claims. `folder` is where the store is when it is local."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store, self._folder = store, folder

    async def take(self, key: str) -> Receipt | None:
        """As the port says. A claim is on the disk before this returns."""
        name = _name(key)
        if await self._create(name, key.encode()):
            return None
        try:
            told = bytes(await (await self._store.get_async(f"{name}.sent")).bytes_async())
            return Receipt.model_validate_json(told)
        except FileNotFoundError:
            msg = f"it may have been sent; not sent again: {key} was begun, and nobody said what came of it"
        except ValidationError:
            msg = f"it may have been sent; not sent again: what is noted of {key} cannot be read"
        except (BaseError, OSError) as error:
            raise our_error(error, name) from error
        raise Doubtful(msg)

    async def release(self, key: str) -> None:
        """Let the next one send."""
        try:
            await self._store.delete_async(_name(key))
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise our_error(error, _name(key)) from error

    async def finish(self, key: str, receipt: Receipt) -> None:
        """Keep the receipt."""
        await self._create(f"{_name(key)}.sent", receipt.model_dump_json().encode())

    async def _create(self, name: str, content: bytes) -> bool:
        """False when it is there already."""
        try:
            await self._store.put_async(name, content, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise our_error(error, name) from error
        if self._folder is not None:
            await asyncio.to_thread(make_durable, self._folder / name)
        return True


def open_claims(where: str | Path) -> ObstoreClaims:
    """The claims beside the evidence at this folder or URL. Raises `NotConfigured` when there can be none."""
    place = open_place(where, "evidence store")
    return ObstoreClaims(place.store, place.folder)


async def at_most_once(claims: Claims | None, key: str, send: Callable[[], Awaitable[Receipt]]) -> Receipt:
    """Send under this key, unless that was begun before; then the receipt of before, or `Doubtful`.

    `send` raises `Doubtful` when the message may have gone out, and any other error of ours when it surely has not:
    then the key is free again.
    """
    if claims is None:
        raise NotConfigured(
            "this channel notes what it sends, and was given no place for it; use open_claims"
        )
    before = await claims.take(key)
    if before is not None:
        return before
    try:
        receipt = await send()
    except Doubtful:
        raise
    except FirestationError:
        await claims.release(key)
        raise
    try:
        await claims.finish(key, receipt)
    except DriverError as error:  # it was sent: that is what counts now; a retry would call it doubtful
        log.warning("a message was sent and could not be noted as sent", key=key, trouble=str(error))
    return receipt


def _name(key: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"claims/{digest[:2]}/{digest[2:]}"
