"""Where the public page stands: a folder that a web server serves, or a bucket. Every file is replaced whole."""

import asyncio
import mimetypes
from datetime import datetime
from pathlib import Path

from obstore.exceptions import AlreadyExistsError, BaseError

from firestation.drivers.place import open_place
from firestation.drivers.shelf import ObstoreShelf
from firestation.files import create_whole, make_folder, replace_whole

READABLE, OPEN = 0o644, 0o755
CACHE = "public, max-age=30"
TYPES = {
    ".atom": "application/atom+xml",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


class Site(ObstoreShelf):
    """The place: a shelf whose files can be replaced, and may be read by everybody."""

    async def create(self, name: str, content: bytes) -> bool:
        """Keep this, durably. False, and nothing changed, when there is something by this name."""
        try:
            if self._folder is not None:
                return await asyncio.to_thread(_create, self._folder / name, content)
            await self._store.put_async(name, content, mode="create", attributes=_headers(name))
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._ours(error, name) from error
        return True

    async def replace(self, name: str, content: bytes) -> None:
        """Write this anew: whoever reads it meanwhile has the old file, or the new one, whole."""
        try:
            if self._folder is not None:
                await asyncio.to_thread(_replace, self._folder / name, content)
            else:
                await self._store.put_async(name, content, attributes=_headers(name))
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


def open_site(where: str) -> Site:
    """The place in a folder (made if it is not there) or at a URL. Raises `NotConfigured`."""
    if "://" not in where:
        make_folder_for_all(Path(where).expanduser())
    place = open_place(where, "public page")
    return Site(place.store, place.where, place.folder, "place of the public page")


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


def _create(path: Path, content: bytes) -> bool:
    make_folder(path.parent, OPEN)
    return create_whole(path, content, READABLE)


def _replace(path: Path, content: bytes) -> None:
    make_folder(path.parent, OPEN)
    replace_whole(path, content, READABLE)
