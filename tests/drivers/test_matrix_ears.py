"""Acts from chat on a real homeserver: heard in the room that we made, in the sender's name, and answered there."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from firestation import chat
from firestation.authority import Bell, Member, Role, Station
from firestation.board import Message
from firestation.contacts import Contact, ContactKind
from firestation.drivers import Drivers
from firestation.drivers.matrix import MatrixChannel
from firestation.drivers.matrix_ears import Ears, Place
from firestation.errors import Nonsense
from firestation.links import sign_plan
from firestation.system import ChannelFitting
from gateway.book import Book
from gateway.chat import Clerk
from gateway.listening import Listening
from tests.drivers.contracts import published
from tests.drivers.matrix_people import User, channel_at
from tests.drivers.products import Synapse
from tests.gateway.conftest import INCIDENT, Standing
from tests.gateway.test_ack import KEY, Burning
from tests.property.worlds import RUN, brief

pytestmark = pytest.mark.driver
HOME = "http://gateway"
WORD = Message(
    incident=INCIDENT, purpose="update", title="Refund agent: open", text="Known: refunds are wrong"
)
SENT = f"{INCIDENT}/{RUN}/word-1/chat"


def user(server: Synapse, name: str) -> User:
    return User(server, f"{name}-{uuid.uuid4().hex[:8]}")


Found = TypeVar("Found")


async def until(look: Callable[[], Found]) -> Found:
    """What is found, as soon as there is something."""
    async with asyncio.timeout(30):
        while True:
            if found := await asyncio.to_thread(look):
                return found
            await asyncio.sleep(0.02)


class Room:
    """The room of the incident, as its people see it."""

    def __init__(self, bot: User, room: str) -> None:
        self.bot, self.room = bot, room

    def say(self, who: User, text: str, **more: Any) -> str:
        """Write it; the event's id."""
        content = {"msgtype": "m.text", "body": text, **more}
        path = f"/rooms/{self.room}/send/m.room.message/{uuid.uuid4().hex}"
        return str(who.ask("PUT", path, content)["event_id"])

    def answers(self, event: str) -> list[dict[str, Any]]:
        """What the station said in the thread of this event."""
        contents = [each["content"] for each in self.bot.messages(self.room) if each["sender"] == self.bot.id]
        return [each for each in contents if each.get("m.relates_to", {}).get("event_id") == event]

    async def answer(self, event: str) -> str:
        """The answer, as soon as there is one."""
        found = await until(lambda: self.answers(event))
        return str(found[0]["body"])

    async def asked(self, who: User, text: str, **more: Any) -> str:
        return await self.answer(self.say(who, text, **more))


@pytest.fixture
def people(synapse: Synapse, monkeypatch: pytest.MonkeyPatch) -> dict[str, User]:
    found = {name: user(synapse, name) for name in ("bot", "ana", "ben", "eve")}
    monkeypatch.setenv("MATRIX_TOKEN", found["bot"].token)
    return found


@pytest.fixture
def station(people: dict[str, User]) -> Station:
    def member(name: str) -> Member:
        contact = Contact(kind=ContactKind.MATRIX, to=people[name].id)
        roles = (Role.CAPTAIN, Role.APPROVER)
        return Member(id=name, name=name, roles=roles, address=f"{name}@example.org", contacts=(contact,))

    return Station(
        station="test", people=(member("ana"), member("ben")), escalation=("ana",), bells=(Bell(id="a"),)
    )


@pytest.fixture
def fitting(synapse: Synapse, people: dict[str, User]) -> ChannelFitting:
    invited = [people[name].id for name in ("ana", "ben", "eve")]
    config = {
        "homeserver": synapse.url,
        "token": "env:MATRIX_TOKEN",
        "room": "per-incident",
        "people": invited,
    }
    given = {"id": "chat", "title": "C", "driver": "matrix", "audience": "internal", "with": config}
    return ChannelFitting.model_validate(given)


@pytest.fixture
def books(station: Station, fitting: ChannelFitting) -> Standing:
    known = brief()
    system = known.system.changed(channels=(*known.system.channels, fitting))
    return Standing(Book(station=station, systems={system.system: system}, wall=(known.runbook,)))


@pytest.fixture
async def room(bench: Drivers, fitting: ChannelFitting, people: dict[str, User]) -> Room:
    """Made by the incident's first word, as always; everybody is in it."""
    await bench.channel(fitting).send(WORD, SENT)
    (found,) = people["bot"].joined()
    for name in ("ana", "ben", "eve"):
        people[name].enter(found)
    return Room(people["bot"], found)


Stands = Callable[[], AbstractAsyncContextManager[Listening]]


@pytest.fixture
def desk() -> Burning:
    return Burning()


@pytest.fixture
def gateway(bench: Drivers, desk: Burning, books: Standing, tmp_path: Path) -> Stands:
    """A gateway that listens, while one is in it; each has the folder of the one before."""

    @asynccontextmanager
    async def stands() -> AsyncIterator[Listening]:
        clerk = Clerk(desk, books, lambda link, until: f"{HOME}/plan/{sign_plan(link, until, KEY)}", HOME)
        listening = Listening(books, bench, clerk, tmp_path / "chat")
        async with listening.standing():
            await until(lambda: any(each.position for each in listening.listeners.values()))
            yield listening

    return stands


async def test_what_is_written_in_the_room_is_done_and_answered_there(
    gateway: Stands, room: Room, desk: Burning, people: dict[str, User]
) -> None:
    ana, ben, eve = people["ana"], people["ben"], people["eve"]
    async with gateway(), gateway() as listening:  # two gateways hear the same, and do it once
        assert (await room.asked(ana, "!ack")).startswith("Done: ana is the captain.")
        assert "noted" in await room.asked(ben, "!note the prompt <b>changed</b> @room")
        assert "goes to the team" in await room.asked(ana, "!update refunds are wrong\nunknown: since when")
        assert (await room.asked(ben, "!ack")).startswith("Refused")
        assert "Not done" in await room.asked(ben, "!launch <script>")
        assert people["eve"].id in await room.asked(eve, "!ack")
        in_thread = {"rel_type": "m.thread", "event_id": (root := room.say(ben, "look here"))}
        room.say(ben, "!show", **{"m.relates_to": in_thread})
        assert "Captain: ana" in await room.answer(root)

        # None of this is a command, whoever writes it; the help after it shows that it was passed by.
        noted = room.say(ben, "!note first")
        await room.answer(noted)
        replaced = {"m.relates_to": {"rel_type": "m.replace", "event_id": noted}}
        room.say(
            ben,
            "* !note changed",
            **replaced,
            **{"m.new_content": {"msgtype": "m.text", "body": "!note changed"}},
        )
        room.say(
            ben,
            f"> <{ana.id}> !note quoted\n\nyes",
            **{"m.relates_to": {"m.in_reply_to": {"event_id": noted}}},
        )
        room.say(ben, "!note notice", msgtype="m.notice")
        room.say(ben, "!note for ana", sender=ana.id)  # only the homeserver says who wrote
        gone = room.say(eve, "!note never")
        for text in ("yes", "ack", "👍", "approve"):
            room.say(ana, text)
        ben.ask("PUT", f"/rooms/{room.room}/redact/{noted}/1", {})
        assert "!approve DIGEST" in await room.asked(ana, "!help")
        assert room.answers(gone) == [], "who is nobody is told once"
        assert not listening.warnings()

    seen = [(each.by, each.text) for each in desk.world.incident.entries]
    assert seen == [("ben", "the prompt <b>changed</b> @room"), ("ben", "first"), ("ben", "for ana")]
    assert (desk.world.incident.captain, len(desk.world.incident.words)) == ("ana", 1)
    told = [each["content"] for each in room.bot.messages(room.room) if each["sender"] == room.bot.id]
    for content in told[1:]:  # the first is the board's word
        assert content["msgtype"] == "m.notice"
        assert "<script>" not in content["formatted_body"]
        assert len(content["m.mentions"]["user_ids"]) == 1, "only who wrote is called"


async def test_what_was_written_while_nobody_listened_is_heard_on_return(
    gateway: Stands, room: Room, desk: Burning, people: dict[str, User]
) -> None:
    """More than one answer of the homeserver holds; some of it from before, which is not done again."""
    ana = people["ana"]
    async with gateway():
        await room.asked(ana, "!note 0")
    for number in range(1, 23):
        room.say(ana, f"!note {number}")
    async with gateway():
        await room.asked(ana, "!show")
    assert [each.text for each in desk.world.incident.entries] == [str(number) for number in range(23)]
    assert len(desk.acted) == 23


async def test_an_encrypted_room_is_told_that_nobody_hears_it(
    gateway: Stands, room: Room, desk: Burning, people: dict[str, User]
) -> None:
    async with gateway():
        for number in range(2):
            path = f"/rooms/{room.room}/send/m.room.encrypted/{number}"
            people["ana"].ask("PUT", path, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…"})
        await room.asked(people["ana"], "!help")
    told = chat.SEALED.format(board=f"{HOME}/board/{INCIDENT}")
    assert room.bot.texts(room.room).count(told) == 1


async def test_only_a_room_that_we_made_and_keep_is_one_of_an_incident(
    bench: Drivers, fitting: ChannelFitting, room: Room, people: dict[str, User]
) -> None:
    channel = bench.channel(fitting)
    assert isinstance(channel, MatrixChannel)
    ears = channel.ears()
    assert ears
    assert await ears.place(room.room) == Place(INCIDENT, RUN)
    eve = people["eve"]
    claims = {"firestation.incident": INCIDENT, "firestation.run": RUN}
    forged = eve.ask("POST", "/createRoom", {"preset": "public_chat", "creation_content": claims})["room_id"]
    people["bot"].enter(forged)
    assert await ears.place(forged) is None
    for rule, place in (("public", None), ("invite", Place(INCIDENT, RUN))):
        room.bot.ask("PUT", f"/rooms/{room.room}/state/m.room.join_rules", {"join_rule": rule})
        assert await ears.place(room.room) == place
    goes_on = room.bot.ask("POST", f"/rooms/{room.room}/upgrade", {"new_version": "10"})["replacement_room"]
    assert await ears.place(room.room) is None
    assert await ears.place(goes_on) == Place(INCIDENT, RUN), "what it goes on as is of the same incident"


GOOD: dict[str, Any] = {"next_batch": "s1", "rooms": {"join": {}}}
EVENT = {
    "type": "m.room.message",
    "event_id": "$e",
    "sender": "@ana:a",
    "origin_server_ts": 1_700_000_000_000,
    "content": {"msgtype": "m.text", "body": "!ack"},
}


def rooms(*events: Any) -> dict[str, Any]:
    return {"next_batch": "s1", "rooms": {"join": {"!r:a": {"timeline": {"events": list(events)}}}}}


@pytest.mark.parametrize(
    "event",
    [
        7,
        None,
        {},
        {**EVENT, "sender": None},
        {**EVENT, "sender": "ana"},
        {**EVENT, "sender": "@bot:a"},
        {**EVENT, "event_id": 7},
        {**EVENT, "origin_server_ts": "now"},
        {**EVENT, "origin_server_ts": 10**30},
        {**EVENT, "content": []},
        {**EVENT, "content": {}},
        {**EVENT, "content": {"msgtype": "m.text", "body": {"a": 1}}},
        {**EVENT, "content": {**EVENT["content"], "msgtype": "m.emote"}},  # type: ignore[dict-item]
        {**EVENT, "content": {**EVENT["content"], "m.new_content": {}}},  # type: ignore[dict-item]
        {**EVENT, "content": {**EVENT["content"], "m.relates_to": {"rel_type": "m.replace"}}},  # type: ignore[dict-item]
        {**EVENT, "state_key": ""},
        {**EVENT, "type": "m.room.topic"},
    ],
    ids=str,
)
async def test_an_event_that_is_no_plain_message_is_passed_by(
    bench: Drivers, monkeypatch: pytest.MonkeyPatch, event: Any
) -> None:
    with lying(bench, monkeypatch, rooms(event, EVENT)) as ears:
        heard = await ears.hear("s0")
    assert [each.text for each in heard.said] == ["!ack"]
    assert heard.said[0].at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer", [[], {}, {"next_batch": 7}, {"next_batch": "s", "rooms": []}, {**GOOD, "rooms": 1}]
)
async def test_an_answer_in_no_known_shape_is_nonsense(
    bench: Drivers, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    with lying(bench, monkeypatch, answer) as ears, pytest.raises(Nonsense):
        await ears.hear("s0")


@contextmanager
def lying(bench: Drivers, monkeypatch: pytest.MonkeyPatch, answer: Any) -> Iterator[Ears]:
    """Ears at a homeserver that answers this."""
    monkeypatch.setenv("MATRIX_TOKEN", "token-of-the-test")

    def contract(method: str, path: str, headers: Any, body: Any) -> tuple[int, Any]:
        return 200, {"user_id": "@bot:a"} if "whoami" in path else answer

    with published(contract) as url:
        channel = channel_at(bench, url, "internal", room="per-incident", people=["@ana:a"])
        assert isinstance(channel, MatrixChannel)
        ears = channel.ears()
        assert ears
        yield ears
