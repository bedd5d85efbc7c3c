"""The guard of a drill: where the drill's workflow is terminated in Temporal itself, nothing of it is left behind.

Temporal asks a guard to cancel when the workflow that it stands beside has closed, however that came about. One that
was not relieved before then clears the fault, takes the score, calls the incident off, and keeps what came of it. It
has the system's name, so no other drill begins on the system before that is done.

Somebody can cancel the guard itself, and it is not told which of the two it was. So it tells the drill: one that is
there stops, since Temporal asks nobody to cancel twice, and the guard looks after it again and again.
"""

from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import FailureError

from firestation.drill_orders import CallOffOrder, GuardOrder
from workflows import messages
from workflows.drilling import Drilling, undisturbed
from workflows.options import BEAT
from workflows.perseverance import FIRST_PAUSE, longer

UNDER_WAY = 2 * BEAT
"""So long what the drill had ordered may still go on, to set the fault or to ring; then its worker has let it go."""

ENDED = "the drill's workflow was ended in Temporal itself"
TELLS = "tells the drill"
"""Since then a guard that is cancelled sees whether its drill is still there."""


@workflow.defn(name=messages.DRILL_GUARD)
class DrillGuard(Drilling):
    """Waits for as long as the drill lasts, and then has nothing to do, or everything."""

    @workflow.init
    def __init__(self, order: GuardOrder) -> None:
        """Know the drill."""
        super().__init__(order.opening.brief.drill or order.mark, order.system)
        self.relieved = self.left = False

    @workflow.run
    async def run(self, order: GuardOrder) -> bool:
        """Whether something was left to do."""
        return await undisturbed(self._course(order), self._alone)

    async def _course(self, order: GuardOrder) -> bool:
        await workflow.wait_condition(lambda: self.relieved or self.left)
        if not self.relieved and workflow.patched(TELLS):
            await self._outlast()
        if not self.relieved:
            await self._clear_up(order)
        return not self.relieved

    @workflow.signal(name=messages.RELIEVED)
    def let_go(self) -> None:
        """The drill has ended by itself, and the fault is cleared."""
        self.relieved = True

    def _alone(self) -> None:
        self.left = True

    async def _outlast(self) -> None:
        """Have the drill stop, and wait until it has relieved the guard, or is there no more."""
        pause = FIRST_PAUSE
        while not self.relieved and await self._is_told():
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: self.relieved, timeout=pause)
            pause = longer(pause)

    async def _is_told(self) -> bool:
        """Whether the drill is still there, and knows that its guard was cancelled."""
        drill = workflow.info().parent
        if drill is None:
            return False
        handle = workflow.get_external_workflow_handle(drill.workflow_id, run_id=drill.run_id)
        try:
            await handle.signal(messages.UNGUARDED)
        except FailureError:
            return False
        return True

    async def _clear_up(self, order: GuardOrder) -> None:
        plan, brief = order.opening.plan, order.opening.brief
        await self.clear(plan)
        await workflow.sleep(UNDER_WAY)
        score = await self.score()
        self.trouble = ENDED
        await self.persevere("call_off_drill", CallOffOrder(mark=self.mark), str)
        await self.clear(plan)  # a lever that the fault had moved was put back into it
        await self.keep(brief.runbook.runbook, None, score)
