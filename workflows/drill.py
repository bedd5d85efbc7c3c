"""One drill: set the fault, ring, wait for the incident's end, clear the fault whatever happens, score, keep the score.

One drill at a time is held on a system: its workflow has the system's name. The fault is taken out as soon as recovery
is proved, as if somebody had repaired it, so that people can put their levers back; and in any case at the end.
"""

import asyncio
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError, is_cancelled_exception

from firestation.drill import DrillMark, drill_id
from firestation.drill_orders import (
    CallOffOrder,
    DrillNow,
    DrillOrder,
    FaultOrder,
    FollowOrder,
    KeepDrillOrder,
    OpenDrillOrder,
    RingOrder,
    ScoreOrder,
    Step,
)
from firestation.drill_report import DrillResult
from firestation.drill_score import Score
from firestation.opening import Opening
from firestation.state import ENDS
from workflows import messages
from workflows.house import why
from workflows.options import OPTIONS
from workflows.perseverance import FIRST_PAUSE, let_go, longer

Result = TypeVar("Result")
AT_LEAST = timedelta(seconds=1)


@workflow.defn(name=messages.DRILL)
class DrillWorkflow:
    """The durable course of one drill."""

    @workflow.init
    def __init__(self, order: DrillOrder) -> None:
        """Give it its name."""
        self.mark = DrillMark(
            drill=order.drill or drill_id(order.kind, workflow.uuid4().hex),
            kind=order.kind,
            drillers=order.drillers,
            ordered_by=order.ordered_by,
            ordered_at=workflow.now(),
        )
        self.system = order.system
        self.step: Step = "opening"
        self.since = workflow.now()
        self.opening: Opening | None = None
        self.trouble: str | None = None
        self.run_id: str | None = None
        self.phase = ""
        self.stopped = False

    @workflow.run
    async def run(self, order: DrillOrder) -> DrillResult:  # noqa: ARG002 - the init has it
        """The drill, from the fault to the score. Whatever ends it, the fault is cleared."""
        try:
            self.opening = await self._do(
                "open_drill", OpenDrillOrder(mark=self.mark, system=self.system), Opening
            )
        except ActivityError as error:
            self._wrong(error)
        if self.opening:
            self.mark = self.opening.brief.drill or self.mark  # with those who are on call now
            limit = workflow.now() + self.opening.plan.limit
            try:
                await self._burn(self.opening, limit - workflow.now())
            except ActivityError as error:
                self._wrong(error)
            finally:
                await self._persevere(
                    "clear_fault", FaultOrder(plan=self.opening.plan, drill=self.mark.drill), str
                )
            if self.run_id:
                self._at("repaired")
                await self._follow("ended", limit - workflow.now())
        result = await self._kept()
        if self.run_id and self.phase not in ENDS:
            self._at("calling it off")
            await self._persevere("call_off_drill", CallOffOrder(mark=self.mark), str)
        self._at("over")
        return result

    @workflow.signal(name=messages.STOP)
    def stop(self, *_: Any) -> None:
        """Let it be over: the fault is cleared, the score is taken as it is, the incident is called off."""
        self.stopped = True

    @workflow.query(name=messages.PICTURE)
    def picture(self) -> DrillNow:
        """Where it is."""
        return DrillNow(
            mark=self.mark,
            system=self.system,
            step=self.step,
            since=self.since,
            runbook=self.opening.brief.runbook.runbook if self.opening else None,
            stays=self.opening.plan.stays if self.opening else (),
            trouble=self.trouble[:300] if self.trouble else None,
        )

    async def _burn(self, opening: Opening, within: timedelta) -> None:
        """From the fault to the recovery that is proved, or to the end of its time."""
        self._at("setting the fault")
        await self._do("inject_fault", FaultOrder(plan=opening.plan, drill=self.mark.drill), str)
        self.run_id = await self._do("ring_drill", RingOrder(brief=opening.brief, alarm=opening.alarm), str)
        self._at("burning")
        await self._follow("restored", within)

    async def _follow(self, until: Any, within: timedelta) -> None:
        """Wait until it is so far, its time is over, or somebody stops it."""
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
        except asyncio.CancelledError:
            if not self.stopped:
                raise

    async def _kept(self) -> DrillResult:
        """Score it, and keep the score."""
        self._at("scoring")
        found: Score | None = None
        if self.run_id:
            try:
                found = await self._do("score_drill", ScoreOrder(drill=self.mark.drill), Score)
            except ActivityError as error:
                self._wrong(error)
        result = DrillResult(
            mark=self.mark,
            system=self.system,
            runbook=self.opening.brief.runbook.runbook if self.opening else None,
            incident_run=self.run_id,
            kept_at=workflow.now(),
            score=found,
            trouble=self.trouble,
        )
        await self._persevere("keep_drill", KeepDrillOrder(result=result), str)
        return result

    async def _persevere(self, activity: str, order: Any, answer: type[Result]) -> Result:
        """Try, wait longer and longer, and try again: above all, a target is never left broken."""
        pause, before = FIRST_PAUSE, self.trouble
        while True:
            try:
                done = await self._do(activity, order, answer)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                self._wrong(error)
            else:
                self.trouble = before
                return done
            await workflow.sleep(pause)
            pause = longer(pause)

    async def _do(self, activity: str, order: Any, answer: type[Result]) -> Result:
        result: Result = await workflow.execute_activity(
            activity,
            order,
            result_type=answer,
            summary=f"{activity} of {self.mark.drill}",
            **OPTIONS[activity],
        )
        return result

    def _wrong(self, error: ActivityError) -> None:
        self.trouble = why(error)
        workflow.logger.warning("%s: %s", self.mark.drill, self.trouble)

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
