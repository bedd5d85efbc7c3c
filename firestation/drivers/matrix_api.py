"""The Matrix client-server API, as far as we speak it, and what a room's state says."""

import hashlib
import html
from typing import Any, ClassVar, Self

from pydantic import BaseModel, JsonValue, ValidationError

from firestation.board import Message
from firestation.drivers.exchange import Answer, Connection, ask
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.saying import shown, shown_line
from firestation.drivers.template import Request
from firestation.errors import Gone, Nonsense

API = "/_matrix/client/v3"
PRESENT = frozenset({"join", "invite"})
CREATED, JOINING, MEMBER = "m.room.create", "m.room.join_rules", "m.room.member"
TOMBSTONE, THREAD = "m.room.tombstone", "firestation.thread"
INCIDENT, RUN = "firestation.incident", "firestation.run"


class MatrixRequest(Request):
    """A request to a homeserver."""

    allowed: ClassVar[frozenset[str]] = frozenset(
        {
            *("room", "user", "key", "content", "alias", "name", "topic", "incident", "run"),
            *("since", "until", "wait", "filter"),
        }
    )


WHO = MatrixRequest(url=f"{API}/account/whoami")
FIND = MatrixRequest(url=f"{API}/directory/room/{{room}}")
JOIN = MatrixRequest(method="POST", url=f"{API}/join/{{room}}", body={})
STATE = MatrixRequest(url=f"{API}/rooms/{{room}}/state")
CLOSED = MatrixRequest(url=f"{API}/rooms/{{room}}/state/{TOMBSTONE}/")
INVITE = MatrixRequest(method="POST", url=f"{API}/rooms/{{room}}/invite", body={"user_id": "{user}"})
SEND = MatrixRequest(method="PUT", url=f"{API}/rooms/{{room}}/send/m.room.message/{{key}}", body="{content}")
MARK = MatrixRequest(method="PUT", url=f"{API}/rooms/{{room}}/state/{THREAD}/{{key}}", body="{content}")


class Event(BaseModel):
    """What we read of an event of a room's state; the rest of it is the product's."""

    type: str
    sender: str
    state_key: str = ""
    content: dict[str, Any]


class State(BaseModel):
    """Everything that holds in a room now."""

    events: list[Event]

    @classmethod
    def of(cls, answer: Answer, room: str) -> Self:
        """As the homeserver tells it. Raises `Nonsense`."""
        try:
            return cls.model_validate({"events": answer.json()})
        except ValidationError as error:
            raise Nonsense(f"the state of the room {room} is in a shape that is not known") from error

    @property
    def members(self) -> dict[str, str]:
        """Whoever was ever invited, and what they are now: join, invite, leave or ban."""
        return {
            each.state_key: str(each.content.get("membership")) for each in self.events if each.type == MEMBER
        }

    @property
    def present(self) -> frozenset[str]:
        """Who is in it, or invited."""
        return frozenset(user for user, membership in self.members.items() if membership in PRESENT)

    @property
    def made(self) -> dict[str, Any]:
        """What it was made with; nobody can change it."""
        return next((each.content for each in self.events if each.type == CREATED), {})

    @property
    def replacement(self) -> str | None:
        """The room that it goes on as; empty when it says none, None while it is open."""
        closed = next(
            (each.content for each in self.events if each.type == TOMBSTONE and not each.state_key), None
        )
        return None if closed is None else str(closed.get("replacement_room") or "")

    @staticmethod
    def replaced_by(closed: Answer) -> str | None:
        """The room that the tombstone of a closed one names."""
        found = closed.json()
        return str(found.get("replacement_room") or "") if isinstance(found, dict) else None

    def thread(self, thing: str) -> dict[str, Any]:
        """What was noted of the thread about this thing; empty when there is none."""
        marks = (each.content for each in self.events if each.type == THREAD and each.state_key == thing)
        return next(marks, {})

    def not_mine(self, me: str) -> str | None:
        """Why it is not a room of ours that one enters by invitation only."""
        makers = {each.sender for each in self.events if each.type == CREATED}
        if makers != {me}:
            return f"it was made by {one_line(', '.join(sorted(makers)) or 'nobody')}"
        # While another worker makes the room the rule may not stand there yet; then it is by invitation.
        if any(each.content.get("join_rule") != "invite" for each in self.events if each.type == JOINING):
            return "others can enter it without an invitation"
        return None


class Homeserver:
    """Asks. Every answer that names something is held to the form of what it names."""

    def __init__(self, kit: Kit, link: Connection) -> None:
        self.kit, self.link = kit, link

    async def ask(self, request: MatrixRequest, **values: JsonValue) -> Answer:
        """One answer. Raises `DriverError`."""
        return await ask(self.kit, self.link, request, values)

    async def me(self) -> str:
        """The user that speaks."""
        return named(await self.ask(WHO), "$.user_id", "@")

    async def find(self, alias: str) -> str | None:
        """The room of this alias; None when there is none."""
        try:
            return named(await self.ask(FIND, room=alias), "$.room_id", "!")
        except Gone:
            return None

    async def state(self, room: str) -> State:
        """What holds in it. Raises `Denied` where we never were."""
        return State.of(await self.ask(STATE, room=room), one_line(room))

    async def say(self, room: str, content: JsonValue, key: str) -> str:
        """Post once a key; the event's id."""
        answer = await self.ask(
            SEND, room=room, key=hashlib.sha256(key.encode()).hexdigest(), content=content
        )
        return named(answer, "$.event_id", "$")


def named(answer: Answer, path: str, sigil: str) -> str:
    """The room, user or event that an answer names. Raises `Nonsense` when it names none."""
    found = answer.at(path)
    if not (isinstance(found, str) and found.startswith(sigil) and found.isprintable() and len(found) > 1):
        raise Nonsense(f"{answer.asked} answered no name like {sigil}… at {path}: {one_line(found)[:100]}")
    return found


def content_of(message: Message, thread: str | None = None) -> dict[str, JsonValue]:
    """The message as an event. Nobody is called by what it quotes: only whom it is for.

    `m.mentions` makes clients and homeservers look there instead of into the text, so that `@room` in it calls nobody.
    """
    title, text = shown_line(message.title), shown(message.text)
    lines = "<br>".join(html.escape(line) for line in text.split("\n"))
    to = message.to or ""
    content: dict[str, JsonValue] = {
        "msgtype": "m.text",
        "body": f"{title}\n{text}",
        "format": "org.matrix.custom.html",
        "formatted_body": f"<strong>{html.escape(title)}</strong><br>{lines}",
        "m.mentions": {"user_ids": [to]} if to.startswith("@") else {},
    }
    return content | (_in_thread(thread, thread) if thread else {})


def notice_of(text: str, thread: str, about: str, to: str) -> dict[str, JsonValue]:
    """The answer to a message, in its thread. A notice: no program that answers messages answers it."""
    text = shown(text)
    return {
        "msgtype": "m.notice",
        "body": text,
        "format": "org.matrix.custom.html",
        "formatted_body": "<br>".join(html.escape(line) for line in text.split("\n")),
        "m.mentions": {"user_ids": [to]},
        **_in_thread(thread, about),
    }


def _in_thread(thread: str, about: str) -> dict[str, JsonValue]:
    """How an event says to which thread it belongs; clients without threads show it as a reply."""
    return {
        "m.relates_to": {
            "rel_type": "m.thread",
            "event_id": thread,
            "is_falling_back": True,
            "m.in_reply_to": {"event_id": about},
        }
    }
