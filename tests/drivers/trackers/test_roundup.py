"""The Roundup tracker against a real Roundup: once a key, whatever is lost, and over nobody's change."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firestation.after_action import Ticket
from firestation.drivers import Drivers
from firestation.errors import Denied, Gone, InvalidInput, Nonsense, Unreachable
from firestation.ports import Tracker
from firestation.testing import FollowedConformance
from firestation.tracker_conformance import TASK
from tests.drivers.levers.meddler import Meddler, meddling
from tests.drivers.products import ROUNDUP_USERS, Roundup
from tests.drivers.trackers.making import HASTILY, PATIENTLY, as_followed, make_tracker

pytestmark = pytest.mark.driver
AUTH = {"basic": {"user": "fire", "password": "env:ROUNDUP_PASSWORD"}}


@pytest.fixture(autouse=True)
def product(roundup: Roundup, monkeypatch: pytest.MonkeyPatch) -> Roundup:
    """Without an issue in it."""
    monkeypatch.setenv("ROUNDUP_PASSWORD", ROUNDUP_USERS["fire"])
    for kind in ("issue", "msg"):
        for each in roundup.ask("GET", kind).json()["data"]["collection"]:
            etag = roundup.ask("GET", f"{kind}/{each['id']}").headers["etag"]
            roundup.ask("DELETE", f"{kind}/{each['id']}", **{"If-Match": etag})
    return roundup


@pytest.fixture(scope="module")
def meddler(roundup: Roundup) -> Iterator[Meddler]:
    with meddling(roundup.url.removesuffix("/fire")) as meddler:
        yield meddler


def number(ticket: Ticket) -> str:
    return ticket.reference.rpartition("/issue")[2]


def make(bench: Drivers, url: str, **more: Any) -> Tracker:
    config = {"base": url, "auth": AUTH, "timeout": PATIENTLY, "people": {"ana": "ana"}, **more}
    return make_tracker(bench, "roundup", **config)


class TestRoundup(FollowedConformance):
    @pytest.fixture
    def tracker(self, bench: Drivers, product: Roundup) -> Tracker:
        return make(bench, product.url)

    @pytest.fixture
    def kept(self, product: Roundup) -> Callable[[], int]:
        def count() -> int:
            issues = product.ask("GET", "issue?@fields=superseder").json()["data"]["collection"]
            return sum(not each["superseder"] for each in issues)

        return count

    @pytest.fixture
    def shown(self, product: Roundup) -> Callable[[Ticket], str]:
        def text(ticket: Ticket) -> str:
            issue = product.issue(number(ticket))
            said = [
                product.ask("GET", f"msg/{each['id']}?@verbose=3").json()["data"]["attributes"]["content"]
                for each in issue["messages"]
            ]
            return "\n".join([issue["title"], *said])

        return text

    @pytest.fixture
    def lossy(self, bench: Drivers, meddler: Meddler) -> Callable[[int], Tracker]:
        def lose(write: int) -> Tracker:
            meddler.plan = ["pass"] * write + ["lose"]
            return make(bench, f"{meddler.url}/fire")

        return lose

    @pytest.fixture
    def finish(self, product: Roundup) -> Callable[[Ticket], Any]:
        return lambda ticket: set_status(product, ticket, "resolved")

    @pytest.fixture
    def remove(self, product: Roundup) -> Callable[[Ticket], Any]:
        def retire(ticket: Ticket) -> None:
            product.ask("DELETE", f"issue/{number(ticket)}", **{"If-Match": product.etag(number(ticket))})

        return retire


def set_status(product: Roundup, ticket: Ticket, status: str) -> None:
    at = number(ticket)
    product.ask("PATCH", f"issue/{at}", {"status": status}, **{"If-Match": product.etag(at)})


async def test_the_owner_is_assigned_where_they_have_a_login(bench: Drivers, product: Roundup) -> None:
    tracker = make(bench, product.url, priority="urgent")
    ticket = await tracker.open(TASK.changed(owner="ana"), "i/1/a")
    assert ticket.reference == f"{product.url}/issue{number(ticket)}"
    assert (await as_followed(tracker).look(ticket)).assignee == "ana"
    assert product.issue(number(ticket))["priority"]["name"] == "urgent"
    other = await tracker.open(TASK.changed(owner="ben"), "i/1/b")
    assert (await as_followed(tracker).look(other)).assignee is None
    with pytest.raises(Nonsense, match="'gone' is not a user"):
        await make(bench, product.url, people={"ben": "gone"}).open(TASK.changed(owner="ben"), "i/1/c")
    assert await make(bench, product.url).open(TASK.changed(owner="ben"), "i/1/c") != other


async def test_a_reminder_leaves_the_status_and_what_a_person_changes_meanwhile(
    bench: Drivers, product: Roundup
) -> None:
    tracker = make(bench, product.url)
    ticket = await tracker.open(TASK, "i/1/a")
    for status in ("unread", "resolved"):
        set_status(product, ticket, status)
        reminders = (as_followed(tracker).remind(ticket, "Late", f"i/1/{status}/{each}") for each in range(2))
        titled = [
            asyncio.to_thread(
                product.ask,
                "PATCH",
                f"issue/{number(ticket)}",
                {"title": status, "@etag": product.etag(number(ticket))},
            )
        ]
        done = await asyncio.gather(*reminders, *titled, return_exceptions=True)
        assert not [each for each in done[:2] if isinstance(each, BaseException)]
        issue = product.issue(number(ticket))
        assert issue["status"]["name"] == status
        if not isinstance(done[2], BaseException):  # else we were faster, and the product refused theirs
            assert issue["title"] == status
    assert len(product.issue(number(ticket))["messages"]) == 5


async def test_of_two_that_were_opened_at_once_the_later_is_superseded(
    bench: Drivers, product: Roundup
) -> None:
    one, two = make(bench, product.url), make(bench, product.url)

    async def nothing_yet(_: str) -> list[str]:
        one.found = found  # type: ignore[attr-defined]
        return []

    found = one.found  # type: ignore[attr-defined]
    first = await two.open(TASK, "i/1/a")
    one.found = nothing_yet  # type: ignore[attr-defined]
    assert await one.open(TASK, "i/1/a") == first
    issues = product.ask("GET", "issue").json()["data"]["collection"]
    late = product.issue(str(max(int(each["id"]) for each in issues)))
    assert len(issues) == 2
    assert late["status"]["name"] == "resolved"
    assert [each["id"] for each in late["superseder"]] == [number(first)]


@pytest.mark.parametrize("fault", ["refuse", "hang-after", "noop"])
async def test_whatever_the_product_does_there_is_one_issue_in_the_end(
    bench: Drivers, product: Roundup, meddler: Meddler, fault: str
) -> None:
    timeout = HASTILY if fault.startswith("hang") else PATIENTLY
    hasty = make(bench, f"{meddler.url}/fire", timeout=timeout)
    for write in range(3):
        meddler.plan = ["pass"] * write + [fault]
        done = (await asyncio.gather(hasty.open(TASK, f"i/1/{write}"), return_exceptions=True))[0]
        assert isinstance(done, Ticket | Unreachable | Nonsense)
        assert ROUNDUP_USERS["fire"] not in str(done)
        meddler.plan = []
        ticket = await make(bench, product.url).open(TASK, f"i/1/{write}")
        assert (await as_followed(make(bench, product.url)).look(ticket)).state == "open"
        assert len(product.ask("GET", "issue").json()["data"]["collection"]) == write + 1


async def test_errors_are_ours_and_show_no_password(
    bench: Drivers, product: Roundup, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await make(bench, product.url).open(TASK, "i/1/a")
    with pytest.raises(Nonsense, match="no ticket of the tracker tasks"):
        await as_followed(make(bench, product.url)).look(ticket.changed(reference="somewhere"))
    elsewhere = as_followed(make(bench, f"{product.url}/nothing"))
    with pytest.raises((Denied, Nonsense)):
        await elsewhere.look(ticket)
    with pytest.raises(InvalidInput, match=r"auth: \{basic"):
        make(bench, product.url, auth={"bearer": "env:ROUNDUP_PASSWORD"})
    with pytest.raises(Gone):
        await as_followed(make(bench, product.url)).remind(
            ticket.changed(reference="issue9999"), "Late", "i/1/x"
        )
    monkeypatch.setenv("ROUNDUP_PASSWORD", "wrong-password")
    with pytest.raises(Denied) as caught:
        await make(bench, product.url).open(TASK, "i/1/b")
    assert "wrong-password" not in str(caught.value)
