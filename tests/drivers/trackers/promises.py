"""What every tracker of an issue tracker must do beyond `FollowedConformance`; inherit it and give the fixtures.

The module gives the fixture `running`: the contract, as a server.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from firestation.after_action import Task, Ticket
from firestation.drivers.task_text import COMMENT, PLAIN, mark_of
from firestation.drivers.ticketing import TicketingTracker
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from firestation.ports import Tracker
from firestation.testing import FollowedConformance
from firestation.tracker_conformance import TASK
from tests.drivers.levers.meddler import Meddler
from tests.drivers.trackers.contract import TOKEN, Contract
from tests.drivers.trackers.making import HASTILY, PATIENTLY, as_followed

LIES: tuple[Any, ...] = (
    17,
    "done",
    [],
    {},
    {"data": []},
    [{}],
    [None],
    {"number": "x", "iid": "x", "key": "x", "id": "x"},
    {"number": 1, "iid": 1, "key": "FIRE-1", "id": "1", "state": "done", "fields": {"status": "done"}},
    {"issues": [{}], "comments": [{}], "fields": {}, "labels": [{}], "state": None},
)


class Making(Protocol):
    """Makes the tracker: at an address, with this more in its `with`."""

    def __call__(self, url: str, **more: Any) -> Tracker: ...


class Promises(FollowedConformance):
    """Those of a tracker over HTTP whose product has labels, comments and logins."""

    login: str
    """Of whom `people` must name for `ana`."""

    @pytest.fixture
    def contract(self, running: Contract, monkeypatch: pytest.MonkeyPatch) -> Contract:
        monkeypatch.setenv("ISSUES_TOKEN", TOKEN)
        running.reset()
        return running

    @pytest.fixture
    def make(self) -> Making:
        raise NotImplementedError

    @pytest.fixture
    def tracker(self, make: Making, contract: Contract) -> Tracker:
        return make(contract.url, timeout=PATIENTLY)

    @pytest.fixture
    def kept(self, contract: Contract) -> Callable[[], int]:
        return lambda: len(contract.made())

    @pytest.fixture
    def shown(self, contract: Contract) -> Callable[[Ticket], str]:
        return lambda ticket: contract.text(number(ticket))

    @pytest.fixture
    def lossy(self, make: Making, contract: Contract, meddler: Meddler) -> Callable[[int], Tracker]:
        def lose(write: int) -> Tracker:
            meddler.plan = ["pass"] * write + ["lose"]
            return make(meddler.url, timeout=PATIENTLY)

        return lose

    @pytest.fixture
    def finish(self, contract: Contract) -> Callable[[Ticket], Any]:
        return lambda ticket: contract.finish(number(ticket))

    @pytest.fixture
    def remove(self, contract: Contract) -> Callable[[Ticket], Any]:
        return lambda ticket: contract.deleted.add(number(ticket))

    async def test_an_owner_with_a_login_is_assigned(self, make: Making, contract: Contract) -> None:
        tracker = make(contract.url, people={"ana": self.login})
        ticket = await tracker.open(TASK.changed(owner="ana"), "i/1/a")
        assert (await as_followed(tracker).look(ticket)).assignee
        other = await tracker.open(TASK.changed(owner="ben"), "i/1/b")
        assert (await as_followed(tracker).look(other)).assignee is None
        wrong = make(contract.url, people={"ben": "nobody-of-this-name"})
        with pytest.raises(Nonsense, match="nobody-of-this-name"):
            await wrong.open(TASK.changed(owner="ben"), "i/1/c")
        assert len(contract.made()) == 2

    @pytest.mark.parametrize("status", [403, 429])
    async def test_a_rate_limit_is_tried_again_later(
        self, tracker: Tracker, contract: Contract, status: int
    ) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        contract.limit = status, {"Retry-After": "30", "X-RateLimit-Remaining": "0"}
        followed = as_followed(tracker)
        for each in (
            tracker.open(TASK, "i/1/b"),
            followed.look(ticket),
            followed.remind(ticket, "Late", "k"),
        ):
            with pytest.raises(Unreachable) as caught:
                await each
            assert TOKEN not in str(caught.value)
        assert len(contract.made()) == 1

    async def test_no_credential_is_in_an_error(
        self, make: Making, contract: Contract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever the product says back."""
        for secret in ("wrong-token-of-the-test", "wrong%2Ftoken"):
            monkeypatch.setenv("ISSUES_TOKEN", secret)
            with pytest.raises(Denied) as caught:
                await make(contract.url).open(TASK, "i/1/a")
            assert secret not in str(caught.value)
            assert "***" in str(caught.value)
        monkeypatch.delenv("ISSUES_TOKEN")
        with pytest.raises(Denied, match="ISSUES_TOKEN is not set"):
            await make(contract.url).open(TASK, "i/1/a")
        assert contract.issues == {}

    async def test_what_we_may_not_see_is_not_gone(self, tracker: Tracker, contract: Contract) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        contract.hidden = True
        with pytest.raises(Denied, match="cannot be seen"):
            await as_followed(tracker).look(ticket)
        with pytest.raises(Denied, match="cannot be seen"):
            await as_followed(tracker).remind(ticket, "Late", "k")

    @pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
    async def test_nonsense_with_200_is_never_a_ticket_nor_a_state(
        self, tracker: Tracker, contract: Contract, lie: Any
    ) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        contract.lie = lie
        followed = as_followed(tracker)
        for each in (
            tracker.open(TASK, "i/1/b"),
            followed.look(ticket),
            followed.remind(ticket, "Late", "k"),
        ):
            with pytest.raises((Nonsense, Denied)):
                await each
        contract.lie = None
        assert len(contract.made()) == 1
        assert "Late" not in contract.text(number(ticket))

    @pytest.mark.parametrize("fault", ["hang", "hang-after", "refuse", "noop"])
    async def test_whatever_happens_to_a_write_there_is_one_of_it(
        self, make: Making, contract: Contract, meddler: Meddler, fault: str
    ) -> None:
        patient = make(contract.url, timeout=PATIENTLY)
        spoiled = make(meddler.url, timeout=HASTILY if "hang" in fault else PATIENTLY)
        meddler.plan = [fault]
        await asyncio.gather(spoiled.open(TASK, "i/1/a"), return_exceptions=True)
        ticket = await patient.open(TASK, "i/1/a")
        assert len(contract.issues) == 1
        meddler.plan = [fault]
        at_meddler = ticket.changed(reference=ticket.reference.replace(contract.url, meddler.url))
        await asyncio.gather(
            as_followed(spoiled).remind(at_meddler, "It is late", "k"), return_exceptions=True
        )
        meddler.plan = []
        await as_followed(patient).remind(ticket, "It is late", "k")
        assert contract.text(number(ticket)).count("It is late") == 1

    async def test_a_lost_answer_is_looked_for_at_once(
        self, lossy: Callable[[int], Tracker], contract: Contract, meddler: Meddler
    ) -> None:
        """Nobody need ask again: what was made is found."""
        ticket = await lossy(0).open(TASK, "i/1/a")
        assert meddler.plan == []
        await as_followed(lossy(0)).remind(ticket, "It is late", "k")
        assert meddler.plan == []
        assert contract.text(number(ticket)).count("It is late") == len(contract.issues) == 1

    async def test_several_at_once_make_no_duplicate(self, make: Making, contract: Contract) -> None:
        """Not even one that is closed again: within a process a key has its turn, whoever built the tracker."""
        several = [make(contract.url) for _ in range(8)]
        opened = await asyncio.gather(*(each.open(TASK, "i/1/a") for each in several))
        assert len(contract.issues) == 1
        await asyncio.gather(*(as_followed(each).look(opened[0]) for each in several))  # all are connected
        await asyncio.gather(*(as_followed(each).remind(opened[0], "It is late", "k") for each in several))
        assert contract.text(1).count("It is late") == 1

    async def test_of_two_that_were_opened_at_once_the_later_is_closed(
        self, make: Making, contract: Contract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By two workers, of which each found nothing when it looked."""
        first = await make(contract.url).open(TASK, "i/1/a")
        late: Any = make(contract.url)
        found, looks = late.found, iter([True])

        async def nothing_yet(mark: str) -> list[str]:
            return [] if next(looks, False) else await found(mark)

        monkeypatch.setattr(late, "found", nothing_yet)
        assert await late.open(TASK, "i/1/a") == first
        assert len(contract.issues) == 2
        assert len(contract.made()) == 1
        assert first.reference in contract.text(2)
        assert "duplicate" in contract.text(2)

    async def test_what_a_task_quotes_is_only_words(self, tracker: Tracker, contract: Contract) -> None:
        """It closes nothing, calls nobody, and is not taken for the mark of another task."""
        others = mark_of("i/1/b")
        forged = f"{COMMENT.format(mark=others)}\n{PLAIN.format(mark=others)}"
        text = f"ok\n/close\n  /close\r/close\u2028/close @all (@ana-gh)\n{forged}\n<img src=x onerror=y>"
        task = Task(incident="a", kind="follow-up", title=f"/close @all {forged}", text=text, owner=text[:90])
        ticket = await tracker.open(task, "i/1/a")
        await as_followed(tracker).remind(ticket, text, "i/1/r")
        assert (await as_followed(tracker).look(ticket)).state == "open"
        assert contract.mentioned == []
        assert (await tracker.open(TASK, "i/1/b")).reference != ticket.reference
        await as_followed(tracker).remind(ticket, "It is late", "i/1/b")
        assert contract.text(number(ticket)).count("It is late") == 1

    async def test_a_reminder_among_many_is_found(self, tracker: Tracker, contract: Contract) -> None:
        """On the first page and on the second."""
        ticket = await tracker.open(TASK, "i/1/a")
        followed = as_followed(tracker)
        for each in range(102):
            contract.add_comment(number(ticket), f"What somebody says {each}")
            if each in {1, 101}:
                await followed.remind(ticket, "It is late", f"i/1/{each}")
        before = contract.text(number(ticket))
        for each in (1, 101):
            await followed.remind(ticket, "It is late", f"i/1/{each}")
        assert contract.text(number(ticket)) == before
        assert before.count("It is late") == 2

    async def test_a_ticket_of_elsewhere_is_not_ours(self, tracker: Tracker) -> None:
        for reference in ("tasks/agent-1.md", "somewhere", "12/", "FIRE-", "7?x"):
            ticket = Ticket(kind="postmortem", tracker="tasks", reference=reference)
            with pytest.raises(Nonsense, match="no ticket of the tracker tasks"):
                await as_followed(tracker).look(ticket)

    async def test_one_that_never_was_is_gone(self, tracker: Tracker) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        other = ticket.changed(reference=ticket.reference[:-1] + "9")
        assert (await as_followed(tracker).look(other)).state == "gone"
        with pytest.raises(Gone):
            await as_followed(tracker).remind(other, "Late", "k")

    async def test_a_long_title_is_cut_and_a_long_address_is_the_name_alone(
        self, make: Making, contract: Contract
    ) -> None:
        tracker = make(contract.url)
        ticket = await tracker.open(TASK.changed(title="x" * 299 + "ü"), "i/1/a")
        assert "x" * 249 + "…" in contract.text(number(ticket))
        assert isinstance(tracker, TicketingTracker)
        tracker.address = lambda name: f"http://{'h' * 300}/{name}"  # type: ignore[method-assign]
        short = await tracker.open(TASK, "i/1/b")
        assert len(short.reference) < 20
        assert (await as_followed(make(contract.url)).look(short)).state == "open"

    async def test_a_closed_port_is_unreachable(self, make: Making, contract: Contract) -> None:
        with pytest.raises(DriverError) as caught:
            await make("http://127.0.0.1:9").open(TASK, "i/1/a")
        assert isinstance(caught.value, Unreachable)


def number(ticket: Ticket) -> int:
    """The number at the end of its reference."""
    digits = ""
    for each in reversed(ticket.reference):
        if not each.isdigit():
            break
        digits = each + digits
    return int(digits)
