"""The declarative driver over HTTP and JSON, from the system file alone; its tracker is in `http_tracker.py`.

How wide the gap is between comparing and setting: with `read.revision` the product itself compares (If-Match, and
412 or 409 is `Drifted`), so there is none. Without it, or with a weak ETag (which If-Match never matches), somebody
else's move that lands between our read and our write is overwritten: that gap is one round trip to the product,
and never longer than `timeout`. The read-back then shows ours.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Literal, Self

from pydantic import Field, JsonValue, ValidationError, ValidationInfo, model_validator

from firestation.alarm import MOST_SUBJECTS, SUBJECTS
from firestation.board import Message, Receipt
from firestation.drivers.exchange import Answer, Connection, Spot, ask, curl
from firestation.drivers.harvest import harvest, one_line, stamp
from firestation.drivers.kit import Kit
from firestation.drivers.moving import MovingConfig, MovingLever, Raced
from firestation.drivers.template import (
    PLACEHOLDER,
    HeaderName,
    Method,
    Request,
    fill,
    fill_text,
    full_url,
    header_text,
    plain,
)
from firestation.errors import (
    FirestationError,
    Nonsense,
    NotConfigured,
)
from firestation.evidence import Scope
from firestation.expect import MISSING, Expectation, JsonPath, judge, value_at
from firestation.firebreak import Reading
from firestation.model import Line, Model
from firestation.ports import Artifact, ByHand, LockCase, Window
from firestation.system import (
    ChannelFitting,
    CheckFitting,
    Position,
    SnapshotItem,
    SourceFitting,
)
from firestation.watch.sample import Sample

ONE_OF = {
    "request_ids": "request_id",
    "trace_ids": "trace_id",
    "tenants": "tenant",
    "users": "user",
    "queries": "query",
}
RACED = frozenset({409, 412})
LONGEST_KEY, LONGEST_ID = 300, 2000
NOTHING_COUNTED = Sample(n=0, good=0)


class Keyed(Connection):
    """`key_header` carries the idempotency key; null sends none."""

    key_header: HeaderName | None = "Idempotency-Key"

    def key(self, key: str) -> dict[str, str]:
        """The header with this key."""
        return {self.key_header: header_text(key)} if self.key_header else {}


# ---------------------------------------------------------------------------------------------------- source


class Evidence(Request):
    """One piece of evidence, or one for each request, trace, tenant, user or query in scope.

    Without `provides` it gives all that its source does.
    """

    allowed: ClassVar[frozenset[str]] = frozenset({"incident", "since", "until", *SUBJECTS})

    name: Line
    media_type: Line = "application/json"
    provides: tuple[SnapshotItem, ...] = ()
    for_each: Literal["request_ids", "trace_ids", "tenants", "users", "queries"] | None = None

    def placeholders(self) -> frozenset[str]:
        """Those of the name too."""
        named = {found[2] for found in PLACEHOLDER.finditer(self.name) if found[2]}
        return super().placeholders() | named

    def can_fill(self) -> frozenset[str]:
        """As declared, and `{request_id}` where there is one."""
        return self.allowed | {ONE_OF[self.for_each]} if self.for_each else self.allowed

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.for_each and f"{{{ONE_OF[self.for_each]}}}" not in self.name:
            msg = (
                f"with for_each every artifact needs its own name; put {{{ONE_OF[self.for_each]}}} into name"
            )
            raise ValueError(msg)
        return self


class HttpSourceConfig(Connection):
    """The requests whose answers are frozen as they came, byte for byte."""

    requests: tuple[Evidence, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _as_promised(self, info: ValidationInfo) -> Self:
        promised = (info.context or {}).get("provides")
        if promised is None:
            return self
        given = {item for each in self.requests for item in each.provides or promised}
        for wrong in sorted(given ^ set(promised)):
            msg = f"{wrong!r} is promised by the source or given by a request, not both; write it in both or neither"
            raise ValueError(msg)
        return self


class HttpSource:
    """Freezes answers. One that cannot be had does not stop the others: the error comes after all that was got."""

    config_model: ClassVar[type[Model]] = HttpSourceConfig

    def __init__(self, fitting: SourceFitting, config: HttpSourceConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """The artifacts, as they come, a few requests at a time."""
        return harvest(
            partial(self._freeze, spec, values)
            for spec in self.config.requests
            for values in _values(spec, scope)
        )

    async def _freeze(self, spec: Evidence, values: dict[str, JsonValue]) -> Artifact:
        answer = await ask(self.kit, self.config, spec, values)
        if spec.media_type == "application/json":
            answer.json()
        elif spec.media_type not in {answer.media_type, "*/*"}:
            msg = f"{answer.asked} answered {answer.media_type or 'no media type'}, not {spec.media_type}"
            raise Nonsense(msg, media_type=answer.media_type)
        return Artifact(
            name=one_line(fill_text(spec.name, values)),
            media_type=answer.media_type or "application/octet-stream",
            content=answer.content,
            provides=spec.provides or self.fitting.provides,
            how=one_line(answer.asked),
        )


def _values(spec: Evidence, scope: Scope) -> list[dict[str, JsonValue]]:
    common: dict[str, JsonValue] = {
        "incident": scope.incident,
        "since": stamp(scope.since),
        "until": stamp(scope.until),
        **{what: list(getattr(scope, what)) for what in SUBJECTS},
    }
    if spec.for_each is None:
        return [common]
    return [{**common, ONE_OF[spec.for_each]: each} for each in getattr(scope, spec.for_each)]


# ----------------------------------------------------------------------------------------------------- lever


class ReadRequest(Request):
    """How the lever is read: its position stands at `path`, the product's version mark at `revision`."""

    path: JsonPath
    revision: Spot | None = None


class MoveRequest(Request):
    """How the lever is moved. A known revision is also sent as If-Match."""

    allowed: ClassVar[frozenset[str]] = frozenset({"position", "expected", "revision", "key"})

    method: Method = "PUT"


class HttpLeverConfig(MovingConfig, Keyed):
    """How the lever is read, and how it is moved."""

    read: ReadRequest
    move: MoveRequest

    @model_validator(mode="after")
    def _can_move(self) -> Self:
        used = self.move.placeholders()
        if "position" not in used:
            msg = "move has no {position}, so it cannot say where to; put {position} into its url, query or body"
            raise ValueError(msg)
        if "revision" in used and self.read.revision is None:
            msg = "move uses {revision} and read finds none; add read.revision: {header: ETag}"
            raise ValueError(msg)
        return self


class HttpLever(MovingLever[HttpLeverConfig]):
    """Reads, compares, moves, reads back. The module says how wide the gap between compare and set is."""

    config_model: ClassVar[type[Model]] = HttpLeverConfig

    async def position(self) -> Position:
        """The present position, and its revision where the product has one."""
        read = self.config.read
        answer = await ask(self.kit, self.config, read, {})
        value = answer.at(read.path)
        revision = None if read.revision is None else plain(answer.spot(read.revision)) or None
        return Position(value=value, revision=revision)

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One request, under the key; with the revision that was read, the product compares."""
        values: dict[str, JsonValue] = {
            "position": to.value,
            "expected": found.value,
            "revision": found.revision,
            "key": key,
        }
        headers = self.config.key(key)
        if found.revision is not None and not found.revision.startswith("W/"):
            headers["If-Match"] = header_text(found.revision)
        try:
            await ask(self.kit, self.config, self.config.move, values, headers)
        except Nonsense as error:
            if error.details.get("status") in RACED:
                raise Raced(str(error)) from error
            raise

    def by_hand(self, to: JsonValue) -> str:
        """The move as a command; what only a reading tells (`{revision}`) is left for the person to fill in."""
        values: dict[str, JsonValue] = {
            "position": to,
            "expected": "",
            "revision": "REVISION",
            "key": "by-hand",
        }
        return curl(self.config, self.config.move, values)

    def read_by_hand(self) -> ByHand:
        """The reading as a command."""
        read = self.config.read
        look = (
            "the whole answer is its position" if read.path == "$" else f"its position stands at {read.path}"
        )
        if "revision" in self.config.move.placeholders() and read.revision:
            spot = f"the header {read.revision.header}" if read.revision.header else read.revision.path
            look += f"; in the command that moves it, write for REVISION what stands at {spot}"
        command = curl(self.config, read, {})
        headers = " --include" if read.revision and read.revision.header else ""
        return ByHand(command=command + headers, look=look)


# ----------------------------------------------------------------------------------------------------- check


class Question(Request):
    """What a check asks."""

    allowed: ClassVar[frozenset[str]] = frozenset({"since", "until"})


class SampleAt(Model):
    """Where the answer says how many outcomes it looked at and how many were good, or the sum of their values.

    `squares` is the sum of the squares of these values. `key` is what changes with every new sample, such as its time;
    `request_ids` a list of some that were not good.
    """

    n: JsonPath
    good: JsonPath
    squares: JsonPath | None = None
    key: JsonPath | None = None
    request_ids: JsonPath | None = None


class HttpCheckConfig(Connection):
    """The request, and what must hold of its JSON answer: all of it. `sample` is what the watch counts of it."""

    request: Question
    expect: tuple[Expectation, ...] = Field(min_length=1)
    sample: SampleAt | None = None


class HttpCheck:
    """Asks and judges. Whatever keeps it from an answer makes the reading inconclusive."""

    config_model: ClassVar[type[Model]] = HttpCheckConfig

    def __init__(self, fitting: CheckFitting, config: HttpCheckConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def measure(self, window: Window) -> Reading:
        """One reading; never raises one of our errors."""
        values: dict[str, JsonValue] = {"since": stamp(window.since), "until": stamp(window.until)}
        sample: Sample | None = None
        try:
            async with asyncio.timeout(self.fitting.time_box.total_seconds()):
                answer = await ask(self.kit, self.config, self.config.request, values)
            verdict, detail = judge(self.config.expect, answer.json())
            sample = self._sample(answer.json())
            if sample == NOTHING_COUNTED:
                detail = f"{detail[:3900]}; the answer has nothing to count"
        except TimeoutError:
            verdict, detail = "inconclusive", f"no answer within the time box of {self.fitting.time_box}"
        except FirestationError as error:
            verdict, detail = "inconclusive", str(error)[:4000]
        return Reading(
            check=self.fitting.id, verdict=verdict, detail=detail, at=datetime.now(UTC), sample=sample
        )

    def _sample(self, data: JsonValue) -> Sample | None:
        """What the answer counted; an empty sample when it should have and did not. None when it is not asked to."""
        places = self.config.sample
        if places is None:
            return None
        found = {name: value_at(data, path) for name, path in places if path is not None}
        given = {name: each for name, each in found.items() if each is not MISSING and each is not None}
        if "key" in given:
            given["key"] = plain(given["key"])[:LONGEST_KEY] or None
        named = given.pop("request_ids", None)
        if isinstance(named, list):
            ids = [each for each in named if isinstance(each, str) and 0 < len(each) <= LONGEST_ID]
            given["request_ids"] = tuple(ids[:MOST_SUBJECTS])
        try:
            return Sample.model_validate(given)
        except ValidationError:
            return NOTHING_COUNTED

    def measure_by_hand(self) -> ByHand:
        """The question as a command; the span of time is left for the person to fill in."""
        config = self.config
        wanted = "; ".join(each.in_words() for each in config.expect)
        look = f"it passes only when all of this holds in the answer: {wanted}"
        if config.request.placeholders():
            look = f"write times such as 2026-01-31T03:00:00Z for SINCE and UNTIL; {look}"
        command = curl(config, config.request, {"since": "SINCE", "until": "UNTIL"})
        return ByHand(command=command, look=look[:4000])

    def lock_case(self) -> LockCase:
        """This check as plain data. Raises `NotConfigured` when it depends on more than a bearer token."""
        config, request = self.config, self.config.request
        auth = config.auth
        why = None
        if request.placeholders():
            why = "its request has placeholders"
        elif auth is not None and auth.bearer is None:
            why = "its credential is not a bearer token"
        elif config.headers or request.headers:
            why = "it sends headers of its own"
        if why:
            msg = (
                f"the check {self.fitting.id} cannot become a lock: {why}; name a simpler check in lock.check"
            )
            raise NotConfigured(msg)
        try:
            return LockCase(
                method=request.method,
                url=full_url(request, config.base, {}),
                body=fill(request.body, {}),
                expect=config.expect,
                token=auth.bearer if auth else None,
            )
        except ValidationError as error:
            msg = f"the check {self.fitting.id} cannot become a lock: {error.errors()[0]['msg']}"
            raise NotConfigured(msg) from error


# --------------------------------------------------------------------------------------------------- channel


class SendRequest(Request):
    """How a message is sent."""

    allowed: ClassVar[frozenset[str]] = frozenset({"incident", "purpose", "title", "text", "to", "key"})

    method: Method = "POST"


class HttpChannelConfig(Keyed):
    """`receipt`: where the answer says under which reference it took the message; without it, the status."""

    send: SendRequest
    receipt: Spot | None = None


class HttpChannel:
    """Sends. That a repeated key reaches people once is the product's promise, kept by its idempotency key."""

    config_model: ClassVar[type[Model]] = HttpChannelConfig

    def __init__(self, fitting: ChannelFitting, config: HttpChannelConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """One request, under the key."""
        config = self.config
        values: dict[str, JsonValue] = {**message.model_dump(mode="json"), "key": key}
        answer = await ask(self.kit, config, config.send, values, config.key(key))
        return Receipt(channel=self.fitting.id, reference=reference(answer, config.receipt))


def reference(answer: Answer, spot: Spot | None) -> str:
    """Under which reference the product took it: what stands at the spot, or the status."""
    return f"HTTP {answer.status}" if spot is None else one_line(answer.spot(spot))
