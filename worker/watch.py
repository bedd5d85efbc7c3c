"""The schedules of the watch: one a detector, kept as the system files say, by whichever worker looks first.

A schedule belongs to the station that its memo names; those of other stations, and all others, are left alone.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from firestation.errors import FirestationError, NotConfigured
from firestation.loader import load_station, load_system, system_files
from firestation.settings import Settings
from firestation.system import System
from workflows import messages
from workflows.watch import PREFIX, WATCH, WatchStart, schedule_id

log = structlog.get_logger()

EVERY_SECONDS = 30.0
CATCH_UP = timedelta(minutes=1)
"""A look that was missed for longer is not made up for: the next one looks at the longer window."""


def wanted(systems: tuple[System, ...]) -> dict[str, WatchStart]:
    """What each schedule of these systems starts, by its id."""
    found = {}
    for system in systems:
        for detector in system.watch:
            check = system.check(detector.check)
            assert check is not None  # the system file was refused otherwise
            start = WatchStart(system=system.system, detector=detector, check=check)
            found[schedule_id(system.system, detector.id)] = start
    return found


async def keep_schedules(
    client: Client, station: str, starts: Mapping[str, WatchStart], task_queue: str
) -> None:
    """Make the schedules of this station be these: create, change, remove. Safe to repeat, and for many workers.

    Raises `RPCError`.
    """
    for name, start in starts.items():
        await _keep(client, station, name, _schedule(name, start, task_queue))
    async for found in await client.list_schedules():
        ours = found.id.startswith(PREFIX) and (await found.memo()).get(messages.STATION) == station
        if ours and found.id not in starts:
            await _remove(client, found.id)


def _schedule(name: str, start: WatchStart, task_queue: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            WATCH,
            start,
            id=name,
            task_queue=task_queue,
            static_summary=f"{start.detector.title} of {start.system}"[:200],
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=start.detector.every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
        state=ScheduleState(note=start.sha256()),
    )


async def _keep(client: Client, station: str, name: str, schedule: Schedule) -> None:
    try:
        await client.create_schedule(name, schedule, memo={messages.STATION: station})
    except ScheduleAlreadyRunningError:
        await _change(client, station, name, schedule)
    else:
        log.info("a detector begins to watch", schedule=name)


async def _change(client: Client, station: str, name: str, schedule: Schedule) -> None:
    """A schedule whose definition is another one is changed; what the last look knew stays with it."""
    handle = client.get_schedule_handle(name)
    found = await handle.describe()
    owner = (await found.memo()).get(messages.STATION)
    if owner != station:
        log.warning("this detector is another station's, and is left alone", schedule=name, station=owner)
        return
    if _same(found, schedule):
        return

    async def update(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule.state.paused = given.description.schedule.state.paused  # an operator's, and stays
        return ScheduleUpdate(schedule)

    await handle.update(update)
    log.info("a detector watches otherwise", schedule=name)


def _same(found: ScheduleDescription, schedule: Schedule) -> bool:
    return found.schedule.state.note == schedule.state.note


async def _remove(client: Client, name: str) -> None:
    try:
        await client.get_schedule_handle(name).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # else another worker was faster
            raise
    else:
        log.info("a detector watches no more", schedule=name)


@asynccontextmanager
async def kept_watch(client: Client, settings: Settings, task_queue: str) -> AsyncIterator[None]:
    """Meanwhile the schedules are what the files say, looked at every half minute."""
    task = asyncio.create_task(_watch(client, settings, task_queue))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(client: Client, settings: Settings, task_queue: str) -> None:
    told = None
    while True:
        try:
            station, systems = await asyncio.to_thread(_read, settings)
            await keep_schedules(client, station, wanted(systems), task_queue)
            told = None
        except (FirestationError, RPCError) as error:
            if str(error) != told:
                log.warning("the watch stays as it is", problem=str(error))
            told = str(error)
        except Exception:
            log.exception("the watch stays as it is")
        await asyncio.sleep(EVERY_SECONDS)


def _read(settings: Settings) -> tuple[str, tuple[System, ...]]:
    """The station's id, and its systems. Raises `FirestationError`: with one file that is wrong nothing is removed.

    Nor with none: a folder without a file is more likely not mounted than meant so, and what is removed forgets.
    """
    files = system_files(settings.systems)
    if not files:
        raise NotConfigured(f"the folder {settings.systems} has no .yaml file, so nothing is changed")
    return load_station(settings.station).station, tuple(load_system(file) for file in files)
