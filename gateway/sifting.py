"""The sieve of the bell: what an alarm becomes, by the rules of its system and by what is open now."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from temporalio.client import Client

from firestation.alarm import Alarm
from firestation.errors import FirestationError
from firestation.storm import Heap, pile
from firestation.system import System
from firestation.triage import OpenFire, Sifted, decide, sifts
from gateway.book import Books
from gateway.shared import Shared
from gateway.spool import Left
from workflows import messages, search
from workflows.asking import in_time, our_memo

log = structlog.get_logger()

FRESH_SECONDS = 2.0
CALL = timedelta(seconds=1)
"""Whoever rings waits for the answer, and alert systems give up after five seconds."""

MOST = 1000


class _Fires(NamedTuple):
    """What is open; None when nobody can say."""

    fires: tuple[OpenFire, ...] | None


class Sieve:
    """Sifts alarms. What is open is asked of visibility, once for all who ring within a moment."""

    def __init__(self, client: Client, books: Books) -> None:
        self.client, self.books = client, books
        self._open = Shared[str, _Fires](self._look, FRESH_SECONDS)

    async def sift(self, system: System, alarm: Alarm) -> Sifted:
        """What this alarm becomes now. Where no rule is declared nobody looks."""
        if not sifts(system):
            return Sifted(then="incident", why="no rule is declared")
        found = await self._open.get(system.system)
        return decide(system, alarm, found.fires, datetime.now(UTC))

    async def _look(self, system: str) -> _Fires:
        """A Temporal that does not answer in time is asked again in a moment; until then nothing is inhibited."""
        try:
            async with asyncio.timeout(CALL.total_seconds()):
                return _Fires(await in_time(self._fires(system)))
        except (FirestationError, TimeoutError) as error:
            log.warning("nobody can say what is open, so nothing is inhibited", problem=str(error))
            return _Fires(None)

    async def _fires(self, system: str) -> tuple[OpenFire, ...]:
        query = f"WorkflowType = '{messages.WORKFLOW}' AND ExecutionStatus = 'Running'"
        query += f" AND {search.SYSTEM.name} = '{system}'"
        station, found = self.books.book.station.station, list[OpenFire]()
        async for each in self.client.list_workflows(query, limit=MOST, rpc_timeout=CALL):
            memo = await our_memo(each, station)
            if memo is None:
                continue
            labels = memo.get(messages.LABELS)
            found.append(
                OpenFire(
                    incident=each.id,
                    name=str(memo.get("alarm") or "?"),
                    labels=labels if isinstance(labels, dict) else {},
                )
            )
        return tuple(found)


def set_aside(incident: str, alarm: Alarm, sifted: Sifted) -> Left:
    """What is recorded only, as the list of the spool has it."""
    assert sifted.ledger is not None
    heap: Heap = pile(None, alarm, datetime.now(UTC))
    where = f"{alarm.source}/{alarm.key}"
    return Left(why=sifted.ledger, incident=incident, place=where, heap=heap, reason=sifted.why)
