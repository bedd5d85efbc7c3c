"""Content that comes in pieces, so that no memory must hold it whole."""

import hashlib
from collections.abc import AsyncIterator
from typing import Self


class Counting:
    """Counts and hashes the pieces as they pass, and remembers why they broke off."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.sha256, self.size = hashlib.sha256(), 0
        self.trouble: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.trouble = error
            raise
        self.sha256.update(piece)
        self.size += len(piece)
        return piece
