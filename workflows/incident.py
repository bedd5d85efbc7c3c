"""One incident, from the first alarm to the lock. `run` reads like the runbook wall.

The record is the only state. People and activities add events to it through one door (`House.happen`), the pure
core says what follows, and each room does what is owed in its part of the house, side by side with the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from firestation import picture, record
from firestation.acts import ACTS
from firestation.alarm import Alarms
from firestation.record import Acted
from workflows import messages
from workflows.after_action import make_the_lock
from workflows.clock import keep_the_list, keep_time
from workflows.firebreaks import guard
from workflows.hearing import read, refusals_as_failures, signals_first
from workflows.house import House
from workflows.paging import page
from workflows.postmortem import write_its_end, write_the_postmortem
from workflows.public_page import keep_the_public_page, leave_the_public_page
from workflows.recovery import prove_recovery
from workflows.snapshot import freeze_the_scene
from workflows.tasks import follow_the_tasks, hand_over, open_the_tasks
from workflows.wall import keep_the_wall, leave_the_lock, recall_the_locks
from workflows.words import PURPOSES, Purpose, deliver

FIRST_ALARM_SECONDS = 60.0


@workflow.defn(name=messages.WORKFLOW)
class IncidentWorkflow:
    """The durable life of one incident."""

    @workflow.init
    def __init__(self, start: messages.IncidentStart) -> None:
        """Open the house, and listen to every act as an update (answers at once) and as a signal."""
        self.house = House(start)
        for kind, model in ACTS.items():
            workflow.set_update_handler(kind, self._answering(model), validator=self._screening(model))
            workflow.set_signal_handler(kind, self._listening(model))

    @workflow.run
    async def run(self, start: messages.IncidentStart) -> messages.Closing:
        """Everything at once from the first second, until the incident has ended."""
        house = self.house
        await self._first_alarm()
        await asyncio.gather(
            *(self._say(purpose) for purpose in PURPOSES),  # page, ask, escalate, inform
            freeze_the_scene(house),  # snapshot before you mutate
            *(guard(house, lever) for lever in start.brief.system.levers),  # contain before you theorize
            prove_recovery(house),
            make_the_lock(house),  # convert every incident into a lock
            open_the_tasks(house),
            follow_the_tasks(house),
            write_the_postmortem(house),
            keep_time(house),
            keep_the_list(house),
            recall_the_locks(house),  # what comes back weighs heavier
            keep_the_wall(house),
            keep_the_public_page(house),
        )
        if house.incident.ended and not self._unsaid():
            await hand_over(house)  # what is left to people goes on without the incident
            await write_its_end(house)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if house.incident.ended is None or house.incident.ended_at is None or self._unsaid():
            opened, *rest = house.record
            workflow.continue_as_new(start.changed(opened_at=opened.at, record=tuple(rest)))
        await leave_the_lock(house)
        await leave_the_public_page(house)
        return messages.Closing(
            incident=house.incident.id,
            outcome=house.incident.phase,
            ended_at=house.incident.ended_at,
            merged_into=house.incident.merged_into,
            batches=house.incident.batches,
        )

    def _unsaid(self) -> bool:
        """Whether something is still to be said: it ended while a page was turning, and the next run says it."""
        return self.house.turning and bool(self.house.incident.outbox) and self.house.incident.since(4)

    def _say(self, purpose: Purpose) -> Awaitable[None]:
        """People are told by all ways at once; the board, and what began before edition 3, one word after the other."""
        in_order = purpose == "update" or not self.house.incident.since(3)
        return (deliver if in_order else page)(self.house, purpose)

    @workflow.update(name=messages.RING)
    async def ring(self, rung: Alarms) -> messages.Joined:
        """Alarms start the incident, or join it."""
        await signals_first()
        new = not self.house.incident.rung
        with refusals_as_failures():
            for event in () if self.house.incident.counted(rung.batch) else record.rung(rung, workflow.now()):
                self.house.happen(event)
        incident = self.house.incident
        return messages.Joined(incident=incident.id, run=incident.run, phase=incident.phase, new=new)

    @ring.validator
    def screen_alarms(self, rung: Alarms) -> None:
        """Keep out, before it is accepted, what must not even stand in the history."""
        with refusals_as_failures():
            for event in record.rung(rung, workflow.now()):
                self.house.screen(event)

    @workflow.signal(name=messages.TURN_PAGE)
    def turn_page(self, *_: Any) -> None:
        """Continue as new at the next safe point; nothing is lost by it."""
        self.house.turn_page()

    @workflow.query(name=messages.PICTURE)
    def picture(self) -> picture.Picture:
        """Everything that is known of the incident."""
        return picture.picture(self.house.incident, tuple(self.house.record))

    async def _first_alarm(self) -> None:
        """An incident without an alarm is none: the update that should have brought it was refused."""
        house = self.house
        if not house.incident.rung:
            await house.until_or_after(lambda: bool(house.incident.rung), FIRST_ALARM_SECONDS)
        if not house.incident.rung:
            message = "no alarm came with the start; ring the bell again"
            raise ApplicationError(message, type="NoAlarm", non_retryable=True)

    # Every act, by its name, through one validation. The arguments are read here and not by the SDK, which would
    # fail the workflow's task on a signal that has none, or too many.

    def _answering(self, model: type[Any]) -> Callable[..., Awaitable[messages.Answer]]:
        async def answer(*given: Any) -> messages.Answer:
            await signals_first()
            return self.house.take(read(model, given))

        return answer

    def _screening(self, model: type[Any]) -> Callable[..., None]:
        def screen(*given: Any) -> None:
            with refusals_as_failures():
                self.house.screen(Acted(at=workflow.now(), act=read(model, given)))

        return screen

    def _listening(self, model: type[Any]) -> Callable[..., None]:
        def listen(*given: Any) -> None:
            try:
                act = read(model, given)
            except ApplicationError as error:
                workflow.logger.warning("a signal was dropped: %s", error)
            else:
                self.house.take(act)

        return listen
