"""Claims on obstore: what was begun to be sent, so that a message whose product knows no keys is sent at most once.

Beside the evidence, in the same folder or bucket, so that every worker sees them: `claims/ab/cdef…` is created before
a sending, `….sent` after it, both once and never overwritten. The names are digests of the idempotency keys.
"""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from pydantic import ValidationError

from firestation.board import Receipt
from firestation.drivers.shelf import ObstoreShelf, open_shelf
from firestation.errors import Doubtful, DriverError, FirestationError, NotConfigured
from firestation.ports import Claims

log = structlog.get_logger()


class ObstoreClaims:
    """The claims, on this shelf."""

    def __init__(self, shelf: ObstoreShelf) -> None:
        self._shelf = shelf

    async def take(self, key: str) -> Receipt | None:
        """As the port says. A claim is on the disk before this returns."""
        name = _name(key)
        if await self._shelf.create(name, key.encode()):
            return None
        told = await self._shelf.get(f"{name}.sent")
        if told is None:
            msg = f"it may have been sent; not sent again: {key} was begun, and nobody said what came of it"
            raise Doubtful(msg)
        try:
            return Receipt.model_validate_json(told)
        except ValidationError:
            msg = f"it may have been sent; not sent again: what is noted of {key} cannot be read"
            raise Doubtful(msg) from None

    async def release(self, key: str) -> None:
        """Let the next one send."""
        await self._shelf.delete(_name(key))

    async def finish(self, key: str, receipt: Receipt) -> None:
        """Keep the receipt."""
        await self._shelf.create(f"{_name(key)}.sent", receipt.model_dump_json().encode())


def open_claims(where: str | Path) -> ObstoreClaims:
    """The claims beside the evidence at this folder or URL. Raises `NotConfigured` when there can be none."""
    return ObstoreClaims(open_shelf(where, "evidence store"))


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
