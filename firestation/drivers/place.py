"""A folder, or a bucket by its URL, as an object store."""

from pathlib import Path
from typing import NamedTuple

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from firestation.errors import NotConfigured
from firestation.files import make_folder


class Place(NamedTuple):
    """The store, where it is for people to read, and its folder when it is local."""

    store: ObjectStore
    where: str
    folder: Path | None = None


def open_place(where: str | Path, what: str) -> Place:
    """A local folder (made for its owner only if it is not there), or a URL: file:, s3:, gs:, az:, https:.

    Raises `NotConfigured`, which says `what` there cannot be.
    """
    text = str(where)
    local = text.removeprefix("file://") if text.startswith("file://") or "://" not in text else None
    try:
        if local is None:
            return Place(from_url(text), text)
        folder = Path(local).expanduser().resolve()
        make_folder(folder)
        return Place(LocalStore(str(folder)), str(folder), folder)
    except (BaseError, OSError, ValueError) as error:
        msg = (
            f"there can be no {what} at {text}: {first_line(error)}; name a writable folder or a bucket's URL"
        )
        raise NotConfigured(msg) from error


def first_line(error: Exception) -> str:
    """What the error says, on one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
