"""The Matrix channel: into one room, into a room for each incident, or to a person in a direct room, once a key.

The transaction id is made from the idempotency key, so the homeserver answers a repeated send with the first event.
A person's direct room has an alias made from the two user ids: it is found again, and two workers cannot make two. The
alias alone proves nothing, so a page goes there only when we made the room and nobody but the two is in it.
Rooms are not encrypted: the homeserver's operator can read a page.
"""

import hashlib
from typing import Annotated, ClassVar, NoReturn, Self

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from firestation.address import Address
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.exchange import Auth, Connection
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.matrix_api import (
    API,
    CLOSED,
    INVITE,
    JOIN,
    Homeserver,
    MatrixRequest,
    State,
    content_of,
    named,
)
from firestation.drivers.matrix_ears import Ears
from firestation.drivers.matrix_rooms import IncidentRooms
from firestation.errors import Denied, Gone, Nonsense, Unreachable
from firestation.model import Duration, Line, Model
from firestation.system import ChannelFitting

PER_INCIDENT = "per-incident"
CREATE = MatrixRequest(
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
Member = Annotated[Line, StringConstraints(pattern=r"^@[^:\s]+:\S+$")]


class MatrixConfig(Model):
    """`homeserver` and the access token of the user that speaks.

    `room`, an alias or an id, is where all goes; `per-incident` makes a room for each incident and invites `people`.
    """

    homeserver: Address
    token: SecretReference
    room: Annotated[Line, StringConstraints(pattern=rf"^([!#]\S+|{PER_INCIDENT})$")] | None = None
    people: tuple[Member, ...] = ()
    timeout: Duration = Field(default="10s", validate_default=True)

    @model_validator(mode="after")
    def _for_somebody(self, info: ValidationInfo) -> Self:
        if (self.room == PER_INCIDENT) != bool(self.people):
            msg = (
                f"room: {PER_INCIDENT} and people go together; name who is invited, like ['@ana:example.org']"
            )
            raise ValueError(msg)
        if self.room == PER_INCIDENT and (info.context or {}).get("audience") == "public":
            msg = f"room: {PER_INCIDENT} is a war room, and the audience is public; name one public room"
            raise ValueError(msg)
        return self

    def connection(self) -> Connection:
        """How the homeserver is asked."""
        return Connection(base=self.homeserver, auth=Auth(bearer=self.token), timeout=self.timeout)


class MatrixChannel:
    """Sends once a key, for as long as the homeserver remembers transactions: longer than a send is retried."""

    config_model: ClassVar[type[Model]] = MatrixConfig

    def __init__(self, fitting: ChannelFitting, config: MatrixConfig, kit: Kit) -> None:
        self.fitting, self.config = fitting, config
        self._server = Homeserver(kit, config.connection())

    async def send(self, message: Message, key: str) -> Receipt:
        """Into the room, into the incident's room, or to the person."""
        to = self.config.room or message.to or ""
        if to == PER_INCIDENT:
            event = await IncidentRooms(self._server, self.config.people).send(message, key)
        else:
            room = await self._room(to)
            event = await self._server.say(room, content_of(message), key)
        return Receipt(channel=self.fitting.id, reference=one_line(event))

    def ears(self) -> Ears | None:
        """How to hear what is written in the rooms of incidents; None where there are no such rooms."""
        return Ears(self._server.kit, self._server.link) if self.config.room == PER_INCIDENT else None

    async def _room(self, to: str) -> str:
        if to.startswith("@"):
            return await self._direct(to)
        if not to.startswith(("!", "#")):
            raise Gone(f"{to!r} is nobody on Matrix; write @user:server, or a room like #alerts:server")
        room = named(await self._server.ask(JOIN, room=to), "$.room_id", "!")
        try:
            closed = await self._server.ask(CLOSED, room=room)
        except Gone:
            return room
        goes_on = one_line(State.replaced_by(closed) or "nothing")
        raise Gone(
            f"the room {to} was closed and goes on as {goes_on}; nobody reads it: name the room that goes on"
        )

    async def _direct(self, user: str) -> str:
        """The room that we share with this user alone; made, or they invited to it anew, if need be."""
        me = await self._server.me()
        alias = f"firestation-{hashlib.sha256(f'{me} {user}'.encode()).hexdigest()[:20]}"
        whole = f"#{alias}:{me.partition(':')[2]}"
        room = await self._server.find(whole)
        if room is not None:
            await self._see_them_in(room, whole, me, user)
            return room
        try:
            made = await self._server.ask(CREATE, alias=alias, name="Firestation", user=user)
        except Nonsense as error:
            await self._made_by_another(whole, error)
        return named(made, "$.room_id", "!")

    async def _made_by_another(self, alias: str, error: Nonsense) -> NoReturn:
        """Raises `Unreachable` when another worker was faster and is still at it, else the error itself."""
        if await self._server.find(alias) is None:
            raise error
        raise Unreachable(f"another worker makes the room {alias} just now; try again") from error

    async def _see_them_in(self, room: str, alias: str, me: str, user: str) -> None:
        """Invite them, unless they are there or invited. Raises `Unreachable` while we are not in the room ourselves.

        Another worker may be making it just now. Raises `Denied` when it is not ours, or others are in it or can enter:
        no page ever goes there.
        """
        try:
            state = await self._server.state(room)
        except Denied as error:
            raise Unreachable(f"we are not in the direct room of {user} (yet): {error}") from error
        present = state.present
        if me not in present:
            raise Unreachable(f"we are not in the direct room of {user} (yet)")
        wrong = _trouble(state, me, user)
        if wrong:
            fix = "take its alias away, and the next page makes another"
            raise Denied(f"the room {alias} is not for {user} alone: {wrong}; {fix}")
        if user not in present:
            await self._server.ask(INVITE, room=room, user=user)


def _trouble(state: State, me: str, user: str) -> str | None:
    """Why what is said there is not for this user alone."""
    wrong = state.not_mine(me)
    others = sorted(state.present - {me, user})
    if others and (wrong is None or not wrong.startswith("it was made")):
        return f"{one_line(', '.join(others[:3]))} is in it, or invited"
    if state.replacement is not None:
        return "it was closed"
    return wrong
