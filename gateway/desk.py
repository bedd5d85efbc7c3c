"""The desk: everything that the gateway asks of Temporal. It keeps no state but the alarms in its spool."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from firestation.acts import Act, Close, Dismiss, Merge
from firestation.alarm import Alarm
from firestation.drill import DrillId, is_drill
from firestation.errors import ORDER, Gone, InvalidInput, Refused, Unreachable
from firestation.follow_up import Finish
from firestation.model import Id, Model, Time
from firestation.picture import Picture
from firestation.state import ENDS
from firestation.waits import Verdict, triage_id
from gateway.book import Books
from gateway.hearing import Ears, Hearing, Sent
from gateway.ringing import Health, Rang, Ringing, Spooled
from gateway.tasks import TaskDesk, TaskList
from gateway.temporal import CALL, NOT_TAKEN, PAUSE_SECONDS, latest_of, refused
from gateway.waiting import WaitList
from workflows import messages, search
from workflows.asking import in_time, our_memo
from workflows.histories import fetch_family

SHORTEST_PREFIX = 8
WHOLE_DIGEST = 64
SHOWN = 1000
LOOKED_AT = 10 * SHOWN
Picked = Literal["action", "word"]
"""What people name by the beginning of its digest."""


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

    def __init__(self, client: Client, books: Books, ringing: Ringing) -> None:
        self.client, self.books, self.ringing = client, books, ringing
        self.followers = TaskDesk(client, books)

    async def ring(self, alarm: Alarm, delivery: str | None = None, sent: Sent | None = None) -> Rang:
        """Keep an alarm for the incident that it opens or joins; see `Ringing.ring`."""
        return await self.ringing.ring(alarm, delivery, sent)

    @property
    def hearing(self) -> Hearing:
        """Where it is counted what the bells deliver."""
        return self.ringing.spool.hearing

    async def ears(self) -> Ears:
        """What this gateway knows of the bells. Raises `Unreachable` when its spool cannot be used."""
        return await self.ringing.spool.ears()

    async def remember(self, bell: str, alarms: Sequence[Alarm]) -> None:
        """Remember what rang at this bell. Raises `Unreachable` when it cannot be kept."""
        await self.ringing.spool.remember(bell, alarms)

    async def remembered(self, bell: str) -> dict[str, Alarm]:
        """What rang at this bell, by its key."""
        return await self.ringing.spool.remembered(bell)

    async def health(self) -> Health:
        """Whether it can do its work. Files that are wrong are no reason not to; this looks at them, for the log."""
        await self.books.latest()
        return await self.ringing.health()

    async def held(self) -> Spooled:
        """What the spool holds."""
        return await self.ringing.held()

    async def act(self, incident: str, act: Act, key: str | None = None) -> messages.Answer:
        """Do what a person wants done. The answer says whether the rules allowed it.

        The same act sent again under the same `key` is answered as the first time, and done once.
        """
        await self._check(incident)
        if isinstance(act, Close | Dismiss | Merge):  # whoever ends it ends it with true counts
            await self.ringing.pump.hand_over(incident, CALL.total_seconds(), repeats=True)
        try:
            answer = await in_time(self._act_once(incident, act, key))
        except WorkflowUpdateFailedError as error:
            raise refused(error) from error
        if answer.phase in ENDS:
            self.ringing.pump.forget(incident)
        return answer

    async def _act_once(self, incident: str, act: Act, key: str | None) -> messages.Answer:
        """The answer of before, where the page was turned since: Temporal knows keys within one run only."""
        before = await self._run_before(incident) if key else None
        if key and before:
            handle: Any = self.client.get_workflow_handle(incident, run_id=before)
            done = handle.get_update_handle(key, result_type=messages.Answer)
            try:
                answer: messages.Answer = await done.result(rpc_timeout=CALL)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
            else:
                return answer
        return await self._act(incident, act, key)

    async def _run_before(self, incident: str) -> str | None:
        """The run whose page was turned to this one; none for a first one."""
        latest = await self._latest(incident)
        if latest is None or latest.run_id == latest.raw_info.first_run_id:
            return None
        handle = self.client.get_workflow_handle(incident, run_id=latest.run_id)
        async for event in handle.fetch_history_events(page_size=1, rpc_timeout=CALL):
            return event.workflow_execution_started_event_attributes.continued_execution_run_id or None
        return None

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
                    raise Refused(0, ORDER, "the incident has ended") from error
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return answer
        raise Unreachable("the incident was turning its page; send it again")

    async def picture(self, incident: str) -> Picture:
        """Everything that is known of one incident. Raises `Gone` for one of another station, too."""
        await self._check(incident)
        handle = self._handle(incident)
        return await in_time(handle.query(messages.PICTURE, result_type=Picture, rpc_timeout=CALL), incident)

    async def version(self, incident: str) -> str:
        """What changes with every event of the incident. Temporal alone answers, no workflow is woken."""
        latest = await in_time(self._latest(incident), incident)
        if latest is None or not await self._is_ours(latest):
            raise self._missing(incident)
        return f"{latest.run_id}:{latest.history_length}"

    async def family(self, incident: str) -> list[list[dict[str, Any]]]:
        """The whole histories of this incident and of the workflows that it started, as JSON. Raises `Gone`."""
        await self._check(incident)
        return await in_time(fetch_family(self.client, incident), incident)

    async def whole_digest(self, incident: str, prefix: str, of: Picked = "action") -> str:
        """The digest that begins so: of an action, or of a word that waits. Raises `InvalidInput` unless one does."""
        if len(prefix) >= WHOLE_DIGEST:
            return prefix
        seen = await self.picture(incident)
        known = [each.digest for each in (seen.firebreaks if of == "action" else seen.held)]
        found = [digest for digest in known if digest.startswith(prefix)]
        if len(prefix) >= SHORTEST_PREFIX and len(found) == 1:
            return found[0]
        choice = ", ".join(digest[:12] for digest in known) or "none yet"
        if len(prefix) < SHORTEST_PREFIX:
            problem = f"{prefix!r} is too short; give at least {SHORTEST_PREFIX} characters"
        else:
            what = "actions of this incident" if of == "action" else "public words that wait here"
            problem = f"{len(found)} {what} begin with {prefix!r}"
        raise InvalidInput(of, problem, f"The incident has {choice}")

    async def listing(self, *, open_only: bool) -> list[Row]:
        """The incidents, open ones first and the newest first, by visibility alone."""
        query = f"WorkflowType = '{messages.WORKFLOW}'"
        if open_only:
            query += " AND ExecutionStatus = 'Running'"
        rows = await in_time(self._rows(query))
        return sorted(rows, key=lambda row: (not row.open, -row.opened_at.timestamp()))

    async def _rows(self, query: str) -> list[Row]:
        station, rows = self.books.book.station.station, list[Row]()
        async for found in self.client.list_workflows(query, limit=LOOKED_AT, rpc_timeout=CALL):
            if found.status is WorkflowExecutionStatus.CONTINUED_AS_NEW:
                continue
            memo = await our_memo(found, station)
            if memo is not None:
                rows.append(_row(found, memo))
            if len(rows) >= SHOWN:
                break
        return rows

    async def tasks(self, incident: str | None, *, open_only: bool) -> TaskList:
        """The tasks that incidents have left to people. One that is forgotten by now may still have some."""
        found = await in_time(self.followers.listing(incident, open_only=open_only))
        if incident and not (found.incidents or found.not_shown):
            await self._check(incident)
        return found

    async def finish(self, incident: str, word: Finish, fire: str, key: str | None) -> messages.Finished:
        """A person says that a task is done. Raises as `act` does."""
        try:
            return await in_time(self.followers.finish(incident, word, fire, key), incident)
        except WorkflowUpdateFailedError as error:
            raise refused(error) from error

    async def waits(self) -> WaitList:
        """What waits for a person, at whichever gateway it rang."""
        return await self.ringing.waits.listing()

    async def decide(self, incident: str, verdict: Verdict, key: str | None = None) -> messages.Decided:
        """A person decides what waits in place of this incident.

        Raises `Gone`, and `Refused` when it is too late, or this person only reads.
        """
        member = (await self.books.latest()).station.person(verdict.by)
        if member is None or member.only_reads:
            raise Refused(0, ORDER, f"{verdict.by} only reads here; ask one of the others")
        lane = triage_id(incident)
        await self.ringing.pump.hand_over(lane, CALL.total_seconds(), repeats=True)
        answer = await self.ringing.waits.decide(incident, verdict, key)
        if answer.accepted:
            self.ringing.pump.forget(lane)
        return answer

    async def _latest(self, incident: str) -> WorkflowExecution | None:
        """Its latest run. An alarm that is to open it, and is kept here, is told first."""
        await self.ringing.pump.hand_over(incident, CALL.total_seconds(), repeats=False)
        return await latest_of(self.client, incident)

    async def _check(self, incident: str) -> None:
        """Raises `Gone` unless there is this incident, and it is this station's: others may share the namespace."""
        latest = await in_time(self._latest(incident), incident)
        if latest is None or not await self._is_ours(latest):
            raise self._missing(incident)

    def _missing(self, incident: str) -> Gone | Unreachable:
        if self.ringing.spool.holds(incident):
            return Unreachable("its alarm is kept, and the incident is not open yet")
        return Gone(f"there is no incident {incident!r}")

    async def _is_ours(self, found: WorkflowExecution) -> bool:
        return await our_memo(found, self.books.book.station.station) is not None

    def _handle(self, incident: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(incident)


def _row(found: WorkflowExecution, memo: Mapping[str, Any]) -> Row:
    attributes = found.typed_search_attributes
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
