"""The house: the record of one incident, the one door to it, and the few ways in which a room may wait."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from firestation.acts import Act
from firestation.due import settled, spoken_by
from firestation.errors import ORDER, Refused
from firestation.fold import fold
from firestation.history import LONGEST_REASON
from firestation.incident import advance
from firestation.quorum import still_missing
from firestation.record import Acted, Event, Opened, TurnedAway
from firestation.rules import no_secrets
from firestation.state import Incident
from workflows.messages import MOST_HANDED_ON, Answer, IncidentStart
from workflows.options import options

Result = TypeVar("Result")


class House:
    """What the rooms share. The record is the only state: whatever a room owes can be read from it again."""

    def __init__(self, start: IncidentStart) -> None:
        """Take up the record where the last run left it; in the first run it has one event, the opening."""
        opened = Opened(
            at=start.opened_at or workflow.now(),
            brief=start.brief,
            run=workflow.info().first_execution_run_id,
            predecessor=start.predecessor,
        )
        self.record: list[Event] = [opened, *start.record]
        self.incident: Incident = fold(tuple(self.record))
        self.turning = False
        self._events_per_run = start.events_per_run
        self._too_large = False

    @property
    def leaving(self) -> bool:
        """Whether this run ends: the incident has ended, or the page of the history is full."""
        return self.incident.ended is not None or self.turning

    # The door ----------------------------------------------------------------------------------------

    def happen(self, event: Event) -> None:
        """Add an event to the record, with all that time has made due before it and because of it.

        Raises `Refused`, and then the event has not happened.
        """
        self.settle(event.at, spoken_by(event))
        self.incident = advance(self.incident, event)
        self.record.append(event)
        self.settle(event.at)
        info = workflow.info()
        if info.is_continue_as_new_suggested() or info.get_current_history_length() > self._events_per_run:
            self.turn_page()

    def turn_page(self) -> None:
        """Continue as new at the next safe point. A record that could not be handed on stays on this page."""
        if self.turning or self._too_large:  # what is too large only grows
            return
        size = sum(len(each.model_dump_json().encode()) for each in self.record)
        self._too_large = size > MOST_HANDED_ON
        self.turning = not self._too_large

    def settle(self, now: datetime, hearing: str = "") -> None:
        """Let happen what time and the runbook alone have made due, while this person is being heard."""
        self.incident, happened = settled(self.incident, now, hearing)
        self.record.extend(happened)

    def take(self, act: Act) -> Answer:
        """An act of a person: on the record if the rules allow it, and its refusal on the record if not."""
        now = workflow.now()
        try:
            self.happen(Acted(at=now, act=act))
        except Refused as refusal:
            self.happen(
                TurnedAway(at=now, by=act.by, act=act.kind, rule=refusal.rule, missing=refusal.missing)
            )
            return Answer(
                accepted=False,
                phase=self.incident.phase,
                rule=refusal.rule,
                title=refusal.title,
                missing=refusal.missing,
            )
        missing = still_missing(self.incident, act)
        return Answer(accepted=True, phase=self.incident.phase, missing=missing)

    def screen(self, event: Event) -> None:
        """Keep out, before it is accepted, what must not even stand in the history. Raises `Refused`."""
        if self.incident.ended:
            raise Refused(0, ORDER, f"the incident is {self.incident.ended}")
        secret = no_secrets(self.incident, event)
        if secret:
            raise Refused(11, "no secrets in history", secret)

    # The outside world -------------------------------------------------------------------------------

    async def do(
        self,
        activity: str,
        order: Any,
        answer: type[Result],
        summary: str,
        within: timedelta | None = None,
    ) -> Result:
        """Run an activity with its options, but no longer than `within` if that is given.

        Raises `ActivityError` when it has finally failed.
        """
        chosen = options(activity, order)
        if within:
            chosen = chosen.copy()
            chosen["schedule_to_close_timeout"] = within
        try:
            result: Result = await workflow.execute_activity(
                activity, order, result_type=answer, summary=summary[:200], **chosen
            )
        except ActivityError as error:
            if is_cancelled_exception(error):  # by `whilst`: it is not wanted any more, and has not failed
                raise asyncio.CancelledError from error
            raise
        return result

    # Waiting -----------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds; False when the run ends first."""
        await workflow.wait_condition(lambda: self.leaving or condition())
        return not self.leaving

    async def until_or_after(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until the condition holds, the run ends, or a durable timer has run off."""
        try:
            await workflow.wait_condition(lambda: self.leaving or condition(), timeout=max(seconds, 0.001))
        except TimeoutError:
            return

    async def whilst(self, condition: Callable[[], bool], work: Awaitable[Result]) -> Result | None:
        """The result of work that only reads; None, and the work cancelled, once the condition no longer holds.

        Work that has something to put on the record does so itself: the record keeps the order in which answers came.
        """
        return await _unless(lambda: self.leaving or not condition(), work)

    async def unless_ended(self, work: Awaitable[Result]) -> Result | None:
        """The same for work that the end of the incident makes void, and that a page which turns waits for."""
        return await _unless(lambda: self.incident.ended is not None, work)


async def _unless(void: Callable[[], bool], work: Awaitable[Result]) -> Result | None:
    task = asyncio.ensure_future(work)
    await workflow.wait_condition(lambda: task.done() or void())
    if task.done():
        return await task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def why(error: ActivityError) -> str:
    """The innermost reason of a failed activity, in words."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return (str(cause) or type(cause).__name__)[:LONGEST_REASON]
