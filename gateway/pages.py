"""The pages: rendered here, readable without JavaScript, and errors are pages too.

Another page is a router from `page_router()`, a template that extends base.html and fills its block `main`, and
`render(request, name, **context)`. A form has `{{ csrf_field() }}` in it, and its route begins with
`await read_form(request, front)`.
"""

import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from firestation.errors import FirestationError
from firestation.model import count, show_duration
from firestation.tokens import Scope
from gateway.auth import Caller, Doorkeeper, address_of
from gateway.csrf import FIELD, caller_of, token_for
from gateway.front import Front
from gateway.problems import Problem, problem_of
from gateway.returning import login_for
from gateway.visible import said, shown, typed

HERE = Path(__file__).parent
STATIC = HERE / "static"
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
TEMPLATES.filters["said"] = said
TEMPLATES.filters["typed"] = typed
TEMPLATES.filters["span"] = lambda span: show_duration(abs(span))
TEMPLATES.filters["utc"] = lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC"
TEMPLATES.filters["hour"] = lambda at: f"{at:%H:%M:%S}"
TEMPLATES.globals["count"] = count
TEMPLATES.globals["nonce"] = lambda: os.urandom(12).hex()
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not no-referrer: with it, browsers say `Origin: null` when they send our own forms.
    "Referrer-Policy": "same-origin",
}
LIVE = HEADERS["Content-Security-Policy"] + "; script-src 'self'; connect-src 'self'"
"""The policy of a page that a script of ours keeps up to date: from our own files only, and none within the page."""
SEE_OTHER, UNKNOWN, FAILED = 303, 401, 500


def render(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """The page of this template. It has `person` (the id, or None) and `csrf_field()` besides what is given."""
    caller = caller_of(request)

    def csrf_field() -> Markup:
        return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token_for(request))

    given = {"person": caller.name if caller else None, "csrf_field": csrf_field, **context}
    return HTMLResponse(TEMPLATES.get_template(name).render(given), status, HEADERS)


def trouble(request: Request, problem: Problem, *, look: bool = False) -> HTMLResponse:
    """An error as a page. `look`: it can be looked at again, at the same address."""
    query = f"?{request.url.query}" if request.url.query else ""
    again = f"{quote(request.url.path)}{query}" if look else ""
    return render(request, "problem.html", problem.status, problem=problem, again=again)


class PageRoute(APIRoute):
    """A route whose errors are pages. Who is nobody (401) and only wants to look is led to the login, and back."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler, with errors as pages around it."""
        handle = super().get_route_handler()

        async def with_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except (Problem, FirestationError) as error:
                problem = problem_of(error)
            if problem.status == UNKNOWN and request.method == "GET" and request.url.path != "/login":
                return RedirectResponse(login_for(request), SEE_OTHER)
            answer = trouble(request, problem, look=request.method == "GET" and problem.status >= FAILED)
            answer.headers.update(problem.headers)
            return answer

        return with_errors


def page_router() -> APIRouter:
    """A router for pages."""
    return APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


def visitor(door: Doorkeeper, front: Front) -> Callable[[Request], Awaitable[Caller | None]]:
    """A dependency: who has a session here, or None. Pages that need somebody take `signed_in`."""

    async def find(request: Request) -> Caller | None:
        cookie = request.cookies.get(front.session_cookie)
        if not cookie:
            return None
        try:
            caller = await door.enter(cookie, address_of(request))
        except Problem as problem:
            if problem.status != UNKNOWN:
                raise
            return None
        request.state.caller = caller
        return caller

    return find


def signed_in(door: Doorkeeper, front: Front) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: who has a session here, and may look. Raises `Problem` 401."""
    look_for = visitor(door, front)

    async def find(request: Request) -> Caller:
        caller = await look_for(request)
        if caller is None:
            raise Problem(UNKNOWN, "who are you?", "log in first")
        caller.need(Scope.LOOK)
        return caller

    return find
