"""The board: what burns, and one incident with everything that can be done about it, as pages.

All acts are plain forms, decided at the same desk as those of the API; a refusal is told in its place, with its rule,
and what was typed stays. Without JavaScript nothing is missing; with it the page keeps itself up to date.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Annotated, NamedTuple, Protocol, get_args

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from pydantic import TypeAdapter, ValidationError

from firestation.acts import ACTS, Act
from firestation.authority import Role
from firestation.differing import levers
from firestation.errors import ORDER, FirestationError, Gone, InvalidInput, Unreachable
from firestation.follow_up import Finish
from firestation.model import Id, Text
from firestation.picture import Picture, attached
from firestation.ports import EvidenceStore
from firestation.tokens import Scope
from firestation.waits import Verdict, Word, verdict_of
from gateway.acting import person_of, refusal
from gateway.auth import Caller, Doorkeeper, address_of
from gateway.desk import Row
from gateway.diffs import Comparing
from gateway.forms import GOOD_KEY, KEY, Refused, draw, read, sent_of
from gateway.front import Front
from gateway.may import OVER, Reader, could
from gateway.pages import LIVE, SEE_OTHER, page_router, render, signed_in, visitor
from gateway.problems import Problem, problem_of
from gateway.same_fire import offered, same_fire
from gateway.scene import scene
from gateway.sending import Unsent, kept, sent, wrong_of
from gateway.shared import Shared
from gateway.tasks import TaskList
from gateway.waiting import WaitList
from gateway.watching import Watching
from workflows.messages import Answer, Decided, Finished

log = structlog.get_logger()

FRESH_SECONDS = 1.0
LIST_SECONDS = 2.0
STILL_SECONDS = 15.0
"""So often whoever watches is told that we are still here, and is asked anew whether they may."""

LIFE_SECONDS = 900.0
"""So long one stream lives; the browser opens the next one by itself, and nothing grows over a night."""

RETRY = "retry: 2000\n\n"
OK, NOTHING = 200, 204
ID: TypeAdapter[str] = TypeAdapter(Id)
TEXT: TypeAdapter[str] = TypeAdapter(Text)


class BoardDesk(Protocol):
    """What the board asks of the desk."""

    async def act(self, incident: str, act: Act, key: str | None = None) -> Answer: ...  # noqa: D102 - see Desk
    async def picture(self, incident: str) -> Picture: ...  # noqa: D102
    async def version(self, incident: str) -> str: ...  # noqa: D102
    async def listing(self, *, open_only: bool) -> list[Row]: ...  # noqa: D102
    async def tasks(self, incident: str | None, *, open_only: bool) -> TaskList: ...  # noqa: D102
    async def finish(self, incident: str, word: Finish, fire: str, key: str | None) -> Finished: ...  # noqa: D102
    async def waits(self) -> WaitList: ...  # noqa: D102
    async def decide(self, incident: str, verdict: Verdict, key: str | None = None) -> Decided: ...  # noqa: D102


class Look(NamedTuple):
    """One incident as it was looked at: the version from before the look, so that no change is missed."""

    version: str
    seen: Picture


def reader_of(door: Doorkeeper, caller: Caller) -> Reader:
    """Who looks, with the roles that the station file in force gives them. Raises `Problem` 401 and 403."""
    name = person_of(caller)
    member = door.station.person(name)
    if member is None:
        raise Problem(401, "who are you?", f"{name} is not one of the station's people any more")
    return Reader(name, frozenset(member.roles), Scope.ACT in caller.scopes)


class Board:
    """Looks that all viewers share, and who watches."""

    def __init__(self, desk: BoardDesk, door: Doorkeeper, front: Front, console: str | None) -> None:
        self.desk, self.door, self.front, self.console = desk, door, front, console
        self.rows = Shared[bool, list[Row]](lambda open_only: desk.listing(open_only=open_only), LIST_SECONDS)
        self.looks = Shared[str, Look](self._look, FRESH_SECONDS)
        self.tasks = Shared[str, TaskList](lambda name: desk.tasks(name, open_only=False), LIST_SECONDS)
        self.waits = Shared[str, WaitList](lambda _: desk.waits(), LIST_SECONDS)
        self.watching = Watching(desk.version, self.forget)

    async def _look(self, incident: str) -> Look:
        version = await self.desk.version(incident)
        return Look(version, await self.desk.picture(incident))

    def forget(self, incident: str) -> None:
        """It has changed."""
        self.looks.forget(incident)
        self.tasks.forget(incident)

    def captains(self) -> dict[str, str]:
        """Who can be offered the captaincy, by id with their name."""
        return {each.id: each.name for each in self.door.station.people if Role.CAPTAIN in each.roles}


def boards(
    desk: BoardDesk,
    door: Doorkeeper,
    front: Front,
    store: EvidenceStore,
    console: str | None = None,
    *,
    rehearses: bool = False,
) -> APIRouter:
    """The routes under `/board`.

    `console` is where Temporal's own UI shows the workflows of the namespace; `rehearses` says that there is a page of
    drills (`gateway.rehearsing`).
    """
    router, board = page_router(), Board(desk, door, front, console)
    _add_list(router, board, rehearses=rehearses)
    _add_incident(router, board)
    _add_diff(router, board, store)
    _add_events(router, board)
    _add_tasks(router, board)
    _add_acts(router, board)
    _add_triage(router, board)
    return router


def _add_list(router: APIRouter, board: Board, *, rehearses: bool) -> None:
    person = Annotated[Caller, Depends(signed_in(board.door, board.front))]

    @router.get("/board")
    async def listing(request: Request, caller: person) -> Response:
        """What burns, the gravest first; with `all=1` also what has ended. No workflow is woken for it."""
        reader, trouble, age = reader_of(board.door, caller), None, None
        whole = request.query_params.get("all") == "1"
        try:
            rows, waits = await asyncio.gather(board.rows.get(not whole), board.waits.get(""))
        except FirestationError as error:
            trouble = str(error)
            rows, waits, age = _as_before(board, open_only=not whole)
        rows = sorted(rows, key=lambda row: (not row.open, row.severity if row.open else "", _age(row)))
        station = board.door.station.station
        return _live(
            render(
                request,
                "board.html",
                200 if trouble is None else 503,
                rows=rows,
                waits=waits,
                trouble=trouble,
                age=age,
                whole=whole,
                reader=reader,
                rings=Scope.RING in caller.scopes,
                rehearses=rehearses,
                station=station,
                now=board.door.clock(),
            )
        )


def _as_before(board: Board, *, open_only: bool) -> tuple[list[Row], WaitList, timedelta | None]:
    """The list as it was last seen here, and how long ago; None where it was not."""
    rows, waits = board.rows.last(open_only), board.waits.last("")
    if rows is None or waits is None:
        return [], WaitList(waiting=()), None
    return rows[1], waits[1], timedelta(seconds=max(rows[0], waits[0]))


def _age(row: Row) -> float:
    """Of open ones the oldest first, of ended ones the newest."""
    return row.opened_at.timestamp() * (1 if row.open else -1)


def _add_incident(router: APIRouter, board: Board) -> None:
    person = Annotated[Caller, Depends(signed_in(board.door, board.front))]

    @router.get("/board/{incident}")
    async def incident(request: Request, incident: str, caller: person) -> Response:
        """One incident: what is known, what is waited for, what to do next, and everything else below."""
        done = request.query_params.get("done", "")
        return await _page(
            request, board, _id(incident), caller, done=done if done in {*ACTS, "finish", "ring"} else ""
        )


def _add_diff(router: APIRouter, board: Board, store: EvidenceStore) -> None:
    person = Annotated[Caller, Depends(signed_in(board.door, board.front))]

    async def look(incident: str) -> Picture:
        return (await board.looks.get(incident)).seen

    comparing = Comparing(look, store)

    @router.get("/board/{incident}/diff")
    async def diff(request: Request, incident: str, caller: person) -> Response:
        """What differs between a bad request and a healthy one; the evidence is read only for who asks for this."""
        incident, reader = _id(incident), reader_of(board.door, caller)
        seen = await look(incident)
        made = await comparing.get(seen, request.query_params.get("request", ""))
        log.info("evidence compared", incident=incident, by=reader.id)
        return render(request, "diff.html", seen=seen, made=made, levers=tuple(levers(seen)))


async def _page(
    request: Request,
    board: Board,
    incident: str,
    caller: Caller,
    *,
    status: int = 200,
    refused: Refused | None = None,
    done: str = "",
) -> Response:
    """The page of an incident for this person; `refused` is what they sent and why not."""
    reader = reader_of(board.door, caller)
    look, age, trouble = await board.looks.seen(incident)
    seen, now = look.seen, board.door.clock()
    near = await _near(board, seen)
    forms = offered(draw(seen, could(seen, reader), reader.id, board.captains(), refused), near)
    homeless = refused if refused and not any(each.wrong for each in forms.values()) else None
    tasks = await _tasks(board, incident, seen)
    answer = render(
        request,
        "incident.html",
        503 if trouble and status == OK else status,
        seen=seen,
        trouble=trouble,
        age=age,
        version="" if trouble else look.version,  # whatever comes is news to a page of before
        reader=reader,
        attached=attached(seen),
        forms=forms,
        unfold=request.query_params.get("unfold", ""),
        scene=scene(seen, forms, request.query_params, now),
        refused=refused,
        homeless=homeless,
        done=done,
        tasks=tasks,
        near=near,
        console=f"{board.console}/{seen.incident}" if board.console else None,
    )
    return _live(answer)


async def _near(board: Board, seen: Picture) -> tuple[Row, ...]:
    """Which others may be the same fire; none when nobody can say."""
    try:
        return same_fire(await board.rows.get(True), seen, board.door.books.book)
    except FirestationError:
        return ()


async def _tasks(board: Board, incident: str, seen: Picture) -> TaskList | None:
    """The tasks that it has left, once there may be some; None when nobody can say."""
    if not seen.tickets and seen.phase not in OVER:
        return TaskList(incidents=())
    try:
        return await board.tasks.get(incident)
    except FirestationError:
        return None


def _add_acts(router: APIRouter, board: Board) -> None:
    anybody = Annotated[Caller | None, Depends(visitor(board.door, board.front))]

    @router.get("/board/{incident}/{kind}")
    async def back(incident: str, kind: str) -> Response:
        """Whoever loads the address of an act again, after it was refused, gets the page that it is of."""
        del kind
        return RedirectResponse(f"/board/{_id(incident)}", SEE_OTHER)

    @router.post("/board/{incident}/{kind}")
    async def act(request: Request, incident: str, kind: str, caller: anybody) -> Response:
        """Do it, and show the page again; or say in its place why not."""
        incident = _id(incident)
        if kind not in ACTS:
            raise Problem(404, "not found", f"there is no act {kind[:40]!r}")
        try:
            known, fields = await sent(request, board.front, caller)
        except Unsent as unsent:
            return kept(request, kind, unsent.problem, unsent.fields)
        reader = reader_of(board.door, known)
        try:
            done, key, _ = read(kind, fields, reader.id)
            answer = await board.desk.act(incident, done, key)
            problem = refusal(answer)
            log.info("act", incident=incident, act=kind, by=reader.id, accepted=answer.accepted, by_page=True)
        except FirestationError as error:
            problem = problem_of(error)
        board.forget(incident)
        if problem is None:
            return RedirectResponse(f"/board/{incident}?done={kind}#now", SEE_OTHER)
        try:
            refused = Refused(sent_of(kind, fields), wrong_of(problem), _same_key(fields, problem))
            return await _page(request, board, incident, known, status=problem.status, refused=refused)
        except Gone:
            raise
        except FirestationError:  # what was typed is not lost, even when nothing else can be shown
            return kept(request, kind, problem, fields)


def _add_tasks(router: APIRouter, board: Board) -> None:
    anybody = Annotated[Caller | None, Depends(visitor(board.door, board.front))]

    @router.post("/board/{incident}/tasks/{task}/finish")
    async def finish(request: Request, incident: str, task: str, caller: anybody) -> Response:
        """A task is done, by the word of a person."""
        incident, task = _id(incident), _id(task)
        try:
            known, fields = await sent(request, board.front, caller)
        except Unsent as unsent:
            return kept(request, "finish", unsent.problem, unsent.fields)
        person = reader_of(board.door, known).id
        try:
            word = Finish(by=person, task=task, reason=_text(fields))
            key = fields.get(KEY, "")
            key = f"finish/{task}/{person}/{key}-{word.sha256()[:24]}" if GOOD_KEY.fullmatch(key) else ""
            answer = await board.desk.finish(incident, word, fields.get("fire", "")[:64], key or None)
        except FirestationError as error:
            return kept(request, "finish", problem_of(error), fields)
        board.forget(incident)
        log.info("finish", incident=incident, task=task, by=person, accepted=answer.accepted, by_page=True)
        if answer.accepted:
            return RedirectResponse(f"/board/{incident}?done=finish#after", SEE_OTHER)
        problem = Problem(409, ORDER, answer.missing)
        return kept(request, "finish", problem, fields)


def _add_triage(router: APIRouter, board: Board) -> None:
    anybody = Annotated[Caller | None, Depends(visitor(board.door, board.front))]

    @router.get("/board/triage/{incident}/{word}")
    async def back(incident: str, word: str) -> Response:
        """Whoever loads the address of a form again, after it was refused, gets the list that it is of."""
        del incident, word
        return RedirectResponse("/board#waits", SEE_OTHER)

    @router.post("/board/triage/{incident}/{word}")
    async def decide(request: Request, incident: str, word: str, caller: anybody) -> Response:
        """What waits for a person is opened, or dismissed with a reason."""
        incident = _id(incident)
        if word not in get_args(Word):
            raise Problem(404, "not found", "what waits for a person is opened or dismissed")
        try:
            known, fields = await sent(request, board.front, caller)
        except Unsent as unsent:
            return kept(request, word, unsent.problem, unsent.fields)
        person = reader_of(board.door, known).id
        try:
            verdict = verdict_of("open" if word == "open" else "dismiss", person, fields.get("reason", ""))
            key = fields.get(KEY, "")
            key = f"{word}/{person}/{key}-{verdict.sha256()[:24]}" if GOOD_KEY.fullmatch(key) else ""
            answer = await board.desk.decide(incident, verdict, key or None)
        except FirestationError as error:
            return kept(request, word, problem_of(error), fields)
        board.waits.forget("")
        log.info("triage", incident=incident, word=word, by=person, accepted=answer.accepted, by_page=True)
        if answer.accepted:
            return RedirectResponse("/board#waits", SEE_OTHER)
        return kept(request, word, Problem(409, ORDER, answer.missing), fields)


def _text(fields: Mapping[str, str]) -> str:
    try:
        return TEXT.validate_python(fields.get("reason", ""))
    except ValidationError:
        raise InvalidInput("reason", "it is empty or too long", "Say in a few words how you know") from None


def _same_key(fields: Mapping[str, str], problem: Problem) -> str:
    """What may have happened although nobody answered is sent again under its own key; a refusal is the end of one."""
    return fields.get(KEY, "") if problem.status >= 500 and GOOD_KEY.fullmatch(fields.get(KEY, "")) else ""  # noqa: PLR2004 - HTTP's number


def _add_events(router: APIRouter, board: Board) -> None:
    anybody = Annotated[Caller | None, Depends(visitor(board.door, board.front))]

    @router.get("/board/{incident}/events")
    async def events(request: Request, incident: str, caller: anybody) -> Response:
        """Server-sent events: the version of the incident whenever it changes, and nothing else.

        Who is nobody gets 204, with which a browser does not come again.
        """
        incident = _id(incident)
        if caller is None:
            return Response(status_code=NOTHING)
        caller.need(Scope.LOOK)
        person = person_of(caller)
        with suppress(Unreachable):  # whoever watches waits for it to answer again
            await board.desk.version(incident)
        if board.watching.full(person):
            detail = "too many pages are open here; this one is shown, and does not renew itself"
            raise Problem(503, "the station cannot do it now", detail, headers={"Retry-After": "60"})
        seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
        stream = _stream(board, request, incident, person, seen)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(
    board: Board, request: Request, incident: str, person: str, seen: str
) -> AsyncIterator[str]:
    """The stream of one page, as long as its session is good and its life is not over."""
    yield RETRY
    ends = time.monotonic() + LIFE_SECONDS
    cookie, address = request.cookies.get(board.front.session_cookie, ""), address_of(request)
    async with aclosing(board.watching.watch(incident, person, seen, STILL_SECONDS)) as news:
        async for version in news:
            try:
                (await board.door.enter(cookie, address)).need(Scope.LOOK)
            except Problem:
                yield "event: over\ndata: \n\n"
                return
            except FirestationError:  # the register does not answer: neither let in nor thrown out
                continue
            yield f"id: {version}\nevent: changed\ndata: {version}\n\n" if version else ": still here\n\n"
            if time.monotonic() > ends:
                return


def _id(text: str) -> str:
    """A name as ours are; what is none is not asked for. Raises `Problem` 404."""
    try:
        return ID.validate_python(text)
    except ValidationError:
        raise Problem(404, "not found", "there is no incident of that name") from None


def _live(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = LIVE
    return answer
