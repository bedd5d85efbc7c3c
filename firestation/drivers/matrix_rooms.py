"""One Matrix room an incident: made once, by an alias that only one worker can make, with the people of the war room.

The alias is made from the incident and from who we are. As in a direct room it proves nothing by itself: words go only
into a room that we made and that nobody enters uninvited. Where such a room is lost to us (we left it, or another took
the alias), the next alias is tried, so that words are never lost to a room that cannot be mended at night.

What is about one thing (the words of the board; a decision and what came of it) goes into one thread under the first
message about it. Which one that was is noted in the room's own state, where every worker finds it.
"""

import hashlib
import re

import structlog
from pydantic import JsonValue

from firestation.board import Message
from firestation.drivers.harvest import one_line
from firestation.drivers.matrix_api import (
    API,
    INCIDENT,
    INVITE,
    JOIN,
    MARK,
    RUN,
    Homeserver,
    MatrixRequest,
    State,
    content_of,
    named,
)
from firestation.drivers.saying import cut, is_update, run_of, shown_line
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable

log = structlog.get_logger()

ALIASES = 5
HOPS = 5
NAME_LENGTH, TOPIC_LENGTH = 255, 500
DIGEST = re.compile(r"-([0-9a-f]{12})(?:-\d+)?$")
CREATE = MatrixRequest(
    method="POST",
    url=f"{API}/createRoom",
    body={
        "room_alias_name": "{alias}",
        "name": "{name}",
        "topic": "{topic}",
        "preset": "private_chat",  # by invitation; whoever is in it may bring in others, and open it to nobody
        # Of which incident it is, where nobody can change it: what is written in it is for this incident alone.
        "creation_content": {INCIDENT: "{incident}", RUN: "{run}"},
        # Guests have no account that says who they are.
        "initial_state": [
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}}
        ],
    },
)


def thing_of(message: Message, key: str) -> str | None:
    """What a message is about, where several are: the board's words, or one decision by the start of its digest."""
    if is_update(message):
        return "words"
    steps = key.split("/")[2:3]
    found = DIGEST.search(steps[0]) if steps else None
    return found[1] if found else None


class IncidentRooms:
    """The rooms, each found again by its alias, and made when there is none."""

    def __init__(self, server: Homeserver, people: tuple[str, ...]) -> None:
        self.server, self.people = server, people

    async def send(self, message: Message, key: str) -> str:
        """Post into the room of the message's incident, in the thread of what it is about; the event's id."""
        room, state = await self._open(message, run_of(message, key))
        await self._bring_in(room, state, message)
        mark = hashlib.sha256(key.encode()).hexdigest()
        thing = thing_of(message, key)
        first = state.thread(thing) if thing else {}
        root = first.get("event_id")
        if isinstance(root, str) and first.get("key") == mark:
            return root  # this very message began the thread
        event = await self.server.say(room, content_of(message, root if isinstance(root, str) else None), key)
        if thing and not isinstance(root, str):
            await self._begin(room, thing, {"event_id": event, "key": mark})
        return event

    async def _begin(self, room: str, thing: str, content: dict[str, JsonValue]) -> None:
        """Note where the thread begins. The message is out: only what is worth another try may fail it now."""
        try:
            await self.server.ask(MARK, room=room, key=thing, content=content)
        except (Denied, Gone) as error:
            log.warning("the beginning of a thread could not be noted", room=room, trouble=str(error)[:300])

    async def _open(self, message: Message, run: str) -> tuple[str, State]:
        """The room and its state. Raises `Denied` when none can be had, `Unreachable` while another makes it."""
        me = await self.server.me()
        digest = hashlib.sha256(f"{me} {run}".encode()).hexdigest()[:12]
        wrong = ""
        for number in range(1, ALIASES + 1):
            alias = f"{message.incident}-{digest}" + (f"-{number}" if number > 1 else "")
            whole = f"#{alias}:{me.partition(':')[2]}"
            room = await self.server.find(whole)
            if room is None:
                room = await self._make(alias, whole, message, run)
            try:
                return await self._usable(room, me)
            except Denied as error:
                wrong = str(error)
        raise Denied(f"there is no room for {message.incident}, the last one that was tried: {wrong}")

    async def _make(self, alias: str, whole: str, message: Message, run: str) -> str:
        """A new room by this alias. Raises `Unreachable` when another worker was faster: it may be half made."""
        name = cut(f"{message.incident}: {shown_line(message.title)}", NAME_LENGTH)
        # Of the text its first line only: the last may be the link of a page, and a topic stays.
        first = shown_line(next(iter(message.text.splitlines()), ""))
        topic = cut(f"{shown_line(message.title)}. {first}", TOPIC_LENGTH)
        try:
            answer = await self.server.ask(
                CREATE,
                alias=alias,
                name=name,
                topic=topic,
                incident=message.incident,
                run=run.partition("/")[2],
            )
        except Nonsense as error:
            if await self.server.find(whole) is None:
                raise
            raise Unreachable(f"another worker makes the room {whole} just now; try again") from error
        return named(answer, "$.room_id", "!")

    async def _usable(self, room: str, me: str) -> tuple[str, State]:
        """The room, or what it goes on as after an upgrade, and its state. Raises `Denied` when it is not for us."""
        for hop in range(HOPS):
            state = await self._seen(room, me, after=hop > 0)
            wrong = state.not_mine(me)
            if wrong:
                raise Denied(f"the room {one_line(room)} is not ours: {wrong}")
            following = state.replacement
            if following is None:
                return room, state
            if not following:
                raise Denied(f"the room {one_line(room)} was closed, and goes on nowhere")
            room = following
        raise Denied(f"the room {one_line(room)} was closed, and what it goes on as, too, {HOPS} times")

    async def _seen(self, room: str, me: str, *, after: bool) -> State:
        """The state of a room that we are in. Raises `Denied` when we were in it and cannot come back.

        `after` an upgrade we are in the new room, or never will be.
        """
        try:
            state = await self.server.state(room)
        except (Denied, Gone) as error:
            if after:
                raise Denied(f"what it goes on as, {one_line(room)}, is not ours: {error}") from error
            # Never in it: another worker makes it just now, or somebody else took the alias.
            raise Unreachable(f"we are not in the room {one_line(room)} (yet): {error}") from error
        if state.members.get(me) == "join":
            return state
        if me not in state.members:
            raise Unreachable(f"we are not in the room {one_line(room)} (yet)")
        try:
            await self.server.ask(JOIN, room=room)
        except (Denied, Gone, Nonsense) as error:
            raise Denied(f"we left the room {one_line(room)} and cannot come back: {error}") from error
        return await self.server.state(room)

    async def _bring_in(self, room: str, state: State, message: Message) -> None:
        """Invite the people who never were. Who left is called back only by a message that is for them.

        Whoever cannot be invited keeps the others from nothing: it is logged, and tried again with the next message.
        """
        to = message.to or ""
        wanted = {user for user in self.people if user not in state.members}
        if to.startswith("@") and to not in state.present:
            wanted.add(to)
        for user in sorted(wanted):
            try:
                await self.server.ask(INVITE, room=room, user=user)
            except DriverError as error:
                log.warning("nobody could invite this person", user=user, room=room, trouble=str(error)[:300])
