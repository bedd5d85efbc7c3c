"""The watch on a real server: schedules carry what a detector knows, and what it finds is rung once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from temporalio import workflow
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow
from temporalio.worker import Worker

from activities.bell import BellActivities
from activities.checks import CheckActivities
from firestation.alarm import Alarm
from firestation.errors import Denied, InvalidInput, Unreachable
from firestation.firebreak import Reading
from firestation.loader import load_station
from firestation.ports import Window
from firestation.system import System
from firestation.testing import MemoryBench
from firestation.watch.course import Course, fresh
from firestation.watch.detector import Detector
from firestation.watch.sample import Sample
from firestation.watch.view import DetectorView
from gateway.book import Book
from gateway.detectors import DetectorsPort, detectors_of
from tests.docs.documents import ROOT
from tests.gateway.conftest import Standing
from tests.property import worlds
from tests.workflows.stage import PATIENCE, at_work, real_server
from worker.replay import replay
from worker.watch import keep_schedules, wanted
from worker.wiring import workflow_runner
from workflows.client import TASK_QUEUE
from workflows.watch import WATCH, Watch, WatchStart, schedule_id

Found = TypeVar("Found")
STATION = load_station(ROOT / "examples/station/station.yaml")


class Counting:
    """A check that counts twenty outcomes, `good` of them good; with None it says nothing."""

    def __init__(self, good: int | None) -> None:
        self.good, self.wrong = good, ""
        self.windows: list[Window] = []

    async def measure(self, window: Window) -> Reading:
        self.windows.append(window)
        if self.wrong:
            raise Denied(self.wrong)
        verdict = "inconclusive" if self.good is None else "passed"
        sample = Sample(n=20, good=self.good, request_ids=("ev-1",)) if self.good is not None else None
        return Reading.model_validate(
            {"check": "golden", "verdict": verdict, "detail": "counted", "at": window.until, "sample": sample}
        )


class Bell:
    """Takes alarms, once it is there."""

    def __init__(self) -> None:
        self.away, self.refused = False, ""
        self.tried = 0
        self.alarms: list[Alarm] = []

    async def ring(self, alarm: Alarm, delivery: str | None = None) -> str | None:
        del delivery
        self.tried += 1
        if alarm.name == self.refused:
            raise Denied("a text of this alarm holds a credential")
        if self.away:
            raise Unreachable("the gateway is being started again")
        self.alarms.append(alarm)
        return "refund-agent-1a2b3c4d"

    def of(self, detector: str) -> list[Alarm]:
        return [each for each in self.alarms if each.labels["detector"] == detector]


def detector(name: str, check: str, **more: object) -> Detector:
    fields = {
        "id": name,
        "title": name.capitalize(),
        "check": check,
        "at_least": 0.95,
        "matters": 0.05,
        "every": "1s",
        "talks_every": "3s",
        "false_alarms": "1d",
        "rings": {"name": "GoldenFails"},
    }
    return Detector.model_validate(fields | more)


@workflow.defn(name=WATCH, sandboxed=False)  # its module is a test, which the sandbox cannot load
class Ahead:
    """A look by a server whose clock is a day ahead."""

    @workflow.run
    async def run(self, start: WatchStart) -> Course:
        return fresh(start.detector, start.sha256(), start.system, workflow.now() + timedelta(days=1))


class Post:
    """The watch of one system, with a worker that can be killed."""

    def __init__(self, client: Client, *detectors: Detector) -> None:
        self.client = client
        self.system: System = worlds.system().changed(watch=detectors)
        self.golden, self.quiet, self.bell = Counting(20), Counting(None), Bell()

    @asynccontextmanager
    async def worker(self, looks: type[Any] = Watch) -> AsyncIterator[None]:
        bench = MemoryBench(checks={"golden": self.golden, "no-wrong-refund": self.quiet})
        worker = Worker(
            self.client,
            task_queue=TASK_QUEUE,
            workflows=[looks],
            activities=[CheckActivities(bench).measure, BellActivities(self.bell).ring_bell],
            workflow_runner=workflow_runner(),
        )
        async with at_work(worker):
            yield

    async def keep(self, station: str = STATION.station) -> None:
        await keep_schedules(self.client, station, wanted((self.system,)), TASK_QUEUE)

    @property
    def looked(self) -> DetectorsPort:
        book = Book(
            station=STATION, systems={self.system.system: self.system}, wall=(worlds.brief().runbook,)
        )
        return detectors_of(self.client, Standing(book))

    async def view(self, name: str) -> DetectorView:
        return next(each for each in (await self.looked(None)).detectors if each.detector == name)

    async def schedules(self) -> set[str]:
        return {each.id async for each in await self.client.list_schedules()}


async def until(look: Callable[[], Awaitable[Found | None]]) -> Found:
    async with asyncio.timeout(PATIENCE):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.1)


async def test_a_fire_is_rung_once_with_its_evidence_whoever_dies() -> None:
    async with real_server() as environment, AsyncExitStack() as second:
        post = Post(environment.client, detector("golden", "golden"), detector("hears", "no-wrong-refund"))
        await post.keep()
        async with post.worker():
            await until(lambda: quiet(post))
            post.golden.good, post.bell.away = 8, True
            await until(lambda: tried(post))
        # The worker is dead. What was found, and not rung, is known to the next.
        post.bell.away = False
        await second.enter_async_context(post.worker())
        await until(lambda: rung(post, "golden"))
        (alarm,) = post.bell.of("golden")
        assert (alarm.name, alarm.request_ids) == ("GoldenFails", ("ev-1",))
        assert alarm.annotations["good"] == str(8 * int(alarm.annotations["n"]) // 20)
        (silent,) = await until(lambda: rung(post, "hears"))
        assert silent.name == "WatchSilent"

        seen = await until(lambda: seen_in(post, "golden"))
        assert (seen.standing, seen.seen, seen.owed) == ("rang", "40.0 % of 20", 0)
        await until(lambda: hears_nothing(post))
        assert len(post.bell.of("golden")) == 1
        ends = [window.until for window in post.golden.windows]
        begins = [window.since for window in post.golden.windows]
        # A window that is measured again, because its worker died, is the same window.
        assert all(
            begin in {before, end} for begin, before, end in zip(begins[1:], begins, ends, strict=False)
        )
        await replayed(post)


async def test_neither_a_long_error_nor_an_alarm_that_is_refused_holds_up_the_watch() -> None:
    async with real_server() as environment:
        post = Post(environment.client, detector("golden", "golden"))
        post.golden.wrong, post.bell.refused = "it is wrong, and more is " * 200, "WatchSilent"
        await post.keep()
        async with post.worker():
            await until(lambda: tried(post))
            post.golden.wrong, post.golden.good = "", 8
            (alarm,) = await until(lambda: rung(post, "golden"))
            assert alarm.name == "GoldenFails"
            assert (await until(lambda: seen_in(post, "golden"))).owed == 1, "what was refused is owed still"


async def test_a_clock_that_is_put_back_makes_no_detector_deaf() -> None:
    async with real_server() as environment:
        post = Post(environment.client, detector("golden", "golden"))
        await post.keep()
        now = datetime.now(UTC)

        async def ahead() -> bool:
            seen = await post.view("golden")
            return seen.looked_at is not None and (seen.looked_at > now + timedelta(hours=1))

        async def looks_again() -> bool:
            return not await ahead() and await quiet(post) and bool(post.golden.windows)

        async with post.worker(Ahead):
            await until(ahead)
        async with post.worker():
            await until(looks_again)
        assert max(window.until - window.since for window in post.golden.windows) < timedelta(hours=1)


async def quiet(post: Post) -> bool:
    return (await post.view("golden")).standing == "quiet"


async def hears_nothing(post: Post) -> bool:
    return (await post.view("hears")).standing == "silent"


async def tried(post: Post) -> bool:
    return post.bell.tried > 0


async def rung(post: Post, name: str) -> list[Alarm]:
    return post.bell.of(name)


async def seen_in(post: Post, name: str) -> DetectorView | None:
    found = await post.view(name)
    return found if found.incident else None


async def replayed(post: Post) -> None:
    """Today's code decides in each look as it did."""
    described = await post.client.get_schedule_handle(schedule_id("refund-agent", "golden")).describe()
    actions = [each.action for each in described.info.recent_actions]
    histories = [
        await post.client.get_workflow_handle(
            action.workflow_id, run_id=action.first_execution_run_id
        ).fetch_history()
        for action in actions
        if isinstance(action, ScheduleActionExecutionStartWorkflow)
    ]
    assert histories
    assert await replay(histories[-3:]) is None


async def test_schedules_follow_the_files_and_leave_those_of_others_alone() -> None:
    async with real_server() as environment:
        post = Post(environment.client, detector("golden", "golden"), detector("hears", "no-wrong-refund"))
        other = Post(environment.client, detector("theirs", "golden"))
        await other.keep("another-station")
        await post.keep()
        await post.keep()  # by another worker, at the same time
        ours = {schedule_id("refund-agent", name) for name in ("golden", "hears")}
        theirs = {schedule_id("refund-agent", "theirs")}
        await until(lambda: holds(post, ours | theirs))
        async with post.worker():
            await until(lambda: quiet(post))

            async def began(at_least: float) -> bool:
                found = await post.view("golden")
                return found.promise == f"at least {at_least:.1%}".replace("%", " %") and bool(
                    found.looked_at
                )

            # A promise that is changed begins anew; a pause is an operator's, and stays.
            handle = environment.client.get_schedule_handle(schedule_id("refund-agent", "hears"))
            await handle.pause()
            watch = (detector("golden", "golden", at_least=0.9), detector("hears", "golden"))
            post.system = post.system.changed(watch=watch)
            await post.keep()
            await until(lambda: began(0.9))
            assert ((await post.view("hears")).paused, (await post.view("golden")).paused) == (True, False)
            post.system = post.system.changed(watch=watch[:1])
            await post.keep()
            await until(lambda: holds(post, theirs | {schedule_id("refund-agent", "golden")}))
            # Whoever takes another station's detector for its own changes nothing.
            other.system = other.system.changed(watch=(detector("theirs", "golden", at_least=0.5),))
            before = await environment.client.get_schedule_handle(*theirs).describe()
            await other.keep()
            after = await environment.client.get_schedule_handle(*theirs).describe()
            assert after.schedule.state.note == before.schedule.state.note
            with pytest.raises(InvalidInput, match="there is no system 'nobody'"):
                await other.looked("nobody")
            assert (await other.view("theirs")).standing == "waits"


async def holds(post: Post, wanted_ids: set[str]) -> bool:
    return await post.schedules() == wanted_ids
