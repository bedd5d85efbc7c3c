"""The after-action as a workflow of its own: it follows up the tasks of an incident for weeks, until all are done.

`firestation.follow_up` says what is due; here it is done, and what came of it is kept. The state is small and has the
same size in every week, so that it goes on by continue-as-new.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

from firestation import follow_up
from firestation.board import Receipt
from firestation.clock import NEVER
from firestation.errors import Refused
from firestation.follow_up import Course, Finish, Handed, Look, Tell
from firestation.follow_words import FollowPicture, Sheet, follow_picture, sheets, ticket_word
from firestation.orders import LookAnswer, LookOrder, RemindOrder, SendOrder
from workflows import messages
from workflows.hearing import read, refusals_as_failures, signals_first
from workflows.house import why
from workflows.options import OPTIONS
from workflows.search import following

LONGEST_SLEEP = timedelta(days=7)


@workflow.defn(name=messages.AFTER_ACTION)
class AfterActionWorkflow:
    """Asks the trackers, reminds people, hears their word, and ends when nothing is left."""

    @workflow.init
    def __init__(self, start: messages.AfterStart) -> None:
        """Take up the course where the incident, or the last run, left it."""
        self.course: Course = start.course
        self.turning = False
        self._events_per_run = start.events_per_run
        self._shown: dict[SearchAttributeKey[str], str] = {}

    @workflow.run
    async def run(self, start: messages.AfterStart) -> messages.AfterEnd:
        """Do what is due, wait for what is next, until nothing is left."""
        while not self.course.over and not self._page_is_full():
            self._show()
            jobs = follow_up.due_now(self.course, workflow.now())
            if jobs:
                await asyncio.gather(*(self._do(job) for job in jobs))
            else:
                await self._wait()
        self._show()
        await workflow.wait_condition(workflow.all_handlers_finished)
        course = self.course
        if not course.over:
            workflow.continue_as_new(start.changed(course=course))
        dropped = course.ended in {"dismissed", "merged"}
        return messages.AfterEnd(
            incident=course.incident, mark=course.mark, ended_at=workflow.now(), dropped=dropped
        )

    def _page_is_full(self) -> bool:
        info = workflow.info()
        full = info.get_current_history_length() > self._events_per_run
        return self.turning or full or info.is_continue_as_new_suggested()

    async def _wait(self) -> None:
        """Until something is due, or somebody has said something."""
        before, now = self.course, workflow.now()
        wake = follow_up.next_wake(before, now)
        limit = None if wake == NEVER else max(min(wake - now, LONGEST_SLEEP), timedelta(milliseconds=1))
        try:
            await workflow.wait_condition(lambda: self.turning or self.course is not before, timeout=limit)
        except TimeoutError:
            return

    def _show(self) -> None:
        """The list of what is followed up is drawn from the search attributes alone."""
        latest = following(self.course, workflow.now())
        changes = [key.value_set(value) for key, value in latest.items() if self._shown.get(key) != value]
        if changes:
            workflow.upsert_search_attributes(changes)
            self._shown = latest

    # What is due -------------------------------------------------------------------------------------

    async def _do(self, job: Look | Tell) -> None:
        if isinstance(job, Look):
            await self._look(job)
        else:
            await self._tell(job)

    async def _look(self, job: Look) -> None:
        name, ticket = job.task.name, job.task.ticket
        assert ticket is not None
        order = LookOrder(tracker=self.course.tracker, ticket=ticket)
        try:
            answer: LookAnswer = await _activity("look_at_task", order, LookAnswer, f"look at {name}")
        except ActivityError as error:
            self.course = follow_up.not_read(self.course, name, why(error), workflow.now())
        else:
            self.course = follow_up.looked(self.course, name, answer.state, workflow.now())

    async def _tell(self, job: Tell) -> None:
        """By every way at once. The ticket is told too; that it could not be is noted, and is no reason to repeat."""
        now, course = workflow.now(), self.course
        sent = await asyncio.gather(*(self._send(sheet) for sheet in sheets(course, job, now)))
        trouble = tuple(each for each in (*sent, await self._word(job, now)) if each)
        reached = sum(1 for each in sent if each is None)
        self.course = follow_up.reminded(self.course, job, trouble, reached, workflow.now())

    async def _send(self, sheet: Sheet) -> str | None:
        """Send one message: why it could not be sent, or None."""
        order = SendOrder(channel=sheet.channel, message=sheet.message, key=sheet.key)
        try:
            await _activity("send", order, Receipt, sheet.message.title)
        except ActivityError as error:
            return f"{sheet.person} by {sheet.channel.id}: {why(error)}"
        return None

    async def _word(self, job: Tell, now: datetime) -> str | None:
        """Put a word to the ticket: why that could not be done, or None."""
        word, ticket = ticket_word(self.course, job, now), job.task.ticket if job.task else None
        if word is None or ticket is None or (job.task and not job.task.asked):
            return None
        text, key = word
        order = RemindOrder(tracker=self.course.tracker, ticket=ticket, text=text, key=key)
        try:
            await _activity("remind_task", order, bool, f"a word to {ticket.reference}")
        except ActivityError as error:
            return f"the ticket {ticket.reference}: {why(error)}"
        return None

    # What is said to it ------------------------------------------------------------------------------

    @workflow.signal(name=messages.TOLD)
    def told(self, *given: Any) -> None:
        """The incident hands over: tickets, the captain of then, its end."""
        try:
            self.course = self.course.told(read(Handed, given))
        except ApplicationError as error:
            workflow.logger.warning("a signal was dropped: %s", error)

    @workflow.signal(name=messages.TURN_PAGE)
    def turn_page(self, *_: Any) -> None:
        """Continue as new at the next safe point; nothing is lost by it."""
        self.turning = True

    @workflow.update(name=messages.FINISH)
    async def finish(self, *given: Any) -> messages.Finished:
        """A person says that a task is done."""
        await signals_first()
        return self._finish(read(Finish, given))

    @finish.validator
    def screen_finish(self, *given: Any) -> None:
        """Keep out, before it is accepted, what must not even stand in the history."""
        with refusals_as_failures():
            secret = follow_up.secret_in(read(Finish, given))
            if secret:
                raise Refused(11, "no secrets in history", secret)

    @workflow.signal(name=messages.FINISH)
    def finish_unasked(self, *given: Any) -> None:
        """The same as a signal, for whoever cannot wait for an answer."""
        try:
            self._finish(read(Finish, given))
        except ApplicationError as error:
            workflow.logger.warning("a signal was dropped: %s", error)

    def _finish(self, word: Finish) -> messages.Finished:
        missing = follow_up.cannot_finish(self.course, word)
        if missing:
            self.course = self.course.noted(workflow.now(), f"{word.by} was refused: {missing}")
            return messages.Finished(accepted=False, task=word.task, missing=missing)
        self.course = follow_up.finished(self.course, word, workflow.now())
        return messages.Finished(accepted=True, task=word.task)

    @workflow.query(name=messages.PICTURE)
    def picture(self, now: datetime | None = None) -> FollowPicture:
        """Everything that is known of the tasks; as of `now`, which may be later than what last happened here."""
        return follow_picture(self.course, max(now, workflow.now()) if now else workflow.now())


async def _activity(name: str, order: Any, answer: type[Any], summary: str) -> Any:
    return await workflow.execute_activity(
        name, order, result_type=answer, summary=summary[:200], **OPTIONS[name]
    )
