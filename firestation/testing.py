"""In-memory drivers that really implement the ports, and the conformance suites that every driver inherits."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import JsonValue

from firestation.after_action import Task, Ticket, TicketState
from firestation.board import Message, Receipt
from firestation.conformance import (
    ChannelConformance,
    CheckConformance,
    ClaimsConformance,
    EvidenceStoreConformance,
    LeverConformance,
    ShelfConformance,
    SourceConformance,
)
from firestation.errors import Drifted, DriverError, Gone, Nonsense, NotApplied, NotConfigured, Unreachable
from firestation.evidence import Scope
from firestation.firebreak import Reading
from firestation.fitting import Fitting
from firestation.ports import (
    Artifact,
    Channel,
    Check,
    Content,
    Fault,
    Lever,
    LockCase,
    Source,
    Stored,
    Tracker,
    Window,
)
from firestation.rehearsal import RehearsalFitting
from firestation.system import (
    ChannelFitting,
    CheckFitting,
    LeverFitting,
    Position,
    SourceFitting,
    TrackerFitting,
)
from firestation.tracker_conformance import FollowedConformance, TrackerConformance

__all__ = [
    "ChannelConformance",
    "CheckConformance",
    "ClaimsConformance",
    "EvidenceStoreConformance",
    "Faults",
    "FollowedConformance",
    "LeverConformance",
    "MemoryBench",
    "MemoryChannel",
    "MemoryCheck",
    "MemoryEvidence",
    "MemoryFault",
    "MemoryLever",
    "MemoryShelf",
    "MemorySource",
    "MemoryTracker",
    "Move",
    "ShelfConformance",
    "SourceConformance",
    "TrackerConformance",
]

Verdict = Literal["passed", "failed", "inconclusive"]
T = TypeVar("T")


@dataclass
class Faults:
    """What goes wrong next, one fault used up a call.

    `errors` are raised in their order; with `after_effect` they are raised when the effect has happened already,
    as when an answer is lost. `slow_s` holds every call for so many seconds.
    """

    errors: deque[DriverError] = field(default_factory=deque)
    after_effect: bool = False
    slow_s: float = 0.0

    def unreachable(self, times: int) -> None:
        """The next calls find nobody."""
        self.errors.extend(Unreachable("nobody answers") for _ in range(times))

    async def before(self) -> None:
        """What happens ahead of the effect."""
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.errors and not self.after_effect:
            raise self.errors.popleft()

    def after(self) -> None:
        """What happens once the effect is there."""
        if self.errors and self.after_effect:
            raise self.errors.popleft()


class MemorySource:
    """Gives its artifacts, then fails with `trouble` if there is any."""

    def __init__(self, artifacts: Iterable[Artifact], trouble: DriverError | None = None) -> None:
        self.artifacts, self.trouble = tuple(artifacts), trouble
        self.faults = Faults()
        self.asked: list[Scope] = []

    async def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """Yield what there is."""
        self.asked.append(scope)
        await self.faults.before()
        for artifact in self.artifacts:
            yield artifact
        if self.trouble:
            raise self.trouble


@dataclass(frozen=True)
class Move:
    """One move that really happened; `key` is None when somebody else did it."""

    key: str | None
    origin: JsonValue
    to: JsonValue


class MemoryLever:
    """A lever that compares and sets at once, and knows its idempotency keys.

    `ignores` moves are taken with a yes and do nothing; `interlopers` are values that somebody else sets just
    before a move of ours arrives.
    """

    def __init__(self, value: JsonValue) -> None:
        self.position = Position(value=value, revision="1")
        self.faults = Faults()
        self.ignores = 0
        self.interlopers: deque[JsonValue] = deque()
        self.log: list[Move] = []
        self.reads = 0

    async def read(self) -> Position:
        """Where it stands."""
        await self.faults.before()
        self.reads += 1
        return self.position

    async def move(self, to: Position, expected: Position, key: str) -> Position:
        """As the port says: once a key, and never over somebody else's move."""
        await self.faults.before()
        if self.interlopers:
            self.moved_by_other(self.interlopers.popleft())
        ours = next((move for move in self.log if move.key == key), None)
        if not (ours and self.position.same_as(to)):
            if ours or not self.position.same_as(expected):
                msg = f"expected {expected} and found {self.position}; nothing was written"
                raise Drifted(msg, found=self.position.model_dump(mode="json"))
            self._take(to, key)
        self.faults.after()
        if not self.position.same_as(to):
            msg = f"took the move to {to} and still shows {self.position}"
            raise NotApplied(msg, found=self.position.model_dump(mode="json"))
        return self.position

    def moved_by_other(self, value: JsonValue) -> None:
        """Somebody else moves it, without us."""
        self._set(value, None)

    def _take(self, to: Position, key: str) -> None:
        if self.ignores:
            self.ignores -= 1
        else:
            self._set(to.value, key)

    def _set(self, value: JsonValue, key: str | None) -> None:
        self.log.append(Move(key=key, origin=self.position.value, to=value))
        self.position = Position(value=value, revision=str(len(self.log) + 1))


class MemoryCheck:
    """Judges by asking `verdict`, a function that may look at levers. `case` is what it becomes as a lock."""

    def __init__(self, name: str, verdict: Callable[[], Verdict], case: LockCase | None = None) -> None:
        self.name, self.verdict, self.case = name, verdict, case
        self.faults = Faults()
        self.windows: list[Window] = []

    async def measure(self, window: Window) -> Reading:
        """One reading; a fault makes it inconclusive."""
        self.windows.append(window)
        try:
            await self.faults.before()
            verdict, detail = self.verdict(), "as the test wants it"
        except DriverError as error:
            verdict, detail = "inconclusive", str(error)
        return Reading(check=self.name, verdict=verdict, detail=detail, at=datetime.now(UTC))

    def lock_case(self) -> LockCase:
        """The case that it was given. Raises `NotConfigured` when it was given none."""
        if self.case is None:
            msg = f"the check {self.name} has no lock case; give it one"
            raise NotConfigured(msg)
        return self.case


class MemoryChannel:
    """Keeps what it was told, once a key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults = Faults()
        self.sent: dict[str, Message] = {}

    async def send(self, message: Message, key: str) -> Receipt:
        """Send once."""
        await self.faults.before()
        self.sent.setdefault(key, message)
        self.faults.after()
        return Receipt(channel=self.name, reference=f"message {list(self.sent).index(key) + 1}")


class MemoryTracker:
    """Keeps the tasks that it was told to open, once a key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults = Faults()
        self.opened: dict[str, Task] = {}
        self.states: dict[str, TicketState] = {}
        self.reminders: dict[str, tuple[str, str]] = {}

    async def open(self, task: Task, key: str) -> Ticket:
        """Open once."""
        await self.faults.before()
        kept = self.opened.setdefault(key, task)
        self.faults.after()
        reference = f"task {list(self.opened).index(key) + 1}"
        return Ticket(kind=kept.kind, tracker=self.name, reference=reference)

    async def look(self, ticket: Ticket) -> TicketState:
        """As `states` says of its reference, or open."""
        await self.faults.before()
        return self.states.get(ticket.reference, TicketState(state="open", detail="nobody has done it yet"))

    async def remind(self, ticket: Ticket, text: str, key: str) -> None:
        """Keep the word, by its key: the reference of the ticket, and the text."""
        await self.faults.before()
        if (await self.look(ticket)).state == "gone":
            msg = f"there is no {ticket.reference}"
            raise Gone(msg)
        self.reminders.setdefault(key, (ticket.reference, text))
        self.faults.after()


class MemoryEvidence:
    """A content-addressed store in a dictionary, which a test may damage."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.faults = Faults()

    async def put(self, content: Content) -> Stored:
        """Keep these bytes."""
        await self.faults.before()
        if not isinstance(content, bytes):
            content = b"".join([piece async for piece in content])
        digest = hashlib.sha256(content).hexdigest()
        if digest in self.kept:
            await self.get(digest)
        self.kept.setdefault(digest, content)
        self.faults.after()
        return Stored(digest=digest, size=len(content))

    async def get(self, digest: str) -> bytes:
        """The bytes, checked."""
        if digest not in self.kept:
            msg = f"there is no evidence {digest} in the store"
            raise Gone(msg)
        content = self.kept[digest]
        if hashlib.sha256(content).hexdigest() != digest:
            msg = f"the evidence {digest} was altered"
            raise Nonsense(msg)
        return content

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        """The bytes in one piece, checked."""
        yield await self.get(digest)

    async def protection(self, digest: str) -> str:
        """None at all."""
        await self.get(digest)
        return "memory: it is gone when the process is"

    def address(self, digest: str) -> str:
        """A name that leads nowhere outside this process."""
        return f"memory:{digest}"


class MemoryShelf:
    """A shelf in a dictionary. `clock` is the time that it keeps things since."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.kept: dict[str, tuple[bytes, datetime]] = {}
        self.faults, self.clock = Faults(), clock

    async def create(self, name: str, content: bytes) -> bool:
        """Keep this, once."""
        await self.faults.before()
        if name in self.kept:
            return False
        self.kept[name] = content, self.clock()
        self.faults.after()
        return True

    async def get(self, name: str) -> bytes | None:
        """What is kept."""
        await self.faults.before()
        return self.kept[name][0] if name in self.kept else None

    async def names(self, folder: str) -> dict[str, datetime]:
        """Every name below this folder."""
        await self.faults.before()
        return {name: at for name, (_, at) in sorted(self.kept.items()) if name.startswith(f"{folder}/")}


class MemoryFault:
    """A fault that only remembers for which drills it is set. `errors` are raised in their order, one a call."""

    def __init__(self, errors: Iterable[DriverError] = ()) -> None:
        self.errors, self.set, self.cleared = deque(errors), set[str](), list[str]()

    async def inject(self, drill: str) -> None:
        """Set."""
        self.set.add(drill)
        if self.errors:
            raise self.errors.popleft()

    async def clear(self, drill: str) -> None:
        """Clear."""
        if self.errors:
            raise self.errors.popleft()
        self.set.discard(drill)
        self.cleared.append(drill)


class MemoryBench:
    """A bench of drivers that are there already, by the ids of their fittings."""

    def __init__(
        self,
        *,
        sources: Mapping[str, Source] | None = None,
        levers: Mapping[str, Lever] | None = None,
        checks: Mapping[str, Check] | None = None,
        channels: Mapping[str, Channel] | None = None,
        trackers: Mapping[str, Tracker] | None = None,
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self.sources, self.levers, self.checks = dict(sources or {}), dict(levers or {}), dict(checks or {})
        self.channels, self.trackers = dict(channels or {}), dict(trackers or {})
        self.faults = dict(faults or {})

    def source(self, fitting: SourceFitting) -> Source:
        """The source."""
        return _pick(self.sources, fitting)

    def lever(self, fitting: LeverFitting) -> Lever:
        """The lever."""
        return _pick(self.levers, fitting)

    def check(self, fitting: CheckFitting) -> Check:
        """The check."""
        return _pick(self.checks, fitting)

    def channel(self, fitting: ChannelFitting) -> Channel:
        """The channel."""
        return _pick(self.channels, fitting)

    def tracker(self, fitting: TrackerFitting) -> Tracker:
        """The tracker."""
        return _pick(self.trackers, fitting)

    def fault(self, fitting: RehearsalFitting) -> Fault:
        """The fault of a drill."""
        return _pick(self.faults, fitting)


def _pick(there: Mapping[str, T], fitting: Fitting) -> T:
    if fitting.id not in there:
        msg = f"the memory bench has no {fitting.id}; it has {', '.join(there) or 'nothing'}"
        raise NotConfigured(msg)
    return there[fitting.id]
