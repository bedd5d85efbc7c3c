"""The file lever: a configuration file, or one value in it, replaced as a whole by a rename.

Nothing outside the folder is read or written: no symbolic link is followed, neither the file nor a folder on the way.
Our own processes take turns by a lock on the folder. What another program writes between our last comparison, just
before the rename, and the rename itself is overwritten: that gap is a few microseconds. A reader sees the old file or
the new one, whole; when it looks again is its own matter.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import shlex
import stat
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import ClassVar, TypeVar

from pydantic import JsonValue

from firestation.drivers.documents import InFile, Place, as_text
from firestation.drivers.kit import Kit
from firestation.drivers.lines import as_ours
from firestation.drivers.moving import MovingConfig, MovingLever, Raced
from firestation.errors import Denied, Nonsense
from firestation.expect import steps
from firestation.model import Line, Model
from firestation.ports import ByHand
from firestation.system import LeverFitting, Position

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
LATER_NS = 1_000_000


class InFolder(MovingConfig, InFile):
    """`folder` is relative to the station's, and `file` to that."""

    folder: Line

    @abstractmethod
    def value(self, content: bytes | None) -> JsonValue:
        """The position that this content is, None where there is no file."""

    @abstractmethod
    def edited(self, content: bytes | None, to: JsonValue) -> bytes | None:
        """The content with the position changed."""


class FileLeverConfig(Place, InFolder):
    """A file, or one value in it."""


F = TypeVar("F", bound=InFolder)


class FolderLever(MovingLever[F]):
    """The frame of a lever that is a file."""

    def __init__(self, fitting: LeverFitting, config: F, kit: Kit) -> None:
        super().__init__(fitting, config, kit)
        self.folder = kit.folder / config.folder

    async def position(self) -> Position:
        """As the file says."""
        return Position(value=self.config.value(await self._content()))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - a file has no place for it
        """Replace the file, unless it has changed."""
        content = await self._content()
        if not Position(value=self.config.value(content)).same_as(found):
            raise Raced(f"{self.config.file} was changed between our reading and our write")
        changed = self.config.edited(content, to.value)
        await asyncio.to_thread(replaced, self.folder, self.config.file, content, changed)

    async def _content(self) -> bytes | None:
        return await asyncio.to_thread(content_of, self.folder, self.config.file, self.config.max_bytes)

    def rewritten(self, by: str) -> str:
        """The command by which a program, that may read it as $f, writes the file anew; a rename replaces it."""
        return f'f={shlex.quote(str(self.folder / self.config.file))}; {by} > "$f.new" && mv "$f.new" "$f"'


class FileLever(FolderLever[FileLeverConfig]):
    """Moves the content of a file, or one value in it."""

    config_model: ClassVar[type[Model]] = FileLeverConfig

    def read_by_hand(self) -> ByHand:
        """The file itself."""
        value = f"its position stands at {self.config.path}" if self.config.path else "it is the whole file"
        return ByHand(command=f"cat {shlex.quote(str(self.folder / self.config.file))}", look=value)

    def by_hand(self, to: JsonValue) -> str:
        """The file written anew and renamed; a value in it by jq, or by yq (the one in Go) in YAML."""
        if self.config.path is None:
            if to is None:
                return f"rm {shlex.quote(str(self.folder / self.config.file))}"
            return self.rewritten(f"printf %s {shlex.quote(str(to))}")
        program = "jq" if self.config.kind == "json" else "yq"
        spots = "".join(f"[{as_text(step)}]" for step in steps(self.config.path))
        return self.rewritten(f"""{program} {shlex.quote(f".{spots} = {as_text(to)}")} "$f\"""")


def content_of(folder: Path, file: str, limit: int) -> bytes | None:
    """The content, and None where there is no such file. Raises `DriverError`."""
    with _parent(folder, file) as (parent, name):
        return _read(parent, name, limit)


def replaced(folder: Path, file: str, expected: bytes | None, content: bytes | None) -> None:
    """Replace, create or remove the file if it still is as expected. Raises `Raced` if not, else `DriverError`."""
    with _parent(folder, file) as (parent, name):
        fcntl.flock(parent, fcntl.LOCK_EX)  # released when the folder is closed, also by a death
        half = None if content is None else _half(parent, name, content)
        try:
            if _read(parent, name, len(expected or b"")) != expected:
                raise Raced(f"{file} was changed between our reading and our write")
            if half is None:
                if expected is not None:
                    os.unlink(name, dir_fd=parent)
            elif expected is None:
                # A link, unlike a rename, never replaces a file that somebody else made meanwhile.
                os.link(half, name, src_dir_fd=parent, dst_dir_fd=parent)
            else:
                os.rename(half, name, src_dir_fd=parent, dst_dir_fd=parent)
                half = None
        except FileExistsError as error:
            raise Raced(f"{file} was made between our reading and our write") from error
        finally:
            if half is not None:
                with contextlib.suppress(FileNotFoundError):  # renamed, though an error came of it
                    os.unlink(half, dir_fd=parent)
        os.fsync(parent)


@contextlib.contextmanager
def _parent(folder: Path, file: str) -> Iterator[tuple[int, str]]:
    """The folder that the file is in, opened step by step, and the file's name in it."""
    *between, name = PurePosixPath(file).parts
    try:
        descriptor = os.open(
            folder, FOLDER & ~os.O_NOFOLLOW
        )  # where the folder itself leads is the station's choice
        try:
            for part in between:
                inner = os.open(part, FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            msg = f"{folder / file} leads over a symbolic link, which is not followed; name the file itself"
            raise Denied(msg) from error
        raise as_ours(error, folder / file) from error


def _read(parent: int, name: str, limit: int) -> bytes | None:
    """At most one byte more than the limit. Not a pipe, nor a device: opening one could wait for ever."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Nonsense(f"{name} is no file")
        return opened.read(limit + 1)


def _half(parent: int, name: str, content: bytes) -> str:
    """The new file beside the old one, durable, with the old one's owner and mode."""
    half = f".{name[:64]}.{token_hex(8)}"
    descriptor = os.open(half, NEW, 0o644, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            old = None
            with contextlib.suppress(FileNotFoundError):
                old = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            opened.write(content)
            opened.flush()
            if old is not None and os.fstat(descriptor).st_mtime_ns < old.st_mtime_ns + LATER_NS:
                # Who watches the time of the file would not see one that is no younger than the last.
                os.utime(descriptor, ns=(old.st_atime_ns, old.st_mtime_ns + LATER_NS))
            os.fsync(descriptor)
    except BaseException:
        os.unlink(half, dir_fd=parent)
        raise
    return half
