"""Files that are whole from the moment they are there, whatever dies meanwhile."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def create_whole(path: Path, content: bytes | Iterable[bytes], mode: int = 0o644) -> bool:
    """Create the file, durably and with exactly this mode. False, and nothing changed, when one is there already.

    The folder must exist. Raises `OSError`, and what the pieces of the content raise.
    """
    descriptor, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, unlike a rename, never replaces a file that somebody else made meanwhile.
            path.hardlink_to(half)
        except FileExistsError:
            return False
    finally:
        Path(half).unlink()
    sync_folder(path.parent)
    return True


def create_private(path: Path, content: bytes) -> bool:
    """The same for its owner only, in a folder that is made for the owner only where it is missing."""
    make_folder(path.parent)
    return create_whole(path, content, 0o600)


def replace_private(path: Path, content: bytes) -> None:
    """Write the file anew for its owner only: see `replace_whole`."""
    replace_whole(path, content, 0o600)


def replace_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write the file anew with this mode: whoever reads it meanwhile has the old one, or the new one, whole.

    The folder must exist. Raises `OSError`.
    """
    descriptor, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(half).replace(path)
    except OSError:
        Path(half).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Make the folder for its owner only, and so those above it that are missing. One that is there stays as it is.

    Raises `OSError`.
    """
    try:
        folder.mkdir(mode=mode, exist_ok=True)
    except FileNotFoundError:
        make_folder(folder.parent, mode)
        folder.mkdir(mode=mode, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, as fsync makes the content of a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
