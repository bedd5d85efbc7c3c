"""The Matrix channel: a message to a room, or to a person in a direct room, sent once by the homeserver's own promise.

The transaction id is made from the idempotency key, so the homeserver answers a repeated send with the first event.
A person's direct room has an alias made from the two user ids: it is found again, and two workers cannot make two. The
alias alone proves nothing, so a page goes there only when we made the room and nobody but the two is in it.
Rooms are not encrypted: the homeserver's operator can read a page.
"""

import hashlib
from typing import Annotated, Any, ClassVar, NoReturn

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from firestation.address import Address
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.exchange import Answer, Auth, Connection, ask
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.template import Request, Values
from firestation.errors import Denied, Gone, Nonsense, Unreachable
from firestation.model import Duration, Line, Model
from firestation.system import ChannelFitting

API = "/_matrix/client/v3"
WHO = Request(url=f"{API}/account/whoami")
PRESENT = frozenset({"join", "invite"})
CREATED, JOINING, MEMBER = "m.room.create", "m.room.join_rules", "m.room.member"


class _Request(Request):
    allowed: ClassVar[frozenset[str]] = frozenset({"room", "user", "key", "text", "alias", "name"})


FIND = _Request(url=f"{API}/directory/room/{{room}}")
JOIN = _Request(method="POST", url=f"{API}/join/{{room}}", body={})
STATE = _Request(url=f"{API}/rooms/{{room}}/state")
INVITE = _Request(method="POST", url=f"{API}/rooms/{{room}}/invite", body={"user_id": "{user}"})
CREATE = _Request(
    method="POST",
    url=f"{API}/createRoom",
    body={
        "room_alias_name": "{alias}",
        "name": "{name}",
        "preset": "private_chat",  # the person may not change it, nor open it to others
        "power_level_content_override": {"invite": 100},
        "is_direct": True,
        "invite": ["{user}"],
    },
)
SEND = _Request(
    method="PUT",
    url=f"{API}/rooms/{{room}}/send/m.room.message/{{key}}",
    body={"msgtype": "m.text", "body": "{text}"},
)


class MatrixConfig(Model):
    """`homeserver` and the access token of the user that speaks. `room`, an alias or an id, is where all goes."""

    homeserver: Address
    token: SecretReference
    room: Annotated[Line, StringConstraints(pattern=r"^[!#]\S+$")] | None = None
    timeout: Duration = Field(default="10s", validate_default=True)

    def connection(self) -> Connection:
        """How the homeserver is asked."""
        return Connection(base=self.homeserver, auth=Auth(bearer=self.token), timeout=self.timeout)


class _Event(BaseModel):
    """What we read of an event of a room's state; the rest of it is the product's."""

    type: str
    sender: str
    state_key: str = ""
    content: dict[str, Any]


class _State(BaseModel):
    """Everything that holds in a room now."""

    events: list[_Event]

    @property
    def present(self) -> frozenset[str]:
        """Who is in it, or invited."""
        members = (each for each in self.events if each.type == MEMBER)
        return frozenset(each.state_key for each in members if each.content.get("membership") in PRESENT)

    def trouble(self, me: str, user: str) -> str | None:
        """Why what is said there is not for this user alone."""
        makers = {each.sender for each in self.events if each.type == CREATED}
        if makers != {me}:
            return f"it was made by {one_line(', '.join(sorted(makers)) or 'nobody')}"
        if others := sorted(self.present - {me, user}):
            return f"{one_line(', '.join(others[:3]))} is in it, or invited"
        # While another worker makes the room the rule may not stand there yet; then it is by invitation.
        if any(each.content.get("join_rule") != "invite" for each in self.events if each.type == JOINING):
            return "others can enter it without an invitation"
        return None


class MatrixChannel:
    """Sends once a key, for as long as the homeserver remembers transactions: longer than a send is retried."""

    config_model: ClassVar[type[Model]] = MatrixConfig

    def __init__(self, fitting: ChannelFitting, config: MatrixConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit
        self._link = config.connection()

    async def send(self, message: Message, key: str) -> Receipt:
        """Into the room, or to the person."""
        to = self.config.room or message.to or ""
        if to.startswith("@"):
            room = await self._direct(to)
        elif to.startswith(("!", "#")):
            room = _room_in(await self._ask(JOIN, room=to))
        else:
            raise Gone(f"{to!r} is nobody on Matrix; write @user:server, or a room like #alerts:server")
        answer = await self._ask(
            SEND,
            room=room,
            key=hashlib.sha256(key.encode()).hexdigest(),
            text=f"{message.title}\n{message.text}",
        )
        return Receipt(channel=self.fitting.id, reference=one_line(answer.at("$.event_id")))

    async def _direct(self, user: str) -> str:
        """The room that we share with this user alone; made, or they invited to it anew, if need be."""
        me = str((await self._ask(WHO)).at("$.user_id"))
        alias = f"firestation-{hashlib.sha256(f'{me} {user}'.encode()).hexdigest()[:20]}"
        whole = f"#{alias}:{me.partition(':')[2]}"
        try:
            room = _room_in(await self._ask(FIND, room=whole))
        except Gone:
            try:
                return _room_in(await self._ask(CREATE, alias=alias, name="Firestation", user=user))
            except Nonsense as error:
                await self._made_by_another(whole, error)
        else:
            await self._see_them_in(room, whole, me, user)
            return room

    async def _made_by_another(self, alias: str, error: Nonsense) -> NoReturn:
        """Raises `Unreachable` when another worker was faster and is still at it, else the error itself."""
        try:
            await self._ask(FIND, room=alias)
        except Gone:
            raise error from None
        raise Unreachable(f"another worker makes the room {alias} just now; try again") from error

    async def _see_them_in(self, room: str, alias: str, me: str, user: str) -> None:
        """Invite them, unless they are there or invited. Raises `Unreachable` while we are not in the room ourselves.

        Another worker may be making it just now. Raises `Denied` when it is not ours, or others are in it or can enter:
        no page ever goes there.
        """
        try:
            state = _State.model_validate({"events": (await self._ask(STATE, room=room)).json()})
        except Denied as error:
            raise Unreachable(f"we are not in the direct room of {user} (yet): {error}") from error
        except ValidationError as error:
            raise Nonsense(f"the state of the room {alias} is in a shape that is not known") from error
        present = state.present
        if me not in present:
            raise Unreachable(f"we are not in the direct room of {user} (yet)")
        wrong = state.trouble(me, user)
        if wrong:
            fix = "take its alias away, and the next page makes another"
            raise Denied(f"the room {alias} is not for {user} alone: {wrong}; {fix}")
        if user not in present:
            await self._ask(INVITE, room=room, user=user)

    async def _ask(self, request: Request, **values: str) -> Answer:
        given: Values = values
        return await ask(self.kit, self._link, request, given)


def _room_in(answer: Answer) -> str:
    return str(answer.at("$.room_id"))
