"""The Microsoft Teams channel, against what is published of a workflow's webhook."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.drivers.teams import LARGEST, card
from firestation.errors import Denied, Doubtful, Gone
from firestation.model import canonical_json
from firestation.ports import Channel
from tests.drivers.channels.contract import HOSTILE, KEY, WORD, Call, Contract, make_channel
from tests.drivers.channels.promises import AtMostOnce, Making, page
from tests.drivers.channels.teams_contract import PATH, SIGNATURE, Teams
from tests.drivers.serving import keeping
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver


@pytest.fixture
def contract(monkeypatch: pytest.MonkeyPatch) -> Iterator[Teams]:
    contract = Teams()
    with keeping(contract):
        monkeypatch.setenv("CHANNEL_URL", f"{contract.url}{PATH}?api-version=1&sig={SIGNATURE}")
        monkeypatch.setenv("CHANNEL_AWAY", f"http://127.0.0.1:{free_port()}/workflows/x?sig=s")
        yield contract


@pytest.fixture
def make(bench: Drivers, contract: Teams) -> Making:
    def make(**more: Any) -> Channel:
        return make_channel(bench, "teams", **{"url": "env:CHANNEL_URL", **more})

    return make


class TestTeams(AtMostOnce):
    doubted = ("lose", "hang")  # a workflow may answer whatever its maker likes, as long as it is 2xx

    @pytest.fixture
    def delivered(self, contract: Teams) -> Callable[[], list[str]]:
        return contract.texts

    @pytest.fixture
    def absent(self) -> dict[str, Any]:
        return {"url": "env:CHANNEL_AWAY"}


async def test_what_is_quoted_is_no_markdown(make: Making, contract: Teams) -> None:
    await make().send(WORD.changed(text=HOSTILE, title="**Fire** [x](https://evil.example)"), KEY)
    assert contract.marked_up == []
    assert contract.cards[0]["body"][0]["inlines"][0]["text"] == "**Fire** [x](https://evil.example)"


@pytest.mark.parametrize("text", ["🔥" * 4000, '"' * 4000, "\n" * 4000, "a\n" * 2000, "\\" * 100_000, ""])
def test_no_card_is_larger_than_teams_takes(text: str) -> None:
    made = card(WORD.model_copy(update={"text": text, "title": "🔥" * 300}))
    assert len(canonical_json(made)) <= LARGEST
    contract = Teams()
    contract.answer(Call("POST", PATH, {"sig": SIGNATURE}, {}, made))
    assert len(contract.cards) == 1


def test_the_last_line_survives_a_cut() -> None:
    made: Any = card(page(text="a\n" * 300 + "Or open: https://fire.example.org/x"))
    body = made["attachments"][0]["content"]["body"]
    assert body[-1]["inlines"][0]["text"] == "Or open: https://fire.example.org/x"


async def test_no_error_shows_the_url(
    make: Making, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANNEL_URL", f"{contract.url}{PATH}?sig=another")
    with pytest.raises(Denied) as caught:
        await make().send(WORD, KEY)
    assert "env:CHANNEL_URL" in str(caught.value)
    assert PATH not in str(caught.value)
    monkeypatch.setenv("CHANNEL_URL", f"{contract.url}/gone?sig=sig-of-the-test")
    with pytest.raises(Gone) as gone:
        await make().send(WORD, KEY)
    assert "sig-of-the-test" not in str(gone.value)
    for wrong in (
        "http://teams.example/x",
        "https://a:b@teams.example/x",
        "x",
        "https://teams.example:99999/",
    ):
        monkeypatch.setenv("CHANNEL_URL", wrong)
        with pytest.raises(Denied, match="is no URL of a workflow"):
            await make().send(WORD, KEY)


async def test_a_workflow_that_ran_and_could_not_post_is_a_doubt(
    make: Making, contract: Teams, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 403"
    monkeypatch.setattr(contract, "answer", lambda _: (200, {"text": said}))
    with pytest.raises(Doubtful, match="delivery failed"):
        await make().send(WORD, KEY)
