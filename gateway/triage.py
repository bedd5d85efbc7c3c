"""The routes of what waits for a person: the list, and the two words that end the waiting."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from pydantic import Field

from firestation.errors import ORDER
from firestation.model import Id, Model, Text
from firestation.waits import Verdict, Word, verdict_of
from gateway.acting import KeyHeader, person_of
from gateway.auth import Caller
from gateway.problems import Problem
from gateway.waiting import WaitList
from workflows.messages import Decided

log = structlog.get_logger()
Known = Callable[[Request], Awaitable[Caller]]


class Waiting(Protocol):
    """What the routes ask of the desk."""

    async def waits(self) -> WaitList: ...  # noqa: D102 - see Desk
    async def decide(self, incident: str, verdict: Verdict, key: str | None = None) -> Decided: ...  # noqa: D102


class OpenBody(Model):
    """It is an incident; a reason if there is one to give."""

    reason: Text | None = None


class DismissBody(Model):
    """It is none."""

    reason: Text = Field(description="why this is no incident; it stays on its history beside the name")


def triage(desk: Waiting, *, looks: Known, acts: Known, route_class: type[APIRoute]) -> APIRouter:
    """The routes under `/triage`; who calls, and that they may look, or act."""
    router = APIRouter(prefix="/triage", tags=["triage"], route_class=route_class)
    looking = Annotated[Caller, Depends(looks)]
    acting = Annotated[Caller, Depends(acts)]

    @router.get("")
    async def waiting(caller: looking) -> WaitList:
        """What waits for a person, at whichever gateway it rang; what becomes an incident first stands first."""
        person_of(caller)
        return await desk.waits()

    @router.post("/{incident}/open")
    async def open_(
        incident: Id, caller: acting, body: OpenBody, idempotency_key: KeyHeader = None
    ) -> Decided:
        """Open the incident in whose place this waits. It rings by itself as soon as the bell answers."""
        return await decide(incident, "open", person_of(caller), body.reason, idempotency_key)

    @router.post("/{incident}/dismiss")
    async def dismiss(
        incident: Id, caller: acting, body: DismissBody, idempotency_key: KeyHeader = None
    ) -> Decided:
        """Say that this is no incident, and why."""
        return await decide(incident, "dismiss", person_of(caller), body.reason, idempotency_key)

    async def decide(incident: str, word: Word, person: str, reason: str | None, key: str | None) -> Decided:
        verdict = verdict_of(word, person, reason)
        answer = await desk.decide(incident, verdict, f"{word}/{person}/{key}" if key else None)
        log.info("triage", incident=incident, word=word, by=person, accepted=answer.accepted)
        if answer.accepted:
            return answer
        missing = answer.missing or ""
        raise Problem(409, ORDER, missing, rule=0, missing=missing)

    return router
