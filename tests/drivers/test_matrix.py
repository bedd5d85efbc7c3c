"""The Matrix channel against a real homeserver: once a key, into a room or to a person, and again after they left."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from firestation.board import Message
from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, Gone, InvalidInput, Unreachable
from firestation.ports import Channel
from firestation.secrets import ReferenceSecrets
from firestation.testing import ChannelConformance
from tests.drivers import matrix_people
from tests.drivers.matrix_people import User
from tests.drivers.products import Synapse

pytestmark = pytest.mark.driver
PAGE = Message(incident="agent-1", purpose="page", title="Fire", text="Take it")


@pytest.fixture
def bot(synapse: Synapse, monkeypatch: pytest.MonkeyPatch) -> User:
    made = User(synapse, f"bot-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("MATRIX_TOKEN", made.token)
    return made


@pytest.fixture
def ana(synapse: Synapse) -> User:
    return User(synapse, f"ana-{uuid.uuid4().hex[:8]}")


def channel_at(bench: Drivers, synapse: Synapse, **config: Any) -> Channel:
    return matrix_people.channel_at(bench, config.pop("homeserver", synapse.url), **config)


class TestMatrixChannel(ChannelConformance):
    @pytest.fixture
    def room(self, ana: User) -> str:
        return ana.make_room(f"alerts-{ana.name}")

    @pytest.fixture
    def channel(self, bench: Drivers, synapse: Synapse, bot: User, ana: User, room: str) -> Channel:
        return channel_at(bench, synapse, room=f"#alerts-{ana.name}:test.local")

    @pytest.fixture
    def delivered(self, ana: User, room: str) -> Callable[[], list[str]]:
        return lambda: [text.partition("\n")[2] for text in ana.texts(room)]


async def test_a_person_is_told_in_one_room_of_their_own(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    channel = channel_at(bench, synapse)
    receipt = await channel.send(PAGE.changed(to=ana.id), "i/1/page-1/chat")
    assert receipt.reference.startswith("$")
    (room,) = ana.invited()
    ana.enter(room)
    again = await channel.send(PAGE.changed(to=ana.id), "i/1/page-1/chat")
    assert again == receipt
    await channel.send(PAGE.changed(to=ana.id, text="Still"), "i/1/page-2/chat")
    assert ana.texts(room) == ["Fire\nTake it", "Fire\nStill"]
    assert ana.invited() == []


async def test_two_workers_at_once_make_one_room(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    async def send(number: int) -> None:
        """As the activity does: again, when it is told to try later."""
        message = PAGE.changed(to=ana.id, text=f"page {number}")
        async with asyncio.timeout(60):
            while True:
                with suppress(Unreachable):
                    await channel_at(bench, synapse).send(message, f"page-{number}")
                    return

    await asyncio.gather(*(send(number) for number in range(4)))
    (room,) = ana.invited()
    ana.enter(room)
    assert sorted(ana.texts(room)) == [f"Fire\npage {number}" for number in range(4)]


async def test_who_left_the_room_is_invited_to_it_again(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    channel = channel_at(bench, synapse)
    await channel.send(PAGE.changed(to=ana.id), "page-1")
    (room,) = ana.invited()
    ana.enter(room)
    ana.leave(room)
    await channel.send(PAGE.changed(to=ana.id, text="Again"), "page-2")
    assert ana.invited() == [room]
    ana.enter(room)
    assert "Fire\nAgain" in ana.texts(room)


async def test_a_room_that_somebody_else_made_under_that_name_gets_no_page(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    eve = User(synapse, f"eve-{uuid.uuid4().hex[:8]}")
    await channel_at(bench, synapse).send(PAGE.changed(to=ana.id), "page-1")
    (room,) = ana.invited()
    (alias,) = bot.ask("GET", f"/rooms/{room}/aliases")["aliases"]
    bot.ask("DELETE", f"/directory/room/{alias.replace('#', '%23')}")
    theirs = eve.make_room(alias[1:].partition(":")[0])
    with pytest.raises(Unreachable, match="not in the direct room"):
        await channel_at(bench, synapse).send(PAGE.changed(to=ana.id), "page-2")
    assert eve.texts(theirs) == []


async def enter_by_alias(server: Synapse, bot: User, ana: User, bench: Drivers) -> tuple[str, str]:
    """Ana's direct room with the bot, which she has entered: its id and its alias."""
    await channel_at(bench, server).send(PAGE.changed(to=ana.id), "page-1")
    (room,) = ana.invited()
    ana.enter(room)
    (alias,) = bot.ask("GET", f"/rooms/{room}/aliases")["aliases"]
    return room, alias


async def test_a_room_of_somebody_else_gets_no_page_though_we_are_in_it(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    eve = User(synapse, f"eve-{uuid.uuid4().hex[:8]}")
    _, alias = await enter_by_alias(synapse, bot, ana, bench)
    bot.ask("DELETE", f"/directory/room/{alias.replace('#', '%23')}")
    theirs = eve.make_room(alias[1:].partition(":")[0])
    bot.enter(theirs)
    with pytest.raises(Denied, match=f"is not for {ana.id} alone: it was made by {eve.id}"):
        await channel_at(bench, synapse).send(PAGE.changed(to=ana.id), "page-2")
    assert eve.texts(theirs) == []


@pytest.mark.parametrize("enters", [True, False])
async def test_our_room_in_which_others_are_gets_no_page(
    bench: Drivers, synapse: Synapse, bot: User, ana: User, enters: bool
) -> None:
    eve = User(synapse, f"eve-{uuid.uuid4().hex[:8]}")
    room, _ = await enter_by_alias(synapse, bot, ana, bench)
    bot.ask("POST", f"/rooms/{room}/invite", {"user_id": eve.id})
    if enters:
        eve.enter(room)
    with pytest.raises(Denied, match=f"{eve.id} is in it, or invited"):
        await channel_at(bench, synapse).send(PAGE.changed(to=ana.id), "page-2")
    assert ana.texts(room) == ["Fire\nTake it"]


async def test_our_room_that_was_opened_to_all_gets_no_page(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    room, _ = await enter_by_alias(synapse, bot, ana, bench)
    bot.ask("PUT", f"/rooms/{room}/state/m.room.join_rules", {"join_rule": "public"})
    with pytest.raises(Denied, match="without an invitation"):
        await channel_at(bench, synapse).send(PAGE.changed(to=ana.id), "page-2")


async def test_the_person_can_neither_bring_others_in_nor_open_the_room(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    eve = User(synapse, f"eve-{uuid.uuid4().hex[:8]}")
    room, _ = await enter_by_alias(synapse, bot, ana, bench)
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        ana.ask("POST", f"/rooms/{room}/invite", {"user_id": eve.id})
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        ana.ask("PUT", f"/rooms/{room}/state/m.room.join_rules", {"join_rule": "public"})


@pytest.mark.parametrize("to", ["", "ana", "ana@example.org", "+4915112345678"])
async def test_whoever_is_not_on_matrix_gets_nothing(
    bench: Drivers, synapse: Synapse, bot: User, to: str
) -> None:
    with pytest.raises(Gone, match="nobody on Matrix"):
        await channel_at(bench, synapse).send(PAGE.changed(to=to), "k")


async def test_errors_are_ours_and_show_no_token(
    bench: Drivers, synapse: Synapse, bot: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(DriverError) as caught:
        await channel_at(bench, synapse, room="#nowhere:test.local").send(PAGE, "k")
    assert isinstance(caught.value, Gone)
    monkeypatch.setenv("MATRIX_TOKEN", "wrong-token-of-the-test")
    with pytest.raises(Denied) as denied:
        await channel_at(bench, synapse).send(PAGE.changed(to="@ana:test.local"), "k")
    assert "wrong-token-of-the-test" not in str(denied.value)
    monkeypatch.delenv("MATRIX_TOKEN")
    with pytest.raises(Denied, match="MATRIX_TOKEN is not set"):
        await channel_at(bench, synapse).send(PAGE.changed(to="@ana:test.local"), "k")
    async with Drivers(ReferenceSecrets(tmp_path)) as other:
        for wrong in ("matrix.example.org", "http://matrix.example.org", "https://u:p@matrix.example.org"):
            with pytest.raises(InvalidInput, match="homeserver"):
                channel_at(other, synapse, homeserver=wrong)


async def test_a_room_that_was_closed_gets_nothing(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    room = ana.make_room(f"old-{ana.name}")
    channel = channel_at(bench, synapse, room=room)
    await channel.send(PAGE, "page-1")
    goes_on = ana.ask("POST", f"/rooms/{room}/upgrade", {"new_version": "10"})["replacement_room"]
    with pytest.raises(Gone, match="was closed and goes on as") as gone:
        await channel.send(PAGE, "page-2")
    assert goes_on in str(gone.value)
    assert len(ana.texts(room)) == 1


async def test_what_is_quoted_calls_nobody_and_is_no_markup(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    room = ana.make_room(f"quotes-{ana.name}")
    text = f"@room {ana.id} <img src=x onerror=alert(1)>\n<b>bold</b> \u202egnp & \x1b[31mred"
    await channel_at(bench, synapse, room=room).send(PAGE.changed(title="<i>Fire</i>", text=text), "k")
    (event,) = ana.messages(room)
    content = event["content"]
    assert content["m.mentions"] == {}
    assert content["formatted_body"] == (
        f"<strong>&lt;i&gt;Fire&lt;/i&gt;</strong><br>@room {ana.id} &lt;img src=x onerror=alert(1)&gt;"
        "<br>&lt;b&gt;bold&lt;/b&gt; ?gnp &amp; ?[31mred"
    )
    assert "\u202e" not in content["body"]
