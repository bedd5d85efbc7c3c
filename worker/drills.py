"""Where drills are held: the station's files as they are now, and the incidents of drills as Temporal has them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from firestation import acts
from firestation.alarm import Alarms
from firestation.audit import recomputed
from firestation.drill import DrillMark
from firestation.drill_orders import CallOffOrder, FollowOrder, OpenDrillOrder, RingOrder, ScoreOrder
from firestation.drill_score import Score, score
from firestation.errors import Gone, InvalidInput, NotConfigured, Unreachable
from firestation.firebreak import HOLDING
from firestation.keyring import read_keyring
from firestation.lint import fitting
from firestation.loader import load_station, load_system, load_wall, system_files
from firestation.opening import Opening, drill_opened
from firestation.picture import Picture
from firestation.settings import Settings
from firestation.state import ENDS
from firestation.system import System
from workflows import messages, search
from workflows.asking import RECOVERED, in_the_way, in_time
from workflows.histories import as_json, fetch_chain
from workflows.ringing import ring

Result = TypeVar("Result")
Opener = Callable[[DrillMark, str], Opening]

CALL = timedelta(seconds=10)
FIRST_LOOK, LONGEST_LOOK = 0.3, 5.0
"""Seconds between two looks; a drill of hours is looked at less often than one of seconds."""

SLOWER = 1.1
CALLED_OFF = "the drill is over"


def from_files(settings: Settings) -> Opener:
    """Opens drills by the station's files, which are read anew for each. Raises as the loader does."""

    def opens(mark: DrillMark, name: str) -> Opening:
        station = load_station(settings.station)
        keys, _ = read_keyring(station, settings.station.parent)
        system = _system(settings, name)
        return drill_opened(mark, station, system, fitting(load_wall(settings.runbooks), system), keys=keys)

    return opens


def _system(settings: Settings, name: str) -> System:
    found = {system.system: system for system in map(load_system, system_files(settings.systems))}
    if name not in found:
        raise InvalidInput("system", f"there is no system {name!r}", f"There is {', '.join(found) or 'none'}")
    return found[name]


def no_files(mark: DrillMark, system: str) -> Opening:
    """For a worker that was given no files. Raises `NotConfigured`."""
    raise NotConfigured(f"{mark.drill} on {system}: this worker has no station files, so it holds no drills")


class TemporalGround:
    """Drills on the incidents of this Temporal."""

    def __init__(self, client: Client, task_queue: str, opens: Opener) -> None:
        self.client, self.task_queue, self.opens = client, task_queue, opens

    async def open(self, order: OpenDrillOrder) -> Opening:
        """Raises `Unreachable` while something speaks against a drill."""
        opening = await asyncio.to_thread(self.opens, order.mark, order.system)
        station, on_call = opening.brief.roster.station, not order.mark.drillers
        if why := await in_the_way(self.client, order.system, station, CALL, on_call=on_call):
            raise Unreachable(why)
        return opening

    async def ring(self, order: RingOrder) -> str:
        """Open the incident. One that was opened already, by an attempt that died, is the same."""
        start, alarms = messages.IncidentStart(brief=order.brief), Alarms(alarms=(order.alarm,))
        name = order.brief.incident
        try:
            joined = await _taken(
                ring(
                    self.client,
                    alarms,
                    start,
                    CALL,
                    task_queue=self.task_queue,
                    key=f"ring-{name}",
                    once=True,
                )
            )
        except WorkflowAlreadyStartedError:  # and it has ended since
            return _first(await self._seen(name))
        return joined.run

    async def follow(self, order: FollowOrder) -> str:
        """By its search attribute, which no workflow is woken for."""
        pause = FIRST_LOOK
        while True:
            seen = await self._seen(order.drill)
            phase = seen.typed_search_attributes.get(search.PHASE) or ""
            ended = seen.status is not WorkflowExecutionStatus.RUNNING
            if ended or phase in ENDS or (order.until == "restored" and phase in RECOVERED):
                return phase
            await asyncio.sleep(pause)
            pause = min(pause * SLOWER, LONGEST_LOOK)

    async def score(self, order: ScoreOrder) -> Score:
        """As an auditor does it."""
        chain = await in_time(fetch_chain(self.client, order.drill), order.drill)
        found = await asyncio.to_thread(lambda: recomputed([as_json(run) for run in chain]))
        return score(tuple(found.record))

    async def call_off(self, order: CallOffOrder) -> None:
        """Lift what holds, the newest first, and dismiss it; whatever is under way is waited for. None is none."""
        pause = FIRST_LOOK
        while await self._is_open(order.mark.drill):
            with suppress(Gone):  # it has ended just now, or turned its page
                await self._one_step_off(order.mark)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)

    async def _one_step_off(self, mark: DrillMark) -> None:
        handle = self.client.get_workflow_handle(mark.drill)
        seen: Picture = await in_time(handle.query(messages.PICTURE, result_type=Picture, rpc_timeout=CALL))
        holding = [each for each in reversed(seen.firebreaks) if each.state in HOLDING]
        act: acts.Act | None = acts.Dismiss(by=mark.ordered_by, reason=CALLED_OFF)
        if holding:
            waits = [each.digest for each in holding if not each.lift_wanted_by]
            act = acts.Lift(by=mark.ordered_by, action=waits[0], reason=CALLED_OFF) if waits else None
        if act and seen.phase not in ENDS:
            await _taken(handle.execute_update(act.kind, act, result_type=messages.Answer, rpc_timeout=CALL))

    async def _is_open(self, name: str) -> bool:
        try:
            return (await self._seen(name)).status is WorkflowExecutionStatus.RUNNING
        except Gone:
            return False

    async def _seen(self, name: str) -> WorkflowExecutionDescription:
        return await in_time(self.client.get_workflow_handle(name).describe(rpc_timeout=CALL), name)


def _first(seen: WorkflowExecutionDescription) -> str:
    return str(seen.raw_description.workflow_execution_info.first_run_id or seen.run_id)


async def _taken(call: Awaitable[Result]) -> Result:
    """The incident's answer; where it did not take it, that may be otherwise in a moment. Raises `Unreachable`."""
    try:
        return await in_time(call)
    except WorkflowUpdateFailedError as error:
        raise Unreachable(f"the incident could not take it: {error.cause}") from error
