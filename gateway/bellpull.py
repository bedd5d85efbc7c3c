"""The bell pull: a page on which a person rings, with a screenshot if there is one."""

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Protocol, get_args

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from firestation.alarm import Alarm
from firestation.attachment import MOST_BYTES, too_large
from firestation.bell import generic
from firestation.bell.heard import Ear
from firestation.errors import FirestationError, InvalidInput
from firestation.model import canonical_json
from firestation.system import System
from firestation.tokens import Scope
from firestation.triage_rules import CLASS, Class
from gateway.attachments import Attachments
from gateway.auth import Caller, Doorkeeper
from gateway.csrf import check_origin, check_token
from gateway.forms import GOOD_KEY, KEY, Field, Form, Wrong, in_utc
from gateway.front import Front
from gateway.pages import SEE_OTHER, page_router, render, signed_in, visitor
from gateway.problems import Problem, problem_of
from gateway.ringing import Rang
from gateway.sending import wrong_of
from gateway.upload import Upload, upload_of

log = structlog.get_logger()

COMPLAINT = "Complaint"
"""The name of an alarm that a person gives none."""

LISTS = ("request_ids", "tenants", "users")
BETWEEN = re.compile(r"[\s,;]+")
OPENS_SECONDS, LOOK_SECONDS = 3.0, 0.2
"""So long an incident that is just being told of its alarm is waited for, and looked for so often."""


class RingingDesk(Protocol):
    """What this asks of the desk."""

    async def ring(self, alarm: Alarm, delivery: str | None = None) -> Rang: ...  # noqa: D102 - see Desk
    async def version(self, incident: str) -> str: ...  # noqa: D102


def bellpull(desk: RingingDesk, door: Doorkeeper, front: Front, attachments: Attachments) -> APIRouter:
    """The routes `/board/ring`: for people who may ring."""
    router = page_router()
    person = Annotated[Caller, Depends(signed_in(door, front))]
    anybody = Annotated[Caller | None, Depends(visitor(door, front))]

    def page(request: Request, sent: Mapping[str, str], problem: Problem | None = None) -> Response:
        form = _form(door.books.book.systems, sent, wrong_of(problem) if problem else None)
        answer = render(request, "bellpull.html", problem.status if problem else 200, form=form, rang=None)
        answer.headers.update(problem.headers if problem else {})
        return answer

    @router.get("/board/ring")
    async def empty(request: Request, caller: person) -> Response:
        """The form."""
        caller.need(Scope.RING)
        return page(request, {})

    @router.post("/board/ring")
    async def ring(request: Request, caller: anybody) -> Response:
        """Ring; then the incident, or what became of the alarm. What cannot be taken stands in the form again."""
        check_origin(request, front)
        if caller is not None:
            caller.need(Scope.LOOK)
            caller.need(Scope.RING)
        upload = await upload_of(request, MOST_BYTES if caller else 0)
        try:
            caller = _still(caller)
            check_token(request, upload.fields)
            alarm, delivery = await _alarm(attachments, upload, caller.name, door.clock())
            rang = await desk.ring(alarm, delivery)
        except (Problem, FirestationError) as error:
            return page(request, upload.fields, problem_of(error))
        log.info("alarm", by=caller.name, by_page=True, **rang.model_dump(mode="json", exclude_none=True))
        if rang.incident and await _opened(desk, rang.incident):
            return RedirectResponse(f"/board/{rang.incident}?done=ring", SEE_OTHER)
        return render(request, "bellpull.html", form=None, rang=rang)

    return router


def _still(caller: Caller | None) -> Caller:
    if caller is None:
        over = "log in again, in another window, and send it from here"
        raise Problem(401, "your session is over", over)
    return caller


async def _alarm(attachments: Attachments, upload: Upload, person: str, now: datetime) -> tuple[Alarm, str]:
    """The alarm that was sent, and what tells it from another. Raises `InvalidInput` before a byte is kept."""
    fields = {name: text.strip() for name, text in upload.fields.items() if name not in {"csrf", KEY}}
    nonce = upload.fields.get(KEY, "")
    if not GOOD_KEY.fullmatch(nonce):
        raise InvalidInput(KEY, "the form's own key is missing", "Send the form as the page has it")
    if upload.cut:
        raise too_large("file")
    of_file = hashlib.sha256(upload.file or b"").hexdigest()
    delivery = f"{nonce}-{hashlib.sha256(canonical_json([fields, of_file])).hexdigest()[:24]}"
    body: dict[str, Any] = {
        "system": fields.get("system") or None,
        "id": delivery,
        "name": fields.get("name") or COMPLAINT,
        "summary": fields.get("summary", ""),
        "started_at": in_utc(fields.get("started_at", "")) or now.isoformat(),
        "labels": {CLASS: fields["class"]} if fields.get("class") else {},
        **{name: [each for each in BETWEEN.split(fields.get(name, "")) if each] for name in LISTS},
    }
    (alarm,) = generic.hear(body, {}, Ear("person", by=person)).alarms
    if fields.get("class") and fields["class"] not in get_args(Class):
        raise InvalidInput("class", "there is no such class", "Choose one of the list")
    if upload.file is not None:
        kept = await attachments.keep(upload.file, upload.name, person)
        alarm = alarm.changed(attachments=(kept,))
    return alarm, delivery


async def _opened(desk: RingingDesk, incident: str) -> bool:
    """Whether there is something to look at: the alarm is safe, and its incident opens as soon as Temporal answers."""
    give_up = time.monotonic() + OPENS_SECONDS
    while True:
        try:
            await desk.version(incident)
        except FirestationError:
            if time.monotonic() > give_up:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return True


def _form(systems: Mapping[str, System], sent: Mapping[str, str], wrong: Wrong | None) -> Form:
    fields = (
        Field(
            "system",
            "Which system",
            "choice",
            options=tuple((name, f"{each.title} ({name})") for name, each in systems.items()),
        ),
        Field("summary", "What was seen"),
        Field(
            "class",
            "What kind of harm it is",
            "choice",
            required=False,
            options=(("", "I cannot say"), *((each, each) for each in get_args(Class))),
        ),
        Field(
            "name",
            "Name of the alarm",
            "line",
            required=False,
            help=f"Runbooks go by it. Empty is {COMPLAINT}: all complaints of a system are one incident.",
        ),
        Field("started_at", "Since when, in UTC; empty is now", "minute", required=False),
        Field("request_ids", "Requests that show it", "line", required=False, help="Ids, between commas."),
        Field("tenants", "Tenants that are harmed", "line", required=False, help="Ids, between commas."),
        Field("users", "Users who are harmed", "line", required=False, help="Ids, between commas."),
    )
    typed = tuple(each._replace(value=sent.get(each.name, "")) for each in fields)
    key = sent.get(KEY, "") if GOOD_KEY.fullmatch(sent.get(KEY, "")) else ""
    return Form("ring", "", "ring", "Ring the bell", typed, key, wrong=wrong)
