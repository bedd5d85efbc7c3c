"""The alarm bell's routes: who rings, what they say, and what the desk made of it."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Annotated, Any, Protocol

import structlog
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from firestation import authority
from firestation.alarm import Alarm
from firestation.bell.formats import FormatName, hear
from firestation.bell.heard import Ear
from firestation.bell.pagerduty_events import made_key
from firestation.errors import FirestationError, InvalidInput, NotConfigured
from firestation.model import Model
from gateway.acting import KeyHeader, person_of
from gateway.attachments import Attachments
from gateway.auth import Caller, address_of
from gateway.guard import LARGEST_BODY
from gateway.hearing import Hearing, Sent
from gateway.otlp import PROTOBUF, decoded, is_protobuf, refused, taken
from gateway.problems import Problem, problem_of, unusable
from gateway.reading import parsed, unpacked
from gateway.ringers import NOBODY, Ringers, small_enough
from gateway.ringing import Rang, Spooled
from gateway.spool import MOST_RUNG

log = structlog.get_logger()

BY_KEY = frozenset({"opsgenie", "pagerduty-events", "sentry"})
"""Formats whose all-clear may tell only the key of what is over: the alarm that rang by it is remembered."""

AT_ONCE = 100
"""Alarms of one delivery; others are heard before the next ones, however many one sends."""

NO_JSON = 400
LONGEST_TOLD = 1000
"""Characters that the log has of what is wrong with one delivery."""

ORIGIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?")
ANY_JSON: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}
}
ANY_DELIVERY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {}},
            PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class Ringing(Protocol):
    """What the bell asks of the desk."""

    @property
    def hearing(self) -> Hearing: ...  # noqa: D102 - see Desk
    async def ring(  # noqa: D102
        self, alarm: Alarm, delivery: str | None = None, sent: Sent | None = None
    ) -> Rang: ...
    async def held(self) -> Spooled: ...  # noqa: D102
    async def remember(self, bell: str, alarms: Sequence[Alarm]) -> None: ...  # noqa: D102
    async def remembered(self, bell: str) -> dict[str, Alarm]: ...  # noqa: D102


class Bell(Model):
    """The answer to a ring: what became of each alarm, and where its incident is looked at.

    `waits` is what waits for a person; `ignored` rings nobody, and says why.
    """

    incidents: tuple[dict[str, Any], ...]
    ignored: tuple[dict[str, Any], ...]
    waits: tuple[dict[str, Any], ...] = Field(default=(), exclude_if=lambda value: value == ())


class Rope:
    """From what a bell sent to what became of it."""

    def __init__(self, desk: Ringing, clock: Callable[[], datetime]) -> None:
        self.desk, self.clock = desk, clock
        self._rung = dict[str, OrderedDict[str, Alarm]]()

    async def pull(self, bell: authority.Bell, body: Any, headers: Mapping[str, str]) -> Bell:
        """Ring for everything that was said; what became of each alarm.

        Raises `InvalidInput` and `NotConfigured` when none could be, `Problem` 422 when some could not.
        """
        with said_why(self.desk.hearing, bell):
            rung = await self._remembered(bell) if bell.format in BY_KEY else OrderedDict[str, Alarm]()
            ear = Ear(bell.id, bell.system, self.clock(), rung, bell.mapping)
            heard = hear(bell.format, body, headers, ear)
            if heard.cut:
                log.warning("the alert system has left alarms out", bell=bell.id, left_out=heard.cut)
            log.info("a bell rang", bell=bell.id, delivery=heard.delivery, alarms=len(heard.alarms))
            if bell.format in BY_KEY:
                await self._remember(bell, rung, [each for each in heard.alarms if each.status == "firing"])
            return await ring(self.desk, heard.alarms, list(heard.errors), heard.delivery, Sent(bell.id))

    async def _remembered(self, bell: authority.Bell) -> OrderedDict[str, Alarm]:
        """What rang at this bell, the oldest first: as the spool knows it from before this process, and since."""
        if bell.id not in self._rung:
            found = OrderedDict(await self.desk.remembered(bell.id))
            self._rung.setdefault(bell.id, found)
        return self._rung[bell.id]

    async def _remember(
        self, bell: authority.Bell, rung: OrderedDict[str, Alarm], fires: Sequence[Alarm]
    ) -> None:
        """On the disk before it rings, for whoever hears that it is over may be another process."""
        if not fires:
            return
        await self.desk.remember(bell.id, fires)
        for alarm in fires:
            rung[alarm.key] = alarm
            rung.move_to_end(alarm.key)
        while len(rung) > MOST_RUNG:
            rung.popitem(last=False)


Known = Callable[[Request], Awaitable[Caller]]


def alarms(
    desk: Ringing, ringers: Ringers, attachments: Attachments, *, rings: Known, looks: Known
) -> APIRouter:
    """The routes for everybody who shows a token; who calls, and that they may ring, or look."""
    router = APIRouter(prefix="/alarms", tags=["alarms"])
    authenticated = Annotated[Caller, Depends(rings)]
    looking = Annotated[Caller, Depends(looks)]

    @router.post("/alertmanager", status_code=202, openapi_extra=ANY_JSON)
    async def alertmanager(
        request: Request, caller: authenticated, idempotency_key: KeyHeader = None
    ) -> Bell:
        """A notification of Prometheus Alertmanager, version 4."""
        if caller.kind != "bell":
            raise Problem(403, "not allowed", "this door is for alert systems; people ring /alarms/generic")
        bell = ringers.bell(caller.name)
        return await said("alertmanager", request, Ear(caller.name, bell.system), idempotency_key, bell)

    @router.post("/generic", status_code=202, openapi_extra=ANY_JSON)
    async def generic(request: Request, caller: authenticated, idempotency_key: KeyHeader = None) -> Bell:
        """One alarm in our own plain form, from a machine or from a person."""
        bell = ringers.bell(caller.name) if caller.kind == "bell" else NOBODY
        ear = Ear("person", by=caller.name) if bell is NOBODY else Ear(bell.id, bell.system)
        return await said("generic", request, ear, idempotency_key, bell)

    @router.get("/spool")
    async def spool(caller: looking) -> Spooled:
        """What this gateway is still to tell Temporal, and what it could not tell."""
        person_of(caller)
        return await desk.held()

    async def said(
        name: FormatName, request: Request, ear: Ear, delivery: str | None, bell: authority.Bell
    ) -> Bell:
        raw = await request.body()
        with said_why(desk.hearing, bell, ear.by):
            small_enough(raw, bell)
            heard = hear(name, parsed(raw, request.headers, bell.largest), request.headers, ear)
            # What the station's own bell rings again was looked for when it rang first.
            if ear.by is not None:
                for alarm in heard.alarms:
                    await attachments.check(alarm)
            sent = None if bell is NOBODY else Sent(bell.id)
            return await ring(desk, heard.alarms, list(heard.errors), delivery or heard.delivery, sent)

    return router


def bells(desk: Ringing, ringers: Ringers) -> APIRouter:
    """The routes of the station's bells, each in its own format."""
    router, rope = APIRouter(tags=["alarms"]), Rope(desk, ringers.door.clock)

    @router.post("/bells/{bell}/v1/logs", status_code=202, include_in_schema=False, response_model=Bell)
    @router.post("/bells/{bell}", status_code=202, openapi_extra=ANY_DELIVERY, response_model=Bell)
    async def by_name(bell: str, request: Request) -> Response | Bell:
        """Whatever this bell of the station sends, in the format that the station file says.

        What speaks OTLP and is given an endpoint for all that it sends adds `/v1/logs` itself.
        """
        try:
            known, raw = await ringers.admit(request, bell)
        except Problem as problem:
            if is_protobuf(request.headers):  # by how it is asked, not by which bells there are
                return refused(problem, request.headers)
            raise
        return await _delivered(rope, known, raw, request.headers)

    @router.options("/bells/{bell}", response_class=Response)
    async def handshake(
        bell: str,  # noqa: ARG001 - the same for every name, so that it tells nobody which bells there are
        webhook_request_origin: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Let a sender of CloudEvents deliver here (its WebHook specification); each delivery still shows who it is."""
        if webhook_request_origin is None or not ORIGIN.fullmatch(webhook_request_origin):
            detail = "send WebHook-Request-Origin with the name of the sending host, like events.example.org"
            raise Problem(400, "this is no handshake", detail)
        allowed = {
            "WebHook-Allowed-Origin": webhook_request_origin,
            "WebHook-Allowed-Rate": "*",
            "Allow": "POST",
        }
        return Response(headers=allowed)

    @router.post("/v2/enqueue", status_code=202, openapi_extra=ANY_JSON, response_class=JSONResponse)
    async def enqueue(request: Request) -> JSONResponse:
        """An event of PagerDuty's Events API v2, with PagerDuty's own answers; its routing key is a bell's secret."""
        raw = await request.body()
        try:
            body = parsed(raw, request.headers, LARGEST_BODY)
        except Problem as problem:
            return _unread(problem)
        known = await ringers.by_routing_key(body, address_of(request))
        if known is None:
            return _invalid("Invalid routing key")
        with said_why(desk.hearing, known):
            small_enough(raw, known)
            unpacked(raw, request.headers, known.largest)
        return await _enqueued(rope, known, body, request.headers)

    return router


@contextmanager
def said_why(hearing: Hearing, bell: authority.Bell, by: str | None = None) -> Iterator[None]:
    """The log says why a delivery could not be used: most senders keep the status of an answer, and drop its words.

    What is known of the bell says it too, unless it was `by` a person.
    """
    try:
        with nullcontext() if by else hearing.noting(bell.id):
            yield
    except (Problem, InvalidInput, NotConfigured) as error:
        problem = problem_of(error)
        told = (problem.detail or problem.title)[:LONGEST_TOLD]
        log.warning("a delivery cannot be used", ringer=by or bell.id, status=problem.status, problem=told)
        raise


async def _delivered(
    rope: Rope, bell: authority.Bell, raw: bytes, headers: Mapping[str, str]
) -> Response | Bell:
    if bell.format == "otlp":
        return await _exported(rope, bell, raw, headers)
    with said_why(rope.desk.hearing, bell):
        body = parsed(raw, headers, bell.largest)
    if bell.format == "pagerduty-events":
        return await _enqueued(rope, bell, body, headers)
    return await rope.pull(bell, body, headers)


async def _enqueued(rope: Rope, bell: authority.Bell, body: Any, headers: Mapping[str, str]) -> JSONResponse:
    """What PagerDuty would answer. A station that is out of reach is an error, and every client tries again."""
    try:
        await rope.pull(bell, body, headers)
    except (InvalidInput, NotConfigured) as error:
        return _invalid(str(error))
    key = body.get("dedup_key") or made_key(body)
    return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, 202)


def _unread(problem: Problem) -> JSONResponse:
    """What PagerDuty says of what is no JSON. Raises what it has no words for: too large, of another type."""
    if problem.status != NO_JSON:
        raise problem
    return _invalid(problem.title)


def _invalid(*errors: str) -> JSONResponse:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return JSONResponse(body, 400)


async def _exported(rope: Rope, bell: authority.Bell, raw: bytes, headers: Mapping[str, str]) -> Response:
    """What an OTLP exporter understands: 200, and how many records could not be used; or why none could."""
    try:
        with said_why(rope.desk.hearing, bell):
            if is_protobuf(headers):
                body = decoded(unpacked(raw, headers, bell.largest))
            else:
                body = parsed(raw, headers, bell.largest)
    except (Problem, InvalidInput) as error:
        return refused(problem_of(error), headers)
    try:
        await rope.pull(bell, body, headers)
    except Problem as problem:
        return taken(headers, problem.number, problem.detail or problem.title)
    except FirestationError as error:
        return refused(problem_of(error), headers)
    return taken(headers)


async def ring(
    desk: Ringing,
    alarms: tuple[Alarm, ...],
    errors: list[InvalidInput | NotConfigured],
    delivery: str | None = None,
    sent: Sent | None = None,
) -> Bell:
    """Ring at once for every alarm that can be used, whatever is wrong with its neighbours; then say what is wrong.

    A desk that can keep nothing is an error at once: the alert system sends the whole notification again, and what was
    kept of it is known by its `delivery`. `sent` is counted as heard, with what is kept or else soon.
    """
    shown, answers = [], list[Rang | BaseException]()
    for first in range(0, len(alarms), AT_ONCE):
        some = (desk.ring(alarm, delivery, sent) for alarm in alarms[first : first + AT_ONCE])
        answers += await asyncio.gather(*some, return_exceptions=True)
    for alarm, rang in zip(alarms, answers, strict=True):
        if isinstance(rang, InvalidInput | NotConfigured):
            log.warning("an alarm that cannot be used", alarm=alarm.name, problem=str(rang))
            errors.append(rang)
        elif isinstance(rang, BaseException):
            raise rang
        else:
            shown.append(rang.model_dump(mode="json", exclude_none=True))
    if shown:
        log.info("alarms", **_summary(shown))
    bell = Bell(
        incidents=tuple(
            {**each, "address": f"/incidents/{each['incident']}"} for each in shown if "incident" in each
        ),
        ignored=tuple(each for each in shown if not each.keys() & {"incident", "waits"}),
        waits=tuple(each for each in shown if "waits" in each),
    )
    if errors and not shown:
        raise errors[0]
    desk.hearing.heard(sent)
    if errors:
        raise unusable(errors, **bell.model_dump(mode="json"))
    return bell


def _summary(shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For the log, one line a delivery: a line an alarm was a quarter of what a delivery of ten costs."""
    reasons = list(dict.fromkeys(each["reason"] for each in shown if "reason" in each))
    return {
        "names": list(dict.fromkeys(each["alarm"] for each in shown)),
        "incidents": list(dict.fromkeys(each["incident"] for each in shown if "incident" in each)),
        "number": len(shown),
        "coalesced": sum(each["coalesced"] for each in shown),
    } | ({"reasons": reasons} if reasons else {})
