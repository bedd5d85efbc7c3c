"""The desk: everything that the gateway asks of Temporal. It keeps no state but what it has just answered."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from firestation.acts import Act
from firestation.alarm import MOST_TOGETHER, Alarm, Alarms
from firestation.drill import DrillId, is_drill
from firestation.errors import Gone, InvalidInput, NotConfigured, Refused, Unreachable
from firestation.follow_up import Finish
from firestation.model import Id, Line, Model, Time
from firestation.picture import Picture
from firestation.record import Brief
from firestation.state import ENDS, Phase
from gateway.batches import Batches
from gateway.book import Books
from gateway.tasks import TaskDesk, TaskList
from workflows import messages, search
from workflows.histories import fetch_family
from workflows.ringing import ring

CALL = timedelta(seconds=4)
"""Alert systems give up after five seconds, so the gateway does before."""

NOT_TAKEN = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
"""Temporal's answers when a run ended, or turned its page, before it could take what was sent to it."""

PAUSE_SECONDS = 0.2
MOST_REMEMBERED = 50_000
SHORTEST_PREFIX = 8
WHOLE_DIGEST = 64
SHOWN = 1000
LOOKED_AT = 10 * SHOWN
Result = TypeVar("Result")
Drilled = Callable[[str], Mapping[str, date]]
"""When each step of a system's runbooks was last drilled, as `RUNBOOK/STEP`; asked with every alarm."""


class Rang(Model):
    """What became of one alarm. No incident: it was resolved, and there was nothing open to resolve."""

    alarm: Line
    incident: Id | None
    run: str | None = None
    phase: Phase | None = None
    new: bool = False
    coalesced: bool = False
    reason: Line | None = None


class Row(Model):
    """One incident in a list, as visibility has it: no workflow is woken for it."""

    incident: Id
    run: str
    system: str
    title: str
    phase: str
    severity: str
    captain: str
    waiting: str
    waiting_since: Time | None = None
    opened_at: Time
    ended_at: Time | None
    open: bool
    drill: DrillId | None = None


class Desk:
    """Rings, acts, looks and lists."""

    def __init__(
        self, client: Client, books: Books, coalesce: timedelta, drilled: Drilled = lambda _: {}
    ) -> None:
        self.drilled = drilled
        self.client, self.books, self.coalesce = client, books, coalesce.total_seconds()
        self.followers = TaskDesk(client, books)
        self.answered: OrderedDict[str, tuple[float, Rang]] = OrderedDict()
        self.batches = Batches[tuple[Alarm, Brief], Rang](self._deliver, MOST_TOGETHER)

    async def ring(self, alarm: Alarm) -> Rang:
        """Start the incident of this alarm, or join it. A repeat within the window is answered from memory.

        Raises `InvalidInput` and `NotConfigured` before Temporal is asked, `Unreachable` when it does not answer.
        """
        brief = (await self.books.latest()).brief(alarm, datetime.now(UTC))
        brief = brief.changed(drilled=dict(self.drilled(alarm.system)))
        delivery = f"{brief.incident}/{alarm.delivery}"
        at, before = self.answered.get(delivery, (float("-inf"), None))
        if before is not None and time.monotonic() - at < self.coalesce:
            return before.changed(new=False, coalesced=True)
        found = await _in_time(self.batches.send(brief.incident, (alarm, brief)))
        self.answered.pop(delivery, None)
        self.answered[delivery] = (time.monotonic(), found)
        while len(self.answered) > MOST_REMEMBERED:
            self.answered.popitem(last=False)
        return found

    async def _deliver(self, incident: str, rung: Sequence[tuple[Alarm, Brief]]) -> list[Rang]:
        """Deliver what came together. An all-clear that comes before any fire opens nothing."""
        latest = await self._latest(incident)
        if latest is not None and not await self._is_ours(latest):
            other = (await latest.memo()).get(messages.STATION)
            problem = f"the incident {incident} is the station {other}'s, which has a system of the same id"
            raise NotConfigured(f"{problem}; give this system another id, or this station its own namespace")
        fires = [index for index, (alarm, _) in enumerate(rung) if alarm.status == "firing"]
        if latest is not None and latest.status is WorkflowExecutionStatus.RUNNING:
            first = 0
        else:
            first = fires[0] if fires else len(rung)
        found = [
            Rang(alarm=alarm.name, incident=None, reason="resolved, and there is no open incident")
            for alarm, _ in rung[:first]
        ]
        if first < len(rung):
            alarms = Alarms(alarms=tuple(alarm for alarm, _ in rung[first:]))
            joined = await self._join(alarms, rung[first][1], latest)
            found += [
                Rang(
                    alarm=alarm.name,
                    incident=joined.incident,
                    run=joined.run,
                    phase=joined.phase,
                    new=joined.new and index == 0,
                )
                for index, alarm in enumerate(alarms.alarms)
            ]
        return found

    async def _join(self, alarms: Alarms, brief: Brief, latest: WorkflowExecution | None) -> messages.Joined:
        """Join the open run or start one. One that has ended and still says its last words is waited for."""
        give_up = time.monotonic() + CALL.total_seconds()
        while True:
            start = messages.IncidentStart(brief=brief, predecessor=latest.run_id if latest else None)
            try:
                return await ring(self.client, alarms, start, CALL)
            except WorkflowUpdateFailedError as error:
                if not isinstance(error.cause, ApplicationError) or error.cause.details[:1] != (0,):
                    raise _refused(error) from error
            except RPCError as error:
                if error.status not in NOT_TAKEN:
                    raise
            if time.monotonic() > give_up:
                raise Unreachable("the last incident is just ending; send the alarm again")
            await asyncio.sleep(PAUSE_SECONDS)
            latest = await self._latest(brief.incident)

    async def act(self, incident: str, act: Act, key: str | None = None) -> messages.Answer:
        """Do what a person wants done. The answer says whether the rules allowed it.

        The same act sent again under the same `key` is answered as the first time, and done once.
        """
        await self._check(incident)
        try:
            answer = await _in_time(self._act(incident, act, key))
        except WorkflowUpdateFailedError as error:
            raise _refused(error) from error
        if answer.phase in ENDS:  # what rings again from now on is another fire, and no repeat
            for delivery in [each for each in self.answered if each.startswith(f"{incident}/")]:
                del self.answered[delivery]
        return answer

    async def _act(self, incident: str, act: Act, key: str | None) -> messages.Answer:
        """Do it in the run that is open. Raises `Gone` and, when the last run has ended, `Refused`."""
        give_up = time.monotonic() + CALL.total_seconds()
        while time.monotonic() < give_up:
            try:
                answer: messages.Answer = await self._handle(incident).execute_update(
                    act.kind, act, id=key, result_type=messages.Answer, rpc_timeout=CALL
                )
            except RPCError as error:
                if error.status not in NOT_TAKEN:
                    raise
                latest = await self._latest(incident)
                if latest is None:
                    raise Gone(f"there is no incident {incident!r}") from error
                if latest.status is not WorkflowExecutionStatus.RUNNING:
                    raise Refused(0, "the order of things", "the incident has ended") from error
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return answer
        raise Unreachable("the incident was turning its page; send it again")

    async def picture(self, incident: str) -> Picture:
        """Everything that is known of one incident. Raises `Gone` for one of another station, too."""
        await self._check(incident)
        handle = self._handle(incident)
        return await _in_time(handle.query(messages.PICTURE, result_type=Picture, rpc_timeout=CALL), incident)

    async def version(self, incident: str) -> str:
        """What changes with every event of the incident. Temporal alone answers, no workflow is woken."""
        latest = await _in_time(self._latest(incident), incident)
        if latest is None or not await self._is_ours(latest):
            raise Gone(f"there is no incident {incident!r}")
        return f"{latest.run_id}:{latest.history_length}"

    async def family(self, incident: str) -> list[list[dict[str, Any]]]:
        """The whole histories of this incident and of the workflows that it started, as JSON. Raises `Gone`."""
        await self._check(incident)
        return await _in_time(fetch_family(self.client, incident), incident)

    async def whole_digest(self, incident: str, prefix: str) -> str:
        """The digest that begins so. Raises `InvalidInput` when none or several of this incident's actions do."""
        if len(prefix) >= WHOLE_DIGEST:
            return prefix
        known = [each.digest for each in (await self.picture(incident)).firebreaks]
        found = [digest for digest in known if digest.startswith(prefix)]
        if len(prefix) >= SHORTEST_PREFIX and len(found) == 1:
            return found[0]
        choice = ", ".join(digest[:12] for digest in known) or "none yet"
        if len(prefix) < SHORTEST_PREFIX:
            problem = f"{prefix!r} is too short; give at least {SHORTEST_PREFIX} characters"
        else:
            problem = f"{len(found)} actions of this incident begin with {prefix!r}"
        raise InvalidInput("action", problem, f"The incident has {choice}")

    async def listing(self, *, open_only: bool) -> list[Row]:
        """The incidents, open ones first and the newest first, by visibility alone."""
        query = f"WorkflowType = '{messages.WORKFLOW}'"
        if open_only:
            query += " AND ExecutionStatus = 'Running'"
        rows = await _in_time(self._rows(query))
        return sorted(rows, key=lambda row: (not row.open, -row.opened_at.timestamp()))

    async def _rows(self, query: str) -> list[Row]:
        rows = list[Row]()
        async for found in self.client.list_workflows(query, limit=LOOKED_AT, rpc_timeout=CALL):
            if found.status is WorkflowExecutionStatus.CONTINUED_AS_NEW or not await self._is_ours(found):
                continue
            rows.append(await _row(found))
            if len(rows) >= SHOWN:
                break
        return rows

    async def tasks(self, incident: str | None, *, open_only: bool) -> TaskList:
        """The tasks that incidents have left to people. One that is forgotten by now may still have some."""
        found = await _in_time(self.followers.listing(incident, open_only=open_only))
        if incident and not (found.incidents or found.not_shown):
            await self._check(incident)
        return found

    async def finish(self, incident: str, word: Finish, fire: str, key: str | None) -> messages.Finished:
        """A person says that a task is done. Raises as `act` does."""
        try:
            return await _in_time(self.followers.finish(incident, word, fire, key), incident)
        except WorkflowUpdateFailedError as error:
            raise _refused(error) from error

    async def ready(self) -> bool:
        """Whether Temporal answers. Files that are wrong are no reason not to; this looks at them, for the log."""
        await self.books.latest()
        try:
            return await self.client.service_client.check_health(timeout=CALL)
        except RPCError:
            return False

    async def _latest(self, incident: str) -> WorkflowExecution | None:
        try:
            return await self.client.get_workflow_handle(incident).describe(rpc_timeout=CALL)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _check(self, incident: str) -> None:
        """Raises `Gone` unless there is this incident, and it is this station's: others may share the namespace."""
        latest = await _in_time(self._latest(incident), incident)
        if latest is None or not await self._is_ours(latest):
            raise Gone(f"there is no incident {incident!r}")

    async def _is_ours(self, found: WorkflowExecution) -> bool:
        """Whether it is an incident, and not of another station. Those of before do not say of which they are."""
        ours = self.books.book.station.station
        return (
            found.workflow_type == messages.WORKFLOW
            and (await found.memo()).get(messages.STATION, ours) == ours
        )

    def _handle(self, incident: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(incident)


async def _row(found: WorkflowExecution) -> Row:
    attributes = found.typed_search_attributes
    memo = await found.memo()
    return Row(
        incident=found.id,
        run=found.run_id,
        system=attributes.get(search.SYSTEM) or "",
        title=str(memo.get("title", "")),
        phase=attributes.get(search.PHASE) or "",
        severity=attributes.get(search.SEVERITY) or "",
        captain=attributes.get(search.CAPTAIN) or "",
        waiting=attributes.get(search.WAITING) or "",
        waiting_since=_moment(attributes.get(search.SINCE)),
        opened_at=found.start_time,
        ended_at=found.close_time,
        open=found.status is WorkflowExecutionStatus.RUNNING,
        drill=_drill(attributes.get(search.DRILL)),
    )


def _drill(text: str | None) -> str | None:
    """The name of a drill; None where it is none, as anybody may write attributes by hand."""
    return text if text and is_drill(text) else None


def _moment(text: str | None) -> datetime | None:
    """A time that an attribute holds; None where it holds none, as anybody may write attributes by hand."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


async def _in_time(call: Awaitable[Result], incident: str = "") -> Result:
    """The result; Temporal's troubles as ours. Raises `Gone` and `Unreachable`."""
    try:
        return await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Gone(f"there is no incident {incident!r}") from error
        raise Unreachable(f"Temporal does not answer ({error.status.name})") from error
    except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as error:
        raise Unreachable(
            "no worker has answered in time; it may still happen, so look before you repeat"
        ) from error
    except WorkflowQueryFailedError as error:
        raise Unreachable(f"the incident cannot be shown now: {error}") from error


def _refused(error: WorkflowUpdateFailedError) -> Exception:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == "Refused":
        rule = int(cause.details[0]) if cause.details else 0
        return Refused(rule, "refused", cause.message)
    return NotConfigured(f"the incident could not take it: {cause}")
