"""What every channel into a product keeps, whatever the product does: once a key, in our words, and no credential."""

from collections.abc import Callable
from typing import Any

import pytest

from firestation.board import Message
from firestation.errors import Denied, Doubtful, DriverError, Unreachable
from firestation.ports import Channel
from firestation.testing import ChannelConformance
from tests.drivers.channels.contract import HOSTILE, KEY, TOKEN, WORD, Contract
from tests.e2e.processes import wait_for

HASTE = {"timeout": "1500ms"}
"""Enough to be taken under load, and soon over."""
Making = Callable[..., Channel]


class Promises(ChannelConformance):
    """Give `contract`, `make` (a channel with some settings changed), `delivered` and `secret_setting`."""

    @pytest.fixture
    def channel(self, make: Making) -> Channel:
        return make()

    async def test_a_limit_is_kept_and_the_message_sent_later(
        self, channel: Channel, contract: Contract, delivered: Callable[[], list[str]]
    ) -> None:
        contract.plan = ["limit"]
        with pytest.raises(Unreachable) as caught:
            await channel.send(WORD, KEY)
        assert caught.value.details["retry_after_s"] == 7
        assert delivered() == []
        await channel.send(WORD, KEY)
        assert delivered() == [WORD.text]

    async def test_no_error_shows_a_credential(
        self, make: Making, contract: Contract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contract.plan = ["lose"]
        with pytest.raises(DriverError) as caught:
            await make().send(WORD, KEY)
        assert TOKEN not in str(caught.value)
        for name in ("CHANNEL_TOKEN", "CHANNEL_KEY", "CHANNEL_URL"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(Denied, match="is not set"):
            await make().send(WORD, f"{KEY}/2")

    async def test_a_long_text_is_cut_where_people_see_it(
        self, channel: Channel, delivered: Callable[[], list[str]]
    ) -> None:
        long = WORD.model_copy(update={"text": "\n".join("🔥" * 150 for _ in range(1000))})
        await channel.send(long, KEY)
        (text,) = delivered()
        assert "(cut here)" in text
        assert len(text) < len(long.text)

    async def test_what_does_not_show_is_not_sent(
        self, channel: Channel, delivered: Callable[[], list[str]]
    ) -> None:
        await channel.send(WORD.changed(text=HOSTILE, title=f"Fire {HOSTILE[:100]}"), KEY)
        (text,) = delivered()
        assert all(each.isprintable() for line in text.split("\n") for each in line)


class AtMostOnce(Promises):
    """Of a product that knows no keys."""

    doubted: tuple[str, ...] = ("lose", "hang", "lie", "html")

    @pytest.mark.parametrize("fault", ["lose", "hang", "lie", "html"])
    async def test_what_may_have_been_sent_is_not_sent_again(
        self, make: Making, contract: Contract, delivered: Callable[[], list[str]], fault: str
    ) -> None:
        contract.plan = [fault]
        hasty = make(**HASTE) if fault == "hang" else make()
        if fault in self.doubted:
            with pytest.raises(Doubtful, match="may have been sent"):
                await hasty.send(WORD, KEY)
            with pytest.raises(Doubtful, match="may have been sent"):
                await make().send(WORD, KEY)
        else:
            first = await hasty.send(WORD, KEY)
            assert await make().send(WORD, KEY) == first
        if fault != "lie":
            wait_for("what was taken", delivered)
        assert delivered() == ([] if fault == "lie" else [WORD.text])

    async def test_where_nobody_answers_nothing_was_sent(
        self, make: Making, delivered: Callable[[], list[str]], absent: dict[str, Any]
    ) -> None:
        with pytest.raises(Unreachable):
            await make(**absent).send(WORD, KEY)
        await make().send(WORD, KEY)
        assert delivered() == [WORD.text]


def page(**changes: Any) -> Message:
    """A page."""
    return WORD.changed(purpose="page", title="sev1 Refund agent: WrongRefunds", **changes)
