"""An alarm that waits for a person. It ends dismissed, or as an incident: opened by a person, or by itself in the end.

What is decided is on its history before anything rings. Then it rings at the gateway's bell as often as is needed, each
time under the same key, so that a crash between the two halves is repeated without harm.
"""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import waits
from firestation.alarm import Alarms
from firestation.errors import Refused
from firestation.orders import RingOrder, Rung
from firestation.waits import Owed, Verdict, Wait
from workflows import messages
from workflows.hearing import read, refusals_as_failures, signals_first
from workflows.house import why
from workflows.options import UNTIL_RUNG

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)


@workflow.defn(name=messages.TRIAGE)
class Triage:
    """Counts what rings, hears a person's word, rings what was opened."""

    @workflow.init
    def __init__(self, start: messages.TriageStart) -> None:
        """Take up the wait where it began, or where the last run left it."""
        self._first_run = start.wait.mark or workflow.info().run_id
        self.wait = start.wait.changed(mark=self._first_run)
        self._events_per_run = start.events_per_run

    @workflow.run
    async def run(self, start: messages.TriageStart) -> messages.TriageEnd:
        """Wait until somebody has decided, or the time is over; then ring, if it is an incident."""
        del start
        pause = FIRST_PAUSE
        while True:
            while self.wait.ended is None and not self._page_is_full():
                await self._next()
            while self.wait.owed and not self._page_is_full():
                if not await self._ring(self.wait.owed[0]):
                    await workflow.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            await workflow.wait_condition(workflow.all_handlers_finished)
            wait = self.wait
            if wait.ended is not None and not wait.owed:
                return messages.TriageEnd(incident=wait.incident, ended=wait.ended)
            if self._page_is_full():
                workflow.continue_as_new(self._handed_on())

    async def _next(self) -> None:
        """Wait until something was said, or the time is over."""
        before, left = self.wait, max(self.wait.until - workflow.now(), timedelta(milliseconds=1))
        try:
            await workflow.wait_condition(lambda: self.wait is not before, timeout=left)
        except TimeoutError:
            self.wait = waits.overdue(self.wait, workflow.now())

    def _page_is_full(self) -> bool:
        """Whether to go on in a new run; never with more than could be handed on to it."""
        info = workflow.info()
        full = info.get_current_history_length() > self._events_per_run or info.is_continue_as_new_suggested()
        return full and len(self._handed_on().model_dump_json().encode()) <= messages.MOST_HANDED_ON

    def _handed_on(self) -> messages.TriageStart:
        return messages.TriageStart(wait=self.wait, events_per_run=self._events_per_run)

    async def _ring(self, owed: Owed) -> bool:
        """Ring once; whether the bell has it. What is wrong with the bell somebody has to mend."""
        order = RingOrder(alarm=owed.alarm, delivery=f"triage-{self.wait.mark}-{owed.number}")
        try:
            await workflow.execute_activity(
                "ring_bell",
                order,
                result_type=Rung,
                summary=messages.in_summary("ring again", owed.alarm.name),
                **UNTIL_RUNG,
            )
        except ActivityError as error:
            self.wait = self.wait.changed(trouble=f"the bell does not have it yet: {why(error)}"[:4000])
            return False
        self.wait = waits.rung(self.wait, owed)
        return True

    @workflow.update(name=messages.TOLD)
    async def told(self, *given: Any) -> messages.Waits:
        """More of its alarms."""
        await signals_first()
        self.wait = waits.heard(self.wait, read(Alarms, given), workflow.now())
        return messages.Waits(incident=self.wait.incident, run=self._first_run, until=self.wait.until)

    @workflow.update(name=messages.DECIDE)
    async def decide(self, *given: Any) -> messages.Decided:
        """A person's word. The first one counts, and the same again is no contradiction."""
        await signals_first()
        verdict = read(Verdict, given)
        missing = waits.contradicts(self.wait, verdict)
        self.wait = waits.decided(self.wait, verdict, workflow.now())
        return messages.Decided(accepted=missing is None, incident=self.wait.incident, missing=missing)

    @decide.validator
    def screen(self, *given: Any) -> None:
        """Keep out, before it is accepted, what must not even stand in the history."""
        with refusals_as_failures():
            secret = read(Verdict, given).secret()
            if secret:
                raise Refused(11, "no secrets in history", secret)

    @workflow.query(name=messages.PICTURE)
    def picture(self) -> Wait:
        """Everything that is known of it."""
        return self.wait
