"""The Slack channel, against the shape of the published API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, Doubtful, DriverError, Gone, InvalidInput, Unreachable
from firestation.ports import Channel
from tests.drivers.channels.contract import HOSTILE, KEY, WORD, make_channel
from tests.drivers.channels.promises import AtMostOnce, Making
from tests.drivers.channels.slack_contract import CHANNEL, Slack
from tests.drivers.serving import keeping
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver
REFUSALS: list[tuple[str, type[DriverError]]] = [
    ("channel_not_found", Gone),
    ("is_archived", Gone),
    ("not_in_channel", Denied),
    ("invalid_auth", Denied),
    ("missing_scope", Denied),
    ("msg_too_long", Denied),
    ("something_new", Denied),
    ("ratelimited", Unreachable),
]


@pytest.fixture
def contract() -> Iterator[Slack]:
    contract = Slack()
    with keeping(contract):
        yield contract


@pytest.fixture
def make(bench: Drivers, contract: Slack) -> Making:
    def make(**more: Any) -> Channel:
        config = {"base": f"{contract.url}/api", "token": "env:CHANNEL_TOKEN", "channel": CHANNEL, **more}
        return make_channel(bench, "slack", **config)

    return make


class TestSlack(AtMostOnce):
    @pytest.fixture
    def delivered(self, contract: Slack) -> Callable[[], list[str]]:
        return contract.texts

    @pytest.fixture
    def absent(self) -> dict[str, Any]:
        return {"base": f"http://127.0.0.1:{free_port()}/api"}


async def test_what_is_quoted_calls_nobody_and_links_nowhere(make: Making, contract: Slack) -> None:
    title = "Fire <!here> <@U0123> <https://evil.example|click>"
    receipt = await make().send(WORD.changed(text=f"{HOSTILE} <!everyone> @channel", title=title), KEY)
    assert contract.called == []
    (body,) = contract.messages
    assert body["unfurl_links"] is body["unfurl_media"] is False
    assert "&lt;!here&gt;" in body["text"]
    assert receipt.reference == f"{CHANNEL} 1700000000.000001"


@pytest.mark.parametrize(("said", "error"), REFUSALS)
async def test_a_no_with_200_is_an_error_and_nothing_was_sent(
    make: Making, contract: Slack, said: str, error: type[DriverError]
) -> None:
    contract.says = [said]
    with pytest.raises(error, match=said):
        await make().send(WORD, KEY)
    await make().send(WORD, KEY)
    assert contract.texts() == [WORD.text]


@pytest.mark.parametrize("said", ["internal_error", "fatal_error"])
async def test_a_no_after_which_some_of_it_may_be_done_is_a_doubt(
    make: Making, contract: Slack, said: str
) -> None:
    contract.says = [said]
    for _ in range(2):
        with pytest.raises(Doubtful):
            await make().send(WORD, KEY)
    assert contract.texts() == []


async def test_another_token_and_another_channel_are_refused(
    make: Making, contract: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Gone, match="channel_not_found"):
        await make(channel="C9999999999").send(WORD, KEY)
    monkeypatch.setenv("CHANNEL_TOKEN", "xoxb-another-token")
    with pytest.raises(Denied, match="invalid_auth") as caught:
        await make().send(WORD, KEY)
    assert "xoxb-another-token" not in str(caught.value)
    monkeypatch.setenv("CHANNEL_TOKEN", "xoxb-\N{EM DASH}")
    with pytest.raises(Denied, match="is no credential"):
        await make().send(WORD, KEY)
    assert contract.messages == []


@pytest.mark.parametrize(
    "config", [{"channel": "#general"}, {"base": "http://slack.example"}, {"token": "xoxb-1"}]
)
async def test_what_the_file_should_not_say_is_named(make: Making, config: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(config))):
        make(**config)
