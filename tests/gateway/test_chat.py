"""Chat before a desk that really decides: who may, what is answered, and that no trouble of a homeserver ends it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from firestation import acts, chat, links
from firestation.authority import Member, Role, Station
from firestation.chat import Said
from firestation.contacts import Contact, ContactKind
from firestation.drivers import Drivers
from firestation.drivers.matrix_ears import Heard, Place
from firestation.errors import Denied, DriverError, Gone, Nonsense, NotConfigured, Unreachable
from firestation.links import PlanLink, read_plan
from firestation.secrets import ReferenceSecrets
from firestation.severity import Severity
from firestation.system import ChannelFitting
from gateway.chat import Clerk
from gateway.listening import Listener, Listening, Position
from tests.gateway.conftest import INCIDENT, NOW, Clock, Standing, books_of
from tests.gateway.test_ack import KEY, Burning
from tests.property.worlds import RUN

PLACE = Place(INCIDENT, RUN)
ANA, BEN, EVE, TWIN = "@ana:a", "@ben:a", "@eve:a", "@twin:a"
HOME = "https://fire.example.org"


def member(name: str, *users: str) -> Member:
    contacts = tuple(Contact(kind=ContactKind.MATRIX, to=each) for each in users)
    roles = (Role.CAPTAIN, Role.SCRIBE, Role.APPROVER)
    return Member(
        id=name, name=name.capitalize(), roles=roles, address=f"{name}@example.org", contacts=contacts
    )


@pytest.fixture
def station(station: Station) -> Station:
    return station.changed(people=(member("ana", ANA, TWIN), member("ben", BEN, TWIN), *station.people[1:]))


@pytest.fixture
def desk() -> Burning:
    return Burning()


@pytest.fixture
def clerk(desk: Burning, station: Station, clock: Clock) -> Clerk:
    return Clerk(desk, books_of(station), address, HOME, clock)


def address(link: PlanLink, until: datetime) -> str:
    return f"{HOME}/plan/{links.sign_plan(link, until, KEY)}"


def said(text: str, sender: str = ANA, *, age: timedelta = timedelta(), number: str = "1") -> Said:
    event = f"$event-{number}"
    return Said(event=event, room="!room:a", thread=event, sender=sender, text=text, at=NOW - age)


async def answer(clerk: Clerk, what: Said, place: Place = PLACE) -> str:
    reply = await clerk.reply(what, place)
    assert reply is not None
    return reply.text


# Who, and what ------------------------------------------------------------------------------------------------


async def test_an_act_is_done_in_the_name_of_whose_contact_it_is(clerk: Clerk, desk: Burning) -> None:
    text = await answer(clerk, said("!ack"))
    assert text.startswith("Done: ana is the captain.\n")
    assert desk.world.incident.captain == "ana"
    text = await answer(clerk, said("!note the prompt changed", number="2"))
    assert "noted as a hypothesis" in text
    text = await answer(clerk, said("!update refunds are wrong | doing we look", number="3"))
    assert "goes to the team" in text
    assert [each for each, _ in desk.acted] == [
        acts.Acknowledge(by="ana"),
        acts.Note(by="ana", text="the prompt changed"),
        acts.Update(by="ana", known="refunds are wrong", doing="we look"),
    ]
    assert desk.world.incident.words[-1].by == "ana"


async def test_what_the_incident_refuses_is_told_with_the_rule_and_what_comes_next(
    clerk: Clerk, desk: Burning
) -> None:
    assert (await answer(clerk, said("!ack", BEN))).startswith("Done")
    text = await answer(clerk, said("!ack", number="2"))
    refusal = desk.world.refusals[-1]
    assert text.startswith(f"Refused by rule {refusal.rule}, {refusal.title}: {refusal.missing}\n")
    assert "!show" in text
    assert desk.world.incident.captain == "ben"


async def test_said_twice_it_is_done_once(clerk: Clerk, desk: Burning) -> None:
    for _ in range(2):
        assert "noted" in await answer(clerk, said("!note once"))
    (first, key), second = desk.acted
    assert second == (first, key), "one event, one key, by which the incident does it once"
    await answer(clerk, said("!note once", number="2"))
    assert desk.acted[-1][1] != key
    assert len(desk.world.incident.entries) == 2


@pytest.mark.parametrize("sender", [EVE, "@ANA:a", "@ana:b", TWIN])
async def test_who_is_nobody_can_do_nothing_and_is_told_once(
    clerk: Clerk, desk: Burning, sender: str
) -> None:
    for text in ("!ack", "!show", "!help", "!approve 01234567", "!nonsense"):
        reply = await clerk.reply(said(text, sender), PLACE)
        assert reply is not None
        assert reply.once
        assert f"{sender} is the contact of nobody" in reply.text
        assert INCIDENT not in reply.text
    assert desk.acted == []


async def test_who_is_taken_out_of_the_file_is_nobody_at_once(
    clerk: Clerk, desk: Burning, station: Station
) -> None:
    books = clerk.books
    assert isinstance(books, Standing)
    books.book = books.book.changed(station=station.changed(people=station.people[1:]))
    assert "contact of nobody" in await answer(clerk, said("!ack"))
    assert desk.acted == []


@pytest.mark.parametrize("word", ["!approve", "!refuse"])
async def test_a_decision_is_answered_with_a_link_and_decides_nothing(
    clerk: Clerk, desk: Burning, word: str
) -> None:
    await answer(clerk, said("!ack"))
    assert desk.world.attempt(acts.Declare(by="ana", severity=Severity.SEV3, reason="it looks so")) is None
    desk.world.seal()
    desk.acted.clear()
    plan = (await desk.picture(INCIDENT)).plans[0]
    text = await answer(clerk, said(f"{word} {plan.digest[:12]}", BEN))
    assert plan.digest in text
    assert "Nothing is decided yet" in text
    (token,) = (each.rpartition("/")[2] for each in text.split() if each.startswith(f"{HOME}/plan/"))
    link = read_plan(token, KEY, desk.world.now - timedelta(days=1))
    assert (link.incident, link.person, link.action) == (INCIDENT, "ben", plan.digest)
    assert plan.digest[:12] in await answer(clerk, said(f"{word} 00000000")), "it says which there are"
    assert desk.acted == []
    assert desk.world.incident.firebreak(plan.digest).state == "proposed"  # type: ignore[union-attr]


async def test_a_room_of_an_earlier_fire_moves_nothing_now(clerk: Clerk, desk: Burning) -> None:
    assert await answer(clerk, said("!ack"), Place(INCIDENT, "another-run")) == chat.EARLIER
    assert desk.acted == []


async def test_the_incident_of_another_station_is_not_ours_to_answer(clerk: Clerk) -> None:
    assert await clerk.reply(said("!ack"), Place("other-1", RUN)) is None


async def test_an_incident_that_has_ended_says_so(clerk: Clerk, desk: Burning) -> None:
    assert desk.world.attempt(acts.Acknowledge(by="ben")) is None
    assert desk.world.attempt(acts.Dismiss(by="ben", reason="no fire")) is None
    assert (await answer(clerk, said("!note late"))).startswith("Refused")
    assert "It is over: dismissed" in await answer(clerk, said("!show"))


async def test_a_late_note_tells_when_it_was_written_and_a_late_act_is_not_done(
    clerk: Clerk, desk: Burning
) -> None:
    age = timedelta(minutes=30)
    assert "said again" not in await answer(clerk, said("!note it was slow", age=age))
    assert desk.acted[-1][0] == acts.Note(by="ana", text="it was slow", at=NOW - age)
    assert "say it again" in await answer(clerk, said("!ack", age=age))
    assert len(desk.acted) == 1


async def test_help_and_show_lead_to_the_board(clerk: Clerk) -> None:
    for text in ("!help", "!show"):
        assert f"{HOME}/board/{INCIDENT}" in await answer(clerk, said(text))


# Listening ----------------------------------------------------------------------------------------------------


class Told:
    """A product's ears that hear what a test tells them; `heard` is one answer a turn, or an error."""

    def __init__(self, *heard: Heard | DriverError) -> None:
        self.heard, self.posted, self.at = list(heard), dict[str, tuple[str, str]](), list[str]()
        self.waits: list[timedelta | None] = []
        self.mute: DriverError | None = None
        self.where: Place | DriverError | None = PLACE
        self.quiet = asyncio.Event()

    async def begin(self) -> str:
        return "s0"

    async def hear(self, since: str, wait: timedelta | None = None) -> Heard:
        self.at.append(since)
        self.waits.append(wait)
        if not self.heard:
            self.quiet.set()
            await asyncio.Event().wait()
        found = self.heard.pop(0)
        if isinstance(found, DriverError):
            raise found
        return found

    async def place(self, room: str) -> Place | None:
        if isinstance(self.where, DriverError):
            raise self.where
        return self.where

    async def answer(self, said: Said, text: str, key: str) -> None:
        if self.mute:
            raise self.mute
        self.posted.setdefault(key, (said.event, text))

    async def tell(self, room: str, text: str, key: str) -> None:
        self.posted.setdefault(key, (room, text))

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.posted.values()]


def batch(position: str, *said: Said, sealed: tuple[str, ...] = ()) -> Heard:
    return Heard(position, said, sealed)


@pytest.fixture
def begin(clerk: Clerk, tmp_path: Path) -> Callable[[Told], Listener]:
    return lambda ears: Listener(ears, clerk, tmp_path / "chat" / "position.json")


Begin = Callable[[Told], Listener]


async def test_it_listens_from_now_on_and_goes_on_where_it_was(begin: Begin, desk: Burning) -> None:
    ears = Told(batch("s1", said("!note a"), said("what a night")), batch("s2", said("!note b", number="2")))
    listener = begin(ears)
    for _ in range(2):
        await listener.turn()
    again = begin(ears)
    await again.turn()
    assert ears.at == ["s0", "s1"]
    assert [each.text for each in desk.world.incident.entries] == ["a", "b"]
    assert len(ears.posted) == 2
    assert (listener.file.stat().st_mode & 0o777, listener.file.parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )


async def test_killed_before_it_was_written_down_it_is_heard_again_and_done_once(
    begin: Begin, desk: Burning
) -> None:
    ears = Told(batch("s1", said("!note a")), batch("s1", said("!note a")))
    first, second = begin(ears), begin(ears)
    first.position = second.position = Position(since="s0")
    await first.turn()
    await second.turn()
    assert ears.at == ["s0", "s0"]
    assert len(desk.world.incident.entries) == 1
    assert len(ears.posted) == 1


async def test_what_cannot_be_done_waits_is_told_so_and_is_done_later(begin: Begin, desk: Burning) -> None:
    ears = Told(
        batch("s1", said("!ack"), said("!update a", number="2"), said("!ack", EVE)), batch("s2"), batch("s3")
    )
    desk.away = Unreachable("Temporal does not answer")
    listener = begin(ears)
    await listener.turn()
    await listener.turn()
    assert sorted(ears.texts) == sorted([chat.AWAY, chat.AWAY, chat.stranger(EVE)])
    assert desk.acted == []
    await listener.turn()
    assert sorted(ears.texts) == sorted([chat.AWAY, chat.AWAY, chat.stranger(EVE)]), "once is enough"
    desk.away = None
    again = begin(ears)  # a restart in the middle forgets nothing
    await again.turn()
    assert [each.kind for each, _ in desk.acted] == ["acknowledge", "update"], "in their order"
    assert len(ears.posted) == 5
    assert ears.waits == [None, timedelta(seconds=2), timedelta(seconds=2)]
    assert again.position
    assert (again.position.since, again.position.waiting) == ("s3", ())


async def test_what_waited_too_long_is_not_done(begin: Begin, desk: Burning, clock: Clock) -> None:
    ears = Told(batch("s1", said("!ack"), said("!note a", number="2")), batch("s2"), batch("s3"))
    desk.away = Unreachable("Temporal does not answer")
    listener = begin(ears)
    await listener.turn()
    await listener.turn()
    clock.now += timedelta(minutes=11)
    await listener.turn()
    assert any("too long ago" in each for each in ears.texts)
    desk.away = None
    await listener.turn()
    assert [each.kind for each, _ in desk.acted] == ["note"]


async def test_an_answer_that_is_not_taken_is_sent_again_and_the_act_is_not(
    begin: Begin, desk: Burning
) -> None:
    ears = Told(batch("s1", said("!note a")), batch("s2"), batch("s3", said("!note b", number="2")))
    listener = begin(ears)
    await listener.turn()
    ears.mute = Unreachable("limited", retry_after_s=1.0)
    await listener.turn()
    ears.mute = None
    await listener.turn()
    assert len(ears.posted) == 1
    ears.mute = Denied("we were thrown out of the room")
    await listener.turn()
    assert listener.position == Position(since="s3")
    assert [each.text for each in desk.world.incident.entries] == ["a", "b"]


async def test_a_room_that_is_not_ours_is_nothing_to_us(begin: Begin, desk: Burning) -> None:
    for where in (None, Denied("never there"), Gone("no room")):
        ears = Told(batch("s1", said("!ack"), sealed=("!room:a",)))
        ears.where = where
        listener = begin(ears)
        listener.position = Position(since="s0")
        await listener.turn()
        assert ears.posted == {}
    ears = Told(batch("s1", said("!ack")))
    ears.where = Unreachable("the homeserver is away")
    listener = begin(ears)
    listener.position = Position(since="s0")
    await listener.turn()
    assert ears.posted == {}, "nothing is said in a room that may be anybody's"
    assert len(listener.position.waiting) == 1
    assert desk.acted == []


async def test_an_encrypted_room_is_told_once_that_nobody_hears_it(begin: Begin) -> None:
    ears = Told(batch("s1", sealed=("!room:a",)), batch("s2", sealed=("!room:a",)))
    listener = begin(ears)
    for _ in range(3):
        await listener.turn()
    ((room, text),) = ears.posted.values()
    assert (room, text) == ("!room:a", chat.SEALED.format(board=f"{HOME}/board/{INCIDENT}"))


async def test_a_message_that_the_station_fails_on_holds_up_nobody(begin: Begin, desk: Burning) -> None:
    ears = Told(batch("s1", said("!note a"), said("!note b", number="2")))
    listener = begin(ears)
    await listener.turn()
    desk.refuses = RuntimeError("a bug")
    with capture_logs() as logs:
        await listener.turn()
    assert ears.texts == [chat.FAILED, chat.FAILED]
    assert listener.position == Position(since="s1")
    assert any("fails on" in each["event"] for each in logs)
    desk.refuses = NotConfigured("the incident could not take it")
    assert await answer(listener.clerk, said("!note c")) == chat.FAILED


@pytest.mark.parametrize("content", [b"", b"[]", b'{"since": 1}', b"\xff"])
async def test_a_position_that_cannot_be_read_is_begun_anew(begin: Begin, content: bytes) -> None:
    listener = begin(Told())
    listener.file.parent.mkdir()
    listener.file.write_bytes(content)
    again = begin(Told())
    await again.turn()
    assert again.position == Position(since="s0")


async def test_troubles_are_waited_out_and_never_end_it(
    begin: Begin, desk: Burning, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    limit = Unreachable("limited", retry_after_s=30.0)
    unknown = Nonsense("M_UNKNOWN_POS", status=400)
    troubles: list[Any] = [
        Unreachable("away"),
        Nonsense("HTML"),
        limit,
        Denied("the token was changed"),
        unknown,
    ]
    ears = Told(*troubles, batch("s1", said("!note a")), batch("s2"))
    listener = begin(ears)

    async def rest(seconds: float) -> None:
        if listener.deaf_since:
            pauses.append(seconds)

    monkeypatch.setattr("gateway.listening.asyncio.sleep", rest)
    task = asyncio.create_task(listener.listen())
    await ears.quiet.wait()
    assert pauses == [1.0, 2.0, 30.0, 8.0]
    assert listener.deaf_since is None
    assert [each.text for each in desk.world.incident.entries] == ["a"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_position_that_is_not_known_forgets_nothing_that_waits(begin: Begin, desk: Burning) -> None:
    ears = Told(Nonsense("M_UNKNOWN_POS", status=400), batch("s1"))
    listener = begin(ears)
    listener.position = Position(since="old", waiting=(said("!note a"),))
    await listener.turn()
    await listener.turn()
    assert ears.at == ["old", "s0"]
    assert [each.text for each in desk.world.incident.entries] == ["a"]


async def test_the_files_say_whom_to_listen_as(
    clerk: Clerk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A homeserver that is not there is told with the readiness; without its room nobody listens there."""
    monkeypatch.setattr("gateway.listening.LOOK_SECONDS", 0.01)
    monkeypatch.setenv("MATRIX_TOKEN", "token-of-the-test")
    books = clerk.books
    assert isinstance(books, Standing)
    without = books.book
    (system,) = without.systems.values()
    config = {
        "homeserver": "http://127.0.0.1:9",
        "token": "env:MATRIX_TOKEN",
        "room": "per-incident",
        "people": [ANA],
    }
    one = {"id": "chat", "title": "C", "driver": "matrix", "audience": "internal", "with": config}
    rooms = (
        one,
        {**one, "id": "again"},
        {**one, "id": "all", "with": {**config, "room": "#all:a", "people": []}},
    )
    channels = tuple(ChannelFitting.model_validate(each) for each in rooms)
    books.book = without.changed(systems={system.system: system.changed(channels=channels)})

    async def until(look: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not look():  # noqa: ASYNC110 - what is waited for is another task's
                await asyncio.sleep(0.01)

    async with Drivers(ReferenceSecrets(tmp_path)) as bench:
        listening = Listening(books, bench, clerk, tmp_path)
        async with listening.standing():
            await until(lambda: bool(listening.warnings()))
            assert len(listening.listeners) == 1, "one user is listened to once"
            assert "chat is not heard since" in listening.warnings()[0]
            books.book = without
            await until(lambda: not listening.listeners)
            assert not listening.warnings()
