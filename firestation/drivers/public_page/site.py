"""Where the public page stands: a folder that a web server serves, or a bucket. Every file is replaced whole."""

import asyncio
import mimetypes
from datetime import datetime
from pathlib import Path

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore

from firestation.drivers.place import first_line, open_place
from firestation.errors import Denied, DriverError, Unreachable
from firestation.files import create_whole, make_folder, replace_whole

READABLE, OPEN = 0o644, 0o755
CACHE = "public, max-age=30"
TYPES = {
    ".atom": "application/atom+xml",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


class Site:
    """The place. `folder` is where it is when it is local; its files may be read by everybody."""

    def __init__(self, store: ObjectStore, where: str, folder: Path | None = None) -> None:
        self._store, self.where, self._folder = store, where, folder

    async def create(self, name: str, content: bytes) -> None:
        """Keep this, durably; nothing changes when there is something by this name."""
        try:
            if self._folder is not None:
                await asyncio.to_thread(_create, self._folder / name, content)
            else:
                await self._store.put_async(name, content, mode="create", attributes=_headers(name))
        except AlreadyExistsError:
            return
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error

    async def replace(self, name: str, content: bytes) -> None:
        """Write this anew: whoever reads it meanwhile has the old file, or the new one, whole."""
        try:
            if self._folder is not None:
                await asyncio.to_thread(_replace, self._folder / name, content)
            else:
                await self._store.put_async(name, content, attributes=_headers(name))
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error

    async def read(self, name: str) -> bytes | None:
        """The file; None where there is none."""
        try:
            return bytes(await (await self._store.get_async(name)).bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error

    async def written_at(self, name: str) -> datetime | None:
        """Since when the file is as it is, by the clock of the place; None where there is none."""
        try:
            return (await self._store.head_async(name))["last_modified"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error

    async def names(self, folder: str) -> list[str]:
        """Every file below this folder, in order; what a death left half is hidden, and not among them."""
        try:
            found = await self._store.list(folder).collect_async()
        except (BaseError, OSError) as error:
            raise self._ours(error, folder) from error
        return sorted(each["path"] for each in found if not each["path"].rsplit("/", 1)[-1].startswith("."))

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
            return Denied(f"the place of the public page refuses {name}: {said}")
        return Unreachable(f"the place of the public page cannot serve {name}: {said}")


def open_site(where: str) -> Site:
    """The place in a folder (made if it is not there) or at a URL. Raises `NotConfigured`."""
    if "://" not in where:
        make_folder_for_all(Path(where).expanduser())
    place = open_place(where, "public page")
    return Site(place.store, place.where, place.folder)


def make_folder_for_all(folder: Path) -> None:
    """Make the folder so that a web server of another user may look into it; `open_place` says what is wrong."""
    try:
        make_folder(folder, OPEN)
    except OSError:
        return


def _headers(name: str) -> dict[str, str]:
    suffix = Path(name).suffix
    kind = TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {"Content-Type": kind, "Cache-Control": CACHE}


def _create(path: Path, content: bytes) -> None:
    make_folder(path.parent, OPEN)
    create_whole(path, content, READABLE)


def _replace(path: Path, content: bytes) -> None:
    make_folder(path.parent, OPEN)
    replace_whole(path, content, READABLE)
