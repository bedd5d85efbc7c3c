"""The bundle of an incident over HTTP: all that is known of it, for those who audit it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Protocol

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from firestation.authority import Role
from firestation.bundle_make import BundleSigner, prepare, write
from firestation.errors import DriverError, NotConfigured
from firestation.model import Id
from firestation.ports import EvidenceStore, Shelf
from firestation.version import build
from gateway.auth import Caller, Doorkeeper
from gateway.problems import Problem

log = structlog.get_logger()

MAY = frozenset({Role.AUDITOR, Role.CAPTAIN})
"""Who may have a bundle: it holds every word, every piece of evidence and, decrypted, every event."""

AT_ONCE = 2
"""So many bundles are made at once by one gateway: each holds the histories of its incident in memory."""

TAR = "application/x-tar"
Histories = list[list[dict[str, Any]]]


class Family(Protocol):
    """What this asks of the desk."""

    async def family(self, incident: str) -> Histories: ...  # noqa: D102 - see Desk


class Sealing:
    """How bundles are signed: the station's key, opened when it is needed, and the shelf of what it has signed."""

    def __init__(self, signer: Callable[[], BundleSigner], shelf: Shelf | None) -> None:
        self._open, self.shelf = signer, shelf
        self._signer: BundleSigner | None = None

    def signer(self) -> BundleSigner:
        """The signer. Raises `NotConfigured` when this gateway has no key."""
        if self._signer is None:
            self._signer = self._open()
        return self._signer


def bundles(
    desk: Family,
    door: Doorkeeper,
    looks: Callable[[Request], Awaitable[Caller]],
    store: EvidenceStore,
    sealing: Sealing | None,
) -> APIRouter:
    """The route `GET /incidents/{incident}/bundle`. Without `sealing` there is nobody to sign one."""
    router = APIRouter(prefix="/incidents", tags=["audit"])
    authenticated = Annotated[Caller, Depends(looks)]
    places = asyncio.Semaphore(AT_ONCE)

    @router.get("/{incident}/bundle", response_class=StreamingResponse)
    async def bundle(incident: Id, caller: authenticated, *, digests_only: bool = False) -> StreamingResponse:
        """Everything for an audit without a station, in one archive: histories, evidence, decisions, keys, statement.

        For people with the role auditor or captain.
        """
        person = _may(door, caller)
        if sealing is None:
            raise NotConfigured("this gateway has no key to sign a bundle with")
        if places.locked():
            raise Problem(503, "busy", f"{AT_ONCE} bundles are being written; ask again in a minute")
        await places.acquire()  # until the last byte is sent: so long its histories are in memory
        try:
            family = await desk.family(incident)
            made = await prepare(
                family, store, sealing.signer(), sealing.shelf, build(), digests_only=digests_only
            )
        except BaseException:
            places.release()
            raise
        log.info("bundle exported", incident=incident, by=person, bytes=made.size, digests_only=digests_only)
        headers = {
            "Content-Disposition": f'attachment; filename="{made.incident}.tar"',
            "Content-Length": str(made.size),
            "Cache-Control": "no-store",
        }
        return _Sending(_whole(write(made, store)), places.release, headers)

    return router


class _Sending(StreamingResponse):
    """An archive on its way. `over` is called once it has ended, also when whoever asked for it has gone."""

    def __init__(
        self, pieces: AsyncIterator[bytes], over: Callable[[], None], headers: dict[str, str]
    ) -> None:
        super().__init__(pieces, media_type=TAR, headers=headers)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()


def _may(door: Doorkeeper, caller: Caller) -> str:
    """The person, if they may have a bundle. Raises `Problem` 403."""
    if caller.kind != "person":
        raise Problem(403, "not allowed", f"{caller.name} is a bell; bundles are for people")
    person = door.station.person(caller.name)
    if person is None or not MAY & set(person.roles):
        needed = f"a bundle holds everything, and is for people with the role {' or '.join(sorted(MAY))}"
        raise Problem(403, "not allowed", needed)
    return person.id


async def _whole(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The archive as it is written. If evidence was altered meanwhile, the answer breaks off, and is no bundle."""
    try:
        async for piece in pieces:
            yield piece
    except DriverError as error:
        log.exception("a bundle broke off")
        raise ConnectionAbortedError(str(error)) from error
