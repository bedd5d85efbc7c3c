"""One Matrix room an incident, on a real homeserver: made once, entered by its people alone, and never a dead end."""

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from firestation.board import Message
from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, InvalidInput, Nonsense, Unreachable
from firestation.ports import Channel
from firestation.testing import ChannelConformance
from tests.drivers.contracts import published
from tests.drivers.matrix_people import User, channel_at
from tests.drivers.products import Synapse

pytestmark = pytest.mark.driver
TITLE = "Refund agent: declared"
WORD = Message(incident="refund-1", purpose="update", title=TITLE, text="Known: refunds are wrong")
DIGEST = "0123456789ab"


@pytest.fixture
def bot(synapse: Synapse, monkeypatch: pytest.MonkeyPatch) -> User:
    made = User(synapse, f"bot-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("MATRIX_TOKEN", made.token)
    return made


@pytest.fixture
def ana(synapse: Synapse) -> User:
    return User(synapse, f"ana-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def eve(synapse: Synapse) -> User:
    return User(synapse, f"eve-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def channel(bench: Drivers, synapse: Synapse, bot: User, ana: User) -> Channel:
    return rooms(bench, synapse, ana)


def rooms(bench: Drivers, synapse: Synapse, *people: User) -> Channel:
    named = [each.id for each in people]
    return channel_at(bench, synapse.url, "internal", room="per-incident", people=named)


def alias_of(bot: User, room: str) -> str:
    (alias,) = bot.ask("GET", f"/rooms/{room}/aliases")["aliases"]
    return str(alias)


def state(user: User, room: str, kind: str) -> Any:
    return user.ask("GET", f"/rooms/{room}/state/{kind}/")


class TestMatrixRooms(ChannelConformance):
    @pytest.fixture
    def channel(self, bench: Drivers, synapse: Synapse, bot: User, ana: User) -> Channel:
        return rooms(bench, synapse, ana)

    @pytest.fixture
    def delivered(self, bot: User) -> Callable[[], list[str]]:
        def texts() -> list[str]:
            (room,) = bot.joined()
            return [text.partition("\n")[2] for text in bot.texts(room)]

        return texts


async def test_an_incident_has_a_room_that_says_what_it_is(
    bench: Drivers, synapse: Synapse, bot: User, ana: User, eve: User
) -> None:
    channel = rooms(bench, synapse, ana, eve)
    text = f"{WORD.text}\nOr open: https://fire.example.org/take/a-link"
    await channel.send(WORD.changed(text=text), "refund-1/run-a/word-1/chat")
    (room,) = ana.invited()
    assert eve.invited() == [room]
    ana.enter(room)
    assert state(ana, room, "m.room.name")["name"] == "refund-1: Refund agent: declared"
    assert state(ana, room, "m.room.topic")["topic"] == f"{TITLE}. {WORD.text}"
    assert state(ana, room, "m.room.join_rules")["join_rule"] == "invite"
    assert state(ana, room, "m.room.guest_access")["guest_access"] == "forbidden"
    await channel.send(WORD.changed(incident="refund-2"), "refund-2/run-b/word-1/chat")
    await channel.send(WORD, "refund-1/run-c/word-1/chat")  # a later fire of the same name
    assert len(bot.joined()) == 3
    assert ana.texts(room) == [f"{TITLE}\n{text}"]


async def test_two_workers_at_once_make_one_room_an_incident(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    async def send(number: int) -> None:
        """As the activity does: again, when it is told to try later."""
        async with asyncio.timeout(60):
            while True:
                with suppress(Unreachable):
                    message = WORD.changed(text=f"word {number}")
                    await rooms(bench, synapse, ana).send(message, f"refund-1/run-a/word-{number}/chat")
                    return

    await asyncio.gather(*(send(number) for number in range(4)))
    (room,) = ana.invited()
    ana.enter(room)
    assert sorted(ana.texts(room)) == [f"{TITLE}\nword {number}" for number in range(4)]


async def test_who_left_is_called_back_only_by_what_is_for_them(channel: Channel, ana: User) -> None:
    await channel.send(WORD, "refund-1/run-a/word-1/chat")
    (room,) = ana.invited()
    ana.enter(room)
    ana.leave(room)
    await channel.send(WORD.changed(text="Still"), "refund-1/run-a/word-2/chat")
    assert ana.invited() == []
    await channel.send(
        WORD.changed(purpose="page", to=ana.id, text="Take it"), "refund-1/run-a/page-1/ana/chat"
    )
    assert ana.invited() == [room]
    ana.enter(room)
    assert ana.messages(room)[-1]["content"]["m.mentions"] == {"user_ids": [ana.id]}


async def test_whoever_cannot_be_invited_keeps_nobody_from_the_word(
    bench: Drivers, synapse: Synapse, bot: User, ana: User
) -> None:
    given = ["@ana:nowhere.invalid", ana.id]
    channel = channel_at(bench, synapse.url, "internal", room="per-incident", people=given)
    await channel.send(WORD, "refund-1/run-a/word-1/chat")
    (room,) = ana.invited()
    ana.enter(room)
    assert len(ana.texts(room)) == 1


async def test_what_is_about_one_thing_is_one_thread(channel: Channel, bot: User) -> None:
    ask = WORD.changed(purpose="decision", title="Move the switch?")
    steps = [
        (WORD, "word-1"),
        (ask, f"decide-{DIGEST}"),
        (WORD.changed(text="Two"), "word-2"),
        (WORD.changed(purpose="page"), "page-1"),
        (ask.changed(purpose="escalation", title="Nobody decided"), f"lapsed-{DIGEST}"),
        (ask.changed(title="It expires"), f"expiry-{DIGEST}-1"),
        (ask.changed(title="Another"), "decide-ba9876543210"),
    ]
    for message, step in steps:
        await channel.send(message, f"refund-1/run-a/{step}/chat")
    (room,) = bot.joined()
    said = bot.messages(room)
    ids = [each["event_id"] for each in said]
    relations = [each["content"].get("m.relates_to", {}) for each in said]
    under = [each.get("event_id") for each in relations]
    assert under == [None, None, ids[0], None, ids[1], ids[1], None]
    assert {each["rel_type"] for each in relations if each} == {"m.thread"}


async def test_a_message_is_known_again_when_the_homeserver_has_forgotten_its_transaction(
    bench: Drivers, synapse: Synapse, bot: User, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions are of one device; a new token is another. The first message of a thread is in the room's state."""
    key = "refund-1/run-a/word-1/chat"
    first = await rooms(bench, synapse, ana).send(WORD, key)
    monkeypatch.setenv("MATRIX_TOKEN", bot.log_in_anew())
    assert await rooms(bench, synapse, ana).send(WORD, key) == first
    (room,) = bot.joined()
    assert len(bot.texts(room)) == 1


async def test_a_room_that_was_upgraded_is_followed(channel: Channel, bot: User, ana: User) -> None:
    await channel.send(WORD, "refund-1/run-a/word-1/chat")
    (room,) = bot.joined()
    goes_on = bot.ask("POST", f"/rooms/{room}/upgrade", {"new_version": "10"})["replacement_room"]
    await channel.send(WORD.changed(text="Two"), "refund-1/run-a/word-2/chat")
    assert bot.texts(goes_on) == [f"{TITLE}\nTwo"]
    assert goes_on in ana.invited()
    # Also where the alias did not move with it.
    whole = alias_of(bot, goes_on).replace("#", "%23")
    bot.ask("DELETE", f"/directory/room/{whole}")
    bot.ask("PUT", f"/directory/room/{whole}", {"room_id": room})
    await channel.send(WORD.changed(text="Three"), "refund-1/run-a/word-3/chat")
    assert bot.texts(goes_on) == [f"{TITLE}\nTwo", f"{TITLE}\nThree"]


async def lose(how: str, bot: User, eve: User, room: str) -> None:
    """The room is no longer one for our words."""
    if how == "left":
        bot.leave(room)
    elif how == "closed":
        goes_on = {"body": "over", "replacement_room": "!nowhere:test.local"}
        bot.ask("PUT", f"/rooms/{room}/state/m.room.tombstone", goes_on)
    elif how == "opened":
        bot.ask("PUT", f"/rooms/{room}/state/m.room.join_rules", {"join_rule": "public"})
    else:
        alias = alias_of(bot, room)
        bot.ask("DELETE", f"/directory/room/{alias.replace('#', '%23')}")
        bot.enter(eve.make_room(alias[1:].partition(":")[0]))


@pytest.mark.parametrize("how", ["left", "closed", "opened", "taken"])
async def test_a_room_that_is_lost_has_a_successor(
    channel: Channel, bot: User, ana: User, eve: User, how: str
) -> None:
    await channel.send(WORD, "refund-1/run-a/word-1/chat")
    (room,) = bot.joined()
    await lose(how, bot, eve, room)
    before = set(bot.joined()) | {room}
    for number in (2, 3):
        await channel.send(WORD.changed(text=f"{number}"), f"refund-1/run-a/word-{number}/chat")
    (successor,) = set(bot.joined()) - before
    assert bot.texts(successor) == [f"{TITLE}\n2", f"{TITLE}\n3"]
    assert successor in ana.invited()
    for other in eve.joined():
        assert eve.texts(other) == []


async def test_a_room_of_others_under_our_alias_gets_no_word(
    channel: Channel, bot: User, ana: User, eve: User
) -> None:
    """We were never in it, so it may be a room that another worker makes just now: it is tried again."""
    await channel.send(WORD, "refund-1/run-a/word-1/chat")
    (room,) = bot.joined()
    alias = alias_of(bot, room)
    bot.ask("DELETE", f"/directory/room/{alias.replace('#', '%23')}")
    theirs = eve.make_room(alias[1:].partition(":")[0])
    with pytest.raises(Unreachable, match="we are not in the room"):
        await channel.send(WORD.changed(text="Two"), "refund-1/run-a/word-2/chat")
    assert eve.texts(theirs) == []


Answered = tuple[int, Any]
WHO, ROOM = {"user_id": "@bot:test.local"}, {"room_id": "!a:test.local"}
LIES: list[dict[str, Any]] = [
    {"whoami": {"user_id": 7}},
    {"whoami": {"user_id": "nobody"}},
    {"whoami": []},
    {"directory": {"room_id": {"a": 1}}},
    {"directory": {"room_id": "#an-alias:test.local"}},
    {"state": {"not": "a list"}},
    {"state": [{"type": 1}]},
    {"send": {"event_id": None}},
    {"send": {}},
]
GOOD: dict[str, Any] = {
    "whoami": WHO,
    "directory": ROOM,
    "send": {"event_id": "$e"},
    "invite": {},
    "state": [
        {"type": "m.room.create", "sender": WHO["user_id"], "content": {}},
        {
            "type": "m.room.member",
            "sender": WHO["user_id"],
            "state_key": WHO["user_id"],
            "content": {"membership": "join"},
        },
    ],
}


def homeserver(answers: dict[str, Any]) -> Any:
    def contract(method: str, path: str, headers: Any, body: Any) -> Answered:
        for part in ("send", "directory", "whoami", "invite", "state"):
            if f"/{part}" in path:
                return 200, {"event_id": "$s"} if "firestation.thread" in path else answers[part]
        return 404, {"errcode": "M_NOT_FOUND"}

    return published(contract)


@pytest.mark.parametrize("lie", [{}, *LIES], ids=str)
async def test_a_homeserver_that_lies_is_not_believed(
    bench: Drivers, monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any]
) -> None:
    monkeypatch.setenv("MATRIX_TOKEN", "token-of-the-test")
    with homeserver({**GOOD, **lie}) as url:
        channel = channel_at(bench, url, "internal", room="per-incident", people=["@ana:test.local"])
        if not lie:
            assert (await channel.send(WORD, "refund-1/a/word-1/chat")).reference == "$e"
            return
        with pytest.raises(Nonsense) as caught:
            await channel.send(WORD, "refund-1/a/word-1/chat")
        assert "token-of-the-test" not in str(caught.value)


async def test_a_limit_says_when_to_come_again(bench: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIX_TOKEN", "token-of-the-test")
    limit = (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500})
    with published(lambda *_: limit) as url, pytest.raises(Unreachable) as caught:
        await channel_at(bench, url, "internal", room="#a:test.local").send(WORD, "k")
    assert caught.value.details["retry_after_s"] == 2.5


async def test_a_homeserver_that_hangs_is_left(bench: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIX_TOKEN", "token-of-the-test")
    done = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no whole answer within"):
            await channel_at(bench, url, "internal", room="#a:test.local", timeout="300ms").send(WORD, "k")
        assert time.monotonic() - began < 20
        done.set()


async def test_we_never_go_on_looking_for_ever(bench: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A homeserver whose every room is another's, or is closed in favour of itself."""
    monkeypatch.setenv("MATRIX_TOKEN", "token-of-the-test")
    closed = {
        "type": "m.room.tombstone",
        "sender": WHO["user_id"],
        "content": {"replacement_room": "!a:test.local"},
    }
    theirs = [{**GOOD["state"][0], "sender": "@eve:test.local"}, GOOD["state"][1]]
    for state_told, said in (([*GOOD["state"], closed], "5 times"), (theirs, "made by @eve:test.local")):
        with homeserver({**GOOD, "state": state_told}) as url:
            channel = channel_at(bench, url, "internal", room="per-incident", people=["@ana:test.local"])
            with pytest.raises(Denied, match=said):
                await channel.send(WORD, "refund-1/a/word-1/chat")


@pytest.mark.parametrize(
    ("config", "audience", "said"),
    [
        ({"room": "per-incident"}, "internal", "people go together"),
        ({"room": "#a:b", "people": ["@ana:b"]}, "internal", "people go together"),
        ({"people": ["@ana:b"]}, "pager", "people go together"),
        ({"room": "per-incident", "people": ["@ana:b"]}, "public", "is a war room"),
        ({"room": "per-incident", "people": ["ana"]}, "internal", "people"),
        ({"room": "each"}, "internal", "room"),
    ],
)
async def test_what_the_file_should_not_say_is_named(
    bench: Drivers, config: dict[str, Any], audience: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        channel_at(bench, "https://matrix.example.org", audience, **config)


async def test_no_error_shows_the_token(bench: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIX_TOKEN", "token-of-the-test")
    with (
        published(lambda *told: (500, told[2]["authorization"])) as url,
        pytest.raises(DriverError) as caught,
    ):
        await channel_at(bench, url, "internal", room="#a:test.local").send(WORD, "k")
    assert "***" in str(caught.value)
    assert "token-of-the-test" not in str(caught.value)
