"""What this gateway knows of the bells: when each was heard, and why it was refused.

It is counted in memory and is part of the spool's file. What was taken is written with the alarms that it brought, in
the same transaction; all else waits for whatever is written next, a second at most, so that a flood of forged
deliveries costs no more disk than one.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from firestation.bell.reading import LONGEST_LINE, cut
from firestation.bell.view import Known, Refusal
from firestation.errors import InvalidInput, NotConfigured
from gateway.problems import Problem, problem_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS bells (
    bell TEXT PRIMARY KEY, since REAL NOT NULL, heard REAL, deliveries INTEGER NOT NULL, alarms INTEGER NOT NULL,
    refusals INTEGER NOT NULL, refused TEXT) WITHOUT ROWID;
"""
QUESTION = "SELECT bell, since, heard, deliveries, alarms, refusals, refused FROM bells"
ADD = """
INSERT INTO bells VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (bell) DO UPDATE SET
    heard = coalesce(excluded.heard, heard), deliveries = deliveries + excluded.deliveries,
    alarms = alarms + excluded.alarms, refusals = refusals + excluded.refusals,
    refused = coalesce(excluded.refused, refused)
"""
STRANGERS = ""
"""The place of all that came to no bell of the station file: what they called themselves is written nowhere."""


class Sent:
    """One delivery of a bell, on its way. It is counted once, with the first of its alarms that is kept."""

    def __init__(self, bell: str) -> None:
        self.bell, self.counted = bell, False


class _News:
    """What is not written yet of one bell."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC).timestamp()
        self.heard: float | None = None
        self.deliveries = self.alarms = self.refusals = 0
        self.refused: Refusal | None = None

    def row(self, bell: str) -> tuple[Any, ...]:
        why = self.refused.model_dump_json() if self.refused else None
        return (bell, self.since, self.heard, self.deliveries, self.alarms, self.refusals, why)


class Ears(NamedTuple):
    """All that is known: bell by bell, and of those who came to none."""

    bells: dict[str, Known]
    strangers: Known


class Hearing:
    """Counts what the bells deliver. `later` has it written soon; it is called for whatever nobody waits for."""

    def __init__(self, later: Callable[[], None] = lambda: None) -> None:
        self.later = later
        self._news = defaultdict[str, _News](_News)

    def kept(self, sent: Sent | None) -> None:
        """An alarm of this delivery is being kept; part of the same change of the spool."""
        if sent is not None:
            self._taken(sent).alarms += 1

    def heard(self, sent: Sent | None) -> None:
        """A delivery was taken, whether or not it rang anything new."""
        if sent is not None and not sent.counted:
            self._taken(sent)
            self.later()

    def refused(self, bell: str, problem: Problem) -> None:
        """A delivery to this bell was refused."""
        news = self._news[bell]
        news.refusals += 1
        news.refused = _refusal(problem)
        self.later()

    @contextmanager
    def noting(self, bell: str) -> Iterator[None]:
        """What is refused meanwhile was this bell's. A station that cannot do it now has refused nothing."""
        try:
            yield
        except (Problem, InvalidInput, NotConfigured) as error:
            self.refused(bell, problem_of(error))
            raise

    def writes(self) -> Sequence[Callable[[sqlite3.Connection], object]]:
        """What is not written yet, to be written with something else; it counts as written."""
        rows = [partial(_add, row=each.row(bell)) for bell, each in self._news.items()]
        self._news.clear()
        return rows

    def forget(self) -> None:
        """What was being counted could not be written; what was taken with it is sent again."""
        self._news.clear()

    def _taken(self, sent: Sent) -> _News:
        news = self._news[sent.bell]
        news.heard = datetime.now(UTC).timestamp()
        news.deliveries += not sent.counted
        sent.counted = True
        return news


def ears(rows: Sequence[tuple[Any, ...]]) -> Ears:
    """What the rows say that answer `QUESTION`."""
    found = {}
    for bell, since, heard, deliveries, alarms, refusals, refused in rows:
        found[bell] = Known(
            since=datetime.fromtimestamp(since, UTC),
            heard=None if heard is None else datetime.fromtimestamp(heard, UTC),
            deliveries=deliveries,
            alarms=alarms,
            refusals=refusals,
            refused=Refusal.model_validate_json(refused) if refused else None,
        )
    return Ears(found, found.pop(STRANGERS, Known()))


def _refusal(problem: Problem) -> Refusal:
    """What may be told of it: not what is wrong with the field, for that quotes what was sent."""
    first = next(iter(problem.more.get("errors", ())), None)
    field, fix = (first["field"], first["fix"]) if first else (None, problem.detail)
    return Refusal(
        at=datetime.now(UTC), status=problem.status, title=problem.title, field=_line(field), fix=_line(fix)
    )


def _line(text: str | None) -> str | None:
    """As much as a line holds, of what may hold half a character."""
    return cut(text.encode(errors="replace").decode(), LONGEST_LINE) or None if text else None


def _add(disk: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    disk.execute(ADD, row)
