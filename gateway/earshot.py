"""Whether the bells work, as this gateway heard them: `GET /bells`, and the page `/board/bells`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from firestation.bell.view import Bells, Standing, view
from gateway.acting import person_of
from gateway.auth import Caller, Doorkeeper
from gateway.board import reader_of
from gateway.front import Front
from gateway.hearing import Ears
from gateway.pages import page_router, render, signed_in
from gateway.shared import Shared

SECONDS = 1.0
"""So long a look is good: each has what was counted written down."""

ORDER: tuple[Standing, ...] = ("refused", "never heard", "heard")


class HearingDesk(Protocol):
    """What this asks of the desk."""

    async def ears(self) -> Ears: ...  # noqa: D102 - see Desk


def earshot(
    desk: HearingDesk, door: Doorkeeper, front: Front, looks: Callable[[Request], Awaitable[Caller]]
) -> APIRouter:
    """The routes: for everybody who may look."""
    router, pages = APIRouter(tags=["alarms"]), page_router()
    looking = Annotated[Caller, Depends(looks)]
    person = Annotated[Caller, Depends(signed_in(door, front))]

    async def look(origin: str) -> Bells:
        station, ears = (await door.books.latest()).station, await desk.ears()
        seen = [
            view(
                bell.id,
                bell.format,
                bell.proof.scheme,
                secret=any(True for _ in door.secrets_of(bell)),
                origin=origin,
                known=ears.bells.get(bell.id),
            )
            for bell in station.bells
        ]
        seen.sort(key=lambda each: ORDER.index(each.standing))
        return Bells(bells=tuple(seen), strangers=ears.strangers)

    shared = Shared[str, Bells](look, SECONDS)

    @router.get("/bells")
    async def bells(request: Request, caller: looking) -> Bells:
        """The bells of the station file: when this gateway heard each, and why it was last refused."""
        person_of(caller)
        return await shared.get(front.origin(request)[:200])

    @pages.get("/board/bells")
    async def page(request: Request, caller: person) -> Response:
        """The same, for those who have no terminal."""
        reader_of(door, caller)
        found = await shared.get(front.origin(request)[:200])
        return render(request, "bells.html", found=found, now=door.clock())

    router.include_router(pages)
    return router
