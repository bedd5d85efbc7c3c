"""What a drill and its guard have in common: they order, persevere, clear the fault, take the score and keep it."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation.drill import DrillMark
from firestation.drill_orders import FaultOrder, KeepDrillOrder, ScoreOrder
from firestation.drill_report import DrillResult
from firestation.drill_score import Score
from firestation.rehearsal import RehearsalFitting
from workflows.house import why
from workflows.options import OPTIONS
from workflows.perseverance import until_done

Result = TypeVar("Result")


async def undisturbed(course: Coroutine[Any, Any, Result], cancelled: Callable[[], object]) -> Result:
    """What comes of this course. A cancellation does not break it off: it is told of that, and ends as it should.

    When a worker lets go of the workflow the course itself is cancelled, so it must not order anything in a `finally`.
    """
    task = asyncio.ensure_future(course)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                raise
            cancelled()


class Drilling:
    """One drill, as far as a workflow of it goes. `trouble` is what went wrong last."""

    def __init__(self, mark: DrillMark, system: str) -> None:
        self.mark, self.system = mark, system
        self.trouble: str | None = None

    async def clear(self, plan: RehearsalFitting) -> None:
        """Clear the fault, however long that takes: a target is never left broken."""
        await self.persevere("clear_fault", FaultOrder(plan=plan, drill=self.mark.drill), str)

    async def score(self) -> Score | None:
        """The score as it is now; None where it cannot be computed, and `trouble` says why."""
        try:
            return await self.do("score_drill", ScoreOrder(drill=self.mark.drill), Score)
        except ActivityError as error:
            self.wrong(error)
            return None

    async def keep(self, runbook: str | None, run_id: str | None, score: Score | None) -> DrillResult:
        """Keep the result, however long that takes."""
        result = DrillResult(
            mark=self.mark,
            system=self.system,
            runbook=runbook,
            incident_run=run_id,
            kept_at=workflow.now(),
            score=score,
            trouble=self.trouble,
        )
        await self.persevere("keep_drill", KeepDrillOrder(result=result), str)
        return result

    async def persevere(self, activity: str, order: Any, answer: type[Result]) -> Result:
        """Do it, however long that takes. What was in the way is no trouble once it is done."""
        before = self.trouble
        done = await until_done(partial(self.do, activity, order, answer), self.wrong)
        self.trouble = before
        return done

    async def do(self, activity: str, order: Any, answer: type[Result]) -> Result:
        """Do it once, within the time that the table has. Raises `ActivityError`."""
        result: Result = await workflow.execute_activity(
            activity,
            order,
            result_type=answer,
            summary=f"{activity} of {self.mark.drill}",
            **OPTIONS[activity],
        )
        return result

    def wrong(self, error: ActivityError) -> None:
        """Remember what is in the way."""
        self.trouble = why(error)
        workflow.logger.warning("%s: %s", self.mark.drill, self.trouble)
