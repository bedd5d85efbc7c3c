"""The conformance suites of trackers; see `firestation/conformance.py` for how they are used.

A tracker that only opens tasks inherits `TrackerConformance`, one that is `Followed` too `FollowedConformance`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from firestation.after_action import Task, Ticket
from firestation.errors import DriverError, Gone
from firestation.ports import Followed, Tracker

TASK = Task(incident="agent-1", kind="postmortem", title="Write it", text="What {happened}, and why")


@pytest.mark.asyncio
class TrackerConformance:
    """Promises of `Tracker`."""

    @pytest.fixture
    def tracker(self) -> Tracker:
        """A tracker."""
        raise NotImplementedError

    @pytest.fixture
    def kept(self) -> Callable[[], int]:
        """How many tasks it holds that are not marked as duplicates."""
        raise NotImplementedError

    @pytest.fixture
    def shown(self) -> Callable[[Ticket], str]:
        """All that a person sees of a ticket, in one text: its title, its fields, what is written to it."""
        raise NotImplementedError

    @pytest.fixture
    def lossy(self) -> Callable[[int], Tracker]:
        """The same tracker, reached so that its write of this number (0 is the first) is done and the answer lost."""
        raise NotImplementedError

    async def test_each_key_opens_one_task(self, tracker: Tracker, kept: Callable[[], int]) -> None:
        """The same key, the same ticket; another key, another."""
        first = await tracker.open(TASK, "i/1/postmortem")
        again = await asyncio.gather(*(tracker.open(TASK, "i/1/postmortem") for _ in range(3)))
        assert set(again) == {first}
        assert kept() == 1
        other = await tracker.open(TASK.changed(kind="eval-lock"), "i/1/eval-lock")
        assert other.reference != first.reference
        assert kept() == 2  # noqa: PLR2004 - one a key

    async def test_several_at_once_open_one_task(self, tracker: Tracker, kept: Callable[[], int]) -> None:
        """Nobody was first."""
        opened = await asyncio.gather(*(tracker.open(TASK, "i/1/postmortem") for _ in range(4)))
        assert len(set(opened)) == 1
        assert kept() == 1

    async def test_what_the_task_says_is_kept(self, tracker: Tracker, shown: Callable[[Ticket], str]) -> None:
        """Its title, its text, who owns it and when it is due."""
        due = datetime(2026, 12, 1, 17, 30, tzinfo=UTC)
        text = shown(await tracker.open(TASK.changed(owner="team-refunds", due=due), "i/1/postmortem"))
        for said in (TASK.title, TASK.text, TASK.incident, "team-refunds", "2026-12-01"):
            assert said in text

    @pytest.mark.parametrize("write", range(3))
    async def test_a_lost_answer_opens_no_second_task(
        self, tracker: Tracker, lossy: Callable[[int], Tracker], kept: Callable[[], int], write: int
    ) -> None:
        """Whichever of its writes it was; who asks again is given the first."""
        with suppress(DriverError):
            await lossy(write).open(TASK, "i/1/postmortem")
        ticket = await tracker.open(TASK, "i/1/postmortem")
        assert await tracker.open(TASK, "i/1/postmortem") == ticket
        assert kept() == 1


@pytest.mark.asyncio
class FollowedConformance(TrackerConformance):
    """Promises of a `Tracker` that is `Followed` too."""

    @pytest.fixture
    def finish(self) -> Callable[[Ticket], Any]:
        """Does the task in the product, as a person does."""
        raise NotImplementedError

    @pytest.fixture
    def remove(self) -> Callable[[Ticket], Any]:
        """Takes the ticket away, as a person does."""
        raise NotImplementedError

    @pytest.fixture
    def followed(self, tracker: Tracker) -> Followed:
        """The same tracker, which is both."""
        assert isinstance(tracker, Followed)
        return tracker

    async def test_it_tells_what_became_of_a_task(
        self,
        tracker: Tracker,
        followed: Followed,
        finish: Callable[[Ticket], Any],
        remove: Callable[[Ticket], Any],
    ) -> None:
        """Open, done, gone; by what is on the record of the ticket alone, and whatever became of the others."""
        first, second = await tracker.open(TASK, "i/1/a"), await tracker.open(TASK, "i/1/b")
        read = Ticket.model_validate_json(first.changed(name="rotate-keys").model_dump_json())
        assert (await followed.look(read)).state == "open"
        finish(first)
        seen = await followed.look(read)
        assert (seen.state, bool(seen.detail)) == ("done", True)
        assert (await followed.look(second)).state == "open"
        remove(second)
        assert (await followed.look(second)).state == "gone"
        assert (await followed.look(read)).state == "done"

    async def test_each_key_reminds_once(
        self, tracker: Tracker, followed: Followed, shown: Callable[[Ticket], str]
    ) -> None:
        """Also several times at once; another key reminds again, and the task is as open as before."""
        ticket = await tracker.open(TASK, "i/1/a")
        word = 'Due {today}: "refunds" 🔥 or how'
        await asyncio.gather(*(followed.remind(ticket, word, "i/1/a/1") for _ in range(4)))
        await followed.remind(ticket, word, "i/1/a/1")
        assert shown(ticket).count(word) == 1
        await followed.remind(ticket, word, "i/1/a/2")
        assert shown(ticket).count(word) == 2  # noqa: PLR2004 - one a key
        assert (await followed.look(ticket)).state == "open"

    @pytest.mark.parametrize("write", range(3))
    async def test_a_lost_answer_reminds_no_second_time(
        self,
        tracker: Tracker,
        followed: Followed,
        lossy: Callable[[int], Tracker],
        shown: Callable[[Ticket], str],
        write: int,
    ) -> None:
        """Whichever of its writes it was."""
        ticket = await tracker.open(TASK, "i/1/a")
        reached = lossy(write)
        assert isinstance(reached, Followed)
        with suppress(DriverError):
            await reached.remind(ticket, "It is late", "i/1/a/1")
        await followed.remind(ticket, "It is late", "i/1/a/1")
        assert shown(ticket).count("It is late") == 1

    async def test_what_is_gone_cannot_be_reminded(
        self, tracker: Tracker, followed: Followed, remove: Callable[[Ticket], Any]
    ) -> None:
        """It is said, and nothing is made anew."""
        ticket = await tracker.open(TASK, "i/1/a")
        remove(ticket)
        with pytest.raises(Gone):
            await followed.remind(ticket, "It is late", "i/1/a/1")
        assert (await followed.look(ticket)).state == "gone"
