"""The ports: five protocols for drivers and one for the evidence store.

A driver is a small class with its own frozen configuration. It raises only `DriverError`s; it never sees Temporal.
`firestation.testing` holds in-memory drivers and the conformance suites that every driver must pass.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from pydantic import Field, JsonValue

from firestation.after_action import Task, Ticket, TicketState
from firestation.alarm import Alarm
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.evidence import Scope
from firestation.expect import Expectation
from firestation.firebreak import Reading
from firestation.model import Line, Model, Sha256, Text, Time
from firestation.orders import LeaseAnswer, LeaseOrder, ReleaseOrder, Told
from firestation.public_page.notice import Notice
from firestation.public_page.part import PublicIncident
from firestation.rehearsal import RehearsalFitting
from firestation.system import (
    ChannelFitting,
    CheckFitting,
    LeverFitting,
    Position,
    SourceFitting,
    TrackerFitting,
)

Content = bytes | AsyncIterator[bytes]
"""The bytes of an artifact: whole, or in pieces of a few MiB at most, so that no memory must hold them all."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A piece of evidence on its way into the store. `name` is a relative label, never used as a path.

    `how` says how it was read, such as `GET /traces/r-1`, without any credential. Name and media type have at most
    300 characters.
    """

    name: str
    media_type: str
    content: Content
    provides: tuple[str, ...] = ()
    how: str | None = None


class Window(Model):
    """The span of time that a check looks at; a check that asks afresh may ignore `since`."""

    since: Time
    until: Time


class Stored(Model):
    """Where an artifact went: its digest is its name. `version` is the store's own, where it keeps versions."""

    digest: Sha256
    size: int = Field(ge=0)
    version: Line | None = None


class Source(Protocol):
    """A place where evidence is read from. It only reads."""

    def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """Yield the artifacts in scope, as they come. Raises `DriverError`; what was yielded before is kept."""
        ...


class Lever(Protocol):
    """Something that can be read, moved and put back."""

    async def read(self) -> Position:
        """The present position, from the product itself and never from a cache of ours."""
        ...

    async def move(self, to: Position, expected: Position, key: str) -> Position:
        """Move from `expected` to `to` and return the position read back.

        `key` is the idempotency key; a repeated call with the same key must not move twice.
        Raises `Drifted` when the lever is neither at `expected` nor already moved by this key (nothing is
        written then), `NotApplied` when the read-back does not show `to`, `Unreachable`, `Denied`, `Gone`,
        `Nonsense` as named.
        """
        ...


@runtime_checkable
class Stepwise(Protocol):
    """A lever that is moved in several steps, none of which its product can take back with the others."""

    def between(self, found: Position, one: Position, other: Position) -> bool:
        """Whether `found` is a move between these two that was begun and not ended; `move` ends it, either way."""
        ...


class Check(Protocol):
    """A measurement that says whether the product keeps its promise."""

    async def measure(self, window: Window) -> Reading:
        """Passed, failed or inconclusive. No data, a time-out or an odd answer is inconclusive, never raised."""
        ...


class AlarmBell(Protocol):
    """The station's own bell, for the alarms that its watch finds."""

    async def ring(self, alarm: Alarm) -> str | None:
        """Ring, once a key: the incident that it opened or joined. Raises `NotConfigured` and `DriverError`."""
        ...


class Channel(Protocol):
    """A way to reach people."""

    async def send(self, message: Message, key: str) -> Receipt:
        """Send once: the same key sent again must not reach people twice where the product can tell."""
        ...


class Tracker(Protocol):
    """A place where tasks are kept."""

    async def open(self, task: Task, key: str) -> Ticket:
        """Open the task once: the same key returns the same ticket."""
        ...


@runtime_checkable
class Followed(Protocol):
    """A tracker that can be asked what became of a task, and told a word about it."""

    async def look(self, ticket: Ticket) -> TicketState:
        """What became of it. A ticket that is not there any more is `gone`, and not an error."""
        ...

    async def remind(self, ticket: Ticket, text: str, key: str) -> None:
        """Put this word to the task, once a key. Raises `Gone` when the ticket is not there any more."""
        ...


class Fault(Protocol):
    """A fault of a rehearsal target, which is set for a drill and cleared after it. Both may be done again."""

    async def inject(self, drill: str) -> None:
        """Set the fault, for the drill of this name. Raises `DriverError`; part of it may be set then."""
        ...

    async def clear(self, drill: str) -> None:
        """Clear it, whatever of it is set. Raises `DriverError`."""
        ...


class LockCase(Model):
    """What a check asks and expects, as plain data from which a test file can be written.

    `token` is the reference of the bearer token, if the request needs one; `path` expectations are on the JSON answer.
    """

    method: Line
    url: Line
    body: JsonValue
    expect: tuple[Expectation, ...] = Field(min_length=1)
    token: SecretReference | None = None


@runtime_checkable
class Lockable(Protocol):
    """A check that can be written down as a test."""

    def lock_case(self) -> LockCase:
        """The request that this check makes and what it expects of the answer."""
        ...


class ByHand(Model):
    """What a person types when there is no engine: a shell command, and what to look for in its answer.

    Credentials stand in the command as shell variables or `$(cat PATH)`, never as values.
    """

    command: Text
    look: Text


@runtime_checkable
class ReadByHand(Protocol):
    """A lever that a person can read without us."""

    def read_by_hand(self) -> ByHand:
        """The command that shows the present position."""
        ...


@runtime_checkable
class MovedByHand(Protocol):
    """A lever that a person can move without us."""

    def by_hand(self, to: JsonValue) -> str:
        """The command that sets it to this value."""
        ...


@runtime_checkable
class MeasuredByHand(Protocol):
    """A check that a person can make without us."""

    def measure_by_hand(self) -> ByHand:
        """The command that asks, and when the answer means that it passed."""
        ...


class Bench(Protocol):
    """Where activities get their drivers: a fitting in, the driver that it names out.

    Raises `NotConfigured` or `InvalidInput` when the fitting names no driver or its configuration is wrong.
    """

    def source(self, fitting: SourceFitting) -> Source:
        """The source."""
        ...

    def lever(self, fitting: LeverFitting) -> Lever:
        """The lever."""
        ...

    def check(self, fitting: CheckFitting) -> Check:
        """The check."""
        ...

    def channel(self, fitting: ChannelFitting) -> Channel:
        """The channel."""
        ...

    def tracker(self, fitting: TrackerFitting) -> Tracker:
        """The tracker."""
        ...

    def fault(self, fitting: RehearsalFitting) -> Fault:
        """The fault of a drill."""
        ...


class Signer(Protocol):
    """Signs a statement into a DSSE envelope."""

    def seal(self, statement: dict[str, Any]) -> bytes:
        """The envelope, as canonical JSON."""
        ...


class EvidenceStore(Protocol):
    """A content-addressed, create-only store."""

    async def put(self, content: Content) -> Stored:
        """Keep these bytes under their SHA-256. Putting the same bytes again changes nothing.

        What comes in pieces is not seen by anybody before the last one is written.
        """
        ...

    async def get(self, digest: str) -> bytes:
        """The bytes of this digest, checked against it. Raises `Gone`, or `Nonsense` when they were altered."""
        ...

    def stream(self, digest: str) -> AsyncIterator[bytes]:
        """The same in pieces. Raises as `get` does; that they were altered only after the last piece."""
        ...

    async def protection(self, digest: str) -> str:
        """What really keeps these bytes from being altered or deleted, in a sentence; the store itself was asked."""
        ...

    def address(self, digest: str) -> str:
        """Where a person finds the bytes of this digest: a path or a URL."""
        ...


class Shelf(Protocol):
    """Small documents by name beside the evidence. Each is created once and never overwritten."""

    async def create(self, name: str, content: bytes) -> bool:
        """Keep this, durably. False, and nothing changed, when there is something by this name."""
        ...

    async def get(self, name: str) -> bytes | None:
        """What is kept by this name; None where there is nothing."""
        ...

    async def names(self, folder: str) -> Mapping[str, datetime]:
        """Every name below this folder, in their order, and since when it is kept."""
        ...


class PublicPage(Protocol):
    """The public page: static files that stand without us."""

    async def publish(self, part: PublicIncident) -> None:
        """Put this there and write the page anew. Something newer of the same incident is never replaced.

        Doing it again changes nothing but the page's age. Raises `Unreachable` or `Denied`.
        """
        ...


class Herald(Protocol):
    """Tells a public word to those who want to hear it."""

    async def tell(self, notice: Notice, *, last: bool) -> Told:
        """Tell it to all who were not told yet: each once, however often this is done. Raises `DriverError`."""
        ...


class Criers(Protocol):
    """Sees to it that subscribers are told, for as long as that takes; whoever asks waits for none of it."""

    async def cry(self, part: PublicIncident) -> None:
        """Every public word of this incident. Asking again changes nothing. Raises `Unreachable`."""
        ...


class Leases(Protocol):
    """Keeps two incidents from moving one lever."""

    async def take(self, order: LeaseOrder) -> LeaseAnswer:
        """Have the lever, if no other open incident has it. Taking it again changes nothing. Raises `Unreachable`.

        The answer says when another incident, which had it last, let go of it, as far as that is still known.
        """
        ...

    async def release(self, order: ReleaseOrder) -> None:
        """Let go of it; nothing happens when this incident does not have it."""
        ...


class Claims(Protocol):
    """Remembers which messages were begun, for channels whose product cannot tell a repeated one."""

    async def take(self, key: str) -> Receipt | None:
        """Claim this key for one sending: None when it is ours now, the receipt when it was sent already.

        Raises `Doubtful` when somebody claimed it and did not say what came of it, `Unreachable`, `Denied`.
        """
        ...

    async def release(self, key: str) -> None:
        """Give it back: nothing was sent."""
        ...

    async def finish(self, key: str, receipt: Receipt) -> None:
        """It was sent: whoever takes the key later is given the receipt."""
        ...


class Secrets(Protocol):
    """Turns a reference into a credential, inside an activity or the gateway and nowhere else."""

    def resolve(self, reference: str) -> str:
        """The secret that `env:NAME` or `file:PATH` names. Raises `NotConfigured` naming the reference only."""
        ...
