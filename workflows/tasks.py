"""What is left to people after a fire: each task gets its ticket, and a workflow of its own follows them all up.

A tracker that is away holds up nothing: the lock is proved meanwhile, and a task without a ticket is followed all the
same. What is still missing when the incident has ended is left so, for the next alarm of the same fire needs its id.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from firestation import record
from firestation.after_action import Task, Ticket
from firestation.aftermath import asked_for, course, handed, is_left, leaves_work, unopened
from firestation.firebreak import effect_key
from firestation.follow_up import Handed
from firestation.orders import TaskOrder
from firestation.state import Incident, Phase
from workflows import messages
from workflows.house import House, why
from workflows.perseverance import FIRST_PAUSE, let_go, longer
from workflows.search import following

FIRST_TICKETS = timedelta(seconds=20)
"""So long the following up waits for the first tickets, so that it begins with them."""


async def open_the_tasks(house: House) -> None:
    """Open what is missing, less and less often while the tracker refuses; at once when the captain says `prove`."""

    def owed() -> tuple[Task, ...]:
        due = house.incident.since(4) and house.incident.phase is Phase.AFTER_ACTION
        return tuple(unopened(house.incident)) if due else ()

    pause = FIRST_PAUSE
    while await house.until(lambda: bool(owed())):
        for task in owed():
            if not house.leaving:
                await house.unless_ended(open_task(house, task))
        if not owed():
            pause = FIRST_PAUSE
            continue
        await house.until_or_after(lambda: "task" not in house.incident.trouble, pause.total_seconds())
        pause = longer(pause)


async def open_task(house: House, task: Task) -> None:
    """Open one task, once, whoever tries again."""
    incident = house.incident
    step = f"task-{task.kind}" + (f"-{task.name}" if task.name else "")
    order = TaskOrder(
        tracker=incident.brief.system.trackers[0],
        task=task,
        key=effect_key(incident.id, incident.mark, step),
    )
    event: record.TaskOpened | record.Failed
    try:
        ticket = await house.do("open_task", order, Ticket, f"open the task: {task.title}")
        event = record.TaskOpened(at=workflow.now(), ticket=ticket.changed(name=task.name))
    except ActivityError as error:
        event = record.Failed(at=workflow.now(), step="task", detail=why(error))
    if not (house.incident.ended and house.incident.since(4)):  # an answer that the end has overtaken is none
        house.happen(event)


async def follow_the_tasks(house: House) -> None:
    """Have the tasks followed up from the recovery on, and tell whoever does it what has changed since."""

    def due() -> bool:
        incident = house.incident
        return leaves_work(incident) and (incident.phase is Phase.AFTER_ACTION or is_left(incident))

    if not await house.until(due):
        return
    await house.until_or_after(lambda: asked_for(house.incident), FIRST_TICKETS.total_seconds())
    if house.leaving:
        return
    seen = house.incident
    told = handed(seen)
    await _begin(seen)

    def happened() -> bool:
        return house.incident is not seen

    while await house.until(happened):
        seen = house.incident
        news = handed(seen)
        if news != told:
            told = news
            await _tell(seen, news)


async def hand_over(house: House) -> None:
    """At the end: what is left to people goes on without the incident, and hears how it ended."""
    incident = house.incident
    recovered = any(
        isinstance(each, record.Soaked) for each in house.record
    )  # before that nobody follows anything
    if not (leaves_work(incident) and recovered):
        return
    if not await _tell(incident, handed(incident)) and is_left(incident):
        await _begin(incident)


async def _begin(incident: Incident) -> None:
    """Start the workflow that follows the tasks up, which outlives this one. Started once a fire.

    The id says so, whatever is continued or tried again: it outlives the incident, so it is never free meanwhile.
    """
    found = course(incident)
    values = following(found, workflow.now())
    try:
        child = await workflow.start_child_workflow(
            messages.AFTER_ACTION,
            messages.AfterStart(course=found),
            id=messages.after_id(found.incident, found.mark),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            memo={"title": found.title, messages.STATION: found.roster.station},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(key, value) for key, value in values.items()]
            ),
            static_summary=f"the tasks of {found.incident}",
        )
    except WorkflowAlreadyStartedError:  # by an earlier run, and more is known by now
        await _tell(incident, handed(incident))
    else:
        let_go(child)


async def _tell(incident: Incident, news: Handed) -> bool:
    """Tell whoever follows up the tasks what they cannot know: the tickets, the captain, and how it ended."""
    follower = workflow.get_external_workflow_handle(messages.after_id(incident.id, incident.mark))
    try:
        await follower.signal(messages.TOLD, news)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        workflow.logger.warning("nobody follows up the tasks of %s: %s", incident.id, error)
        return False
    return True
