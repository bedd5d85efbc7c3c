"""The doors for customers: subscribe, confirm, unsubscribe. They are nobody here, and every answer is the same to all.

A form of the public page comes from another site, has no session and moves nothing but a question to the address in it.
So there is no token to check; what is limited is how often one client, one webhook's host and one address cause one.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from firestation.drivers.subscribers.hook import new_secret
from firestation.drivers.subscribers.reception import Reception
from firestation.errors import FirestationError, InvalidInput
from firestation.public_page.subscriber import wish_of
from gateway.attempts import Attempts, neighbourhood
from gateway.auth import address_of
from gateway.csrf import pairs_of
from gateway.pages import render
from gateway.problems import Problem, problem_of

log = structlog.get_logger()

MOST_AT_ONCE = 50
"""Questions under way: each is one mail or one post."""

ASKED = {
    "email": "If we can reach this address, a mail with a link is on its way; nothing is sent before you open it. No "
    "address is asked more than once an hour, so if no mail comes, try again then.",
    "webhook": "We now post a challenge to this address; it must answer with 200 and the body "
    '{"challenge": "…"} with the challenge that it was sent, and nothing else in it. No address is asked more '
    "than once an hour, and one that is told already is not asked.",
}
NOTHING = "This link opens nothing"
CUT = "This link is not whole: copy all of it from the message."
GONE = "This link is not whole, or its two days are over. Subscribe again on the status page."


class Customers(NamedTuple):
    """Who answers customers, and where the page is that they come from, if that is known."""

    reception: Reception
    page: str | None


def subscribing(customers: Customers, attempts: Attempts | None = None) -> APIRouter:
    """The routes `/subscribe` and `/unsubscribe`. `attempts` counts how often each client asks."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    background = _Background()
    _add_asking(router, customers, attempts or Attempts(), background)
    _add_confirming(router, customers)
    _add_leaving(router, customers)
    return router


class _Background:
    """What goes on when the answer is given already: how long it took tells nothing of who is known."""

    def __init__(self) -> None:
        self._tasks = set[asyncio.Task[None]]()

    def check(self) -> None:
        """Raises `Problem` 503 when enough is under way."""
        if len(self._tasks) >= MOST_AT_ONCE:
            raise Problem(503, "too much at once", "try again in a minute", headers={"Retry-After": "60"})

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _add_asking(router: APIRouter, customers: Customers, attempts: Attempts, background: _Background) -> None:
    @router.post("/subscribe")
    async def subscribe(request: Request) -> Response:
        """Ask the address that was given whether it wants to be told."""
        client = neighbourhood(address_of(request))
        try:
            _slow_down(attempts, f"client {client}")
            pairs = await pairs_of(request)
            components = tuple(dict.fromkeys(value for name, value in pairs if name == "component"))
            wish = wish_of(dict(pairs), components, new_secret())
            if wish.kind not in customers.reception.ways:
                raise InvalidInput(wish.kind, "nobody is told in this way here", "Choose another way")
            if wish.kind == "webhook":
                _slow_down(attempts, f"host {urlsplit(wish.address).hostname}")
            background.check()
        except (Problem, FirestationError) as error:
            return _wrong(request, customers, error)
        background.start(customers.reception.ask(wish))
        told = {"heading": "Check your inbox" if wish.kind == "email" else "We ask the webhook"}
        return _page(request, customers, 202, **told, text=ASKED[wish.kind], secret=wish.secret)


def _add_confirming(router: APIRouter, customers: Customers) -> None:
    reception = customers.reception

    @router.get("/subscribe/{token}")
    async def look(request: Request, token: str) -> Response:
        """One button: what opens links to look at them confirms nothing."""
        if reception.read(token) is None:
            return _page(request, customers, 404, heading=NOTHING, text=GONE, wrong=True)
        text = "From then on a mail comes here whenever there is news of an incident that you asked for."
        return _page(
            request, customers, 200, heading="Be told of incidents", text=text, button="Yes, tell me"
        )

    @router.post("/subscribe/{token}")
    async def confirm(request: Request, token: str) -> Response:
        """They want it."""
        wish = reception.read(token)
        if wish is None:
            return _page(request, customers, 404, heading=NOTHING, text=GONE, wrong=True)
        try:
            await reception.confirm(wish)
        except FirestationError as error:
            return _wrong(request, customers, error)
        text = "Each mail has a link at its end that stops them."
        return _page(request, customers, 200, heading="You will be told", text=text)


def _add_leaving(router: APIRouter, customers: Customers) -> None:
    @router.get("/unsubscribe/{token}")
    async def look(request: Request, token: str) -> Response:
        """One button: what opens links to look at them unsubscribes nobody."""
        if not customers.reception.is_ours(token):
            return _page(request, customers, 404, heading=NOTHING, text=CUT, wrong=True)
        text = "No more messages of this status page will come to the address that this link was sent to."
        return _page(request, customers, 200, heading="Unsubscribe", text=text, button="Stop the messages")

    @router.post("/unsubscribe/{token}")
    async def leave(request: Request, token: str) -> Response:
        """They want no more; mail programs send this themselves (RFC 8058). Sent again, it is as good."""
        try:
            ours = await customers.reception.leave(token)
        except FirestationError as error:
            return _wrong(request, customers, error)
        if not ours:
            return _page(request, customers, 404, heading=NOTHING, text=CUT, wrong=True)
        text = "What was kept of the address is deleted."
        return _page(request, customers, 200, heading="You are unsubscribed", text=text)


def _slow_down(attempts: Attempts, name: str) -> None:
    """Raises `Problem` 429 for who has asked too often."""
    if wait := attempts.wait(name):
        detail = f"this was asked too often; wait {wait} s"
        raise Problem(429, "too many attempts", detail, headers={"Retry-After": str(wait)})
    attempts.failed(name)


def _page(request: Request, customers: Customers, status: int, **told: Any) -> Response:
    given = {"wrong": False, "button": None, "secret": None, **told}
    return render(
        request, "subscribing.html", status, title=customers.reception.title, home=customers.page, **given
    )


def _wrong(request: Request, customers: Customers, error: Problem | FirestationError) -> Response:
    """What is wrong with what they sent; of our own troubles customers learn no more than that there are some."""
    if isinstance(error, Problem | InvalidInput):
        problem = problem_of(error)
    else:
        log.warning("a subscriber cannot be served", problem=str(error))
        problem = Problem(
            503, "this cannot be done now", "Try again in a few minutes.", headers={"Retry-After": "60"}
        )
    text = problem.detail or problem.title
    heading = problem.title[:1].upper() + problem.title[1:]
    answer = _page(request, customers, problem.status, heading=heading, text=text, wrong=True)
    answer.headers.update(problem.headers)
    return answer
