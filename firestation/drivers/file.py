"""The file driver: evidence from files under one folder, and messages as lines of a file. The embedded default.

Nothing outside the declared folder is read, whatever a symbolic link says. Blocking work runs in threads.
"""

import asyncio
import mimetypes
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_core import from_json

from firestation.board import Message, Receipt
from firestation.drivers.kit import Kit
from firestation.drivers.lines import Pattern, append_once, as_ours, files_in, last_lines
from firestation.errors import DriverError, Gone, Nonsense
from firestation.evidence import Scope
from firestation.expect import JsonPath, value_at
from firestation.model import Line, Model, canonical_json
from firestation.ports import Artifact, Content
from firestation.system import ChannelFitting, SourceFitting

JSON_LINES = "application/x-ndjson"
PIECE = 4 * 1024 * 1024
LONGEST_TAIL = 256_000_000


class FileSourceConfig(Model):
    """`files` is a path or glob under `folder`.

    With `request_id` the files are JSON Lines, and only lines whose value at that path is one of the request ids in
    scope are kept, from the last `max_bytes` of each file. Without it files are kept whole; one that is bigger is an
    error.
    """

    folder: Line
    files: Pattern
    request_id: JsonPath | None = None
    media_type: Line | None = None
    max_bytes: int = Field(default=16_000_000, ge=1, le=4 * 2**30)


class FileSource:
    """Freezes files. One that cannot be read does not stop the others: the error comes after all that was got."""

    config_model: ClassVar[type[Model]] = FileSourceConfig

    def __init__(self, fitting: SourceFitting, config: FileSourceConfig, kit: Kit) -> None:
        self.fitting, self.config = fitting, config
        self.folder = kit.folder / config.folder

    async def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """One artifact a file, in the order of their names."""
        paths = await asyncio.to_thread(files_in, self.folder, self.config.files)
        first: DriverError | None = None
        given = 0
        for path in paths:
            try:
                content: Content = await asyncio.to_thread(self._content, path, frozenset(scope.request_ids))
            except DriverError as error:
                first = first or error
                continue
            if content or not self.config.request_id:
                given += 1
                yield self._artifact(path, content)
        if first is not None:
            raise first
        if not given:
            what = f"a line of the {len(scope.request_ids)} requests in scope" if paths else "a file"
            msg = f"{self.folder} has no {what} in {self.config.files}"
            raise Gone(msg)

    def _content(self, path: Path, request_ids: frozenset[str]) -> Content:
        limit = self.config.max_bytes
        if self.config.request_id:
            lines = last_lines(path, min(limit, LONGEST_TAIL))
            return b"".join(line + b"\n" for line in lines if self._wanted(line, request_ids))
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > limit:
                    fix = "raise max_bytes, or name request_id to keep its end only"
                    msg = f"{path} is bigger than {limit} bytes; {fix}"
                    raise Nonsense(msg, max_bytes=limit)
                if size <= PIECE:
                    return file.read(limit)
        except OSError as error:
            raise as_ours(error, path) from error
        return _pieces(path, limit)

    def _wanted(self, line: bytes, request_ids: frozenset[str]) -> bool:
        try:
            found = value_at(from_json(line), self.config.request_id or "$")
        except ValueError:
            return False
        return isinstance(found, str) and found in request_ids

    def _artifact(self, path: Path, content: Content) -> Artifact:
        guessed = JSON_LINES if path.suffix in {".jsonl", ".ndjson"} else mimetypes.guess_type(path.name)[0]
        return Artifact(
            name=path.relative_to(self.folder.resolve()).as_posix()[-300:],
            media_type=self.config.media_type or guessed or "application/octet-stream",
            content=content,
            provides=self.fitting.provides,
            how="read from a file",
        )


async def _pieces(path: Path, limit: int) -> AsyncIterator[bytes]:
    """The file piece by piece; what grows under our hands is read no further than the limit."""
    left = limit
    try:
        with await asyncio.to_thread(path.open, "rb") as file:
            while left and (piece := await asyncio.to_thread(file.read, min(PIECE, left))):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise as_ours(error, path) from error


class FileChannelConfig(Model):
    """`file` gets one JSON line a message."""

    file: Line


class FileChannel:
    """Appends messages, each once a key, and durably. Safe for several processes on one machine."""

    config_model: ClassVar[type[Model]] = FileChannelConfig

    def __init__(self, fitting: ChannelFitting, config: FileChannelConfig, kit: Kit) -> None:
        self.fitting = fitting
        self.file = kit.folder / config.file

    async def send(self, message: Message, key: str) -> Receipt:
        """Append the message. The reference is the file and the line."""
        said = {"key": key, "at": datetime.now(UTC).isoformat(), **message.model_dump(mode="json")}
        try:
            line = await asyncio.to_thread(append_once, self.file, key, canonical_json(said))
        except OSError as error:
            raise as_ours(error, self.file) from error
        return Receipt(channel=self.fitting.id, reference=f"{self.file}:{line}"[-300:])
