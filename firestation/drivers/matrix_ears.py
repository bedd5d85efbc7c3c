"""Listening on Matrix: what people write in the rooms that we made for incidents, each message once a position.

Only the homeserver's own word says who wrote. What is no plain new message (an edit, a notice, a state, what was
redacted) is not heard, nor is anything of our own. Where we were away for long, the gap is read backwards.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, JsonValue, ValidationError

from firestation.chat import Said
from firestation.drivers.exchange import Answer, Connection
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.matrix_api import (
    API,
    INCIDENT,
    RUN,
    Homeserver,
    MatrixRequest,
    State,
    notice_of,
)
from firestation.errors import Denied, Gone, Nonsense
from firestation.model import canonical_json

log = structlog.get_logger()

MESSAGE, ENCRYPTED = "m.room.message", "m.room.encrypted"
FEW, PAGE, PAGES = 20, 50, 20
"""Messages of a room in one answer, on one page of a gap, and pages of a gap: an event may have 64 kB."""

LARGEST = 64_000_000
HOPS = 5
USER = re.compile(r"@[^:\s]+:\S+")
NONE: JsonValue = {"types": []}
SYNC = MatrixRequest(
    url=f"{API}/sync",
    query={"timeout": "{wait}", "since": "{since}", "filter": "{filter}", "set_presence": "offline"},
)
BEGIN = MatrixRequest(
    url=f"{API}/sync", query={"timeout": "0", "filter": "{filter}", "set_presence": "offline"}
)
BEFORE = MatrixRequest(
    url=f"{API}/rooms/{{room}}/messages",
    query={"dir": "b", "from": "{until}", "to": "{since}", "limit": str(PAGE), "filter": "{filter}"},
)


class _Timeline(BaseModel):
    events: list[Any] = []
    limited: bool = False
    prev_batch: str | None = None


class _Room(BaseModel):
    timeline: _Timeline = _Timeline()


class _Rooms(BaseModel):
    join: dict[str, _Room] = {}


class _Sync(BaseModel):
    next_batch: str
    rooms: _Rooms = _Rooms()


class _Page(BaseModel):
    chunk: list[Any] = []
    end: str | None = None


Shape = TypeVar("Shape", _Sync, _Page)


class Heard(NamedTuple):
    """What was said since a position, the oldest of each room first; the rooms in which something was encrypted."""

    position: str
    said: tuple[Said, ...]
    sealed: tuple[str, ...]


class Place(NamedTuple):
    """Of which incident a room is, and of which run of it."""

    incident: str
    run: str


class Ears:
    """Listens as the user of a channel, and answers as the same."""

    def __init__(self, kit: Kit, link: Connection, wait: timedelta = timedelta(seconds=25)) -> None:
        self.server, self.wait = Homeserver(kit, link), wait
        self.patient = Homeserver(kit, link.changed(timeout=link.timeout + wait, max_bytes=LARGEST))

    async def begin(self) -> str:
        """The position of now: what was said before is not heard. Raises `DriverError`."""
        return _shaped(_Sync, await self.patient.ask(BEGIN, filter=_filter(1))).next_batch

    async def hear(self, since: str, wait: timedelta | None = None) -> Heard:
        """What was said since; it waits until there is something, `wait` at most. Raises `DriverError`."""
        me = await self.server.me()  # anew: another token may be another user's
        patience = int((self.wait if wait is None else wait).total_seconds() * 1000)
        answer = await self.patient.ask(SYNC, since=since, wait=str(patience), filter=_filter(FEW))
        found = _shaped(_Sync, answer)
        said, sealed = list[Said](), list[str]()
        for room, each in found.rooms.join.items():
            events = each.timeline.events
            if each.timeline.limited and each.timeline.prev_batch:
                events = [*await self._gap(room, since, each.timeline.prev_batch), *events]
            said += _heard(room, events, me)
            if any(isinstance(event, dict) and event.get("type") == ENCRYPTED for event in events):
                sealed.append(room)
        return Heard(found.next_batch, tuple(said), tuple(sealed))

    async def _gap(self, room: str, since: str, until: str) -> list[Any]:
        """What was said in a room between two positions, the oldest first."""
        found = list[Any]()
        for _ in range(PAGES):
            wanted = canonical_json({"types": [MESSAGE, ENCRYPTED]}).decode()
            answer = await self.server.ask(BEFORE, room=room, since=since, until=until, filter=wanted)
            page = _shaped(_Page, answer)
            found += page.chunk
            if not page.end or page.end == until:
                break
            until = page.end
        else:
            log.warning("more was said than is read again", room=one_line(room), read=len(found))
        return found[::-1]

    async def place(self, room: str) -> Place | None:
        """Of which incident this room is; None where it is none of ours, or not one by invitation, or closed."""
        me = await self.server.me()
        state = await self.server.state(room)
        found = None if state.replacement is not None else state
        for _ in range(HOPS):
            if found is None or found.not_mine(me):
                return None
            incident, run = found.made.get(INCIDENT), found.made.get(RUN)
            if isinstance(incident, str) and isinstance(run, str):
                return Place(incident, run)
            found = await self._before(found)
        return None

    async def _before(self, state: State) -> State | None:
        """The state of the room that this one goes on from, if we were ever in it."""
        before = state.made.get("predecessor")
        room = before.get("room_id") if isinstance(before, dict) else None
        if not isinstance(room, str) or not room.startswith("!"):
            return None
        try:
            return await self.server.state(room)
        except (Denied, Gone):
            return None

    async def answer(self, said: Said, text: str, key: str) -> None:
        """Answer in the message's thread, once a key. Raises `DriverError`."""
        await self.server.say(said.room, notice_of(text, said.thread, said.event, said.sender), key)

    async def tell(self, room: str, text: str, key: str) -> None:
        """Say something to everybody in a room, once a key. Raises `DriverError`."""
        await self.server.say(room, {"msgtype": "m.notice", "body": text, "m.mentions": {}}, key)


def _heard(room: str, events: Iterable[Any], me: str) -> Iterator[Said]:
    for event in events:
        said = said_of(room, event)
        if said is not None and said.sender != me:
            yield said


def said_of(room: str, event: Any) -> Said | None:
    """What this event says, if it is a new, plain message of somebody; nothing else of it is believed."""
    if not isinstance(event, dict) or event.get("type") != MESSAGE or "state_key" in event:
        return None
    content, sender = event.get("content"), event.get("sender")
    if not isinstance(content, dict) or content.get("msgtype") != "m.text" or "m.new_content" in content:
        return None
    relation = content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    if relation.get("rel_type") == "m.replace" or not isinstance(sender, str) or not USER.fullmatch(sender):
        return None
    number, thread = event.get("event_id"), relation.get("event_id")
    in_thread = relation.get("rel_type") == "m.thread" and isinstance(thread, str) and thread.startswith("$")
    given = {"room": room, "event": number, "thread": thread if in_thread else number, "sender": sender}
    try:
        at = datetime.fromtimestamp(event["origin_server_ts"] / 1000, UTC)
        return Said.model_validate({**given, "text": content.get("body"), "at": at})
    except (ValidationError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _shaped(shape: type[Shape], answer: Answer) -> Shape:
    try:
        return shape.model_validate(answer.json())
    except ValidationError as error:
        raise Nonsense(f"{answer.asked} answered in a shape that is not known") from error


def _filter(limit: int) -> str:
    rooms = {"timeline": {"types": [MESSAGE, ENCRYPTED], "limit": limit}, "state": NONE, "ephemeral": NONE}
    found = {"presence": NONE, "account_data": NONE, "room": {**rooms, "account_data": NONE}}
    return canonical_json(found).decode()
