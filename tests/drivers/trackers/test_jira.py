"""The Jira tracker, against the shape of the published API."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import InvalidInput, Nonsense
from firestation.ports import Tracker
from firestation.tracker_conformance import TASK
from tests.drivers.levers.meddler import Meddler, meddling
from tests.drivers.serving import keeping
from tests.drivers.trackers.jira_contract import Jira
from tests.drivers.trackers.making import as_followed, make_tracker
from tests.drivers.trackers.promises import Making, Promises

pytestmark = pytest.mark.driver
AUTH = {"basic": {"user": "fire@example.org", "password": "env:ISSUES_TOKEN"}}
DUE = datetime(2026, 12, 1, 17, tzinfo=UTC)


def make_at(bench: Drivers, url: str, **more: Any) -> Tracker:
    return make_tracker(bench, "jira", **{"base": url, "project": "FIRE", "auth": AUTH, **more})


@pytest.fixture(scope="module")
def running() -> Iterator[Jira]:
    contract = Jira()
    with keeping(contract):
        yield contract


@pytest.fixture(scope="module")
def meddler(running: Jira) -> Iterator[Meddler]:
    with meddling(running.url) as meddler:
        meddler.reads_too = lambda request: request.url.path.endswith("/search/jql")
        yield meddler


class TestJira(Promises):
    login = "5b10-ana"

    @pytest.fixture
    def make(self, bench: Drivers) -> Making:
        return partial(make_at, bench)

    async def test_the_day_has_a_field_where_the_screen_has_one(self, bench: Drivers, contract: Jira) -> None:
        ticket = await make_at(bench, contract.url).open(TASK.changed(due=DUE), "i/1/a")
        assert contract.issues[1]["duedate"] == "2026-12-01"
        assert ticket.reference == f"{contract.url}/browse/FIRE-1"
        contract.due_field = False
        with pytest.raises(Nonsense, match="not on the appropriate screen"):
            await make_at(bench, contract.url).open(TASK.changed(due=DUE), "i/1/b")
        await make_at(bench, contract.url, due_field=False).open(TASK.changed(due=DUE), "i/1/b")
        assert "2026-12-01" in contract.text(2)

    @pytest.mark.parametrize(
        ("category", "state"),
        [("new", "open"), ("indeterminate", "open"), ("undefined", "open"), ("done", "done")],
    )
    async def test_the_category_of_its_status_counts(
        self, tracker: Tracker, contract: Jira, category: str, state: str
    ) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        contract.issues[1]["status"] = {"name": "Done, almost", "statusCategory": {"key": category}}
        assert (await as_followed(tracker).look(ticket)).state == state

    async def test_an_index_that_is_behind_is_no_reason_to_fail(
        self, tracker: Tracker, contract: Jira
    ) -> None:
        contract.behind = {1}
        assert (await tracker.open(TASK, "i/1/a")).reference.endswith("/browse/FIRE-1")


@pytest.mark.parametrize("config", [{"project": "fire"}, {"project": 'X" OR 1'}, {"label": 'a" b'}])
async def test_what_the_file_should_not_say_is_named(bench: Drivers, config: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(config))):
        make_at(bench, "https://acme.atlassian.net", **config)
