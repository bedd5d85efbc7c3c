"""A shelf on obstore: small documents by name, in a folder or a bucket, each created once and never overwritten."""

import asyncio
from datetime import datetime
from pathlib import Path

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore

from firestation.drivers.place import first_line, open_place
from firestation.errors import Denied, DriverError, Unreachable
from firestation.files import create_private


class ObstoreShelf:
    """The shelf. `what` is how people call it, for errors; `folder` is where it is when it is local."""

    def __init__(
        self, store: ObjectStore, where: str, folder: Path | None = None, what: str = "shelf"
    ) -> None:
        self._store, self.where, self._folder, self._what = store, where, folder, what

    async def create(self, name: str, content: bytes) -> bool:
        """Keep this, durably. False, and nothing changed, when there is something by this name."""
        try:
            if self._folder is not None:
                return await asyncio.to_thread(create_private, self._folder / name, content)
            await self._store.put_async(name, content, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error
        return True

    async def get(self, name: str) -> bytes | None:
        """What is kept by this name; None where there is nothing."""
        try:
            return bytes(await (await self._store.get_async(name)).bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error

    async def names(self, folder: str) -> dict[str, datetime]:
        """Every name below this folder, in their order, and since when it is kept.

        What a death left half is not among them: a half file is hidden, it begins with a dot.
        """
        try:
            found = await self._store.list(folder).collect_async()
        except (BaseError, OSError) as error:
            raise self._ours(error, folder) from error
        whole = (each for each in found if not each["path"].rsplit("/", 1)[-1].startswith("."))
        return {each["path"]: each["last_modified"] for each in sorted(whole, key=lambda each: each["path"])}

    async def delete(self, name: str) -> None:
        """Let go of it; nothing happens when it is not there."""
        try:
            await self._store.delete_async(name)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error

    def _ours(self, error: Exception, name: str) -> DriverError:
        said = first_line(error)
        if isinstance(error, (PermissionError, PermissionDeniedError, UnauthenticatedError)):
            return Denied(f"the {self._what} refuses {name}: {said}")
        return Unreachable(f"the {self._what} cannot serve {name}: {said}")


def open_shelf(where: str | Path, what: str) -> ObstoreShelf:
    """The shelf in a folder (made if it is not there, for its owner only) or at a URL. Raises `NotConfigured`."""
    place = open_place(where, what)
    return ObstoreShelf(place.store, place.where, place.folder, what)
