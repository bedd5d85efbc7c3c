"""The alarm bell's routes: who rings, what they say, and what the desk made of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

import structlog
from fastapi import APIRouter, Depends, Request

from firestation.alarm import Alarm
from firestation.deliveries import from_alertmanager, from_generic
from firestation.errors import InvalidInput, NotConfigured
from firestation.model import Model
from gateway.auth import Caller
from gateway.desk import Rang
from gateway.problems import Problem, unusable

log = structlog.get_logger()


class Ringing(Protocol):
    """What the bell asks of the desk."""

    async def ring(self, alarm: Alarm) -> Rang: ...  # noqa: D102 - see Desk


class Bell(Model):
    """The answer to a ring: what became of each alarm, and where its incident is looked at."""

    incidents: tuple[dict[str, Any], ...]
    ignored: tuple[dict[str, Any], ...]


def alarms(desk: Ringing, known: Callable[[Request], Awaitable[Caller]]) -> APIRouter:
    """The routes that alert systems ring; `known` says who calls, and that they may ring."""
    router = APIRouter(prefix="/alarms", tags=["alarms"])
    authenticated = Annotated[Caller, Depends(known)]

    @router.post("/alertmanager", status_code=202)
    async def alertmanager(request: Request, caller: authenticated) -> Bell:
        """A notification of Prometheus Alertmanager, version 4."""
        if caller.kind != "bell":
            raise Problem(403, "not allowed", "this door is for alert systems; people ring /alarms/generic")
        heard, errors = from_alertmanager(await _json(request), caller.name)
        return await ring(desk, heard, list(errors))

    @router.post("/generic", status_code=202)
    async def generic(request: Request, caller: authenticated) -> Bell:
        """One alarm in our own plain form, from a machine or from a person."""
        source = caller.name if caller.kind == "bell" else "person"
        return await ring(desk, (from_generic(await _json(request), source),), [])

    return router


async def ring(desk: Ringing, alarms: tuple[Alarm, ...], errors: list[InvalidInput | NotConfigured]) -> Bell:
    """Ring at once for every alarm that can be used, whatever is wrong with its neighbours; then say what is wrong.

    A desk that is out of reach is an error at once: the alert system sends the whole notification again.
    """
    shown = []
    answers = await asyncio.gather(*(desk.ring(alarm) for alarm in alarms), return_exceptions=True)
    for alarm, rang in zip(alarms, answers, strict=True):
        if isinstance(rang, InvalidInput | NotConfigured):
            log.warning("an alarm that cannot be used", alarm=alarm.name, problem=str(rang))
            errors.append(rang)
        elif isinstance(rang, BaseException):
            raise rang
        else:
            shown.append(rang.model_dump(mode="json", exclude_none=True))
            log.info("alarm", **shown[-1])
    bell = Bell(
        incidents=tuple(
            {**each, "address": f"/incidents/{each['incident']}"} for each in shown if "incident" in each
        ),
        ignored=tuple(each for each in shown if "incident" not in each),
    )
    if errors and not shown:
        raise errors[0]
    if errors:
        raise unusable(errors, **bell.model_dump(mode="json"))
    return bell


async def _json(request: Request) -> Any:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind != "application/json":
        raise Problem(415, "this is not JSON", f"send Content-Type: application/json, not {kind[:80]}")
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON", "send one JSON object in UTF-8") from None
