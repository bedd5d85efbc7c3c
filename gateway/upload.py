"""A form with a file in it: what was typed, and the file, of which no more is held than may be sent."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from gateway.csrf import MOST_FIELDS
from gateway.problems import Problem

FORM = "multipart/form-data"
MOST_TYPED = 256 * 1024
"""Bytes of everything in a form but its file."""


class Upload(NamedTuple):
    """What somebody sent. `file` is None where none was chosen, or there was too much: then `cut` says so."""

    fields: dict[str, str]
    file: bytes | None = None
    name: str = ""
    cut: bool = False


class _TooMuch(Exception):
    pass


async def upload_of(request: Request, largest: int) -> Upload:
    """The form, with a file of at most so many bytes. Raises `Problem` 415 and 422.

    What is too much is read and thrown away, so that the browser hears the answer, and what was typed can be shown:
    our forms have the file at their end. The guard ends it before that is without end.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise Problem(415, "this is no form with a file", f"send Content-Type: {FORM}")
    stream = request.stream()
    parser = MultiPartParser(
        request.headers,
        _bounded(stream, largest + MOST_TYPED),
        max_files=1,
        max_fields=MOST_FIELDS,
        max_part_size=MOST_TYPED,
    )
    try:
        form = await parser.parse()
    except _TooMuch:
        async for _ in stream:
            pass
        return Upload(_typed(FormData(parser.items)), cut=True)
    except MultiPartException:
        raise Problem(422, "this form cannot be read", "send the form as the page has it") from None
    try:
        chosen = next((each for _, each in form.multi_items() if isinstance(each, UploadFile)), None)
        if chosen is None or not chosen.filename:
            return Upload(_typed(form))
        return Upload(_typed(form), await chosen.read(), chosen.filename)
    finally:
        await form.close()


def _typed(form: FormData) -> dict[str, str]:
    return {name: each for name, each in form.multi_items() if isinstance(each, str)}


async def _bounded(stream: AsyncGenerator[bytes, None], most: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > most:
            raise _TooMuch
        yield piece
