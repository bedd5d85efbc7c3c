"""The GitHub tracker, against the shape of the published API."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, InvalidInput
from firestation.ports import Tracker
from firestation.tracker_conformance import TASK
from tests.drivers.serving import keeping
from tests.drivers.trackers.github_contract import Github
from tests.drivers.trackers.making import as_followed, make_tracker
from tests.drivers.trackers.promises import Making, Promises, number

pytestmark = pytest.mark.driver


def make_at(bench: Drivers, url: str, **more: Any) -> Tracker:
    config = {"repository": "acme/agent", "auth": {"bearer": "env:ISSUES_TOKEN"}, **more}
    return make_tracker(bench, "github", base=url, **config)


@pytest.fixture(scope="module")
def running() -> Iterator[Github]:
    contract = Github()
    with keeping(contract):
        yield contract


class TestGithub(Promises):
    login = "ana-gh"

    @pytest.fixture
    def make(self, bench: Drivers) -> Making:
        return partial(make_at, bench)

    async def test_without_the_right_to_label_nothing_is_opened(
        self, tracker: Tracker, contract: Github
    ) -> None:
        contract.may_label = False
        with pytest.raises(Denied, match="give it write access"):
            await tracker.open(TASK, "i/1/a")
        assert contract.issues == {}

    async def test_an_issue_that_lost_its_label_is_named(self, tracker: Tracker, contract: Github) -> None:
        contract.drops_labels = True
        with pytest.raises(Denied, match="opened 1 and dropped its label"):
            await tracker.open(TASK, "i/1/a")

    async def test_a_task_is_found_among_others_and_pull_requests(
        self, tracker: Tracker, contract: Github
    ) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        ours = contract.issues[1]
        contract.finish(1)
        for at in range(2, 250):
            contract.issues[at] = {**ours, "number": at, "body": None}
        contract.issues[250] = {**ours, "number": 250, "pull_request": {"url": "x"}}
        assert await tracker.open(TASK, "i/1/a") == ticket
        assert len(contract.issues) == 250

    async def test_one_that_was_moved_is_gone_and_says_so(self, tracker: Tracker, contract: Github) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        contract.moved.add(1)
        seen = await as_followed(tracker).look(ticket)
        assert (seen.state, "moved to another repository" in seen.detail) == ("gone", True)

    async def test_why_it_was_closed_is_told(self, tracker: Tracker, contract: Github) -> None:
        ticket = await tracker.open(TASK, "i/1/a")
        contract.issues[1] |= {"state": "closed", "state_reason": "not_planned"}
        seen = await as_followed(tracker).look(ticket)
        assert (seen.state, seen.detail) == ("done", "it is closed as not_planned")

    async def test_an_enterprise_server_has_its_pages_beside_its_api(
        self, bench: Drivers, contract: Github
    ) -> None:
        contract.enterprise = "/api/v3"
        tracker = make_at(bench, f"{contract.url}/api/v3")
        ticket = await tracker.open(TASK, "i/1/a")
        assert ticket.reference == f"{contract.url}/acme/agent/issues/{number(ticket)}"
        assert (await as_followed(tracker).look(ticket)).state == "open"
        public: Any = make_at(bench, "https://api.github.com")
        assert public.address("7") == "https://github.com/acme/agent/issues/7"


@pytest.mark.parametrize(
    "config",
    [{"repository": "agent"}, {"repository": "acme/agent/x"}, {"repository": "../.."}, {"label": "a,b"}],
)
async def test_what_the_file_should_not_say_is_named(bench: Drivers, config: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(config))):
        make_at(bench, "https://api.github.com", **config)
