"""The after-action as its own workflow, on both servers: reminders for weeks, people's word, and its end."""

import asyncio
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowUpdateFailedError,
)
from temporalio.service import RPCError

from firestation import acts
from firestation.after_action import TicketState
from firestation.errors import Denied
from firestation.follow_up import Course, Finish, Handed, TaskCourse
from firestation.follow_words import FollowPicture
from firestation.runbook import FollowUp, PostmortemPlan
from firestation.state import Phase
from tests.property.test_follow_up import START
from tests.property.test_follow_up import course as a_course
from tests.workflows.stage import (
    NO_FAILURE,
    ON_THE_REAL_SERVER,
    PATIENCE,
    SOMETHING_ARRIVED,
    Stage,
    live,
    taken,
)
from worker.replay import replay
from workflows import messages
from workflows.client import TASK_QUEUE
from workflows.histories import fetch_chain

DONE = TicketState(state="done", assignee="ana", detail="closed by ana")
GONE = TicketState(state="gone", detail="there is no such task")
LATE = re.compile(r"/after-late-([a-z-]+)-(\d{8})/")
DAYS, HOUR = timedelta(days=1), timedelta(hours=1)
ON_THE_JAVA_SERVER = pytest.mark.parametrize("stage", ["java"], indirect=True)
"""For weeks: the real server needs a second for every timer that it skips."""

CHANNELS = ("pager", "room", "mail", "chat")


@dataclass
class Follower:
    """One after-action, with everything that people and tests do to it."""

    stage: Stage
    id: str

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.stage.environment.client.get_workflow_handle(self.id)

    async def picture(self) -> FollowPicture:
        seen: FollowPicture = await self.handle.query(messages.PICTURE, result_type=FollowPicture)
        return seen

    async def until(self, what: str, held: Callable[[FollowPicture], object]) -> FollowPicture:
        seen: FollowPicture | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        seen = await self.picture()
                    except RPCError:  # not begun yet
                        seen = None
                    if seen is not None and held(seen):
                        return seen
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{what} did not come: {seen}") from None

    async def later(
        self, what: str, held: Callable[[FollowPicture], object], span: timedelta
    ) -> FollowPicture:
        """Let time pass, at most so much, until the condition holds. Between two days the work that is due is done.

        A skip on the real server may pass by timers that were set on the way, so it is not told to skip all at once.
        """
        for _ in range(span // DAYS):
            seen = await self.quiet()
            if held(seen):
                return seen
            await self.skip(DAYS)
        return await self.until(what, held)

    async def skip(self, span: timedelta) -> None:
        environment = self.stage.environment
        if environment.supports_time_skipping_v2:
            await environment.fast_forward(self.handle, span)
        else:
            await environment.sleep(span)

    async def quiet(self) -> FollowPicture:
        """What is seen once nothing is due by the workflow's own clock: it waits for time, or for people."""
        return await self.until("a wait", lambda seen: seen.next is None or seen.next > seen.as_of)

    async def finish(self, task: str, by: str = "ben", reason: str = "it is done") -> messages.Finished:
        answer: messages.Finished = await taken(
            lambda: self.handle.execute_update(
                messages.FINISH, Finish(by=by, task=task, reason=reason), result_type=messages.Finished
            )
        )
        return answer

    async def ended(self) -> messages.AfterEnd:
        async with asyncio.timeout(PATIENCE):
            while (await self.handle.describe()).status is WorkflowExecutionStatus.RUNNING:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        end: messages.AfterEnd = await self.stage.environment.client.get_workflow_handle(
            self.id, result_type=messages.AfterEnd
        ).result()
        return end

    async def proved(self) -> list[WorkflowHistory]:
        """The runs, none of whose tasks ever failed, and which replay as they were."""
        chain = await fetch_chain(self.stage.environment.client, self.id)
        for run in chain:
            for event in run.events:
                failed = event.workflow_task_failed_event_attributes
                assert failed.cause in {NO_FAILURE, SOMETHING_ARRIVED}, event
        assert await replay(chain) is None
        return chain


def of(stage: Stage, run: str) -> Follower:
    return Follower(stage, messages.after_id(stage.brief.incident, run))


def short(seen: FollowPicture) -> dict[str, str]:
    return {each.task: each.state for each in seen.tasks}


async def begin(stage: Stage, due: timedelta, **start: Any) -> Follower:
    """An after-action of an incident that has ended, with tickets that the tracker has; it was opened just now."""
    base: Course = a_course(within=(due,) * 3)
    now = datetime.now(UTC)  # of this machine, which the real server's clock begins with
    if not stage.environment.supports_time_skipping_v2:
        now = await stage.environment.get_current_time()
    tasks = tuple(
        TaskCourse(task=each.task.changed(due=now + due), ticket=each.ticket) for each in base.tasks
    )
    incident = f"refund-agent-{uuid.uuid4().hex[:8]}"
    begun = base.changed(incident=incident, opened_at=now, tasks=tasks)
    begun = begun.told(Handed(tickets=(), captain="ana", ended="closed"))
    follower = Follower(stage, messages.after_id(incident, begun.mark))
    await stage.environment.client.start_workflow(
        messages.AFTER_ACTION,
        messages.AfterStart(course=begun, **start),
        id=follower.id,
        task_queue=TASK_QUEUE,
    )
    return follower


async def test_the_incident_ends_and_its_tasks_go_on(stage: Stage) -> None:
    review = FollowUp(
        id="review", title="Review who may write", owner="search team", within=timedelta(days=9)
    )
    paper = PostmortemPlan(owner="cara", within=timedelta(days=2))
    stage.brief = stage.brief.changed(
        runbook=stage.brief.runbook.changed(after_action=(review,), postmortem=paper)
    )
    await live(stage)
    run = (await stage.picture()).run
    closing = await stage.ended()
    await stage.proved()
    follower = of(stage, run)
    seen = await follower.until("the word of the end", lambda seen: seen.ended == "closed")
    opened = {task.kind: task for task in stage.town.tasks.opened.values()}
    assert [(each.task, each.owner) for each in seen.tasks] == [
        ("postmortem", "cara"),
        ("review", "search team"),
        ("eval-lock", "ana"),
    ]
    assert {each.due for each in seen.tasks} == {task.due for task in opened.values()}
    assert all(each.ticket for each in seen.tasks)
    assert closing.outcome is Phase.CLOSED
    refused = await follower.finish("no-such")
    assert "postmortem" in (refused.missing or "")
    assert not (await follower.finish("review", by="nobody")).accepted
    for task in ("postmortem", "review"):
        assert (await follower.finish(task)).accepted
    assert (await follower.finish("review")).accepted  # the same word again
    assert not (await follower.finish("review", by="ana")).accepted
    assert not (await follower.finish("eval-lock", by="dan")).accepted  # an auditor
    await follower.handle.signal(messages.FINISH, Finish(by="cara", task="eval-lock", reason="it runs in CI"))
    await follower.ended()
    await follower.proved()


@ON_THE_JAVA_SERVER
async def test_a_task_that_nobody_does_is_said_to_more_and_more_people(stage: Stage) -> None:
    follower = await begin(stage, timedelta(days=4))
    seen = await follower.later(
        "the whole ladder",
        lambda seen: all(
            each.reminded.get("escalated", 0) and each.reminded["late"] >= 4 for each in seen.tasks
        ),
        timedelta(days=9),
    )
    assert {each.reminded["soon"] for each in seen.tasks} == {1}
    assert {each.reminded["today"] for each in seen.tasks} == {1}
    assert all(each.state == "late" and each.late_since == each.due for each in seen.tasks)
    sent = [message for name in CHANNELS for message in vars(stage.town)[name].sent.values()]
    assert {message.purpose for message in sent} == {"reminder"}
    assert not stage.town.page.sent
    told = {message.to for message in stage.town.pager.sent.values()}
    assert told == {"ana@example.org", "ben@example.org"}
    assert any("For search team." in message.text for message in stage.town.room.sent.values())
    assert any("is late by" in text for _, text in stage.town.tasks.reminders.values())
    for reference in ("task 0", "task 1", "task 2"):
        stage.town.tasks.states[reference] = DONE
    await follower.later("the end", lambda seen: seen.over, timedelta(days=2))
    assert not (await follower.ended()).dropped
    await follower.proved()


@ON_THE_REAL_SERVER
async def test_a_turned_page_says_nothing_twice(stage: Stage) -> None:
    follower = await begin(stage, -HOUR, events_per_run=50)
    await follower.later(
        "three mornings", lambda seen: all(each.reminded.get("late", 0) >= 3 for each in seen.tasks), 6 * DAYS
    )
    for task in ("postmortem", "eval-lock", "index-review"):
        await follower.finish(task)
    await follower.ended()
    assert len(await follower.proved()) > 1
    days = mornings(stage, "postmortem")
    assert len(days) == len(set(days)) >= 3


@ON_THE_JAVA_SERVER
async def test_weeks_do_not_make_it_grow(stage: Stage) -> None:
    follower = await begin(stage, DAYS, events_per_run=100)
    await stage.environment.sleep(30 * DAYS)
    seen = await follower.picture()
    assert {each.reminded["late"] for each in seen.tasks} <= {28, 29, 30}, seen.tasks
    for task in ("postmortem", "eval-lock", "index-review"):
        await follower.finish(task)
    await follower.ended()
    runs = await fetch_chain(stage.environment.client, follower.id)
    assert len(runs) > 5
    assert max(len(run.events) for run in runs) < 200
    starts = [run.events[0].workflow_execution_started_event_attributes.input for run in runs]
    assert max(each.payloads[0].ByteSize() for each in starts) < 20_000
    days = mornings(stage, "postmortem")
    assert days == [days[0] + number * DAYS for number in range(told(seen, "postmortem", "late"))]


def mornings(stage: Stage, task: str) -> list[date]:
    """The days on which somebody was told that this task is late, by the keys of what was sent."""
    keys = [key for name in CHANNELS for key in vars(stage.town)[name].sent]
    found = [LATE.search(key) for key in keys]
    return sorted(datetime.strptime(each[2], "%Y%m%d").date() for each in found if each and each[1] == task)  # noqa: DTZ007


async def test_a_ticket_that_is_gone_and_a_tracker_that_is_away_are_no_success(stage: Stage) -> None:
    stage.town.tasks.states["task 0"] = GONE
    follower = await begin(stage, timedelta(days=200))
    seen = await follower.later(
        "the word that it is gone", lambda seen: seen.tasks and told(seen, "postmortem", "gone"), 20 * DAYS
    )
    assert short(seen)["postmortem"] == "open, its ticket is gone"
    assert any("its ticket is gone" in each.title for each in stage.town.pager.sent.values())
    stage.town.tasks.faults.errors.extend(Denied("403 Forbidden") for _ in range(10_000))
    seen = await follower.later(
        "the word that it is away", lambda seen: told(seen, "eval-lock", "unread"), 20 * DAYS
    )
    assert short(seen)["eval-lock"] == "open, its tracker cannot be read"
    assert not seen.over
    stage.town.tasks.faults.errors.clear()
    seen = await follower.later("an answer", lambda seen: short(seen)["eval-lock"] == "open", 20 * DAYS)
    for task in ("postmortem", "eval-lock", "index-review"):
        assert (await follower.finish(task)).accepted
    await follower.ended()
    await follower.proved()


def told(seen: FollowPicture, task: str, kind: str) -> int:
    found = next(each for each in seen.tasks if each.task == task)
    return {str(name): times for name, times in found.reminded.items()}.get(kind, 0)


async def test_those_who_waived_the_lock_are_reminded_until_there_is_one(stage: Stage) -> None:
    stage.town.golden.case = None  # nothing can be proved
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the lock to fail", lambda seen: "lock" in seen.trouble)
    run, until = seen.run, seen.as_of + 2 * DAYS
    await stage.do(acts.Waive(by="ana", what="lock", reason="the eval is not ours", until=until))
    await stage.do(acts.Second(by="ben", reason="it is asked for"))
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    await stage.proved()
    follower = of(stage, run)
    after = await follower.until("the end", lambda seen: seen.ended)
    assert after.waived_until == until
    for task in ("postmortem",):
        await follower.finish(task)
    await follower.later("a reminder", lambda seen: any("waiver" in text for _, text in seen.notes), 4 * DAYS)
    titles = [each.title for each in stage.town.pager.sent.values() if "waiver of the lock" in each.title]
    assert titles
    assert not (await follower.picture()).over
    await follower.finish("eval-lock", reason="it runs in CI now")
    await follower.ended()
    await follower.proved()


async def test_what_was_no_fire_leaves_nothing_to_do(stage: Stage) -> None:
    follower = await begin(stage, 9 * DAYS)
    await follower.finish("postmortem")
    base = a_course(within=(9 * DAYS,) * 3)
    again = Follower(stage, f"{follower.id}-2")
    await stage.environment.client.start_workflow(
        messages.AFTER_ACTION,
        messages.AfterStart(course=base.changed(incident="refund-agent-00000000", opened_at=START)),
        id=again.id,
        task_queue=TASK_QUEUE,
    )
    await again.handle.signal(messages.TOLD, Handed(tickets=(), captain="ana", ended="dismissed"))
    assert (await again.ended()).dropped
    assert not stage.town.pager.sent
    assert {text.rpartition(": ")[2] for _, text in stage.town.tasks.reminders.values()} == {
        "the incident was dismissed, so nothing is left to do."
    }
    await again.proved()


async def test_nonsense_is_kept_out(stage: Stage) -> None:
    follower = await begin(stage, 9 * DAYS)
    for nonsense in ({"by": "ana"}, {"by": "ana", "task": "postmortem", "reason": "x", "more": 1}):
        with pytest.raises(WorkflowUpdateFailedError):
            await follower.handle.execute_update(messages.FINISH, nonsense)
        await follower.handle.signal(messages.FINISH, nonsense)
        await follower.handle.signal(messages.TOLD, nonsense)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await follower.finish("postmortem", reason=f"with ghp_{'a' * 36}")
    assert "credential" in str(caught.value.cause)
    assert set(short(await follower.picture()).values()) == {"open"}
    chain = await follower.proved()
    assert "ghp_" not in "".join(run.to_json() for run in chain)


async def test_an_answer_that_is_lost_sends_no_reminder_twice(stage: Stage) -> None:
    """The message went out, and nobody heard so: it is sent again under the same key, which is the same message."""
    stage.town.pager.faults.after_effect = True
    stage.town.pager.faults.unreachable(2)
    follower = await begin(stage, -HOUR)
    await follower.later(
        "two mornings", lambda seen: all(each.reminded.get("late", 0) >= 2 for each in seen.tasks), 4 * DAYS
    )
    assert not stage.town.pager.faults.errors
    days = mornings(stage, "postmortem")
    assert len(days) == len(set(days)) >= 2
    await follower.proved()
