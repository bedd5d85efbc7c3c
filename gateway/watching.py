"""Live pages: who watches an incident is told that it has changed. One looks for all, however many watch.

What is told is a version and nothing else, so nothing of an incident goes through here; the page itself is asked for
again, by the same door as ever. Nobody is watched for when nobody watches.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import structlog

from firestation.errors import FirestationError, Gone

log = structlog.get_logger()

EVERY_SECONDS = 1.0
MOST_WATCHERS = 1000
MOST_OF_ONE = 30
"""Pages that one person may leave open."""


class _Watched:
    """One incident that somebody watches: its version, and who is to be told."""

    def __init__(self) -> None:
        self.version = ""
        self.news = asyncio.Condition()
        self.watchers = 0
        self.task: asyncio.Task[None] | None = None


class Watching:
    """Everybody who watches, at this gateway. `version` asks for an incident's; `changed` is told of each change."""

    def __init__(
        self,
        version: Callable[[str], Awaitable[str]],
        changed: Callable[[str], None],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self.version, self.changed, self.every_seconds = version, changed, every_seconds
        self.watched: dict[str, _Watched] = {}
        self.people: Counter[str] = Counter()

    def full(self, person: str) -> bool:
        """Whether there is no place for another page of this person."""
        return self.people.total() >= MOST_WATCHERS or self.people[person] >= MOST_OF_ONE

    async def watch(
        self, incident: str, person: str, seen: str, still_seconds: float
    ) -> AsyncGenerator[str | None]:
        """Each version that is not the one that was `seen`, as it comes; None when there was none for so long.

        Whoever stops to listen is forgotten, and the last one turns off the light.
        """
        watched = self.watched.get(incident)
        if watched is None:
            watched = self.watched[incident] = _Watched()
            watched.task = asyncio.create_task(self._look(incident, watched))
        watched.watchers += 1
        self.people[person] += 1
        try:
            while True:
                news = await _news(watched, seen, still_seconds)
                seen = news or seen
                yield news
        finally:
            self.people[person] -= 1
            self.people = +self.people  # drops whoever has none
            watched.watchers -= 1
            if not watched.watchers and watched.task:
                watched.task.cancel()
                if self.watched.get(incident) is watched:
                    del self.watched[incident]

    async def _look(self, incident: str, watched: _Watched) -> None:
        """Look, again and again. A Temporal that does not answer is not news."""
        while True:
            try:
                version = await self.version(incident)
            except Gone:
                version = "gone"
            except FirestationError as error:
                log.debug(
                    "an incident that is watched cannot be looked at", incident=incident, problem=str(error)
                )
                version = watched.version
            except Exception:
                log.exception("an incident that is watched cannot be looked at", incident=incident)
                version = watched.version
            if version != watched.version:
                self.changed(incident)
                async with watched.news:
                    watched.version = version
                    watched.news.notify_all()
            await asyncio.sleep(self.every_seconds)


async def _news(watched: _Watched, seen: str, seconds: float) -> str | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), watched.news:
            await watched.news.wait_for(lambda: watched.version not in {"", seen})
            return watched.version
    return None
