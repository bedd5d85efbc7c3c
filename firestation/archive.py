"""The archive that a bundle is: a plain tar with one byte form, so that the same files always are the same bytes.

Regular files only, in the order of their names, each with the same owner, mode and time; nothing is compressed, since
compressors differ between machines. Whoever reads it takes no other form: what `tar` would do with links, odd names,
duplicates or hidden headers never comes into question.
"""

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from firestation.errors import InvalidInput

BLOCK = 512
END = bytes(2 * BLOCK)
PIECE = 1024 * 1024
LONGEST_NAME = 100
LARGEST_FILE = 8 * 1024**3 - 1  # what eleven octal digits can say
MOST_FILES = 100_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
"""No part begins with a dot, so there is no way up and nothing hidden; no letter looks like another one."""

TAKE_WHOLE = "Take a whole copy of what `firestation audit export` wrote"

Tell = Callable[[int, int], None]
"""Is told how many bytes of how many are read."""


class Forged(InvalidInput):
    """An archive that `firestation audit export` did not write so. `file` is the member, as far as one is meant."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file or "archive", problem, TAKE_WHOLE)
        self.file = file


class Member(NamedTuple):
    """One file: where its bytes begin, how many they are, and their SHA-256."""

    name: str
    offset: int
    size: int
    digest: str


def header(name: str, size: int) -> bytes:
    """The block before a file. Raises `InvalidInput` for a name or size that no bundle has."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidInput("name", f"{name[:120]!r} is no name of a file in a bundle", "Use plain letters")
    if not 0 <= size <= LARGEST_FILE:
        fix = "Export with --digests-only, and hand the evidence over apart from it"
        raise InvalidInput(name, f"{size} bytes are more than a file of a bundle may have", fix)
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.USTAR_FORMAT)


def padding(size: int) -> bytes:
    """What follows a file, up to the next block."""
    return bytes(-size % BLOCK)


def length(sizes: Iterator[int]) -> int:
    """The bytes of the whole archive of files of these sizes."""
    return sum(BLOCK + size + -size % BLOCK for size in sizes) + len(END)


class Archive:
    """An archive in a file that can be read at any place. Only `read` and `pieces` give what is in it, checked again.

    Raises `InvalidInput` when it is no archive at all, `Forged` when it is one and not in its one form.
    """

    def __init__(self, file: BinaryIO, tell: Tell | None = None) -> None:
        self._file = file
        self._total = file.seek(0, 2)
        self.members: dict[str, Member] = {}
        file.seek(0)
        if self._total < BLOCK or not _is_tar(file.read(BLOCK)):
            raise InvalidInput("bundle", "this file is no bundle", "Name a file that audit export wrote")
        file.seek(0)
        seen = set[str]()
        while (block := self._take(BLOCK, "")) != bytes(BLOCK):
            member = self._member(block, seen)
            self.members[member.name] = member
            if tell:
                tell(file.tell(), self._total)
        if file.read(len(END)) != END[BLOCK:]:
            raise Forged("", "it does not end where its last file ends")

    def _member(self, block: bytes, seen: set[str]) -> Member:
        name, size = _named(block)
        last = next(reversed(self.members), "")
        if name.casefold() in seen:
            raise Forged(name, "there are two files of this name")
        if name <= last:
            raise Forged(name, f"it stands after {last}, out of order")
        if len(seen) >= MOST_FILES:
            raise Forged(name, f"there are more than {MOST_FILES} files")
        seen.add(name.casefold())
        offset, weighed, left = self._file.tell(), hashlib.sha256(), size
        if offset + size > self._total:
            raise Forged(name, "the archive ends within it: it was cut off")
        while left:
            piece = self._take(min(PIECE, left), name)
            weighed.update(piece)
            left -= len(piece)
        if self._take(-size % BLOCK, name) != padding(size):
            raise Forged(name, "something is hidden after its end")
        return Member(name, offset, size, weighed.hexdigest())

    def _take(self, count: int, name: str) -> bytes:
        found = self._file.read(count)
        if len(found) < count:
            raise Forged(name, "the archive ends too early: it was cut off")
        return found

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises `Forged` when it is not there, or is another one than when it was opened."""
        member = self.members.get(name)
        if member is None:
            raise Forged(name, "it is not there")
        weighed, place = hashlib.sha256(), member.offset
        while place < member.offset + member.size:
            self._file.seek(place)
            piece = self._take(min(PIECE, member.offset + member.size - place), name)
            place += len(piece)
            weighed.update(piece)
            yield piece
        if weighed.hexdigest() != member.digest:
            raise Forged(name, "it was changed while it was read")

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a file of at most so many. Raises `Forged`."""
        member = self.members.get(name)
        if member and member.size > most:
            raise Forged(name, f"{member.size} bytes are more than such a file may have")
        return b"".join(self.pieces(name))


def _is_tar(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _named(block: bytes) -> tuple[str, int]:
    """Name and size in a header. Raises `Forged` unless it is the very header that we write for them."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise Forged("", "what follows the last file is no header of a file") from None
    shown = info.name.encode("ascii", "backslashreplace").decode()[:LONGEST_NAME]
    if not info.isreg():
        kinds = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a link", tarfile.DIRTYPE: "a folder"}
        raise Forged(shown, f"it is {kinds.get(info.type, 'no regular file')}, and a bundle has only files")
    if not NAME.fullmatch(info.name) or len(info.name) > LONGEST_NAME:
        raise Forged(shown, "its name is not one that a bundle has; it may lead out of the folder")
    if not 0 <= info.size <= LARGEST_FILE or block != header(info.name, info.size):
        raise Forged(shown, "its header is not the one that a bundle has: mode, time, owner or size differ")
    return info.name, info.size
