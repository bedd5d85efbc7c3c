"""age (https://age-encryption.org/v1): evidence that only its recipients can read."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from typing import IO

import pyrage  # type: ignore[import-untyped]  # it has no types

from firestation.errors import InvalidInput, Nonsense, Unreachable, Withheld

PIECE = 4 * 1024 * 1024


class Age:
    """Encrypts to recipients. The same content encrypted twice is two different byte strings."""

    def encrypt(self, content: bytes, recipients: Sequence[str]) -> bytes:
        """The whole content, encrypted. Raises `Withheld` for a recipient that is none."""
        sealed: bytes = pyrage.encrypt(content, _recipients(recipients))
        return sealed

    async def encrypt_pieces(
        self, pieces: AsyncIterator[bytes], recipients: Sequence[str]
    ) -> AsyncIterator[bytes]:
        """The same for content in pieces, in bounded memory: what is encrypted already waits in a temporary file.

        Errors of the pieces come through; `Unreachable` when there is no room for the file.
        """
        keys = _recipients(recipients)
        with tempfile.TemporaryFile() as sealed:
            source, sink = os.pipe()
            work = asyncio.ensure_future(asyncio.to_thread(_encrypt, source, sealed, keys))
            writing = asyncio.ensure_future(asyncio.sleep(0))
            try:
                async for piece in pieces:
                    writing = asyncio.ensure_future(asyncio.to_thread(_write, sink, piece))
                    await asyncio.shield(writing)
            except BrokenPipeError:
                pass  # the thread has ended, and says why
            finally:
                await asyncio.wait({writing})  # a file that is still written to must not be closed
                os.close(sink)
                await asyncio.wait({work})
            try:
                await work
            except OSError as error:
                raise Unreachable(f"no room to encrypt: {error.strerror}") from error
            sealed.seek(0)
            while piece := await asyncio.to_thread(sealed.read, PIECE):
                yield piece


def is_recipient(name: str) -> bool:
    """Whether it is a recipient, its check sum too."""
    try:
        pyrage.x25519.Recipient.from_str(name)
    except pyrage.RecipientError:
        return False
    return True


def decrypt(content: bytes, identities: str) -> bytes:
    """What was encrypted, by the identities in the text of an age key file.

    Raises `InvalidInput` when there is none, `Nonsense` when none of them opens it.
    """
    lines = [line.strip() for line in identities.splitlines()]
    try:
        keys = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        keys = []
    if not keys:
        fix = "Name a file that age-keygen made; a line in it begins with AGE-SECRET-KEY-1"
        raise InvalidInput("--identity", "there is no age identity in this file", fix)
    try:
        opened: bytes = pyrage.decrypt(content, keys)
    except pyrage.DecryptError as error:
        raise Nonsense(f"this identity does not open it: {error}") from error
    return opened


def _recipients(names: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    try:
        return [pyrage.x25519.Recipient.from_str(name) for name in names]
    except pyrage.RecipientError as error:
        raise Withheld(f"it is to be encrypted, and a recipient is none: {error}") from error


def _encrypt(source: int, sealed: IO[bytes], keys: list[pyrage.x25519.Recipient]) -> None:
    with open(source, "rb") as pieces:
        pyrage.encrypt_io(pieces, sealed, keys)


def _write(sink: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(sink, left) :]
