"""The spool: what was acknowledged is there after a kill -9, is told in its order, and is counted once."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from firestation import record
from firestation.alarm import MOST_KINDS, Alarms
from firestation.bell.heard import REMEMBERED
from firestation.errors import NotConfigured, Unreachable
from firestation.fold import follow
from firestation.model import Line
from firestation.storm import CALM, Heap, Pace, fewer, pile
from gateway import claiming
from gateway import pump as pumps
from gateway import spool as spools
from gateway.pump import Pump, Told
from gateway.ringing import HEALTH_SECONDS, Ringing
from gateway.spool import Frozen, Left, Spool
from tests.property.worlds import START, World, alarm

ROOT = Path(__file__).resolve().parents[2]
FIRES = ("storm-1", "storm-2")
WINDOW = timedelta(hours=1)
R = TypeVar("R")


class Storm(RuleBasedStateMachine):
    """Alarms ring and are sent again, the gateway dies, answers of Temporal are lost: the counts are exact."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.spool = Spool(Path(self.folder.name) / "alarms.sqlite")
        self.incidents = {fire: World().incident.changed(rung=()) for fire in FIRES}
        self.rang: dict[str, Counter[str]] = {fire: Counter() for fire in FIRES}
        self.last: dict[tuple[str, str], str] = {}
        self.sent: list[tuple[str, Any, str]] = []

    def do(self, work: Coroutine[Any, Any, R]) -> R:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        assert self.do(self.spool.condition()).waiting == 0

    @rule(
        fire=st.sampled_from(FIRES),
        keys=st.lists(st.integers(0, 3) | st.integers(0, 80), min_size=1, max_size=60),
        status=st.sampled_from(["firing", "resolved"]),
    )
    def alarms_ring_together(self, fire: str, keys: list[int], status: str) -> None:
        async def all_of_them() -> list[bool]:
            asked = []
            for key in keys:
                rung, name = alarm(f"k{key}", status=status), f"delivery-{len(self.sent)}"
                self.sent.append((fire, rung, name))
                asked.append(self.spool.keep(fire, rung, name, WINDOW))
            return await asyncio.gather(*asked)

        assert all(self.do(all_of_them()))
        for key in keys:
            self.rang[fire][f"k{key}"] += 1
            self.last[fire, f"k{key}"] = status

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0))
    def an_answer_was_lost_and_it_is_sent_again(self, which: int) -> None:
        fire, rung, name = self.sent[which % len(self.sent)]
        assert not self.do(self.spool.keep(fire, rung, name, WINDOW))

    @rule()
    def the_gateway_dies(self) -> None:
        """Nothing is closed in order: another process reads the file as it is."""
        dead, self.spool._lock = self.spool._lock, None  # type: ignore[assignment]
        dead.close()
        self.spool._shut()
        self.spool._thread.shutdown()
        self.spool = Spool(self.spool.path)
        self.do(self.spool.condition())

    @rule(fire=st.sampled_from(FIRES))
    def a_batch_is_made_and_nothing_more(self, fire: str) -> None:
        self.do(self.spool.freeze(fire))

    @rule(fire=st.sampled_from(FIRES), heard=st.booleans())
    def a_batch_is_told(self, fire: str, heard: bool) -> None:
        batch = self.do(self.spool.freeze(fire))
        if batch is None:
            return
        told = Alarms(
            alarms=tuple(heap.alarm for heap in batch.heaps.values()),
            tallies=tuple(heap.tally for heap in batch.heaps.values()),
            batch=batch.batch,
        )
        incident = self.incidents[fire]
        if not incident.counted(told.batch):
            self.incidents[fire] = reduce(follow, record.rung(told, START), incident)
        if heard:
            self.do(self.spool.done(fire))

    def teardown(self) -> None:
        for fire in FIRES:
            while self.spool.holds(fire):
                self.a_batch_is_told(fire, heard=True)
            incident = self.incidents[fire]
            beyond = incident.beyond.times if incident.beyond else 0
            assert sum(each.times for each in incident.rung) + beyond == self.rang[fire].total()
            for each in incident.rung:
                assert each.times <= self.rang[fire][each.alarm.key]
                if not beyond:
                    assert each.times == self.rang[fire][each.alarm.key]
                    assert each.alarm.status == self.last[fire, each.alarm.key]
        self.do(self.spool.close())
        self.loop.close()
        self.folder.cleanup()


Storm.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStorm = Storm.TestCase

KEEPS = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from gateway.spool import Spool
from tests.property.worlds import alarm

async def main():
    spool = Spool(Path(sys.argv[1]))
    async def ring(worker):
        for number in range(100000):
            await spool.keep(f"fire-{worker % 3}", alarm("k1"), f"{sys.argv[2]}/{worker}/{number}", timedelta(hours=1))
            print(worker, flush=True)
            if number % 7 == 6:
                await spool.freeze(f"fire-{worker % 3}")
    await asyncio.gather(*(ring(worker) for worker in range(8)))

asyncio.run(main())
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "alarms.sqlite", 0
    for round_ in range(4):
        command = [sys.executable, "-c", KEEPS, str(path), str(round_)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout
            for _ in range(30 + 17 * round_):
                assert process.stdout.readline()
                acknowledged += 1
            process.send_signal(signal.SIGKILL)
            acknowledged += len(process.stdout.read().splitlines())
    found = asyncio.run(held(path))
    assert acknowledged <= found <= acknowledged + 4 * 8, "at most what each worker still waited for besides"


async def held(path: Path) -> int:
    spool = Spool(path)
    found = (await spool.condition()).waiting
    await spool.close()
    return found


async def test_what_comes_in_a_crowd_is_written_in_parts_and_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "MOST_ASKED", 3)
    spool = Spool(tmp_path / "alarms.sqlite")
    parts, commit = list[int](), spool._commit

    def counted(writes: Sequence[spools.Write]) -> None:
        parts.append(len(writes))
        commit(writes)

    monkeypatch.setattr(spool, "_commit", counted)
    try:
        asked = [spool.keep("fire-1", alarm(f"k{number}"), f"{number}", WINDOW) for number in range(10)]
        assert all(await asyncio.gather(*asked))
    finally:
        await spool.close()
    assert parts == [6, 6, 6, 2], "a row for each, and its delivery"
    assert await held(tmp_path / "alarms.sqlite") == 10


async def test_a_batch_that_could_not_be_written_is_not_on_its_way(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "alarms.sqlite")
    try:
        await spool.keep("fire-1", alarm("k1"), "one", WINDOW)
        spool._open().execute("PRAGMA query_only = ON")
        with pytest.raises(Unreachable, match="readonly"):
            await spool.freeze("fire-1")
        assert await spool.on_its_way("fire-1") is None
        assert spool.forming("fire-1")
    finally:
        await spool.close()


async def test_what_cannot_be_kept_is_not_acknowledged_and_later_it_can_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "alarms.sqlite")
    try:
        assert await spool.keep("fire-1", alarm("k1"), "one", WINDOW)
        disk = spool._open()
        pages = disk.execute("PRAGMA page_count").fetchone()[0]
        disk.execute(f"PRAGMA max_page_count = {pages}")  # the disk is full
        big = alarm("k2").changed(annotations={"text": "x" * 100_000})
        with pytest.raises(Unreachable, match="full"):
            await spool.keep("fire-1", big, "two", WINDOW)
        assert (await spool.condition()).waiting == 1
        assert await spool.keep("fire-1", big, "two", WINDOW), "it was not kept, so it is no repeat"
        assert (await spool.condition()).trouble is None
        assert (await spool.condition()).waiting == 2
    finally:
        await spool.close()


async def test_a_file_that_is_no_spool_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "alarms.sqlite"
    path.write_bytes(b"this was a spool once " * 100)
    spool = Spool(path)
    try:
        with pytest.raises(Unreachable, match="not a database"):
            await spool.keep("fire-1", alarm("k1"), "one", WINDOW)
        assert "not a database" in ((await spool.condition()).trouble or "")
        with pytest.raises(Unreachable, match="cannot be read"):
            await spool.left(10)
    finally:
        await spool.close()


async def test_an_alarm_that_comes_back_in_the_same_words_is_no_repeat(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "alarms.sqlite")

    async def heard(status: str, words: str) -> bool:
        return await spool.keep("fire-1", alarm("k1", status=status), words, WINDOW, named=False)

    try:
        assert await heard("firing", "fires")
        assert not await heard("firing", "fires"), "the other one of two senders"
        assert await heard("resolved", "is over")
        assert await heard("firing", "fires"), "it is not over"
        assert not await heard("firing", "fires")
        assert await heard("resolved", "is over")
        (heap,) = spool.forming("fire-1").values()
        assert (heap.alarm.status, heap.tally.times, heap.tally.changes) == ("resolved", 4, 3)
    finally:
        await spool.close()


async def test_a_clock_that_was_put_back_makes_nothing_a_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, now = Spool(tmp_path / "alarms.sqlite"), [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    try:
        assert await spool.keep("fire-1", alarm("k1"), "one", timedelta(seconds=30))
        assert not await spool.keep("fire-1", alarm("k1"), "one", timedelta(seconds=30))
        now[0] -= 3600
        assert await spool.keep("fire-1", alarm("k1"), "one", timedelta(seconds=30))
    finally:
        await spool.close()


async def test_a_clock_that_was_put_back_a_little_forgets_no_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, now = Spool(tmp_path / "alarms.sqlite"), [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    try:
        assert await spool.keep("fire-1", alarm("k1"), "one", REMEMBERED)
        now[0] -= 3600
        assert not await spool.keep("fire-1", alarm("k1"), "one", REMEMBERED)
    finally:
        await spool.close()


async def test_a_storm_in_words_pushes_no_named_delivery_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a captured delivery would be news as soon as enough has rung beside it."""
    monkeypatch.setattr(spools, "MOST_HEARD", 20)
    spool, brief = Spool(tmp_path / "alarms.sqlite"), timedelta(seconds=30)
    try:
        assert await spool.keep("fire-1", alarm("k1"), "captured", REMEMBERED)
        for number in range(40):
            assert await spool.keep("fire-2", alarm(f"k{number}"), f"words-{number}", brief, named=False)
        assert not await spool.keep("fire-1", alarm("k1"), "captured", REMEMBERED)
        assert await spool.keep("fire-2", alarm("k0"), "words-0", brief, named=False), (
            "the oldest are forgotten"
        )
    finally:
        await spool.close()
    spool = Spool(spool.path)
    try:
        assert not await spool.keep("fire-1", alarm("k1"), "captured", REMEMBERED), "over restarts too"
    finally:
        await spool.close()


async def test_a_window_of_no_time_makes_nothing_a_repeat(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "alarms.sqlite")
    try:
        for _ in range(3):
            assert await spool.keep("fire-1", alarm("k1"), "one", timedelta())
    finally:
        await spool.close()


@asynccontextmanager
async def pumping(spool: Spool, runs: bool) -> AsyncIterator[tuple[Pump, list[Frozen]]]:
    """A pump before a Temporal that takes everything, and says of each incident whether it runs."""
    told = list[Frozen]()

    async def tell(incident: str, batch: Frozen, known: Collection[str]) -> Told:
        told.append(batch)
        return Told("run")

    async def is_open(incident: str) -> bool:
        return runs

    pump = Pump(spool, tell, is_open, WINDOW)
    try:
        yield pump, told
    finally:
        await pump.stop()
        await spool.close()


async def test_an_incident_that_has_ended_is_seen_to_be_over_though_it_rings_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps, "LOOK_SECONDS", 0.2)
    spool = Spool(tmp_path / "alarms.sqlite")
    async with pumping(spool, runs=False) as (pump, told), asyncio.timeout(60):
        number = 0
        while len(told) < 2:
            await spool.keep("fire-1", alarm("k1"), str(number), WINDOW)
            pump.wake("fire-1")
            await asyncio.sleep(0.01)  # the storm's pace
            number += 1


async def test_what_is_kept_and_was_never_woken_for_is_told_nevertheless(tmp_path: Path) -> None:
    """Its ring was called off just then, or the disk was away when the gateway began."""
    spool = Spool(tmp_path / "alarms.sqlite")
    async with pumping(spool, runs=True) as (pump, told), asyncio.timeout(60):
        await spool.keep("fire-1", alarm("k1"), "one", WINDOW)
        keeper = asyncio.create_task(pump.keep_on(0.05))
        while not told:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        keeper.cancel()


async def test_what_rang_is_known_by_its_key_to_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An all-clear of PagerDuty says nothing else: by another name it would be of another fire."""
    monkeypatch.setattr(spools, "MOST_RUNG", 2)
    first = Spool(tmp_path / "alarms.sqlite")
    for key in ("k1", "k2", "k3", "k2"):
        await first.remember("bell", [alarm(key)])
    await first.remember("other", [alarm("k1")])
    await first.close()
    second = Spool(tmp_path / "alarms.sqlite")
    assert await second.remembered("bell") == {"k3": alarm("k3"), "k2": alarm("k2")}
    assert await second.remembered("nobody") == {}
    await second.close()


async def test_incidents_that_do_not_answer_hold_up_no_other(tmp_path: Path) -> None:
    spool, tried, told = Spool(tmp_path / "alarms.sqlite"), Counter[str](), list[str]()

    async def tell(incident: str, batch: Frozen, known: Collection[str]) -> Told:
        tried[incident] += 1
        if incident == "good":
            told.append(incident)
            return Told("run")
        if tried[incident] > 1:
            await asyncio.Event().wait()
        raise Unreachable("no worker has answered in time")

    async def is_open(incident: str) -> bool:
        return True

    pump = Pump(spool, tell, is_open, WINDOW)
    try:
        async with asyncio.timeout(60):
            for number in range(2 * pumps.AT_ONCE):
                await spool.keep(f"bad-{number}", alarm("k1"), str(number), WINDOW)
                pump.wake(f"bad-{number}")
            while sum(times > 1 for times in tried.values()) < pumps.AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await spool.keep("good", alarm("k1"), "good", WINDOW)
            pump.wake("good")
            while not told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await pump.stop()
        await spool.close()


async def test_two_gateways_do_not_share_a_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "CLAIM_SECONDS", 0.0)
    first = Spool(tmp_path / "alarms.sqlite")
    with pytest.raises(NotConfigured, match="FIRESTATION_SPOOL"):
        Spool(tmp_path / "alarms.sqlite")
    await first.close()
    await Spool(tmp_path / "alarms.sqlite").close()


async def test_a_spool_is_for_its_owner_only_in_whatever_folder(tmp_path: Path) -> None:
    (folder := tmp_path / "var").mkdir()
    folder.chmod(0o755)  # as somebody made it
    (folder / "alarms.sqlite").touch(0o644)  # as an older gateway left it
    before = os.umask(0o022)
    spool = Spool(folder / "alarms.sqlite")
    try:
        await spool.keep("fire-1", alarm("k1"), "one", WINDOW)
        found = {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}
    finally:
        os.umask(before)
        await spool.close()
    assert found == dict.fromkeys(
        ("alarms.sqlite", "alarms.sqlite-shm", "alarms.sqlite-wal", "alarms.sqlite.lock"), 0o600
    )


async def test_what_could_not_be_told_is_kept_with_its_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "alarms.sqlite")
    try:
        for number in range(3):
            await spool.keep("fire-1", alarm("k1", status="resolved"), str(number), WINDOW)
            batch = await spool.freeze("fire-1")
            assert batch
            left = [
                Left(why="orphan", incident="fire-1", place=where, heap=heap, reason="nothing was open")
                for where, heap in batch.heaps.items()
            ]
            await spool.done("fire-1", left)
        (kept,) = await spool.left(10)
        assert (kept.why, kept.heap.tally.times, spool.holds("fire-1")) == ("orphan", 3, False)
    finally:
        await spool.close()


async def test_what_is_recorded_only_hides_and_pushes_out_nothing_that_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "MOST_KEPT", 5)
    spool = Spool(tmp_path / "alarms.sqlite")
    try:
        refused = Left(why="refused", incident="fire-1", place="s/k1", heap=one("k1"), reason="another's")
        await spool.record(refused, "refused", WINDOW)
        for number in range(20):
            heap = pile(None, alarm(f"k{number}"), datetime.now(UTC))
            left = Left(why="recorded", incident="fire-2", place=f"s/k{number}", heap=heap, reason="chatter")
            await spool.record(left, str(number), WINDOW)
        kept = [each.why for each in await spool.left(3)]
        assert kept == ["recorded"] * 3 + ["refused"]
        assert len(await spool.left(100)) == 6
    finally:
        await spool.close()


def test_the_pace_of_a_storm_slows_down_and_starts_anew_after_a_calm() -> None:
    first, now, pace = timedelta(seconds=30), 1000.0, Pace()
    heaps = {"k1": one("k1")}
    assert pace.due(heaps, now, first) <= now, "the first alarm of a fire goes at once"
    waits = []
    for _ in range(8):
        pace = pace.after(heaps, now, "run", first)
        due = pace.due(heaps, now, first)
        waits.append(due - now)
        now = due
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]
    news = {**heaps, "k2": one("k2")}
    assert pace.due(news, now, first) - pace.last < 1, "what is new does not wait for repeats"
    for number in range(3, 20):
        pace = pace.after({f"k{number}": one(f"k{number}")}, now, "run", first)
    assert pace.due(news, now, first) - now == 30, "but a storm of news is told no oftener than this"
    assert pace.due(heaps, now + CALM.total_seconds() + 1, first) <= now + CALM.total_seconds() + 31
    assert pace.after(heaps, now, "another run", first).told == {"k1": "firing"}


def test_a_word_that_is_a_little_late_does_not_begin_the_storm_anew() -> None:
    first, now, pace, waits = timedelta(seconds=30), 1000.0, Pace(), list[int]()
    for _ in range(9):
        pace = pace.after({"k1": one("k1")}, now, "run", first)
        due = pace.due({"k1": one("k1")}, now, first)
        waits.append(round(due - now))
        now = due + 0.5
    assert waits[-4:] == [600] * 4


@pytest.mark.parametrize("long", [700, 4000, 12_000])
def test_a_night_of_storm_fits_into_the_page_that_is_handed_on(long: int) -> None:
    """New alarms without end, and fifty that ring on: Temporal takes two megabytes of a record, and no more."""
    first, now, pace, written = timedelta(seconds=30), 1000.0, Pace(), 0
    notes = {"text": "x" * long}
    until, number = now + timedelta(hours=12).total_seconds(), 0
    while now < until:
        forming = {f"s/k{each}": one(f"k{each}", annotations=notes) for each in range(25)}
        forming |= {
            f"s/new-{number}-{each}": one(f"new-{number}-{each}", annotations=notes) for each in range(25)
        }
        number += 1
        now = max(now, pace.due(forming, now, first)) + 0.01
        written += sum(len(heap.model_dump_json()) for heap in fewer(forming, pace.told))
        pace = pace.after(forming, now, "run", first)
    assert written < 1_600_000
    assert len(pace.told) <= MOST_KINDS + 1


@given(st.lists(st.integers(0, 120), min_size=1, unique=True), st.sets(st.integers(0, 120)))
def test_what_is_told_as_one_is_counted_all_the_same(keys: list[int], known: set[int]) -> None:
    heaps = {f"s/k{key}": one(f"k{key}") for key in keys}
    taken = {f"s/k{key}" for key in known}
    found = fewer(heaps, taken)
    assert sum(heap.tally.times for heap in found) == len(keys)
    assert sum(heap.tally.others for heap in found) <= 1
    assert len(taken | {f"s/{heap.alarm.key}" for heap in found if not heap.tally.others}) <= max(
        MOST_KINDS, len(taken)
    )


def test_what_fired_between_two_all_clears_is_no_all_clear() -> None:
    heap, now = one("k1", "resolved"), datetime.now(UTC)
    assert not heap.fired
    fired = pile(pile(heap, alarm("k1"), now), alarm("k1", status="resolved"), now)
    assert fired.fired
    assert pile(heap, alarm("k2"), now, others=True).fired


def test_what_flaps_is_no_news() -> None:
    pace = Pace()
    for number in range(4):
        heaps = {"k1": one("k1", "firing" if number % 2 else "resolved")}
        assert pace.is_news(heaps)
        pace = pace.after(heaps, 1000.0 + number, "run", WINDOW)
    assert not pace.is_news({"k1": one("k1", "resolved")})


def one(key: Line, status: str = "firing", **fields: Any) -> Heap:
    return pile(None, alarm(key, status=status).changed(**fields), datetime.now(UTC))


async def test_however_many_ask_how_it_is_the_disk_is_written_once_in_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answering:
        async def check_health(self, **_: Any) -> bool:
            return True

    client: Any = SimpleNamespace(service_client=Answering())
    books: Any = None
    spool, written, now = Spool(tmp_path / "alarms.sqlite"), list[int](), [1000.0]
    commit = spool._commit

    def counted(writes: Sequence[spools.Write]) -> None:
        written.append(len(writes))
        commit(writes)

    monkeypatch.setattr(spool, "_commit", counted)
    ringing = Ringing(client, books, spool, timedelta(seconds=30))
    ringing._health.clock = lambda: now[0]
    try:
        for _ in range(20):
            many = await asyncio.gather(*(ringing.health() for _ in range(50)))
            assert {each.status for each in many} == {"ready"}
        assert written == [1]
        now[0] += HEALTH_SECONDS
        monkeypatch.setattr(spool, "_commit", broken_disk)
        assert (await ringing.health()).status == "down"
    finally:
        monkeypatch.setattr(spool, "_commit", commit)
        await ringing.close()


def broken_disk(_: Sequence[spools.Write]) -> None:
    raise OSError(28, "No space left on device")
