"""The pages of the entrance: log in, see what burns, log out."""

from functools import lru_cache
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from firestation.authority import Login
from firestation.errors import FirestationError
from firestation.tokens import Token
from gateway.auth import SESSION, Caller, Doorkeeper, address_of
from gateway.csrf import read_form
from gateway.desk import Row
from gateway.front import Front
from gateway.pages import SEE_OTHER, page_router, render, signed_in, trouble, visitor
from gateway.problems import Problem
from gateway.provider import CALLBACK, Provider
from gateway.returning import HOME, NEXT, asked_for, own_page

FAILED = frozenset({401, 429})


class Lists(Protocol):
    """What the first page asks of the desk."""

    async def listing(self, *, open_only: bool) -> list[Row]: ...  # noqa: D102 - see Desk


def entrance(desk: Lists, door: Doorkeeper, front: Front) -> APIRouter:
    """The routes `/`, `/login` and `/logout`, and the way through the provider, while the station has one."""
    router = page_router()
    _add_home(router, desk, door, front)
    _add_login(router, door, front)
    _add_provider(router, door, front)
    return router


def _add_home(router: APIRouter, desk: Lists, door: Doorkeeper, front: Front) -> None:
    person = Annotated[Caller, Depends(signed_in(door, front))]
    anybody = Annotated[Caller | None, Depends(visitor(door, front))]

    @router.get("/")
    async def home(request: Request, caller: person) -> Response:
        """Who you are, and what burns; what is yours comes first."""
        rows, trouble, station = list[Row](), None, door.station
        member = station.person(caller.name)
        if member is None:  # the book was changed since the door let them in
            raise Problem(401, "who are you?", f"{caller.name} is not one of the station's people any more")
        try:
            rows = await desk.listing(open_only=True)
        except FirestationError as error:  # who you are is known without Temporal
            trouble = str(error)
        rows.sort(key=lambda row: row.captain != caller.name)
        return render(
            request, "home.html", member=member, station=station.station, incidents=rows, trouble=trouble
        )

    @router.post("/logout")
    async def logout(request: Request, caller: anybody) -> Response:
        """End the session, here and at every gateway."""
        await read_form(request, front)
        if caller and caller.token:
            await door.close_session(caller.token)
        return _without_cookie(RedirectResponse("/login", SEE_OTHER), front)


def _add_login(router: APIRouter, door: Doorkeeper, front: Front) -> None:
    anybody = Annotated[Caller | None, Depends(visitor(door, front))]

    def form(request: Request, back: str, status: int = 200, wrong: str | None = None) -> Response:
        login, name = door.station.login, door.station.station
        return render(
            request,
            "login.html",
            status,
            wrong=wrong,
            station=name,
            provider=login and login.title,
            next=back,
        )

    @router.get("/login")
    async def login(request: Request, caller: anybody) -> Response:
        """The ways in. A cookie that has led here is good for nothing any more."""
        back = asked_for(request)
        if caller:
            return RedirectResponse(back, SEE_OTHER)
        await door.books.latest()
        answer = form(request, back)
        return _without_cookie(answer, front) if front.session_cookie in request.cookies else answer

    @router.post("/login")
    async def enter(request: Request, caller: anybody) -> Response:
        """Open a session with an access token."""
        fields = await read_form(request, front)
        text, back = fields.get("token", "").strip(), own_page(fields.get(NEXT))
        try:
            found = await door.admit(f"Bearer {text}", address_of(request))
        except Problem as problem:
            if problem.status not in FAILED:
                raise
            wrong = problem.detail if problem.detail and "Bearer" not in problem.detail else None
            answer = form(request, back, problem.status, wrong or "Nobody here has this token.")
            answer.headers.update(problem.headers)
            return answer
        if found.kind != "person" or found.token is None:
            machine = "This is a machine's secret; log in with an access token of your own."
            return form(request, back, 403, machine)
        return await _open(request, door, front, found.name, back, before=caller, opened_with=found.token)


def _add_provider(router: APIRouter, door: Doorkeeper, front: Front) -> None:
    anybody = Annotated[Caller | None, Depends(visitor(door, front))]

    @lru_cache(maxsize=1)
    def made(login: Login) -> Provider:
        assert front.public_url  # seen to where the book is read
        return Provider(login, door.secrets, front.public_url)

    async def provider() -> Provider:
        """The provider of the station file in force. Raises `Problem` 404 when there is none."""
        login = (await door.books.latest()).station.login
        if login is None:
            raise Problem(404, "not found", "this station has no login through a provider")
        return made(login)

    @router.get("/login/provider")
    async def leave(request: Request) -> Response:
        """To the provider. The page that was asked for waits in the visit, which the browser brings back."""
        door.slow_down(address_of(request))
        answer = await (await provider()).send(request)
        request.session[NEXT] = asked_for(request)
        return answer

    @router.get(CALLBACK)
    async def come_back(request: Request, caller: anybody) -> Response:
        """Back from the provider."""
        address = address_of(request)
        door.slow_down(address)
        try:
            claim = await (await provider()).who(request)
        except Problem as problem:
            if problem.status in {401, 403}:
                door.failed(address, f"by the provider: {problem.detail}")
                return trouble(request, problem)
            raise
        person = next((each for each in door.station.people if each.login == claim), None)
        if person is None:
            door.wait(door.failed(address, "the provider knows them, the station file does not", login=claim))
            detail = f"the provider knows you as {claim}, but nobody of this station has that login"
            raise Problem(403, "not allowed", f"{detail}; whoever keeps the station file can add it")
        back = own_page(str(request.session.get(NEXT, HOME)))
        return await _open(request, door, front, person.id, back, before=caller)


def _without_cookie(answer: Response, front: Front) -> Response:
    answer.delete_cookie(front.session_cookie, path="/", secure=front.secure, httponly=True, samesite="lax")
    return answer


async def _open(
    request: Request,
    door: Doorkeeper,
    front: Front,
    person: str,
    back: str,
    *,
    before: Caller | None,
    opened_with: Token | None = None,
) -> Response:
    """A new session, under an id that nobody knew before; the one that was open here is ended. Then `back`."""
    if before and before.token:
        await door.close_session(before.token)
    request.session.clear()
    text = await door.open_session(person, opened_with)
    answer = RedirectResponse(back, SEE_OTHER)
    answer.set_cookie(
        front.session_cookie,
        text,
        max_age=int(SESSION.total_seconds()),
        path="/",
        secure=front.secure,
        httponly=True,
        samesite="lax",
    )
    return answer
