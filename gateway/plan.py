"""The link of a plan, as chat gives it: the whole plan of one exact action, for one person who has logged in.

Everybody in the room can read the link, so it lets nobody in: it only says what its person is to look at. What they
decide there is sent to the board as from its own page.
"""

from typing import Annotated, Protocol

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from firestation.errors import LinkAltered, LinkExpired
from firestation.links import PlanLink, mark_of, read_plan
from firestation.picture import Picture
from gateway.auth import Caller, Doorkeeper
from gateway.board import reader_of
from gateway.forms import draw
from gateway.front import Front
from gateway.may import could
from gateway.pages import page_router, render, signed_in
from gateway.problems import Problem

log = structlog.get_logger()

NOT_YOURS, OVER = 403, 410
AGAIN = "type !approve in the incident's room, or look at the board"


class PlanDesk(Protocol):
    """What the page asks of the desk."""

    async def picture(self, incident: str) -> Picture: ...  # noqa: D102 - see Desk


def plans(desk: PlanDesk, door: Doorkeeper, front: Front, key: bytes) -> APIRouter:
    """The route `/plan/{token}`."""
    router = page_router()
    person = Annotated[Caller, Depends(signed_in(door, front))]

    @router.get("/plan/{token}")
    async def look(request: Request, token: str, caller: person) -> Response:
        """The plan, and the form that approves exactly its digest. Raises `Problem` 403 and 410."""
        link = _opened(token, door, key)
        reader = reader_of(door, caller)
        if reader.id != link.person:
            log.warning(
                "a link to a plan of somebody else", of=link.person, by=reader.id, incident=link.incident
            )
            detail = f"it is for {link.person}, and you are {reader.id}; {AGAIN}"
            raise Problem(NOT_YOURS, "this link is not yours", detail)
        seen = await desk.picture(link.incident)
        plan = next((each for each in seen.plans if each.digest == link.action), None)
        if plan is None or mark_of(seen.run) != link.mark:
            detail = f"the plan {link.action[:12]} does not wait for a decision any more; {AGAIN}"
            raise Problem(OVER, "there is nothing to decide here", detail)
        may = [each for each in could(seen, reader) if each.subject == plan.digest]
        forms = draw(seen, may, reader.id, {})
        return render(request, "plan.html", seen=seen, plan=plan, forms=forms, unfold="")

    return router


def _opened(token: str, door: Doorkeeper, key: bytes) -> PlanLink:
    """What the token is for. Raises `Problem` 403 and 410."""
    try:
        return read_plan(token, key, door.clock())
    except LinkAltered:
        detail = f"it is not whole: copy all of it, or {AGAIN}"
        raise Problem(NOT_YOURS, "this link opens nothing", detail) from None
    except LinkExpired:
        raise Problem(OVER, "this link has expired", AGAIN) from None
