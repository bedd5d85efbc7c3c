"""The HAProxy levers, through its admin socket: one entry of a map, and the weights of a backend's servers.

Both are effective with the next request. Neither compares before it sets: the gap is one round trip to a local socket.
What is moved here lives in the process: a reload or a restart goes back to the files, and the next reading shows it.
An entry that is put back after it was removed stands at the end of its map, which matters only to maps of patterns.
"""

import asyncio
import re
import shlex
from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from firestation.drivers.moving import MovingConfig, MovingLever, Raced
from firestation.errors import Denied, Gone, Nonsense, Unreachable
from firestation.model import Duration, Line, Model
from firestation.ports import ByHand
from firestation.system import Position

MOST_BYTES = 16_000_000
HIGHEST_WEIGHT = 256
NOT_THERE = ("Unknown map", "Can't find backend", "No such")
GONE_MEANWHILE = ("Key not found", "entry not found")

Word = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
"""Visible ASCII without spaces, as HAProxy's own files have it."""


class HaproxyLeverConfig(MovingConfig):
    """`socket` is a path, relative to the station's folder, or host:port. Either `map` and `key`, or `backend`.

    `map` is the file as haproxy.cfg names it. `timeout` is for one command.
    """

    socket: Line
    map: Word | None = None
    key: Word | None = None
    backend: Word | None = None
    timeout: Duration = Field(default="5s", validate_default=True, gt=timedelta(), le=timedelta(minutes=1))

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.map is None) != (self.key is None):
            missing = "map: /etc/haproxy/tools.map" if self.map is None else "key: /tools/refund"
            msg = f"an entry has a map and a key; add {missing}"
            raise ValueError(msg)
        if (self.map is None) == (self.backend is None):
            msg = "a lever is one thing; write either map and key, or backend: NAME for the weights of its servers"
            raise ValueError(msg)
        return self


class HaproxyLever(MovingLever[HaproxyLeverConfig]):
    """Sets an entry or weights. A position is the entry's text (null: no entry), or every server's weight by name."""

    config_model: ClassVar[type[Model]] = HaproxyLeverConfig

    async def position(self) -> Position:
        """As the running process has it."""
        if self.config.map is not None:
            return Position(value=await self._entry())
        return Position(value=dict(await self._weights()))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - HAProxy knows no keys
        """One line to the socket."""
        said = await self._say(self._command(to.value, found.value))
        if said.strip():
            raise self._refusal(said)

    def read_by_hand(self) -> ByHand:
        """The entries of the map, or the servers' states, through socat."""
        if self.config.map is not None:
            look = f"its position stands behind {self.config.key}; no such line: null"
            return ByHand(command=self._typed(f"show map {self.config.map}"), look=look)
        line = f"show servers state {self.config.backend}"
        return ByHand(command=self._typed(line), look="the weights stand under srv_uweight")

    def by_hand(self, to: JsonValue) -> str:
        """The same line, through socat. An entry is removed first, so that it does not matter whether there is one."""
        if self.config.map is not None:
            commands = [self._command(None, "")]
            commands += [] if to is None else [self._command(to, None)]
            line = "; ".join(commands)
        else:
            line = self._command(to, to)
        return self._typed(line)

    def _typed(self, line: str) -> str:
        place = self.config.socket
        address = f"UNIX-CONNECT:{self.kit.folder / place}" if _is_path(place) else f"TCP:{place}"
        return f"echo {shlex.quote(line)} | socat - {shlex.quote(address)}"

    def _command(self, to: JsonValue, found: JsonValue) -> str:
        config = self.config
        if config.map is None:
            return self._weigh(to, found)
        place = f"map {_escaped(config.map)} {_escaped(str(config.key))}"
        if to is None:
            return f"del {place}"
        if not isinstance(to, str) or not re.fullmatch(r"[!-~][ -~]*", to) or to.startswith("<<"):
            msg = f"{to!r} cannot stand in a map; write a text of one line in quotes, or null for no entry"
            raise Gone(msg)
        return f"{'add' if found is None else 'set'} {place} {_escaped(to)}"

    def _weigh(self, to: JsonValue, found: JsonValue) -> str:
        """Those that are raised come first, so that there is always a server."""
        if not isinstance(to, dict) or not isinstance(found, dict) or set(to) != set(found):
            servers = ", ".join(found) if isinstance(found, dict) else "them"
            msg = f"{to!r} does not name every server of the backend once; give a weight to each of {servers}"
            raise Gone(msg)
        raised: list[str] = []
        lowered: list[str] = []
        for server, weight in to.items():
            if type(weight) is not int or not 0 <= weight <= HIGHEST_WEIGHT:
                msg = f"{weight!r} is no weight of {server}; write a number from 0 to {HIGHEST_WEIGHT}"
                raise Gone(msg)
            before = found[server]
            side = raised if isinstance(before, int) and weight > before else lowered
            side.append(f"set server {self.config.backend}/{_escaped(server)} weight {weight}")
        return "; ".join(raised + lowered)

    async def _entry(self) -> str | None:
        said = await self._say(f"show map {_escaped(str(self.config.map))}")
        found: set[str] = set()
        for line in filter(None, said.splitlines()):
            if not line.startswith("0x"):
                raise self._refusal(said)
            _, entry, *value = line.split(" ", 2)
            if entry == self.config.key:
                found.add(value[0] if value else "")
        if len(found) > 1:
            msg = f"{self.config.map} has {self.config.key} more than once, as {sorted(found)}; leave one of them"
            raise Nonsense(msg)
        return found.pop() if found else None

    async def _weights(self) -> dict[str, int]:
        said = await self._say(f"show servers state {self.config.backend}")
        lines = said.splitlines()
        if len(lines) < 2 or not lines[1].startswith("# "):  # noqa: PLR2004 - the format's version, then the names
            raise self._refusal(said)
        names = lines[1].removeprefix("# ").split(" ")
        rows = [dict(zip(names, line.split(" "), strict=False)) for line in lines[2:] if line]
        return {row["srv_name"]: int(row["srv_uweight"]) for row in rows}

    def _refusal(self, said: str) -> Denied | Gone | Raced:
        msg = f"HAProxy at {self.config.socket} said: {' '.join(said.split())[:300] or '(nothing)'}"
        if any(each in said for each in GONE_MEANWHILE):
            return Raced(msg)
        return (Gone if any(each in said for each in NOT_THERE) else Denied)(msg)

    async def _say(self, command: str) -> str:
        """One line, and all that is answered: HAProxy then closes. Raises `Unreachable` and `Denied`."""
        place, seconds = self.config.socket, self.config.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                if _is_path(place):
                    reader, writer = await asyncio.open_unix_connection(self.kit.folder / place)
                else:
                    host, _, port = place.rpartition(":")
                    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                try:
                    writer.write(f"{command}\n".encode())
                    await writer.drain()
                    said = await _whole(reader)
                finally:
                    writer.close()
        except PermissionError as error:
            msg = f"HAProxy's socket {place} does not let us in: {error}"
            raise Denied(msg) from error
        except TimeoutError as error:
            msg = f"HAProxy at {place} gave no whole answer within {seconds:g} s"
            raise Unreachable(msg) from error
        except OSError as error:
            msg = f"HAProxy at {place} is not reachable: {error}"
            raise Unreachable(msg) from error
        return said


async def _whole(reader: asyncio.StreamReader) -> str:
    pieces = bytearray()
    while piece := await reader.read(65536):
        pieces += piece
        if len(pieces) > MOST_BYTES:
            msg = f"HAProxy answered more than {MOST_BYTES} bytes"
            raise Nonsense(msg)
    if not pieces:  # even a yes is an empty line
        msg = "HAProxy closed the socket without an answer"
        raise Unreachable(msg)
    return pieces.decode(errors="replace")


def _is_path(place: str) -> bool:
    return re.fullmatch(r"[^/]+:\d{1,5}", place) is None


def _escaped(word: str) -> str:
    """As one word of a command line."""
    return re.sub(r"([\\; ])", r"\\\1", word)
