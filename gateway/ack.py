"""The link of a page: look at what burns, and take it with one touch. Whoever has the link needs nothing else.

Looking changes nothing: programs that preview links only look. There is no token for the form, and no cookie: the link
itself is what nobody else can know, and a page at night must not fail because a browser keeps no cookies.
"""

from typing import Protocol

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from firestation import links
from firestation.acts import Acknowledge, Act
from firestation.errors import LinkAltered, LinkExpired, Refused, Unreachable
from firestation.links import Link
from firestation.picture import Picture
from firestation.state import ENDS
from gateway.auth import Doorkeeper, address_of
from gateway.pages import page_router, render, trouble
from gateway.problems import Problem
from workflows.messages import Answer

log = structlog.get_logger()

NOT_OURS, CONFLICT, OVER = 403, 409, 410
HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


class Acts(Protocol):
    """What the link asks of the desk."""

    async def act(self, incident: str, act: Act, key: str | None = None) -> Answer: ...  # noqa: D102 - see Desk
    async def picture(self, incident: str) -> Picture: ...  # noqa: D102


def acknowledging(desk: Acts, door: Doorkeeper, key: bytes) -> APIRouter:
    """The routes `GET /ack/{token}` and `POST /ack/{token}`."""
    router = page_router()

    async def opened(request: Request, token: str) -> Link:
        """What the token is for. Raises `Problem` 403, 410 and, for one of too many wrong ones, 429.

        A right one comes in whatever its neighbours try: nobody guesses it. It opens nothing for whom the station file
        does not name any more, as it is now and not as the incident has it.
        """
        address = address_of(request)
        try:
            link = links.read(token, key, door.clock())
        except LinkAltered as error:
            door.slow_down(address)
            door.failed(address, "a link that we did not sign so")
            raise Problem(NOT_OURS, "this link opens nothing", str(error), headers=HEADERS) from None
        except LinkExpired as error:
            raise Problem(OVER, "this link has expired", str(error), headers=HEADERS) from None
        await door.books.latest()
        if door.station.person(link.person) is None:
            log.warning("a link of nobody", address=address, incident=link.incident, person=link.person)
            gone = f"{link.person} is not one of the station's people any more"
            raise Problem(NOT_OURS, "this link opens nothing", gone, headers=HEADERS)
        return link

    def shown(request: Request, link: Link, seen: Picture, refusal: str | None = None) -> Response:
        member = door.station.person(link.person)
        page = seen.paging[link.page - 1] if link.page <= len(seen.paging) else None
        taken = bool(page and page.answered and seen.captain == link.person)
        status = CONFLICT if refusal and not taken else 200
        answer = render(
            request,
            "ack.html",
            status,
            seen=seen,
            link=link,
            reader=member.name if member else link.person,
            taken=taken,
            refusal=refusal,
        )
        answer.headers.update(HEADERS)
        return answer

    @router.get("/ack/{token}")
    async def look(request: Request, token: str) -> Response:
        """What burns, who you are, and one button."""
        link = await opened(request, token)
        seen = await desk.picture(link.incident)
        return shown(request, link, seen, _refusal(link, seen))

    @router.post("/ack/{token}")
    async def take(request: Request, token: str) -> Response:
        """Take it. Sent twice at once, as an impatient thumb does, it is done once."""
        link = await opened(request, token)
        told = "nobody knows yet whether you have it; look again"
        try:
            seen = await desk.picture(link.incident)
            refusal = _refusal(link, seen)
            if refusal is None:
                refusal = await _take(desk, link)
                log.info(
                    "ack by link", incident=link.incident, page=link.page, by=link.person, refusal=refusal
                )
                told = f"you took it: you are the captain of {link.incident}" if refusal is None else refusal
                seen = await desk.picture(link.incident)
        except Unreachable as error:
            answer = trouble(
                request, Problem(503, "the station cannot show it now", f"{told}: {error}"), look=True
            )
            answer.headers.update(HEADERS)
            return answer
        return shown(request, link, seen, refusal)

    return router


async def _take(desk: Acts, link: Link) -> str | None:
    """Acknowledge; why not, if it is refused."""
    act = Acknowledge(by=link.person, page=link.page)
    try:
        answer = await desk.act(link.incident, act, f"link-{link.sha256_of_page()}")
    except Refused as error:
        return error.missing
    return None if answer.accepted else answer.missing or "it was refused"


def _refusal(link: Link, seen: Picture) -> str | None:
    """Why this link cannot be used any more; the incident itself has the last word."""
    page = seen.paging[link.page - 1] if link.page <= len(seen.paging) else None
    if links.mark_of(seen.run) != link.mark:
        return "that incident has ended; what burns now is another one, with pages of its own"
    if seen.phase in ENDS:
        return f"the incident is {seen.phase}"
    if page is None or page.person != link.person:
        return f"no page {link.page} was sent to {link.person}"
    if seen.captain == link.person:
        return f"{link.person} is the captain already"
    if seen.captain:
        return f"{seen.captain} is the captain; only they can hand it over: firestation handover"
    if page.answered:
        return "this link was used already, or somebody took the incident after its page; a newer page has its own"
    return None
