"""Files under one folder, and their lines in bounded memory. What is outside the folder is never read."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator

from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from firestation.model import Line

LONGEST_LINE = 16 * 2**20


def _is_inside(pattern: str) -> str:
    parts = PurePosixPath(pattern)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        msg = f"{pattern!r} leaves the folder; write it relative to `folder`, like traces/*.jsonl"
        raise ValueError(msg)
    return pattern


Pattern = Annotated[Line, AfterValidator(_is_inside)]
"""A path or glob under a folder."""


def as_ours(error: OSError, path: Path) -> DriverError:
    """The system's error as one of ours."""
    said = f"{path}: {error.strerror}"
    if isinstance(error, FileNotFoundError):
        return Gone(said)
    return Denied(said) if isinstance(error, PermissionError) else Unreachable(said)


def files_in(folder: Path, pattern: str) -> list[Path]:
    """The files that match, whatever a symbolic link says. Raises `DriverError`."""
    try:
        root = folder.resolve(strict=True)
        paths = sorted(root.glob(pattern))
        return [path for path in paths if path.is_file() and path.resolve().is_relative_to(root)]
    except OSError as error:
        raise as_ours(error, folder) from error


def last_lines(path: Path, longest: int) -> Iterator[bytes]:
    """The whole lines in the last `longest` bytes of a file, one at a time. Raises `DriverError`.

    A line that no memory should hold is an error: it may be the one that is wanted.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, size - longest)
            file.seek(max(0, start - 1))
            if start:
                file.readline()  # the rest of a line that began before; whole when it ends right there
            while file.tell() < size and (line := file.readline(LONGEST_LINE + 1)):
                if len(line) > LONGEST_LINE:
                    raise Nonsense(f"{path} has a line of more than {LONGEST_LINE} bytes")
                yield line.rstrip(b"\r\n")
    except OSError as error:
        raise as_ours(error, path) from error


def append_once(path: Path, key: str, said: bytes) -> int:
    """Append the JSON line unless one with its `key` is there, durably; the 1-based number of the line that has it.

    Safe for several processes on one machine. Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(
        path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
    )  # what is said is not for all
    with os.fdopen(descriptor, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, also by a death
        file.seek(0)
        number, line = 0, b"\n"
        for number, line in enumerate(file, start=1):
            if _key_of(line) == key:
                return number
        # A line that a death tore in half is closed, so that it spoils no other.
        file.write((b"" if line.endswith(b"\n") else b"\n") + said + b"\n")
        file.flush()
        os.fsync(file.fileno())
        return number + 1


def _key_of(line: bytes) -> Any:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said.get("key") if isinstance(said, dict) else None
