"""The tracker by declaration, against a real HTTP service: followed only where the file says how."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from firestation.after_action import Ticket
from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, Gone, InvalidInput, Nonsense, Unreachable
from firestation.ports import Followed, Tracker
from firestation.testing import FollowedConformance, TrackerConformance
from firestation.tracker_conformance import TASK
from tests.drivers.lever_service import TOKEN, Product
from tests.drivers.levers.meddler import Meddler, meddling
from tests.drivers.trackers.making import HASTILY, PATIENTLY, as_followed, make_tracker

pytestmark = pytest.mark.driver
OPEN = {
    "url": "/tasks",
    "body": {
        "fields": [{"summary": "[{incident}] {title}", "text": "{text}", "who": "{owner}", "by": "{due}"}]
    },
}
LOOK = {
    "url": "/tasks/{ticket}",
    "state": "$.task.status",
    "open": ["todo", "doing", 0],
    "done": ["done", True, 1],
    "gone": ["deleted", None],
    "assignee": "$.task.who",
}
REMIND = {"url": "/tasks/{ticket}/comments", "body": {"text": "{text}"}}
PLAIN: dict[str, Any] = {"open": OPEN, "ticket": {"path": "$.task.key"}, "timeout": PATIENTLY}
WHOLE = {**PLAIN, "look": LOOK, "remind": REMIND}


class Opened(TrackerConformance):
    config: dict[str, Any]

    @pytest.fixture
    def tracker(self, bench: Drivers, product: Product) -> Tracker:
        return make_tracker(bench, "http", base=product.url, **self.config)

    @pytest.fixture
    def kept(self, product: Product) -> Callable[[], int]:
        return lambda: len(product.tasks)

    @pytest.fixture
    def shown(self, product: Product) -> Callable[[Ticket], str]:
        def text(ticket: Ticket) -> str:
            task = list(product.tasks.values())[int(ticket.reference.removeprefix("TASK-")) - 1]
            said = [body["text"] for name, body in product.comments.values() if name == ticket.reference]
            return "\n".join([*map(str, task["fields"][0].values()), *said])

        return text

    @pytest.fixture
    def lossy(self, bench: Drivers, meddler: Meddler) -> Callable[[int], Tracker]:
        def lose(write: int) -> Tracker:
            meddler.plan = ["pass"] * write + ["lose"]
            return make_tracker(bench, "http", base=meddler.url, **self.config)

        return lose


@pytest.fixture(scope="module")
def meddler(service: Product) -> Iterator[Meddler]:
    with meddling(service.url) as meddler:
        yield meddler


class TestPlain(Opened):
    config = PLAIN


class TestFollowed(Opened, FollowedConformance):
    config = WHOLE

    @pytest.fixture
    def finish(self, product: Product) -> Callable[[Ticket], Any]:
        return lambda ticket: product.statuses.update({ticket.reference: "done"})

    @pytest.fixture
    def remove(self, product: Product) -> Callable[[Ticket], Any]:
        return lambda ticket: product.statuses.update({ticket.reference: "deleted"})


async def test_only_a_tracker_that_can_be_followed_claims_it(bench: Drivers, product: Product) -> None:
    assert not isinstance(make_tracker(bench, "http", base=product.url, **PLAIN), Followed)
    assert isinstance(make_tracker(bench, "http", base=product.url, **WHOLE), Followed)


async def test_owner_and_day_are_null_where_there_are_none(bench: Drivers, product: Product) -> None:
    tracker = make_tracker(bench, "http", base=product.url, **WHOLE)
    await tracker.open(TASK, "i/1/a")
    await tracker.open(TASK.changed(owner="ana", due=datetime(2026, 12, 1, 17, tzinfo=UTC)), "i/1/b")
    sent = [json.loads(body)["fields"][0] for method, _, _, body in product.seen if method == "POST"]
    assert [(each["who"], each["by"]) for each in sent] == [(None, None), ("ana", "2026-12-01T17:00:00Z")]


@pytest.mark.parametrize(
    ("value", "state"),
    [("doing", "open"), (0, "open"), (1, "done"), (True, "done"), (None, "gone"), ("deleted", "gone")],
)
async def test_a_value_means_what_the_file_says(
    bench: Drivers, product: Product, value: Any, state: str
) -> None:
    tracker = as_followed(make_tracker(bench, "http", base=product.url, **WHOLE))
    product.statuses["TASK-7"] = value
    ticket = Ticket(kind="postmortem", tracker="tasks", reference="TASK-7")
    assert (await tracker.look(ticket)).state == state


@pytest.mark.parametrize("value", [False, "Done", "", 2, {"is": "done"}, ["done"]])
async def test_a_value_that_the_file_does_not_list_is_nonsense(
    bench: Drivers, product: Product, value: Any
) -> None:
    tracker = as_followed(make_tracker(bench, "http", base=product.url, **WHOLE))
    product.statuses["TASK-7"] = value
    with pytest.raises(Nonsense, match="list it under open, done or gone"):
        await tracker.look(Ticket(kind="postmortem", tracker="tasks", reference="TASK-7"))


@pytest.mark.parametrize(
    ("kind", "error"),
    [("401", Denied), ("403", Denied), ("429", Unreachable), ("500", Unreachable), ("hang", Unreachable)]
    + [(kind, Nonsense) for kind in ("html", "other", "number", "redirect", "422", "torn", "empty")],
)
async def test_each_bad_answer_is_the_right_error(
    bench: Drivers, product: Product, kind: str, error: type[DriverError]
) -> None:
    timeout = HASTILY if kind == "hang" else PATIENTLY
    auth = {"bearer": "env:AGENT_TOKEN"}
    config = {**WHOLE, "timeout": timeout, "auth": auth, "look": {**LOOK, "url": f"/bad/{kind}"}}
    tracker = as_followed(make_tracker(bench, "http", base=product.url, **config))
    with pytest.raises(error) as caught:
        await tracker.look(Ticket(kind="postmortem", tracker="tasks", reference="TASK-7"))
    assert TOKEN not in str(caught.value)


async def test_no_reference_leads_to_another_path(bench: Drivers, product: Product) -> None:
    tracker = as_followed(make_tracker(bench, "http", base=product.url, **WHOLE))
    for reference in ("../answer", "..", "TASK-1?x=1", "TASK-1#x"):
        ticket = Ticket(kind="postmortem", tracker="tasks", reference=reference)
        assert (await tracker.look(ticket)).state == "gone"
    with pytest.raises(Gone):
        await tracker.remind(Ticket(kind="postmortem", tracker="tasks", reference=".."), "Late", "k")
    assert product.comments == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"remind": None}, "both look and remind, or neither"),
        ({"look": None}, "both look and remind, or neither"),
        ({"ticket": None}, "add ticket"),
        ({"look": {**LOOK, "done": []}}, "at least one"),
        ({"look": {**LOOK, "done": ["done", "todo"]}}, "listed twice"),
        ({"look": {**LOOK, "url": "/tasks/{key}"}}, "there is {ticket}"),
        ({"remind": {**REMIND, "body": {"text": "{title}"}}}, "is not a placeholder here"),
    ],
)
async def test_what_the_file_should_not_say_is_named(
    bench: Drivers, product: Product, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_tracker(bench, "http", base=product.url, **{**WHOLE, **changes})
    assert said in str(caught.value).lower()
