"""The routes: alarms in, acts in, pictures out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Annotated, Any, Protocol, get_args

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, create_model
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

from firestation.acts import ACTS, Act
from firestation.alarm import Alarm
from firestation.errors import ORDER, DriverError, Gone
from firestation.follow_up import Finish
from firestation.model import Id, Model, Text
from firestation.picture import Picture, exhibits
from firestation.ports import EvidenceStore, Shelf
from firestation.tokens import Scope
from firestation.waits import Verdict
from firestation.wall import Doubt, Wall, WallBreak, WallLock
from gateway.ack import acknowledging
from gateway.acting import KeyHeader, act_of, person_of, refusal
from gateway.attachments import Attachments, attaching
from gateway.auth import Caller, Doorkeeper, address_of
from gateway.bellpull import bellpull
from gateway.bells import alarms, bells
from gateway.board import boards
from gateway.bundles import Sealing, bundles
from gateway.codec import Reader, reading
from gateway.csrf import check_call
from gateway.desk import Picked, Row
from gateway.detectors import Detectors, DetectorsPort
from gateway.drills import DrillDesk, drills
from gateway.earshot import earshot
from gateway.entrance import entrance
from gateway.front import Front
from gateway.guard import Guard
from gateway.hearing import Ears, Hearing, Sent
from gateway.pages import STATIC
from gateway.plan import plans
from gateway.postmortem import postmortems
from gateway.problems import Problem, install
from gateway.rehearsing import reports
from gateway.ringers import Ringers
from gateway.ringing import Health, Rang, Spooled
from gateway.same_fire import same_fire
from gateway.subscribing import Customers, subscribing
from gateway.tasks import TaskList
from gateway.triage import triage
from gateway.waiting import WaitList
from workflows.messages import Answer, Decided, Finished

log = structlog.get_logger()

VISIT_SECONDS = 3600
BYTES = "application/octet-stream"
PICKS: dict[str, Picked] = {
    kind: field
    for kind, act in ACTS.items()
    for field in get_args(Picked)
    if field in act.model_fields and act.model_fields[field].is_required()
}
"""The field by which an act names a digest, of which the beginning is enough."""


class DeskPort(Protocol):
    """What the routes ask of the desk."""

    @property
    def hearing(self) -> Hearing: ...  # noqa: D102 - see Desk
    async def ears(self) -> Ears: ...  # noqa: D102
    async def ring(  # noqa: D102
        self, alarm: Alarm, delivery: str | None = None, sent: Sent | None = None
    ) -> Rang: ...
    async def act(self, incident: str, act: Act, key: str | None = None) -> Answer: ...  # noqa: D102
    async def picture(self, incident: str) -> Picture: ...  # noqa: D102
    async def whole_digest(self, incident: str, prefix: str, of: Picked = "action") -> str: ...  # noqa: D102
    async def listing(self, *, open_only: bool) -> list[Row]: ...  # noqa: D102
    async def tasks(self, incident: str | None, *, open_only: bool) -> TaskList: ...  # noqa: D102
    async def finish(self, incident: str, word: Finish, fire: str, key: str | None) -> Finished: ...  # noqa: D102
    async def health(self) -> Health: ...  # noqa: D102
    async def held(self) -> Spooled: ...  # noqa: D102
    async def remember(self, bell: str, alarms: Sequence[Alarm]) -> None: ...  # noqa: D102
    async def remembered(self, bell: str) -> dict[str, Alarm]: ...  # noqa: D102
    async def waits(self) -> WaitList: ...  # noqa: D102
    async def decide(self, incident: str, verdict: Verdict, key: str | None = None) -> Decided: ...  # noqa: D102
    async def family(self, incident: str) -> list[list[dict[str, Any]]]: ...  # noqa: D102
    async def version(self, incident: str) -> str: ...  # noqa: D102


WallPort = Callable[[str | None], Awaitable[Wall]]
"""What the route of the wall asks: the wall of one system, or of all."""


class FinishBody(Model):
    """A person's word that a task is done. `fire` tells two fires of one incident apart: its mark, or the beginning."""

    reason: Text
    fire: str = Field(default="", pattern=r"^[0-9a-z-]{0,64}$")


class Held(Model):
    """A lock on the wall, and what broke it since."""

    lock: WallLock
    broken: tuple[WallBreak, ...]


class Locks(Model):
    """The answer to a look at the wall of locks; `doubts` is what hangs there and is not believed."""

    locks: tuple[Held, ...]
    doubts: tuple[Doubt, ...]


def side_by_side(wall: Wall) -> Locks:
    """Each lock beside what broke it."""
    locks = tuple(Held(lock=each, broken=wall.breaks(each)) for each in wall.locks)
    return Locks(locks=locks, doubts=wall.doubts)


class Listing(Model):
    """The answer to a list."""

    incidents: tuple[Row, ...]


def create_app(
    desk: DeskPort,
    door: Doorkeeper,
    store: EvidenceStore,
    front: Front,
    link_key: bytes | None = None,
    *,
    shelf: Shelf,
    reader: Reader | None = None,
    sealing: Sealing | None = None,
    wall: WallPort | None = None,
    watch: DetectorsPort | None = None,
    console: str | None = None,
    warnings: Callable[[], Sequence[str]] = tuple,
    customers: Customers | None = None,
    drill_desk: DrillDesk | None = None,
) -> FastAPI:
    """The gateway. `link_key` signs the links of pages and plans; without one they open nothing.

    `shelf` has the postmortems, `reader` decrypts histories, `sealing` signs bundles, `wall` is the wall of locks,
    `watch` tells of its detectors, `console` where the Temporal UI shows the workflows of the namespace, `drill_desk`
    orders drills; without `customers` nobody subscribes. `warnings` are told with the readiness.
    """
    app = FastAPI(
        title="Firestation gateway",
        version="1",
        description="Alarms in, acts in, pictures out. Errors are problem details (RFC 9457).",
        docs_url=None,
        redoc_url=None,
    )
    install(app)
    app.include_router(_health(desk, warnings))
    ringers = Ringers(door, desk.hearing)
    rings, looks = _caller(door, front, Scope.RING), _caller(door, front, Scope.LOOK)
    attachments = Attachments(store, shelf)
    app.include_router(alarms(desk, ringers, attachments, rings=rings, looks=looks))
    app.include_router(attaching(attachments, rings))
    app.include_router(bells(desk, ringers))
    app.include_router(_incidents(desk, door, front))
    app.include_router(_tasks(desk, door, front))
    app.include_router(_triage(desk, door, front))
    app.include_router(_evidence(desk, door, front, store))
    app.include_router(_postmortems(desk, door, front, shelf))
    app.include_router(bundles(desk, door, _caller(door, front, Scope.LOOK), store, sealing))
    app.include_router(entrance(desk, door, front))
    app.include_router(bellpull(desk, door, front, attachments))
    app.include_router(earshot(desk, door, front, looks))  # before the board, as are the drills
    if drill_desk:  # before the board, which takes the word for the name of an incident
        app.include_router(reports(drill_desk, door, front))
    app.include_router(boards(desk, door, front, store, console, rehearses=drill_desk is not None))
    if wall:
        app.include_router(_locks(wall, door, front))
    if watch:
        app.include_router(_detectors(watch, door, front))
    if drill_desk:
        app.include_router(_drills(drill_desk, door, front))
    if link_key:
        app.include_router(acknowledging(desk, door, link_key))
        app.include_router(plans(desk, door, front, link_key))
    if customers:
        app.include_router(subscribing(customers))
    if reader:
        app.include_router(reading(reader, door, front))
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_middleware(
        SessionMiddleware,  # of a visit before the login; a session itself is in the register
        secret_key=front.key,
        session_cookie=front.visit_cookie,
        max_age=VISIT_SECONDS,
        https_only=front.secure,
    )
    app.add_middleware(Guard, sent_away=ringers.sent_away)
    return app


def _caller(door: Doorkeeper, front: Front, scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: who calls, and that they may do this. Raises `Problem` 401, 403, 429."""
    ask = _asking(door, front)

    async def find(request: Request) -> Caller:
        known = getattr(request.state, "known", None)
        caller = known if isinstance(known, Caller) else await ask(request)
        caller.need(scope)
        return caller

    return find


def _known_first(door: Doorkeeper, front: Front) -> type[APIRoute]:
    """Routes that ask who calls before they read what was sent; FastAPI itself would parse it for anybody first."""
    ask = _asking(door, front)

    class KnownFirst(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def of_somebody(request: Request) -> Response:
                request.state.known = await ask(request)
                return await handle(request)

            return of_somebody

    return KnownFirst


def _asking(door: Doorkeeper, front: Front) -> Callable[[Request], Awaitable[Caller]]:
    """Who calls, by a bearer token or by a session. Raises `Problem` 401, 403, 429."""

    async def ask(request: Request) -> Caller:
        authorization = request.headers.get("authorization")
        cookie = request.cookies.get(front.session_cookie)
        if authorization is None and cookie:
            caller = await door.enter(cookie, address_of(request))
            check_call(request, caller, front)
        else:
            caller = await door.admit(authorization, address_of(request))
        return caller

    return ask


def _health(desk: DeskPort, warnings: Callable[[], Sequence[str]]) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The gateway runs."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """The gateway can take alarms. It is `ready` when it can do all else too: Temporal answers.

        What else does not go well is told, and changes nothing.
        """
        health = await desk.health()
        if health.status == "down":
            return Problem(503, "not ready", health.detail).response({"Retry-After": "2"})
        told = list(warnings())
        found = health.model_dump(mode="json", exclude_none=True)
        return JSONResponse(found | ({"warnings": told} if told else {}))

    return router


def _incidents(desk: DeskPort, door: Doorkeeper, front: Front) -> APIRouter:
    router = APIRouter(prefix="/incidents", tags=["incidents"], route_class=_known_first(door, front))
    looks = Annotated[Caller, Depends(_caller(door, front, Scope.LOOK))]
    acts = Annotated[Caller, Depends(_caller(door, front, Scope.ACT))]

    @router.get("")
    async def listing(caller: looks, open: bool = False) -> Listing:  # noqa: A002, FBT001, FBT002 - HTTP's
        """The incidents, without waking one of them."""
        person_of(caller)
        return Listing(incidents=tuple(await desk.listing(open_only=open)))

    @router.get("/{incident}")
    async def picture(incident: Id, caller: looks) -> Picture:
        """Everything that is known of one incident."""
        person_of(caller)
        return await desk.picture(incident)

    @router.get("/{incident}/same-fire")
    async def near(incident: Id, caller: looks) -> Listing:
        """Other open incidents of its system that opened at about the same time: perhaps the same fire."""
        person_of(caller)
        seen = await desk.picture(incident)
        rows = await desk.listing(open_only=True)
        return Listing(incidents=same_fire(rows, seen, (await door.books.latest())))

    for kind, model in ACTS.items():
        _add_act(router, desk, acts, kind, model)
    return router


def _tasks(desk: DeskPort, door: Doorkeeper, front: Front) -> APIRouter:
    router = APIRouter(tags=["tasks"], route_class=_known_first(door, front))
    looks = Annotated[Caller, Depends(_caller(door, front, Scope.LOOK))]
    acts = Annotated[Caller, Depends(_caller(door, front, Scope.ACT))]

    @router.get("/tasks")
    async def every(caller: looks, open: bool = False) -> TaskList:  # noqa: A002, FBT001, FBT002 - HTTP's
        """The tasks that all incidents have left to people."""
        person_of(caller)
        return await desk.tasks(None, open_only=open)

    @router.get("/incidents/{incident}/tasks")
    async def of_one(incident: Id, caller: looks) -> TaskList:
        """The tasks that this incident has left to people, of each of its fires."""
        person_of(caller)
        return await desk.tasks(incident, open_only=False)

    @router.post("/incidents/{incident}/tasks/{task}/finish")
    async def finish(
        incident: Id, task: Id, caller: acts, body: FinishBody, idempotency_key: KeyHeader = None
    ) -> Finished:
        """A task is done, by the word of a person."""
        person = person_of(caller)
        word = Finish(by=person, task=task, reason=body.reason)
        key = f"finish/{task}/{person}/{idempotency_key}" if idempotency_key else None
        answer = await desk.finish(incident, word, body.fire, key)
        log.info("finish", incident=incident, task=task, by=person, accepted=answer.accepted)
        if answer.accepted:
            return answer
        missing = answer.missing or ""
        raise Problem(409, ORDER, missing, rule=0, missing=missing)

    return router


def _triage(desk: DeskPort, door: Doorkeeper, front: Front) -> APIRouter:
    looks, acts = _caller(door, front, Scope.LOOK), _caller(door, front, Scope.ACT)
    return triage(desk, looks=looks, acts=acts, route_class=_known_first(door, front))


def _postmortems(desk: DeskPort, door: Doorkeeper, front: Front, shelf: Shelf) -> APIRouter:
    looks = Annotated[Caller, Depends(_caller(door, front, Scope.LOOK))]
    acts = Annotated[Caller, Depends(_caller(door, front, Scope.ACT))]
    known_first = _known_first(door, front)
    return postmortems(desk.picture, door, shelf, looks=looks, acts=acts, route_class=known_first)


def _drills(desk: DrillDesk, door: Doorkeeper, front: Front) -> APIRouter:
    looks = Annotated[Caller, Depends(_caller(door, front, Scope.LOOK))]
    acts = Annotated[Caller, Depends(_caller(door, front, Scope.ACT))]
    return drills(desk, looks=looks, acts=acts, route_class=_known_first(door, front))


def _evidence(desk: DeskPort, door: Doorkeeper, front: Front, store: EvidenceStore) -> APIRouter:
    router = APIRouter(prefix="/incidents/{incident}/evidence", tags=["evidence"])
    authenticated = Annotated[Caller, Depends(_caller(door, front, Scope.LOOK))]

    @router.get("/{digest}", response_class=Response)
    async def exhibit(incident: Id, digest: str, caller: authenticated) -> Response:
        """The bytes that this incident has under this digest; whatever they are, they are shown by nobody's browser."""
        person = person_of(caller)
        if digest not in exhibits(await desk.picture(incident)):
            raise Gone(f"the incident {incident} has no evidence {digest!r}")
        pieces = store.stream(digest)
        first, second = await anext(pieces, b""), await anext(pieces, None)
        log.info("evidence read", incident=incident, digest=digest, by=person)
        headers = {"Content-Disposition": f'attachment; filename="{digest}"', "Cache-Control": "no-store"}
        if second is None:  # small, and checked already
            return Response(first, media_type=BYTES, headers=headers)
        return StreamingResponse(whole(first, second, pieces), media_type=BYTES, headers=headers)

    return router


def _locks(wall: WallPort, door: Doorkeeper, front: Front) -> APIRouter:
    router = APIRouter(prefix="/locks", tags=["locks"])
    looks = Annotated[Caller, Depends(_caller(door, front, Scope.LOOK))]

    @router.get("")
    async def locks(caller: looks, system: Id | None = None) -> Locks:
        """The wall of locks, of one system or of all: what closed incidents became, and what broke it since."""
        person_of(caller)
        return side_by_side(await wall(system))

    return router


def _detectors(watch: DetectorsPort, door: Doorkeeper, front: Front) -> APIRouter:
    router = APIRouter(prefix="/detectors", tags=["watch"])
    looks = Annotated[Caller, Depends(_caller(door, front, Scope.LOOK))]

    @router.get("")
    async def detectors(caller: looks, system: Id | None = None) -> Detectors:
        """The watch, of one system or of all: what each detector sees, and how near it is to ringing."""
        person_of(caller)
        return await watch(system)

    return router


async def whole(first: bytes, second: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A big artifact as it is read. If it was altered the store says so at its end, and the answer breaks off."""
    yield first
    yield second
    try:
        async for piece in rest:
            yield piece
    except DriverError as error:
        log.exception("evidence broke off")
        raise ConnectionAbortedError(str(error)) from error


def _add_act(router: APIRouter, desk: DeskPort, authenticated: Any, kind: str, model: type[Model]) -> None:
    """One typed route an act. The body is the act without `by`: nobody can act in another's name."""
    fields: Any = {
        name: (field.annotation, field)
        for name, field in model.model_fields.items()
        if name not in {"by", "kind"}
    }
    picked = PICKS.get(kind)
    if picked:
        fields[picked] = (
            str,
            Field(pattern="^[0-9a-f]{1,64}$", description=f"the {picked}'s digest, or its beginning"),
        )
    body_model = create_model(f"{model.__name__}Body", __config__={"extra": "forbid"}, **fields)

    async def act(
        incident: Id, caller: authenticated, body: body_model, idempotency_key: KeyHeader = None
    ) -> Answer:
        person = person_of(caller)
        assert isinstance(body, BaseModel)
        given = {"kind": kind, "by": person, **body.model_dump(exclude_unset=True)}
        if picked:
            given[picked] = await desk.whole_digest(incident, given[picked], picked)
        key = f"{kind}/{person}/{idempotency_key}" if idempotency_key else None
        answer = await desk.act(incident, act_of(given, model), key)
        log.info("act", incident=incident, act=kind, by=person, accepted=answer.accepted, rule=answer.rule)
        refused = refusal(answer)
        if refused:
            raise refused
        return answer

    about = (model.__doc__ or kind).strip()
    router.add_api_route(f"/{{incident}}/{kind}", act, methods=["POST"], summary=about, name=kind)
