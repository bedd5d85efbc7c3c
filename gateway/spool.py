"""The spool: every alarm that was acknowledged and is not told to Temporal yet, in one SQLite file of this gateway.

What comes together is written together and shares one fsync. What rings again is one row with a tally, so that an
outage of hours costs as many rows as there are different alarms. Memory is a mirror of the file, and is read from it
anew after whatever went wrong; only one thread ever writes.
"""

import asyncio
import fcntl
import secrets
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, TypeVar

import structlog
from pydantic import Field

from firestation.alarm import Alarm, Batch
from firestation.errors import NotConfigured, Unreachable
from firestation.files import make_folder
from firestation.model import Id, Line, Model, Text, Time
from firestation.storm import OTHERS, Heap, pile, place, together

log = structlog.get_logger()

R = TypeVar("R")
Write = Callable[[sqlite3.Connection], object]

SCHEMA = """
CREATE TABLE IF NOT EXISTS station (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    id INTEGER PRIMARY KEY, incident TEXT NOT NULL, place TEXT NOT NULL, batch INTEGER, heap TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS heard (identity TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
    why TEXT NOT NULL, incident TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, heap TEXT NOT NULL,
    last_at TEXT NOT NULL, PRIMARY KEY (why, incident, place, reason));
"""
CLAIM_SECONDS = 5.0
MOST_ASKED = 500
"""Changes that are written together: more would hold up those who only want to be heard."""
MOST_HEARD = 50_000
MOST_KEPT = 10_000
MOST_BYTES = 500_000
"""What is told at once; Temporal takes payloads of up to two megabytes."""

Why = Literal["orphan", "late", "refused"]


class Left(Model):
    """What could not be told, and is kept: an all-clear without a fire, what came late, what was refused."""

    why: Why
    incident: Id
    place: str
    heap: Heap
    reason: Text


class Waiting(Model):
    """What one incident is still to be told."""

    incident: Id
    alarms: int
    since: Time


class Condition(Model):
    """How the spool is: how many rings wait, since when the oldest; `trouble` when nothing can be kept."""

    waiting: int = 0
    oldest: Time | None = None
    trouble: Line | None = Field(default=None, exclude_if=lambda value: value is None)


class Frozen(NamedTuple):
    """A batch on its way: the same heaps under the same number, until it is done."""

    batch: Batch
    heaps: Mapping[str, Heap]


class _Row(NamedTuple):
    number: int
    heap: Heap


class _Lane:
    """The rows of one incident: what gathers, and what is on its way."""

    def __init__(self) -> None:
        self.forming: dict[str, _Row] = {}
        self.frozen: dict[str, _Row] = {}
        self.batch = 0


class Spool:
    """One file of one process. Each change is durable once it has returned; else it raises `Unreachable`."""

    def __init__(self, path: Path) -> None:
        """Take the file for this process. Raises `NotConfigured` when another gateway has it."""
        self.path = path
        try:
            make_folder(path.parent)
            self._lock = _claim(path.with_name(f"{path.name}.lock"))
        except OSError as error:
            raise NotConfigured(f"the spool {path} cannot be made: {error}; set FIRESTATION_SPOOL") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._disk: sqlite3.Connection | None = None
        self._queue: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._writes: list[Write] = []
        self._writer: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        self._name, self._batch, self._row = "", 0, 0
        self._lanes: dict[str, _Lane] = {}
        self._heard: OrderedDict[str, float] = OrderedDict()

    # What is asked of it ------------------------------------------------------------------------------------

    async def keep(self, incident: str, alarm: Alarm, identity: str, window: timedelta) -> bool:
        """Keep an alarm for this incident. False: it is a delivery that is kept already, and is not counted again."""
        at, clock = datetime.now(UTC), time.time()

        def change() -> bool:
            if self._heard.get(identity, 0.0) > clock:
                return False
            self._hear(identity, clock + window.total_seconds(), clock)
            forming = self._lanes.setdefault(incident, _Lane()).forming
            where = place(alarm, forming)
            row = forming.get(where)
            if row is None:
                self._row += 1
            heap = pile(row.heap if row else None, alarm, at, others=where == OTHERS)
            row = _Row(row.number if row else self._row, heap)
            forming[where] = row
            statement = "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, NULL, ?)"
            self._write(statement, row.number, incident, where, heap.model_dump_json())
            return True

        return await self._do(change)

    async def freeze(self, incident: str) -> Frozen | None:
        """The batch that is on its way to this incident, or else the next one, which does not change any more."""

        def change() -> None:
            lane = self._lanes.get(incident)
            if lane is None or lane.frozen:
                return
            self._batch += 1
            lane.batch, size = self._batch, 0
            for where, row in sorted(lane.forming.items(), key=lambda each: each[1].number):
                size += len(row.heap.model_dump_json())
                if size > MOST_BYTES and lane.frozen:
                    break
                lane.frozen[where] = lane.forming.pop(where)
                self._write("UPDATE waiting SET batch = ? WHERE id = ?", lane.batch, row.number)
            self._write("INSERT OR REPLACE INTO station VALUES ('batch', ?)", str(self._batch))

        await self._do(change)
        return self.frozen(incident)

    async def done(self, incident: str, left: Iterable[Left] = ()) -> None:
        """The batch that was on its way was told, but for what is left; that is kept apart."""
        rest = tuple(left)

        def change() -> None:
            lane = self._lanes.get(incident)
            if lane is None:
                return
            for row in lane.frozen.values():
                self._write("DELETE FROM waiting WHERE id = ?", row.number)
            self._writes += [partial(_keep, left=each) for each in rest]
            lane.frozen = {}
            if not lane.forming:
                del self._lanes[incident]

        await self._do(change)

    def holds(self, incident: str) -> bool:
        """Whether something waits for this incident."""
        return incident in self._lanes

    async def on_its_way(self, incident: str) -> Frozen | None:
        """The same as `frozen`, by the file: after a write that failed the mirror may hold what the file does not."""
        return await self._do(lambda: self.frozen(incident))

    def frozen(self, incident: str) -> Frozen | None:
        """What is on its way to this incident."""
        lane = self._lanes.get(incident)
        if lane is None or not lane.frozen:
            return None
        heaps = {where: row.heap for where, row in lane.frozen.items()}
        return Frozen(Batch(spool=self._name, number=lane.batch), heaps)

    def forming(self, incident: str) -> Mapping[str, Heap]:
        """What gathers for this incident."""
        lane = self._lanes.get(incident)
        return {where: row.heap for where, row in lane.forming.items()} if lane else {}

    def incidents(self) -> tuple[str, ...]:
        """Which incidents something waits for."""
        return tuple(self._lanes)

    def waiting(self) -> tuple[Waiting, ...]:
        """What waits, incident by incident."""
        found = []
        for incident, lane in self._lanes.items():
            tallies = [row.heap.tally for row in (*lane.frozen.values(), *lane.forming.values())]
            if tallies:
                alarms, since = sum(each.times for each in tallies), min(each.first_at for each in tallies)
                found.append(Waiting(incident=incident, alarms=alarms, since=since))
        return tuple(found)

    async def condition(self) -> Condition:
        """How it is, as the disk says: whether something can be kept is tried."""
        with suppress(Unreachable):
            await self._do(lambda: self._write("INSERT OR REPLACE INTO station VALUES ('tried', '')"))
        found = self.waiting()
        return Condition(
            waiting=sum(each.alarms for each in found),
            oldest=min((each.since for each in found), default=None),
            trouble=self._trouble,
        )

    async def left(self, most: int) -> tuple[Left, ...]:
        """What could not be told, the newest first."""
        question = "SELECT why, incident, place, reason, heap FROM kept ORDER BY last_at DESC LIMIT ?"
        try:
            rows = await self._in_thread(lambda: self._open().execute(question, (most,)).fetchall())
        except sqlite3.Error as error:
            raise Unreachable(f"the spool {self.path} cannot be read: {error}") from error
        return tuple(
            Left(why=why, incident=incident, place=where, reason=reason, heap=Heap.model_validate_json(heap))
            for why, incident, where, reason, heap in rows
        )

    async def close(self) -> None:
        """Let go of the file, once everything that was begun is written."""
        if self._writer:
            await self._writer
        await self._in_thread(self._shut)
        self._thread.shutdown()
        self._lock.close()

    # How it is done -----------------------------------------------------------------------------------------

    def _hear(self, identity: str, until: float, clock: float) -> None:
        self._heard.pop(identity, None)
        self._heard[identity] = until
        self._write("INSERT OR REPLACE INTO heard VALUES (?, ?)", identity, until)
        while len(self._heard) > MOST_HEARD or next(iter(self._heard.values())) <= clock:
            oldest, _ = self._heard.popitem(last=False)
            self._write("DELETE FROM heard WHERE identity = ?", oldest)

    def _write(self, statement: str, *values: object) -> None:
        self._writes.append(lambda disk: disk.execute(statement, values))

    async def _do(self, change: Callable[[], R]) -> R:
        """Make a change to the mirror and to the file, together with all that is asked meanwhile."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append((change, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        while self._queue:
            asked, self._queue = self._queue[:MOST_ASKED], self._queue[MOST_ASKED:]
            try:
                if self._disk is None:
                    await self._in_thread(self._load)
                answers = [change() for change, _ in asked]
                writes, self._writes = self._writes, []
                await self._in_thread(partial(self._commit, writes))
            except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told that it is not kept
                self._writes = []
                await self._in_thread(self._shut)
                self._fail(error, [future for _, future in asked])
            else:
                self._trouble = None
                for (_, future), answer in zip(asked, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)

    def _fail(self, error: Exception, futures: list[asyncio.Future[Any]]) -> None:
        self._trouble = f"the spool {self.path} cannot be written: {error}"[:300]
        log.error("nothing can be kept", spool=str(self.path), problem=str(error))
        for future in futures:
            if not future.done():
                future.set_exception(Unreachable(f"{self._trouble}; send it again"))

    async def _in_thread(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _commit(self, writes: Sequence[Write]) -> None:
        if not writes:
            return
        disk = self._open()
        disk.execute("BEGIN IMMEDIATE")
        for write in writes:
            write(disk)
        disk.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        if self._disk is None:
            disk = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._disk = disk
            disk.execute("PRAGMA journal_mode = WAL")
            disk.execute("PRAGMA synchronous = FULL")  # a COMMIT returns when it is on the disk
            disk.executescript(SCHEMA)
        return self._disk

    def _load(self) -> None:
        """Make the mirror from the file."""
        disk = self._open()
        disk.execute("INSERT OR IGNORE INTO station VALUES ('name', ?)", (secrets.token_hex(8),))
        station = dict(disk.execute("SELECT name, value FROM station").fetchall())
        self._name, self._batch = station["name"], int(station.get("batch", 0))
        self._lanes, self._row = {}, 0
        for number, incident, where, batch, heap in disk.execute("SELECT * FROM waiting ORDER BY id"):
            lane = self._lanes.setdefault(incident, _Lane())
            rows = lane.forming if batch is None else lane.frozen
            lane.batch = batch or lane.batch
            rows[where] = _Row(number, Heap.model_validate_json(heap))
            self._row = number
        self._heard = OrderedDict(disk.execute("SELECT identity, until FROM heard ORDER BY until"))

    def _shut(self) -> None:
        if self._disk is not None:
            with suppress(sqlite3.Error):
                self._disk.close()
        self._disk = None


def _keep(disk: sqlite3.Connection, left: Left) -> None:
    """Put it with what could not be told before: the same alarm for the same reason is one entry."""
    same = (left.why, left.incident, left.place, left.reason)
    asked = "SELECT heap FROM kept WHERE why = ? AND incident = ? AND place = ? AND reason = ?"
    found = disk.execute(asked, same).fetchone()
    heap = left.heap
    if found:
        heap = heap.changed(tally=together(Heap.model_validate_json(found[0]).tally, heap.tally))
    last = heap.tally.last_at.isoformat()
    disk.execute(
        "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?)", (*same, heap.model_dump_json(), last)
    )
    old = "DELETE FROM kept WHERE rowid IN (SELECT rowid FROM kept ORDER BY last_at DESC LIMIT -1 OFFSET ?)"
    if disk.execute(old, (MOST_KEPT,)).rowcount:
        log.warning("too much could not be told; the oldest of it is forgotten", most=MOST_KEPT)


def _claim(path: Path) -> IO[str]:
    """Hold the spool for as long as this process lives; one that was killed just now may still hold it a moment."""
    file, deadline = path.open("w"), time.monotonic() + CLAIM_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                file.close()
                message = f"another gateway has the spool {path.with_suffix('')}; give this one its own"
                raise NotConfigured(f"{message} with FIRESTATION_SPOOL") from error
            time.sleep(0.1)
        else:
            return file
