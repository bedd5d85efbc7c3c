"""Ringing: an alarm is kept in the spool before it is answered, and from there told to its incident."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NoReturn

import structlog
from pydantic import Field
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from firestation.alarm import Alarm, Alarms, incident_id
from firestation.bell.heard import REMEMBERED
from firestation.errors import FirestationError, InvalidInput, NotConfigured, Refused, Unreachable
from firestation.model import Id, Line, Model, Text, Time
from firestation.record import Brief
from firestation.storm import Heap, fewer
from firestation.triage import classed, rule_for
from firestation.waits import PREFIX, triage_id
from gateway.book import Books
from gateway.hearing import Sent
from gateway.pump import Pump, Told
from gateway.shared import Shared
from gateway.sifting import Sieve, set_aside
from gateway.spool import Frozen, Left, Spool, Waiting, Why
from gateway.temporal import CALL, NOT_TAKEN, PAUSE_SECONDS, latest_of, not_told
from gateway.waiting import OVER, WaitDesk, sort_out, wait_of
from workflows import messages
from workflows.asking import in_time, our_memo
from workflows.ringing import ring

log = structlog.get_logger()

HEALTH_SECONDS = 0.5
"""So long an answer about the health is good: whoever asks is nobody, and each look writes to the disk."""

SHOWN = 1000
Drilled = Callable[[Brief], Mapping[str, date]]
"""When each step of the runbooks of a brief was last drilled, as `RUNBOOK/STEP`; asked before its incident opens."""

ORPHAN = "resolved, and there was no open incident"


class Rang(Model):
    """What became of one alarm: it is kept, and this is the incident that it opens or joins.

    `coalesced`: the same delivery was kept before. No incident: it rings nobody, for this reason; with `waits` it waits
    for a person, in place of this incident.
    """

    alarm: Line
    incident: Id | None
    coalesced: bool = False
    reason: Line | None = None
    waits: Line | None = None


class Health(Model):
    """Whether the gateway can do its work. `spooling`: Temporal is away, alarms are kept, and acts have to wait."""

    status: Literal["ready", "spooling", "down"]
    waiting: int = 0
    oldest: Time | None = None
    detail: Line | None = Field(default=None, exclude_if=lambda value: value is None)


class Untold(Model):
    """What was not told to an incident, and why."""

    why: Why
    incident: Line
    alarm: Line
    source: Id
    key: Line
    times: int
    first_at: Time
    last_at: Time
    reason: Text


class Spooled(Model):
    """What the spool of one gateway holds: what waits, and the last of what could not be told."""

    waiting: tuple[Waiting, ...]
    untold: tuple[Untold, ...]
    trouble: Line | None = None


class Ringing:
    """The alarm bell of one gateway: its spool, and the pump that empties it."""

    def __init__(
        self,
        client: Client,
        books: Books,
        spool: Spool,
        coalesce: timedelta,
        drilled: Drilled = lambda _: {},
    ) -> None:
        self.client, self.books, self.spool, self.coalesce = client, books, spool, coalesce
        self.drilled = drilled
        self.sieve, self.waits = Sieve(client, books), WaitDesk(client, books)
        self.pump = Pump(spool, self._tell, self._runs, coalesce)
        self._keeper: asyncio.Task[NoReturn] | None = None
        self._health = Shared[str, Health](self._look, HEALTH_SECONDS)

    async def ring(self, alarm: Alarm, delivery: str | None = None, sent: Sent | None = None) -> Rang:
        """Keep an alarm, and say so once it is on the disk; its incident is told of it as soon as Temporal answers.

        `delivery` is the sender's own id of what it sent: the same one again is not counted again. Without one, the
        same alarm in the same words is the same delivery for as long as repeats are coalesced. `sent` is the delivery
        of a bell that it came with, which is counted as heard in the same write.
        Raises `InvalidInput` for what cannot be used, `Unreachable` when it cannot be kept.
        """
        system = (await self.books.latest()).system(alarm)
        alarm = classed(system, alarm)
        incident, sifted = incident_id(alarm, system.fire_labels), await self.sieve.sift(system, alarm)
        lane = {"incident": incident, "person": triage_id(incident)}.get(sifted.then, f"ledger/{incident}")
        if delivery:
            identity, window = f"{alarm.delivery}/{delivery}", REMEMBERED
        else:
            identity, window = alarm.model_dump_json(), self.coalesce
        digest = hashlib.sha256(f"{lane}/{identity}".encode()).hexdigest()
        if sifted.then == "record":
            left, named = set_aside(incident, alarm, sifted), bool(delivery)
            kept = await self.spool.record(left, digest, window, named=named, sent=sent)
            reason = f"recorded only: {sifted.why}"[:300]
            return Rang(alarm=alarm.name, incident=None, coalesced=not kept, reason=reason)
        kept = await self.spool.keep(lane, alarm, digest, window, named=bool(delivery), sent=sent)
        if kept:
            self.pump.wake(lane)
        if sifted.then == "person":
            reason = f"waits for a person: {sifted.why}"[:300]
            return Rang(alarm=alarm.name, incident=None, coalesced=not kept, reason=reason, waits=incident)
        return Rang(alarm=alarm.name, incident=incident, coalesced=not kept)

    async def resume(self) -> None:
        """Go on with what waited when the last process ended."""
        await self.spool.condition()
        self.pump.resume()
        self._keeper = asyncio.create_task(self.pump.keep_on(), name="the spool's keeper")

    async def health(self) -> Health:
        """Whether Temporal answers, and the spool can be written: as it was a moment ago, however many ask."""
        return await self._health.get("")

    async def _look(self, _: str) -> Health:
        spool = await self.spool.condition()
        self.pump.resume()
        found = Health(status="spooling", waiting=spool.waiting, oldest=spool.oldest)
        if spool.trouble:
            return found.changed(status="down", detail=spool.trouble)
        try:
            answers = await in_time(self.client.service_client.check_health(timeout=CALL))
        except FirestationError:
            answers = False
        return found.changed(status="ready") if answers else found

    async def held(self) -> Spooled:
        """What waits, and what could not be told."""
        left = await self.spool.left(SHOWN)
        untold = tuple(
            Untold(
                why=each.why,
                incident=each.incident,
                alarm=each.heap.alarm.name,
                source=each.heap.alarm.source,
                key=each.heap.alarm.key,
                times=each.heap.tally.times,
                first_at=each.heap.tally.first_at,
                last_at=each.heap.tally.last_at,
                reason=each.reason,
            )
            for each in left
        )
        trouble = self.pump.trouble()
        return Spooled(waiting=self.spool.waiting()[:SHOWN], untold=untold, trouble=trouble and trouble[:300])

    async def close(self) -> None:
        """Stop; what waits is told by the next process."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.pump.stop()
        await self.spool.close()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Go on with what waited, and stop in the end."""
        await self.resume()
        try:
            yield
        finally:
            await self.close()

    # What the pump asks ---------------------------------------------------------------------------------------

    async def _runs(self, incident: str) -> bool:
        latest = await in_time(latest_of(self.client, incident))
        return latest is not None and latest.status is WorkflowExecutionStatus.RUNNING

    async def _tell(self, incident: str, batch: Frozen, known: Collection[str]) -> Told:
        """Tell the open run, or open one. What it does not take, and never will, is left."""
        tell = self._wait if incident.startswith(PREFIX) else self._deliver
        try:
            return await in_time(tell(incident, batch, known))
        except (Refused, NotConfigured, InvalidInput) as error:
            reason = str(error)[:4000]
            log.error("an alarm was refused, and rings nobody", incident=incident, problem=reason)  # noqa: TRY400
            return Told(None, tuple(_left("refused", incident, batch, batch.heaps, reason)))

    async def _deliver(self, incident: str, batch: Frozen, known: Collection[str]) -> Told:
        """Tell it. Where a run ends meanwhile it is decided anew: what would have joined it may be no fire."""
        give_up = time.monotonic() + CALL.total_seconds()
        while True:
            latest = await self._ours(incident)
            try:
                if latest is not None and latest.status is WorkflowExecutionStatus.RUNNING:
                    return Told((await self._join(batch, latest, known)).run)
                return await self._open(incident, batch, known, latest)
            except WorkflowUpdateFailedError as error:
                if not isinstance(error.cause, ApplicationError) or error.cause.details[:1] != (0,):
                    raise not_told(error) from error
            except RPCError as error:
                if error.status is RPCStatusCode.INVALID_ARGUMENT:
                    raise NotConfigured(f"Temporal does not take it: {error.message}") from error
                if error.status not in NOT_TAKEN:
                    raise
            if time.monotonic() > give_up:
                raise Unreachable("the last incident is just ending")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ours(self, incident: str) -> WorkflowExecution | None:
        """The latest run. Raises `NotConfigured` for another station's."""
        latest = await latest_of(self.client, incident)
        if latest is not None and await our_memo(latest, self.books.book.station.station) is None:
            other = (await latest.memo()).get(messages.STATION)
            problem = f"the incident {incident} is the station {other}'s, which has a system of the same id"
            raise NotConfigured(f"{problem}; give this system another id, or this station its own namespace")
        return latest

    async def _join(self, batch: Frozen, run: WorkflowExecution, known: Collection[str]) -> messages.Joined:
        """Tell this run, and no other: whether something is opened is decided in `_open` alone."""
        handle: Any = self.client.get_workflow_handle(run.id, run_id=run.run_id)
        joined: messages.Joined = await handle.execute_update(
            messages.RING,
            _alarms(batch, fewer(batch.heaps, known)),
            id=_name(batch),
            result_type=messages.Joined,
            rpc_timeout=CALL,
        )
        return joined

    async def _wait(self, lane: str, batch: Frozen, known: Collection[str]) -> Told:
        """Tell what waits for a person. What is an incident by now, or is one by the rules of now, goes there."""
        incident, first = lane.removeprefix(PREFIX), next(iter(batch.heaps.values())).alarm
        system = (await self.books.latest()).system(first)
        rule = rule_for(system, first)
        if rule is None or rule.then != "person" or await self._runs(incident):
            if await self.waits.has(incident, batch.batch):
                return Told(None)  # it was told, and the answer was lost
            own = batch.batch.changed(
                spool=f"{batch.batch.spool}.waits"
            )  # the incident's lane has numbers too
            return await self._deliver(incident, batch._replace(batch=own), ())
        places = sort_out(batch, known, await self.waits.running(incident))
        left = (
            *_left("orphan", incident, batch, places.orphans, ORPHAN),
            *_left("late", incident, batch, places.late, OVER),
        )
        if not places.waits:
            return Told(None, left)
        heaps = [batch.heaps[where] for where in places.waits]
        told = await self.waits.tell(wait_of(incident, system, rule), _alarms(batch, heaps))
        return Told(told.run, left)

    async def _open(
        self, incident: str, batch: Frozen, known: Collection[str], latest: WorkflowExecution | None
    ) -> Told:
        """Open an incident, unless this is no fire: an all-clear, or what the last one has, or ended before."""
        closing = await self._closing(latest) if latest else None
        if latest and closing and batch.batch.number <= closing.batches.get(batch.batch.spool, 0):
            return Told(latest.run_id)  # it was told, and the answer was lost
        ended = (closing.ended_at if closing else latest.close_time) if latest and known else None
        late = [
            where
            for where, heap in batch.heaps.items()
            if ended and where in known and heap.tally.last_at < ended
        ]
        rest = [where for where in batch.heaps if where not in late]
        fires = [index for index, where in enumerate(rest) if batch.heaps[where].fired]
        first = fires[0] if fires else len(rest)
        left = (
            *_left("orphan", incident, batch, rest[:first], ORPHAN),
            *_left(
                "late", incident, batch, late, f"the incident was ended {ended}, before it was told of this"
            ),
        )
        if not rest[first:]:
            return Told(None, left)
        opens, *others = (batch.heaps[where] for where in rest[first:])
        heaps = (opens.alone, *others)
        book, alarm = await self.books.latest(), heaps[0].alarm
        brief = book.brief(alarm, datetime.now(UTC)).changed(incident=incident)
        brief = brief.changed(drilled=dict(self.drilled(brief)))
        start = messages.IncidentStart(brief=brief, predecessor=latest.run_id if latest else None)
        return Told((await ring(self.client, _alarms(batch, heaps), start, CALL, key=_name(batch))).run, left)

    async def _closing(self, latest: WorkflowExecution) -> messages.Closing | None:
        """How it ended by the rules, while it may have gone on for what it had to say; None when it was ended.

        One that was terminated in Temporal itself says nothing of its batches. It need not: Temporal answers an update
        with start under an id that the last run has taken by that run's answer, and starts nothing.
        """
        if latest.status is not WorkflowExecutionStatus.COMPLETED:
            return None
        handle: Any = self.client.get_workflow_handle(
            latest.id, run_id=latest.run_id, result_type=messages.Closing
        )
        closing: messages.Closing = await handle.result(follow_runs=False, rpc_timeout=CALL)
        return closing


def _name(batch: Frozen) -> str:
    return f"ring/{batch.batch.spool}/{batch.batch.number}"


def _alarms(batch: Frozen, heaps: Sequence[Heap]) -> Alarms:
    """What goes on the record: alarms that rang once each need no tallies."""
    single = all(heap.tally.times == 1 and not heap.tally.others for heap in heaps)
    return Alarms(
        alarms=tuple(heap.alarm for heap in heaps),
        tallies=() if single else tuple(heap.tally for heap in heaps),
        batch=batch.batch,
    )


def _left(why: Why, incident: str, batch: Frozen, places: Collection[str], reason: str) -> Iterator[Left]:
    for where in places:
        yield Left(why=why, incident=incident, place=where, heap=batch.heaps[where], reason=reason)
