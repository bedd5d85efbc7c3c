"""What the desk asks of those who follow up the tasks of incidents: a list, and a person's word that one is done."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowQueryFailedError
from temporalio.service import RPCError

from firestation.errors import ORDER, Gone, InvalidInput, Refused, Unreachable
from firestation.follow_up import Finish
from firestation.follow_words import FollowPicture
from firestation.model import Line, Model
from gateway.book import Books
from gateway.temporal import CALL, NOT_TAKEN, PAUSE_SECONDS
from workflows import messages, search

SHOWN = 200
AT_ONCE = 8


class TaskList(Model):
    """The tasks of some incidents, the late ones first; and those that cannot be shown now."""

    incidents: tuple[FollowPicture, ...]
    not_shown: tuple[Line, ...] = ()


class TaskDesk:
    """Lists and finishes tasks of this station."""

    def __init__(self, client: Client, books: Books) -> None:
        self.client, self.books = client, books

    async def listing(self, incident: str | None, *, open_only: bool) -> TaskList:
        """The tasks of this incident, of each of its fires, or of all incidents."""
        found = await self._found(incident, open_only=open_only)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def seen(id_: str) -> FollowPicture | None:
            async with at_once:
                return await self._picture(id_)

        pictures = await asyncio.gather(*(seen(each.id) for each in found))
        shown = [each for each in pictures if each is not None]
        return TaskList(
            incidents=tuple(sorted(shown, key=_urgency)),
            not_shown=tuple(each.id for each, seen in zip(found, pictures, strict=True) if seen is None),
        )

    async def finish(self, incident: str, word: Finish, fire: str, key: str | None) -> messages.Finished:
        """Take a person's word that a task is done. `fire` is the beginning of the mark, where there were several.

        Raises `Gone`, `InvalidInput` when it is not clear which fire is meant, `Refused` when all is done already.
        """
        running = [each.id for each in await self._found(incident, open_only=True)]
        ids = [each for each in running if each.startswith(messages.after_id(incident, fire))]
        if not ids:
            if await self._found(incident, open_only=False):
                raise Refused(0, ORDER, f"every task of {incident} is done, or no fire begins with {fire!r}")
            raise Gone(f"nobody follows up tasks of {incident!r}")
        if len(ids) > 1:
            marks = ", ".join(each.removeprefix(messages.after_id(incident, ""))[:13] for each in ids)
            raise InvalidInput(
                "fire", f"{len(ids)} fires of {incident} have open tasks", f"Give one of {marks}"
            )
        give_up = time.monotonic() + CALL.total_seconds()
        while time.monotonic() < give_up:
            try:
                answer: messages.Finished = await self.client.get_workflow_handle(ids[0]).execute_update(
                    messages.FINISH, word, id=key, result_type=messages.Finished, rpc_timeout=CALL
                )
            except RPCError as error:
                if error.status not in NOT_TAKEN:
                    raise
                latest = await self.client.get_workflow_handle(ids[0]).describe(rpc_timeout=CALL)
                if latest.status is not WorkflowExecutionStatus.RUNNING:
                    raise Refused(0, ORDER, f"every task of {incident} is done already") from error
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return answer
        raise Unreachable("the list of tasks was turning its page; send it again")

    async def _found(self, incident: str | None, *, open_only: bool) -> Sequence[WorkflowExecution]:
        """Who follows up tasks, the newest first. The id is one by its form, so that it can stand in the question."""
        query = f"WorkflowType = '{messages.AFTER_ACTION}'"
        query += f" AND {search.INCIDENT.name} = '{incident}'" if incident else ""
        query += " AND ExecutionStatus = 'Running'" if open_only else ""
        ours, found = self.books.book.station.station, list[WorkflowExecution]()
        async for each in self.client.list_workflows(query, rpc_timeout=CALL):
            if each.status is WorkflowExecutionStatus.CONTINUED_AS_NEW:
                continue
            if (await each.memo()).get(messages.STATION) == ours:
                found.append(each)
            if len(found) >= SHOWN:
                break
        return found

    async def _picture(self, id_: str) -> FollowPicture | None:
        handle = self.client.get_workflow_handle(id_)
        try:
            seen: FollowPicture = await handle.query(
                messages.PICTURE, datetime.now(UTC), result_type=FollowPicture, rpc_timeout=CALL
            )
        except (RPCError, WorkflowQueryFailedError):
            return None
        return seen


def _urgency(seen: FollowPicture) -> tuple[bool, bool, datetime]:
    """Late first, then open ones, the earliest due first."""
    due = [each.due for each in seen.tasks if each.due and each.done_at is None]
    late = any(each.late_since for each in seen.tasks)
    return not late, seen.over, min(due, default=datetime.max.replace(tzinfo=UTC))
