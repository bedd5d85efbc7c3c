"""One drill: set the fault, ring, wait for the incident's end, clear the fault whatever happens, score, keep the score.

One drill at a time is held on a system: its workflow has the system's name. The fault is taken out as soon as recovery
is proved, as if somebody had repaired it, so that people can put their levers back; and in any case at the end. Once
more after the levers are back: where the fault had moved one, its way back leads into the fault.

A cancellation in Temporal itself is a person's word to stop. A termination ends this workflow between any two lines;
for that there is the guard beside it (`workflows/drill_guard.py`).
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from firestation.drill import DrillMark, drill_id
from firestation.drill_orders import (
    CallOffOrder,
    DrillNow,
    DrillOrder,
    FaultOrder,
    FollowOrder,
    GuardOrder,
    OpenDrillOrder,
    RingOrder,
    Step,
)
from firestation.drill_report import DrillResult
from firestation.history import LONGEST_REASON
from firestation.opening import Opening
from firestation.state import ENDS
from workflows import messages
from workflows.drilling import Drilling, undisturbed
from workflows.house import why
from workflows.options import OPTIONS
from workflows.perseverance import let_go

AT_LEAST = timedelta(seconds=1)
GUARDED = "guarded"
"""Since then a guard stands beside a drill, and the fault is cleared once more at the end."""

NOT_BEGUN = "it was stopped before the bell rang"
NO_GUARD = "its guard was cancelled in Temporal itself, which stops a drill"
STILL_THERE = "what the drill before has left on {} is still being cleared away; try again when that is done"


@workflow.defn(name=messages.DRILL)
class DrillWorkflow(Drilling):
    """The durable course of one drill."""

    @workflow.init
    def __init__(self, order: DrillOrder) -> None:
        """Give it its name."""
        mark = DrillMark(
            drill=order.drill or drill_id(order.kind, workflow.uuid4().hex),
            kind=order.kind,
            drillers=order.drillers,
            ordered_by=order.ordered_by,
            ordered_at=workflow.now(),
        )
        super().__init__(mark, order.system)
        self.step: Step = "opening"
        self.since = workflow.now()
        self.opening: Opening | None = None
        self.guard: workflow.ChildWorkflowHandle[Any, Any] | None = None
        self.run_id: str | None = None
        self.rang = False
        self.phase = ""
        self.stopped = self.unguarded = False

    @workflow.run
    async def run(self, order: DrillOrder) -> DrillResult:  # noqa: ARG002 - the init has it
        """The drill, from the fault to the score. Whatever ends it, the fault is cleared."""
        return await undisturbed(self._course(guarded=workflow.patched(GUARDED)), self.stop)

    async def _course(self, *, guarded: bool) -> DrillResult:
        """A drill that began before there were guards (`guarded` is false) goes on as it began."""
        try:
            self.opening = await self.do(
                "open_drill", OpenDrillOrder(mark=self.mark, system=self.system), Opening
            )
        except ActivityError as error:
            self.wrong(error)
        if self.opening and (not guarded or await self._place_guard(self.opening)):
            self.mark = self.opening.brief.drill or self.mark  # with those who are on call now
            limit = workflow.now() + self.opening.plan.limit
            try:
                await self._burn(self.opening, limit - workflow.now(), guarded=guarded)
            except ActivityError as error:
                self.wrong(error)
            await self.clear(self.opening.plan)
            if self.run_id:
                self._at("repaired")
                await self._follow("ended", limit - workflow.now())
        self._at("scoring")
        score = await self.score() if self.run_id else None
        kept = None if guarded else await self.keep(self._runbook, self.run_id, score)
        if self.rang and self.phase not in ENDS:  # also where the answer to the ring was lost
            self._at("calling it off")
            await self.persevere("call_off_drill", CallOffOrder(mark=self.mark), str)
        if self.guard and self.opening:
            await self.clear(self.opening.plan)
            await self._relieve(self.guard)
        if self.unguarded:
            self.trouble = f"{NO_GUARD}; {self.trouble}"[:LONGEST_REASON] if self.trouble else NO_GUARD
        kept = kept or await self.keep(self._runbook, self.run_id, score)
        self._at("over")
        return kept

    @workflow.signal(name=messages.STOP)
    def stop(self, *_: Any) -> None:
        """Let it be over: the fault is cleared, the score is taken as it is, the incident is called off."""
        self.stopped = True

    @workflow.signal(name=messages.UNGUARDED)
    def do_without(self) -> None:
        """Its guard was cancelled: no drill goes on without one."""
        self.unguarded = True
        self.stop()

    @workflow.query(name=messages.PICTURE)
    def picture(self) -> DrillNow:
        """Where it is."""
        return DrillNow(
            mark=self.mark,
            system=self.system,
            step=self.step,
            since=self.since,
            runbook=self._runbook,
            stays=self.opening.plan.stays if self.opening else (),
            trouble=self.trouble[:300] if self.trouble else None,
        )

    @property
    def _runbook(self) -> str | None:
        return self.opening.brief.runbook.runbook if self.opening else None

    async def _place_guard(self, opening: Opening) -> bool:
        """Have a guard stand beside it, before the fault is there. False: that of the drill before is still at work."""
        order = GuardOrder(mark=self.mark, system=self.system, opening=opening)
        try:
            self.guard = await workflow.start_child_workflow(
                messages.DRILL_GUARD,
                order,
                id=messages.drill_guard(self.system),
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                static_summary=f"clears up after {self.mark.drill}, should that be terminated",
            )
        except WorkflowAlreadyStartedError:
            self.trouble = STILL_THERE.format(self.system)
            return False
        let_go(self.guard)
        return True

    async def _relieve(self, guard: workflow.ChildWorkflowHandle[Any, Any]) -> None:
        """Let it go, and see that it has gone; one that somebody has ended is gone already."""
        with suppress(FailureError):
            await guard.signal(messages.RELIEVED)
            await guard

    async def _burn(self, opening: Opening, within: timedelta, *, guarded: bool) -> None:
        """From the fault to the recovery that is proved, or to the end of its time."""
        if self._stopped_early(guarded=guarded):
            return
        self._at("setting the fault")
        await self.do("inject_fault", FaultOrder(plan=opening.plan, drill=self.mark.drill), str)
        if self._stopped_early(guarded=guarded):
            return
        self.rang = True
        self.run_id = await self.do("ring_drill", RingOrder(brief=opening.brief, alarm=opening.alarm), str)
        self._at("burning")
        await self._follow("restored", within)

    def _stopped_early(self, *, guarded: bool) -> bool:
        """Whether it was stopped before anybody was paged, who then need not be; then that is its trouble."""
        if guarded and self.stopped:
            self.trouble = NOT_BEGUN
            return True
        return False

    async def _follow(self, until: Any, within: timedelta) -> None:
        """Wait until it is so far, its time is over, or somebody stops it."""
        if self.stopped:
            return
        order, chosen = FollowOrder(drill=self.mark.drill, until=until), OPTIONS["follow_drill"].copy()
        chosen["schedule_to_close_timeout"] = max(within, AT_LEAST)
        found = asyncio.ensure_future(
            workflow.execute_activity("follow_drill", order, result_type=str, **chosen)
        )
        await workflow.wait_condition(lambda: found.done() or self.stopped)
        if not found.done():
            found.cancel()
        try:
            self.phase = await found
        except ActivityError as error:
            if not is_cancelled_exception(error):
                workflow.logger.info("%s is not %s: %s", self.mark.drill, until, why(error))

    def _at(self, step: Step) -> None:
        self.step, self.since = step, workflow.now()


@workflow.defn(name=messages.DRILL_BY_SCHEDULE)
class ScheduledDrill:
    """What a schedule starts: the drill under the system's name, unless one is held there already."""

    @workflow.run
    async def run(self, order: DrillOrder) -> bool:
        """Whether it began."""
        try:
            child = await workflow.start_child_workflow(
                messages.DRILL,
                order,
                id=messages.drill_workflow(order.system),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                memo={messages.STATION: order.station},
                static_summary=f"{order.kind} on {order.system}, by schedule",
            )
        except WorkflowAlreadyStartedError:
            return False
        let_go(child)
        return True
