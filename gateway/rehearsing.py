"""How drills went and how ready that makes each system, as pages for those who have no terminal: `/board/drills`."""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from firestation.drill import KINDS, DrillId
from firestation.drill_report import by_system
from firestation.drill_score import WORDS
from firestation.errors import Gone
from gateway.auth import Caller, Doorkeeper
from gateway.board import reader_of
from gateway.drills import Drills
from gateway.front import Front
from gateway.pages import page_router, render, signed_in
from gateway.shared import Shared

SECONDS = 2.0
MOST_SHOWN = 50


class DrillLook(Protocol):
    """What this asks of the desk of drills."""

    async def look(self, system: str | None) -> Drills: ...  # noqa: D102 - see DrillDesk


def reports(desk: DrillLook, door: Doorkeeper, front: Front) -> APIRouter:
    """The routes: all drills, and one. Everybody who may look at the board may."""
    router, looks = page_router(), Shared[str, Drills](lambda _: desk.look(None), SECONDS)
    person = Annotated[Caller, Depends(signed_in(door, front))]

    @router.get("/board/drills")
    async def drills(request: Request, caller: person) -> Response:
        """What is held now, what was held, the newest first, and what is ready."""
        reader_of(door, caller)
        found, age, trouble = await looks.seen("")
        shown = found.results[:MOST_SHOWN]
        return render(
            request,
            "drills.html",
            503 if trouble else 200,
            found=found,
            age=age,
            trouble=trouble,
            shown=shown,
            systems=by_system(found.readiness),
            kinds=KINDS,
            now=door.clock(),
        )

    @router.get("/board/drills/{drill}")
    async def report(request: Request, drill: DrillId, caller: person) -> Response:
        """One drill: the times beside what the runbook allows, and what to do better."""
        reader_of(door, caller)
        for each in (await looks.seen(""))[0].results:
            if each.mark.drill == drill:
                return render(request, "drill.html", drill=each, kinds=KINDS, words=WORDS)
        raise Gone("there is no report of that drill; while it is held, its incident is on the board")

    return router
