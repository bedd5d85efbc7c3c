"""The file tracker, the embedded default: a file a task, which people read and edit with any editor.

In a Markdown file `State: open` is a line of its own, and who writes `State: done` there has done the task. Reminders
are appended to it, once a key, behind a lock that our own processes share. Nothing that a person wrote is ever
rewritten: we create, and we append. An editor that had the file open before a reminder came, and saves later, may drop
the reminder; one that saves by rename meanwhile does not, for then it is appended to the file that is there now.

A JSON file cannot be appended to. Its state is the member `state`, and its reminders are the lines of a second file
beside it, `NAME.reminders.jsonl`.
"""

import asyncio
import errno
import fcntl
import json
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

from pydantic import JsonValue

from firestation.after_action import Task, Ticket, TicketState
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.lines import append_once, as_ours
from firestation.drivers.task_text import COMMENT, facts, mark_of, quoted, title_of
from firestation.errors import Denied, Gone, Nonsense, Unreachable
from firestation.files import create_whole
from firestation.model import Line, Model, canonical_json
from firestation.system import TrackerFitting

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*-[0-9a-f]{12}\.(?P<suffix>md|json)")
MEMBER = r"^[\s>*_#-]*{name}[\s*_]*:[\s*_]*(?P<value>.*?)[\s*_.!]*$"
STATE = re.compile(MEMBER.format(name="state"), re.IGNORECASE)
OWNER = re.compile(MEMBER.format(name="owner"), re.IGNORECASE)
DONE = frozenset({"done", "closed", "resolved", "finished", "fixed"})
OPEN = frozenset({"open", "todo", "doing", "started", "in progress", "blocked", "reopened"})
LONGEST = 16 * 2**20
AWAY_S, LOOKS = 0.2, 5  # an editor may take the old file away a moment before the new one is there
TRIES = 20


class FileTrackerConfig(Model):
    """`folder` gets one file a task."""

    folder: Line
    format: Literal["markdown", "json"] = "markdown"


class FileTracker:
    """Writes each task once a key; a person who edits the file afterwards is never overwritten."""

    config_model: ClassVar[type[Model]] = FileTrackerConfig

    def __init__(self, fitting: TrackerFitting, config: FileTrackerConfig, kit: Kit) -> None:
        self.fitting, self.config = fitting, config
        self.folder = kit.folder / config.folder

    async def open(self, task: Task, key: str) -> Ticket:
        """Write the task. The reference is the file; its name alone is enough to find it again."""
        suffix = "md" if self.config.format == "markdown" else "json"
        path = self.folder / f"{task.incident}-{task.kind}-{mark_of(key)[:12]}.{suffix}"
        try:
            await asyncio.to_thread(_create, path, _markdown(task) if suffix == "md" else _json(task))
        except OSError as error:
            raise as_ours(error, path) from error
        return Ticket(kind=task.kind, tracker=self.fitting.id, reference=str(path)[-300:])

    async def look(self, ticket: Ticket) -> TicketState:
        """What the file says. What it says in no words that we know is open, and the detail says so."""
        path = self._path(ticket)
        try:
            content = await _there(_read, path)
        except Gone:
            return TicketState(state="gone", detail=one_line(f"there is no file {path.name} any more"))
        except OSError as error:
            raise as_ours(error, path) from error
        read = _of_markdown if path.suffix == ".md" else _of_json
        state, owner = read(content.decode(errors="replace"))
        return _judged(state, owner, path.name)

    async def remind(self, ticket: Ticket, text: str, key: str) -> None:
        """Append the word, durably."""
        path = self._path(ticket)
        add = _append_to_markdown if path.suffix == ".md" else _append_beside
        try:
            await _there(add, path, text, key)
        except OSError as error:
            raise as_ours(error, path) from error

    def _path(self, ticket: Ticket) -> Path:
        """The file in our folder, wherever the folder was when the ticket was opened."""
        name = ticket.reference.rpartition("/")[2]
        if not NAME.fullmatch(name):
            msg = f"{one_line(ticket.reference)} is no file of a task; the tracker {self.fitting.id} names them itself"
            raise Nonsense(msg)
        return self.folder / name


async def _there(work: Any, path: Path, *more: str) -> Any:
    """What the work gives. Raises `Gone` when there is no file, also not a moment later."""
    for left in range(LOOKS, 0, -1):
        try:
            return await asyncio.to_thread(work, path, *more)
        except FileNotFoundError as error:
            if left == 1:
                raise Gone(f"there is no file {path} any more") from error
            await asyncio.sleep(AWAY_S)
    raise AssertionError


def _create(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        create_whole(path, content)


def _markdown(task: Task) -> bytes:
    head = "\n".join(["State: open", *facts(task)])
    return f"# {quoted(title_of(task))}\n\n{head}\n\n{quoted(task.text)}\n".encode()


def _json(task: Task) -> bytes:
    content = {"state": "open", **task.model_dump(mode="json")}
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()


def _open(path: Path, flags: int) -> BinaryIO:
    """A plain file. Raises `Denied` for a link, which could lead out of the folder, and for what is no file."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise Denied(f"{path} is no plain file; put the file itself there, not a link to it") from error
        raise
    file = os.fdopen(descriptor, "a+b" if flags & os.O_APPEND else "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise Denied(f"{path} is no plain file; put the file itself there, not a link to it")
    return file


def _read(path: Path) -> bytes:
    with _open(path, os.O_RDONLY) as file:
        return _bounded(file, path)


def _bounded(file: BinaryIO, path: Path) -> bytes:
    content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise Nonsense(
            f"{path} has more than {LONGEST} bytes; a task is short, move the rest into another file"
        )
    return content


def _of_markdown(text: str) -> tuple[JsonValue, JsonValue]:
    """The values of the first lines `State:` and `Owner:`; None without one."""
    values: list[JsonValue] = []
    for pattern in (STATE, OWNER):
        found = next(filter(None, map(pattern.fullmatch, text.splitlines())), None)
        values.append(found["value"] if found else None)
    return values[0], values[1]


def _of_json(text: str) -> tuple[JsonValue, JsonValue]:
    try:
        content = json.loads(text)
    except ValueError:
        return "(not JSON)", None
    return (content.get("state"), content.get("owner")) if isinstance(content, dict) else ("(not JSON)", None)


def _judged(state: JsonValue, owner: JsonValue, name: str) -> TicketState:
    words = " ".join(str(state).lower().split())
    assignee = one_line(owner) if isinstance(owner, str) and owner.strip() else None
    if words in DONE:
        return TicketState(state="done", assignee=assignee, detail=one_line(f"{name} says State: {state}"))
    said = (
        f"{name} says State: {state}" if words in OPEN else f"{name} says neither State: open nor State: done"
    )
    return TicketState(state="open", assignee=assignee, detail=one_line(said))


def _append_to_markdown(path: Path, text: str, key: str) -> None:
    comment = COMMENT.format(mark=mark_of(key)).encode()
    word = " ".join(quoted(text).split())
    # The mark stands last: a line that a death tore in half has none, and is written again, whole.
    line = f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Firestation: {word} ".encode() + comment + b"\n"
    for _ in range(TRIES):
        with _open(path, os.O_RDWR | os.O_APPEND) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = _bounded(file, path)
            if not any(each.endswith(comment) for each in content.splitlines()):
                last = content.rpartition(b"\n")[2] if not content.endswith(b"\n") else b""
                file.write((b"\n" if last else b"") + _apart(content) + line)
                file.flush()
                os.fsync(file.fileno())
            if _is_still(path, file):
                return
    raise Unreachable(f"{path} is replaced again and again while we append to it")


def _apart(content: bytes) -> bytes:
    """An empty line before the first of a list of reminders."""
    last = content.rstrip(b"\n").rpartition(b"\n")[2]
    return b"" if last.startswith(b"- ") and last.endswith(b"-->") else b"\n"


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether the file that we wrote to is the one that people see: an editor may have put another one there."""
    seen, ours = path.stat(follow_symlinks=False), os.fstat(file.fileno())
    return (seen.st_dev, seen.st_ino) == (ours.st_dev, ours.st_ino)


def _append_beside(path: Path, text: str, key: str) -> None:
    path.stat(follow_symlinks=False)
    said = {"key": key, "at": datetime.now(UTC).isoformat(), "text": text}
    append_once(path.with_name(f"{path.stem}.reminders.jsonl"), key, canonical_json(said))
