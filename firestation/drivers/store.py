"""The evidence store through obstore: a local folder, or S3, GCS or Azure by URL.

An artifact lies at `sha256/ab/cdef…`, is created once and never overwritten, and is checked against its name at
every reading. Cloud credentials come from where the cloud's own clients take them (role, environment, profile).
"""

import asyncio
import hashlib
import os
import re
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, S3Store

from firestation.drivers.place import first_line, open_place
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from firestation.files import create_private, make_folder, sync_folder
from firestation.pieces import Counting
from firestation.ports import Content, Stored

PIECE = 5 * 1024 * 1024  # the least that S3 takes as a part
AT_ONCE = 2
SECRET_FILE, SECRET_FOLDER = 0o600, 0o700
DIGEST = re.compile(r"[0-9a-f]{64}")


class ObstoreEvidence:
    """The evidence store. `where` is the folder or URL that `store` is at; `folder` the same when it is local."""

    def __init__(self, store: ObjectStore, where: str, folder: Path | None = None) -> None:
        self._store, self._where, self._folder = store, where.rstrip("/"), folder

    async def put(self, content: Content) -> Stored:
        """Keep these bytes, durably. Raises `Nonsense` when altered bytes already lie under their digest."""
        if not isinstance(content, bytes):
            return await self._put_pieces(content)
        digest = hashlib.sha256(content).hexdigest()
        try:
            if self._folder is not None:
                if not await asyncio.to_thread(create_private, self._folder / _key(digest), content):
                    await self.get(digest)
                return Stored(digest=digest, size=len(content))
            made = await self._store.put_async(_key(digest), content, mode="create")
        except AlreadyExistsError:
            await self.get(digest)
            return Stored(digest=digest, size=len(content), version=await self._version(digest))
        except (BaseError, OSError) as error:
            raise our_error(error, digest) from error
        return Stored(digest=digest, size=len(content), version=made.get("version"))

    async def _put_pieces(self, pieces: AsyncIterator[bytes]) -> Stored:
        """Under a name of its own first: nobody knows the digest, or sees the evidence, before the last piece."""
        incoming = f"incoming/{uuid.uuid4().hex}"
        counting = Counting(pieces)
        try:
            if (
                self._folder is not None
            ):  # obstore makes files that others may read, so nobody gets where they come in
                await asyncio.to_thread(_keep_out, self._folder / "incoming")
            await self._store.put_async(
                incoming, counting, use_multipart=True, chunk_size=PIECE, max_concurrency=AT_ONCE
            )
            digest = counting.sha256.hexdigest()
            if self._folder is not None:
                await asyncio.to_thread(_make_ours, self._folder, incoming, _key(digest))
            if not await self._settle(incoming, digest):
                async for _ in self.stream(digest):  # what is there already must be what it is called
                    pass
        except (BaseError, OSError) as error:
            if isinstance(counting.trouble, Exception):  # the source broke off, not the store
                raise counting.trouble from None
            raise our_error(error, incoming) from error
        if self._folder is not None:
            await asyncio.to_thread(make_durable, self._folder / _key(digest))
        return Stored(digest=digest, size=counting.size, version=await self._version(digest))

    async def _settle(self, incoming: str, digest: str) -> bool:
        """Give what came in its own name; False when something has that name already."""
        try:
            await self._store.rename_async(incoming, _key(digest), overwrite=False)
        except AlreadyExistsError:
            await self._store.delete_async(incoming)
            return False
        except NotSupportedError:
            # S3 cannot copy under a condition. Whoever comes between our look and our copy copies the same bytes.
            there = await self._is_there(digest)
            if not there:
                await self._store.copy_async(incoming, _key(digest))
            await self._store.delete_async(incoming)
            return not there
        return True

    async def _is_there(self, digest: str) -> bool:
        try:
            await self._store.head_async(_key(digest))
        except FileNotFoundError:
            return False
        return True

    async def _version(self, digest: str) -> str | None:
        try:
            return (await self._store.head_async(_key(digest))).get("version")
        except (BaseError, OSError) as error:
            raise our_error(error, digest) from error

    async def protection(self, digest: str) -> str:
        """What really keeps these bytes: asked of the bucket itself, about this very object."""
        if self._folder is not None:
            return "a local folder: nothing keeps evidence from being deleted there; an alteration shows by its digest"
        version = await self._version(digest)
        lock = await self._lock(digest)
        if lock:
            return lock
        if version:
            return "a bucket with versions and no object lock: what is overwritten is kept, until a version is deleted"
        return "a bucket without versions or object lock: nothing keeps evidence from being deleted there"

    async def _lock(self, digest: str) -> str | None:
        """The object lock as S3 itself tells it with the object; None where there is none, or nobody may know."""
        if not isinstance(self._store, S3Store):
            return None
        try:
            url = await obstore.sign_async(self._store, "GET", _key(digest), timedelta(minutes=1))
            async with httpx.AsyncClient(timeout=10) as client:
                headers = (await client.get(url, headers={"Range": "bytes=0-0"})).headers
        except (BaseError, OSError, httpx.HTTPError) as error:
            raise our_error(OSError(type(error).__name__), digest) from error
        mode, until = (headers.get(f"x-amz-object-lock-{name}") for name in ("mode", "retain-until-date"))
        return f"object lock: {mode} until {until}" if mode and until else None

    async def get(self, digest: str) -> bytes:
        """The bytes of this digest. Raises `Gone`, `Nonsense` naming an altered one, `Denied`, `Unreachable`."""
        return b"".join([piece async for piece in self.stream(digest)])

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        """The bytes of this digest in pieces. Raises as `get` does; `Nonsense` only after the last piece."""
        if not DIGEST.fullmatch(digest):
            msg = f"{digest!r} is not a SHA-256 in lower-case hexadecimal, so nothing is kept under it"
            raise Gone(msg)
        found = hashlib.sha256()
        try:
            answer = await self._store.get_async(_key(digest))
            async for piece in answer.stream(min_chunk_size=PIECE):
                found.update(piece)
                yield bytes(piece)
        except (BaseError, OSError) as error:
            raise our_error(error, digest) from error
        if found.hexdigest() != digest:
            msg = (
                f"the evidence {digest} was altered: its bytes have another digest; restore it from a backup"
            )
            raise Nonsense(msg, digest=digest)

    def address(self, digest: str) -> str:
        """The path or URL of this digest."""
        return f"{self._where}/{_key(digest)}"


def open_store(where: str | Path) -> ObstoreEvidence:
    """The store in a local folder (made for its owner only if need be), or at a URL: file:, s3:, gs:, az:, https:.

    Raises `NotConfigured` when there can be no store.
    """
    return ObstoreEvidence(*open_place(where, "evidence store"))


def _key(digest: str) -> str:
    return f"sha256/{digest[:2]}/{digest[2:]}"


def _keep_out(folder: Path) -> None:
    make_folder(folder)
    folder.chmod(SECRET_FOLDER)


def _make_ours(folder: Path, incoming: str, key: str) -> None:
    """Before it is moved to its own name, which another user's eyes may reach."""
    (folder / incoming).chmod(SECRET_FILE)
    make_folder((folder / key).parent)


def make_durable(path: Path) -> None:
    """See that a file, and its name, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def our_error(error: Exception, digest: str) -> DriverError:
    """The store's error as ours."""
    said = first_line(error)
    if isinstance(error, FileNotFoundError):
        return Gone(f"there is no evidence {digest} in the store", digest=digest)
    if isinstance(error, (PermissionError, PermissionDeniedError, UnauthenticatedError)):
        return Denied(f"the evidence store refuses {digest}: {said}", digest=digest)
    return Unreachable(f"the evidence store cannot serve {digest}: {said}", digest=digest)
