"""Files that people attach to an alarm: known by their bytes, kept as evidence, looked for when they are named.

Only what this station has itself taken in may be named: whoever knows the digest of other evidence gets nothing of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request
from pydantic import ValidationError

from firestation.alarm import Alarm
from firestation.attachment import TEXTS, Attachment, MediaType, name_of, recognized
from firestation.drivers.sieve import DetectSecretsSieve
from firestation.errors import Gone, InvalidInput
from firestation.model import Model
from firestation.ports import EvidenceStore, Shelf
from firestation.privacy import Privacy, Redactor
from gateway.acting import person_of
from gateway.auth import Caller

log = structlog.get_logger()
FIX = "Send the file to POST /attachments first, and name what it answers"
ANY_BYTES = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Taken(Model):
    """What the shelf knows of an attachment: what its bytes are, and how many."""

    media_type: MediaType
    size: int


class Attachments:
    """Keeps attachments in the evidence store, and notes on the shelf beside it which they are."""

    def __init__(self, store: EvidenceStore, shelf: Shelf) -> None:
        self.store, self.shelf = store, shelf
        self._redactor = Redactor(
            DetectSecretsSieve(), b""
        )  # no pseudonyms are asked for, so no key is needed

    async def keep(self, content: bytes, name: str, by: str, field: str = "file") -> Attachment:
        """Keep a file. Credentials in a text are masked before a byte is written.

        Raises `InvalidInput` naming the field for what may not be attached, and what the store raises.
        """
        kind = recognized(content, field)
        if kind in TEXTS:
            content, _ = await asyncio.to_thread(self._redactor.redact, content, kind, Privacy())
        stored = await self.store.put(content)
        taken = Taken(media_type=kind, size=stored.size)
        await self.shelf.create(_place(stored.digest), taken.canonical())
        log.info("attachment kept", digest=stored.digest, bytes=stored.size, media_type=kind, by=by)
        return Attachment(digest=stored.digest, name=name_of(name), media_type=kind, size=stored.size, by=by)

    async def check(self, alarm: Alarm) -> None:
        """See that each attachment of this alarm is here, and is what it is said to be. Raises `InvalidInput`."""
        for index, each in enumerate(alarm.attachments):
            if not await self._has(each):
                problem = "the station has taken in no such attachment"
                raise InvalidInput(f"attachments[{index}]", problem, FIX)

    async def _has(self, attachment: Attachment) -> bool:
        noted = await self.shelf.get(_place(attachment.digest))
        try:
            taken = Taken.model_validate_json(noted or b"")
        except ValidationError:
            return False
        if (taken.media_type, taken.size) != (attachment.media_type, attachment.size):
            return False
        try:
            async for _ in self.store.stream(attachment.digest):
                pass
        except Gone:
            return False
        return True


def attaching(attachments: Attachments, rings: Callable[[Request], Awaitable[Caller]]) -> APIRouter:
    """The route `POST /attachments`; who calls, and that they may ring."""
    router = APIRouter(tags=["alarms"])
    authenticated = Annotated[Caller, Depends(rings)]

    @router.post("/attachments", status_code=201, openapi_extra=ANY_BYTES)
    async def attach(
        request: Request,
        caller: authenticated,
        name: Annotated[str, Query(max_length=1000, description="the name of the file")] = "attachment",
    ) -> Attachment:
        """Keep a file, which is the body, as evidence for an alarm; the answer is named among its `attachments`."""
        person = person_of(caller)
        return await attachments.keep(await request.body(), name, person)

    return router


def _place(digest: str) -> str:
    return f"attachments/{digest}"
