"""The GitLab tracker, against the shape of the published API."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, InvalidInput
from firestation.ports import Tracker
from firestation.tracker_conformance import TASK
from tests.drivers.serving import keeping
from tests.drivers.trackers.gitlab_contract import Gitlab
from tests.drivers.trackers.making import make_tracker
from tests.drivers.trackers.promises import Making, Promises

pytestmark = pytest.mark.driver
AUTH = {"header": {"name": "PRIVATE-TOKEN", "secret": "env:ISSUES_TOKEN"}}


def make_at(bench: Drivers, url: str, **more: Any) -> Tracker:
    config = {"project": "acme/team/agent", "auth": AUTH, **more}
    return make_tracker(bench, "gitlab", base=url, **config)


@pytest.fixture(scope="module")
def running() -> Iterator[Gitlab]:
    contract = Gitlab()
    with keeping(contract):
        yield contract


class TestGitlab(Promises):
    login = "ana-gl"

    @pytest.fixture
    def make(self, bench: Drivers) -> Making:
        return partial(make_at, bench)

    async def test_without_the_right_to_label_nothing_is_opened(
        self, tracker: Tracker, contract: Gitlab
    ) -> None:
        contract.may_label = False
        with pytest.raises(Denied, match="Planner or Reporter"):
            await tracker.open(TASK, "i/1/a")
        assert contract.issues == {}

    async def test_an_issue_that_lost_its_label_is_named(self, tracker: Tracker, contract: Gitlab) -> None:
        contract.drops_labels = True
        with pytest.raises(Denied, match="opened 1 and dropped its label"):
            await tracker.open(TASK, "i/1/a")

    async def test_the_day_has_a_field(self, bench: Drivers, contract: Gitlab) -> None:
        tracker = make_at(bench, contract.url, confidential=True)
        ticket = await tracker.open(TASK.changed(due=datetime(2026, 12, 1, 17, tzinfo=UTC)), "i/1/a")
        assert contract.issues[1]["due_date"] == "2026-12-01"
        assert contract.issues[1]["confidential"] is True
        assert ticket.reference == f"{contract.url}/acme/team/agent/-/issues/1"

    async def test_a_task_is_found_among_others(self, tracker: Tracker, contract: Gitlab) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        contract.finish(1)
        for at in range(2, 250):
            contract.issues[at] = {**contract.issues[1], "iid": at, "description": None}
        assert await tracker.open(TASK, "i/1/a") == ticket
        assert len(contract.issues) == 249


@pytest.mark.parametrize("config", [{"project": "agent"}, {"project": "acme/../x y"}, {"label": "a b"}])
async def test_what_the_file_should_not_say_is_named(bench: Drivers, config: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(config))):
        make_at(bench, "https://gitlab.com", **config)
