"""Temporal's codec server: what is encrypted in a history, readable for the Temporal UI and CLI of who may read it.

Persons of the station who are an auditor or may be a captain, by a token or by their session. Everybody else gets one
answer, given before what they sent is read. The UI's pages may ask from their own origin; no other site's may.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import PayloadCodec

from firestation.authority import Role
from firestation.errors import FirestationError
from firestation.tokens import Scope
from gateway.auth import Caller, Doorkeeper, address_of
from gateway.csrf import check_origin
from gateway.front import Front
from gateway.problems import Problem, problem_of
from workflows.codec import HistoryCodec, over_json

log = structlog.get_logger()

READERS = frozenset({Role.AUDITOR, Role.CAPTAIN})
ASKED_WITH = "authorization, content-type, x-namespace"
REMEMBERED_SECONDS = "600"
Work = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


class Reader(NamedTuple):
    """What decrypts the histories of a namespace. `ui` is the origin of the Temporal UI, if its pages may ask."""

    codec: PayloadCodec
    namespace: str
    ui: str | None = None


def reader_of(client: Client, ui: str | None) -> Reader | None:
    """The reader of this client's histories; None when it has no keys, and then there is no codec server."""
    codec = client.data_converter.payload_codec
    if isinstance(codec, HistoryCodec) and codec.keys:
        return Reader(codec, client.namespace, ui)
    return None


def reading(reader: Reader, door: Doorkeeper, front: Front) -> APIRouter:
    """The routes. Reading asks for the scope `look`; writing, as for a signal that is sent by hand, for `act`."""
    router = APIRouter(prefix="/codec", tags=["codec"])

    @router.post("/decode")
    async def decode(request: Request) -> Response:
        """Decrypt payloads, in Temporal's JSON form. For auditors and captains."""
        return await _answered(request, reader.codec.decode, Scope.LOOK)

    @router.post("/encode")
    async def encode(request: Request) -> Response:
        """Encrypt payloads, in Temporal's JSON form. For auditors and captains."""
        return await _answered(request, reader.codec.encode, Scope.ACT)

    @router.options("/decode", include_in_schema=False)
    @router.options("/encode", include_in_schema=False)
    async def preflight(request: Request) -> Response:
        """What a browser asks before it lets a page of another origin ask."""
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": ASKED_WITH,
            "Access-Control-Max-Age": REMEMBERED_SECONDS,
        }
        return Response(status_code=204, headers=_shared(request, reader, headers))

    async def _answered(request: Request, work: Work, scope: Scope) -> Response:
        try:
            found = await _done(request, work, scope)
        except (Problem, FirestationError) as error:
            return problem_of(error).response(_shared(request, reader))
        return JSONResponse(found, headers=_shared(request, reader))

    async def _done(request: Request, work: Work, scope: Scope) -> dict[str, Any]:
        caller = await _reader_who_asks(request, reader, door, front)
        caller.need(scope)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Problem(415, "this is no JSON", "send Content-Type: application/json")
        if request.headers.get("x-namespace") != reader.namespace:
            raise Problem(404, "not found", "X-Namespace names no namespace of this station")
        found = await over_json(await request.body(), work)
        count = len(found.get("payloads", ()))
        log.info("payloads of a history", what=request.url.path, count=count, by=caller.name)
        return found

    return router


async def _reader_who_asks(request: Request, reader: Reader, door: Doorkeeper, front: Front) -> Caller:
    """The person who asks, and may read. Raises `Problem` 401, 403, 429."""
    authorization, address = request.headers.get("authorization"), address_of(request)
    cookie = request.cookies.get(front.session_cookie)
    if authorization is None and cookie:
        caller = await door.enter(cookie, address)
        check_origin(request, front, reader.ui)
    else:
        caller = await door.admit(authorization, address)
    person = door.station.person(caller.name) if caller.kind == "person" else None
    if person is None or not READERS & set(person.roles):
        raise Problem(403, "not allowed", "histories are read by auditors and captains")
    return caller


def _shared(request: Request, reader: Reader, also: dict[str, str] | None = None) -> dict[str, str]:
    """The headers by which a browser lets the UI's own pages, and those of no other site, have the answer."""
    headers = {"Vary": "Origin"}
    if reader.ui and request.headers.get("origin") == reader.ui:
        headers |= {"Access-Control-Allow-Origin": reader.ui, "Access-Control-Allow-Credentials": "true"}
        headers |= also or {}
    return headers
