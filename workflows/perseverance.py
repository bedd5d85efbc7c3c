"""Work that an ended incident leaves behind: it is tried for as long as it takes, and nobody waits for it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError

from workflows.house import why
from workflows.options import OPTIONS

R = TypeVar("R")

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)


def longer(pause: timedelta) -> timedelta:
    """How long to wait the next time."""
    return min(2 * pause, LONGEST_PAUSE)


async def leave(child: str, order: Any, name: str, summary: str) -> None:
    """Leave this order to a workflow of its own of this id; after a reset it may be at it already."""
    try:
        started = await workflow.start_child_workflow(
            child,
            order,
            id=name,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=summary[:200],
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("%s is at it already", name)
    else:
        let_go(started)


def let_go(child: workflow.ChildWorkflowHandle[Any, Any]) -> None:
    """Nobody waits for this child, so its end is no trouble of ours, not even when somebody terminates it."""
    child.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


async def until_done(attempt: Callable[[], Awaitable[R]], wrong: Callable[[ActivityError], object]) -> R:
    """Try, wait longer and longer, and try again: a store that is away comes back, and a wrong key is put right.

    `wrong` is told of each attempt that failed.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except ActivityError as error:
            wrong(error)
        await workflow.sleep(pause)
        pause = longer(pause)


async def persevere(activity: str, order: Any, answer: type[Any], what: str) -> Any:
    """The whole of a workflow that does this one thing until it is done. It turns its page before an attempt."""

    async def attempt() -> Any:
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(order)
        return await workflow.execute_activity(activity, order, result_type=answer, **OPTIONS[activity])

    return await until_done(
        attempt, lambda error: workflow.logger.warning("%s: not yet: %s", what, why(error))
    )
