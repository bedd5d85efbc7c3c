"""The spool: every alarm that was acknowledged and is not told to Temporal yet, in one SQLite file of this gateway.

What comes together is written together and shares one fsync. What rings again is one row with a tally, so that an
outage of hours costs as many rows as there are different alarms. Memory is a mirror of the file, and is read from it
anew after whatever went wrong; only one thread ever writes.
"""

import asyncio
import hashlib
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
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import structlog
from pydantic import Field

from firestation.alarm import Alarm, Batch
from firestation.errors import NotConfigured, Unreachable
from firestation.files import make_folder
from firestation.model import Line, Model, Text, Time
from firestation.storm import OTHERS, Heap, pile, place, together
from gateway import hearing
from gateway.claiming import claim, private
from gateway.hearing import Ears, Hearing, Sent

log = structlog.get_logger()

R = TypeVar("R")
Write = Callable[[sqlite3.Connection], object]

SCHEMA = """
CREATE TABLE IF NOT EXISTS station (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    id INTEGER PRIMARY KEY, incident TEXT NOT NULL, place TEXT NOT NULL, batch INTEGER, heap TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS heard (identity TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named (identity TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rung (
    bell TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL, alarm TEXT NOT NULL, PRIMARY KEY (bell, key));
CREATE INDEX IF NOT EXISTS rung_at ON rung (bell, at);
CREATE TABLE IF NOT EXISTS kept (
    why TEXT NOT NULL, incident TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, heap TEXT NOT NULL,
    last_at TEXT NOT NULL, PRIMARY KEY (why, incident, place, reason));
DROP INDEX IF EXISTS kept_last;
CREATE INDEX IF NOT EXISTS kept_why ON kept (why, last_at);
"""
NOTE_SECONDS = 1.0
"""So long what nobody waits for may wait to be written."""

MOST_ASKED = 150
"""Changes that are written together: more would hold up those who only want to be heard."""
MOST_HEARD = 50_000
"""Deliveries that are known again: so many that their senders name, and as many that are known by their words."""
MOST_KEPT = 10_000
"""Entries of what could not be told, for each reason why: what is recorded only pushes out nothing that was refused."""
MOST_RUNG = 2000
"""Alarms of one bell that are remembered, for sources that tell only the key of what is over."""
MOST_BYTES = 500_000
"""What is told at once; Temporal takes payloads of up to two megabytes."""

Why = Literal["orphan", "late", "refused", "recorded", "inhibited", "maintenance"]
Memory = Literal["heard", "named"]
MEMORIES: tuple[Memory, ...] = get_args(Memory)
"""The tables of deliveries that were heard: a storm of the one kind, over in seconds, pushes out none of the other."""


class Left(Model):
    """What is not told, and is kept: what had no fire, came late or was refused, and what is recorded only."""

    why: Why
    incident: Line
    place: str
    heap: Heap
    reason: Text


class Waiting(Model):
    """What one incident is still to be told, or what waits for a person in place of one."""

    incident: Line
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
            self._lock = claim(path.with_name(f"{path.name}.lock"))
        except OSError as error:
            raise NotConfigured(f"the spool {path} cannot be made: {error}; set FIRESTATION_SPOOL") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._disk: sqlite3.Connection | None = None
        self._queue: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._writes: list[Write] = []
        self._writer: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        self.hearing = Hearing(self._note_soon)
        self._noting: asyncio.Task[None] | None = None
        self._name, self._batch, self._row = "", 0, 0
        self._lanes: dict[str, _Lane] = {}
        self._heard: dict[Memory, OrderedDict[str, float]] = {each: OrderedDict() for each in MEMORIES}

    # What is asked of it ------------------------------------------------------------------------------------

    async def keep(
        self,
        incident: str,
        alarm: Alarm,
        identity: str,
        window: timedelta,
        *,
        named: bool = True,
        sent: Sent | None = None,
    ) -> bool:
        """Keep an alarm for this incident. False: it is a delivery that is kept already, and is not counted again.

        One that is not `named` by its sender is known by its words; they say something new when meanwhile the alarm was
        over, or came back.
        """
        at, clock = datetime.now(UTC), time.time()
        turned = hashlib.sha256(f"{incident}/{alarm.source}/{alarm.key}".encode()).hexdigest()
        other = f"{turned}/{'resolved' if alarm.status == 'firing' else 'firing'}"

        def change() -> bool:
            until, most = clock + window.total_seconds(), window.total_seconds()
            if self._is_heard(identity, clock, most) and (named or not self._is_heard(other, clock, most)):
                return False
            self._hear("named" if named else "heard", identity, until, clock)
            if not named:
                self._hear("heard", f"{turned}/{alarm.status}", until, clock)
                self._unhear("heard", other)
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
            self.hearing.kept(sent)
            return True

        return await self._do(change)

    async def remember(self, bell: str, alarms: Iterable[Alarm]) -> None:
        """Remember what rang at this bell, by its key: what is over may be told by nothing else."""
        now = time.time()
        rows = [(bell, each.key, now, each.model_dump_json()) for each in alarms]

        def change() -> None:
            for row in rows:
                self._write("INSERT OR REPLACE INTO rung VALUES (?, ?, ?, ?)", *row)
            oldest = "SELECT rowid FROM rung WHERE bell = ? ORDER BY at DESC LIMIT -1 OFFSET ?"
            self._write(f"DELETE FROM rung WHERE rowid IN ({oldest})", bell, MOST_RUNG)  # noqa: S608 - our own

        if rows:
            await self._do(change)

    async def remembered(self, bell: str) -> dict[str, Alarm]:
        """What rang at this bell, by its key. Raises `Unreachable`."""
        rows = await self._read("SELECT key, alarm FROM rung WHERE bell = ? ORDER BY at", bell)
        return {key: Alarm.model_validate_json(alarm) for key, alarm in rows}

    async def record(
        self, left: Left, identity: str, window: timedelta, *, named: bool = True, sent: Sent | None = None
    ) -> bool:
        """Keep an alarm apart at once, as it is told to nobody. False: it is a delivery that is kept already."""
        clock = time.time()

        def change() -> bool:
            if self._is_heard(identity, clock, window.total_seconds()):
                return False
            self._hear("named" if named else "heard", identity, clock + window.total_seconds(), clock)
            self._writes.append(partial(_keep, left=left))
            self.hearing.kept(sent)
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

    async def look_again(self) -> None:
        """Where something went wrong, read anew what the file holds: what was begun may be kept nevertheless."""
        if self._trouble:
            with suppress(Unreachable):
                await self._do(lambda: None)

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
        """What could not be told, the newest first: so many for each reason why, that none hides another."""
        question = "SELECT incident, place, reason, heap, last_at FROM kept WHERE why = ? ORDER BY last_at DESC LIMIT ?"
        rows = [(why, row) for why in get_args(Why) for row in await self._read(question, why, most)]
        return tuple(
            Left(why=why, incident=incident, place=where, reason=reason, heap=Heap.model_validate_json(heap))
            for why, (incident, where, reason, heap, _) in sorted(
                rows, key=lambda each: each[1][-1], reverse=True
            )
        )

    async def ears(self) -> Ears:
        """What is known of the bells. Raises `Unreachable`."""
        await self._do(self._note)
        return hearing.ears(await self._read(hearing.QUESTION))

    async def close(self) -> None:
        """Let go of the file, once everything that was begun is written."""
        if self._noting:
            self._noting.cancel()
            with suppress(Unreachable):
                await self._do(self._note)
        if self._writer:
            await self._writer
        await self._in_thread(self._shut)
        self._thread.shutdown()
        self._lock.close()

    # How it is done -----------------------------------------------------------------------------------------

    async def _read(self, question: str, *values: object) -> list[Any]:
        try:
            return await self._in_thread(lambda: self._open().execute(question, values).fetchall())
        except (sqlite3.Error, OSError) as error:
            raise Unreachable(f"the spool {self.path} cannot be read: {error}") from error

    def _is_heard(self, identity: str, clock: float, window: float) -> bool:
        """Within the window, or within two of a clock that was put back a little since.

        What is known for longer than that was heard by a clock that was put back by more.
        """
        until = max(known.get(identity, 0.0) for known in self._heard.values())
        return clock < until <= clock + 2 * window

    def _unhear(self, memory: Memory, identity: str) -> None:
        if self._heard[memory].pop(identity, None) is not None:
            self._write(f"DELETE FROM {memory} WHERE identity = ?", identity)  # noqa: S608 - our own

    def _hear(self, memory: Memory, identity: str, until: float, clock: float) -> None:
        known = self._heard[memory]
        known.pop(identity, None)
        known[identity] = until
        self._write(f"INSERT OR REPLACE INTO {memory} VALUES (?, ?)", identity, until)  # noqa: S608 - our own
        while known and (len(known) > MOST_HEARD or next(iter(known.values())) <= clock):
            self._unhear(memory, next(iter(known)))

    def _note_soon(self) -> None:
        """Have what nobody waits for be written: with whatever is written next, or by itself a second from now."""
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_later())

    async def _note_later(self) -> None:
        await asyncio.sleep(NOTE_SECONDS)
        with suppress(Unreachable):  # the log has it, and it is only counts
            await self._do(self._note)

    def _note(self) -> None:
        self._writes += self.hearing.writes()

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
                if writes:  # a change that writes nothing waits for no disk
                    writes += self.hearing.writes()
                await self._in_thread(partial(self._commit, writes))
            except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told that it is not kept
                self._writes = []
                self.hearing.forget()
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
            private(self.path)  # SQLite gives what it makes beside the file the mode of the file
            disk = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._disk = disk
            disk.execute("PRAGMA journal_mode = WAL")
            disk.execute("PRAGMA synchronous = FULL")  # a COMMIT returns when it is on the disk
            disk.executescript(SCHEMA + hearing.SCHEMA)
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
        for memory in MEMORIES:
            asked = f"SELECT identity, until FROM {memory} ORDER BY until"  # noqa: S608 - our own
            self._heard[memory] = OrderedDict(disk.execute(asked))

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
    if found:
        return
    oldest = "SELECT rowid FROM kept WHERE why = ? ORDER BY last_at DESC LIMIT -1 OFFSET ?"
    if disk.execute(f"DELETE FROM kept WHERE rowid IN ({oldest})", (left.why, MOST_KEPT)).rowcount:  # noqa: S608
        log.warning("too much could not be told; the oldest of it is forgotten", why=left.why, most=MOST_KEPT)
