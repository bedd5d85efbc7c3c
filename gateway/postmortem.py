"""The postmortem over HTTP: read it, and write it with the version that one began from.

It is on the shelf, so it is there before and after the incident's workflow has ended, and long after Temporal has
forgotten its history.
"""

from collections.abc import Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from firestation.errors import Gone
from firestation.model import Id, Line, Model, Plain, Time
from firestation.picture import Picture
from firestation.ports import Shelf
from firestation.postmortem.documents import Documents, Stale, Version
from gateway.auth import Caller, Doorkeeper
from gateway.problems import Problem

log = structlog.get_logger()

CHANGED, UNCONDITIONAL = 412, 428
Look = Callable[[str], Any]
IfMatch = Annotated[
    str | None, Header(description="the ETag of the version that you began from; without it nothing is kept")
]
Number = Annotated[int | None, Query(ge=1, description="an earlier version; otherwise the latest")]


class Document(Model):
    """One version of a postmortem. `etag` names it: send it as If-Match with what you make of it."""

    incident: Id
    run: Line
    version: int
    kind: Line
    by: Id | None
    at: Time
    base: int
    draft: int
    conflicts: int
    etag: Line
    text: Plain


class Written(Model):
    """The whole document as somebody wrote it."""

    text: Plain


def postmortems(
    picture: Look, door: Doorkeeper, shelf: Shelf, *, looks: Any, acts: Any, route_class: type[APIRoute]
) -> APIRouter:
    """The routes. `picture` raises `Gone` when there is no such incident; `looks` and `acts` admit callers."""
    router = APIRouter(
        prefix="/incidents/{incident}/postmortem", tags=["postmortem"], route_class=route_class
    )

    def kept() -> Documents:
        return Documents(shelf, door.station.station)

    @router.get("", response_model=Document)
    async def read(incident: Id, caller: looks, version: Number = None) -> JSONResponse:
        """The postmortem as it stands, with its ETag."""
        _person(caller)
        return _shown(await _found(kept(), picture, incident, version))

    @router.put("", response_model=Document)
    async def write(incident: Id, caller: acts, body: Written, if_match: IfMatch = None) -> JSONResponse:
        """Keep what somebody made of the version that If-Match names; earlier ones stay on the shelf."""
        person = _author(door, _person(caller))
        documents = kept()
        latest = await _found(documents, picture, incident)
        if if_match is None:
            detail = "read it first, and send its ETag as If-Match: so nobody's edit is written over unseen"
            raise Problem(UNCONDITIONAL, "from which version?", detail, latest=_etag(latest))
        try:
            began = if_match.strip().strip('"')
            made = await documents.edit(latest, began, body.text, person, door.clock())
        except Stale as stale:
            newer = _etag(stale.latest)
            raise Problem(CHANGED, "it was changed meanwhile", str(stale), latest=newer) from None
        log.info("postmortem edited", incident=incident, version=made.number, by=person)
        return _shown(made)

    return router


async def _found(documents: Documents, picture: Look, incident: str, number: int | None = None) -> Version:
    """The version of this number, or the latest. Raises `Gone` saying what there is not."""
    run = await documents.newest(incident)
    if run and number:
        found = await documents.version(incident, run, number)
    else:
        found = await documents.latest(incident, run) if run else None
    if found is not None:
        return found
    if number:
        raise Gone(f"the postmortem of {incident!r} has no version {number}")
    seen: Picture = await picture(incident)
    raise Gone(f"there is no postmortem of {seen.incident} yet; it is drafted once the lock was tried")


def _shown(found: Version) -> JSONResponse:
    document = Document(
        version=found.number,
        etag=_etag(found),
        **{name: getattr(found, name) for name in Document.model_fields if name not in {"version", "etag"}},
    )
    return JSONResponse(document.model_dump(mode="json"), headers={"ETag": _etag(found)})


def _etag(version: Version) -> str:
    return f'"{version.tag}"'


def _person(caller: Caller) -> str:
    if caller.kind != "person":
        raise Problem(403, "not allowed", f"{caller.name} is a bell; only people read and write postmortems")
    return caller.name


def _author(door: Doorkeeper, name: str) -> str:
    """Who may write, as for notes: everybody of the station but an auditor. Raises `Problem` 403."""
    member = door.station.person(name)
    if member is None:
        raise Problem(403, "not allowed", f"{name} is not one of the station's people")
    if member.only_reads:
        raise Problem(403, "not allowed", "an auditor reads and does not write")
    return name
