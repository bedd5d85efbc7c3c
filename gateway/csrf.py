"""Forms that only our own pages can send: a token that is bound to the session, and a look at where it comes from."""

import hmac
import os
from urllib.parse import parse_qsl

from fastapi import Request

from gateway.auth import Caller, csrf_of
from gateway.front import Front
from gateway.problems import Problem

FIELD, HEADER = "csrf", "x-csrf-token"
FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 50
SAFE = frozenset({"GET", "HEAD"})


def caller_of(request: Request) -> Caller | None:
    """Who has a session here; None before the login."""
    found = getattr(request.state, "caller", None)
    return found if isinstance(found, Caller) else None


def token_for(request: Request) -> str:
    """What the forms of this page must bring: of the session, or else of this visit, which begins with it."""
    caller = caller_of(request)
    if caller and caller.csrf:
        return caller.csrf
    return csrf_of(str(request.session.setdefault("visit", os.urandom(32).hex())))


async def read_form(request: Request, front: Front) -> dict[str, str]:
    """The fields of a form that one of our own pages sent. Raises `Problem` 403, 415 and 422."""
    check_origin(request, front)
    fields = await fields_of(request)
    check_token(request, fields)
    return fields


def check_token(request: Request, fields: dict[str, str]) -> None:
    """Take the token out of a form, and see that it is of this session or visit. Raises `Problem` 403."""
    given = fields.pop(FIELD, "")
    caller = caller_of(request)
    visit = request.session.get("visit")
    expected = caller.csrf if caller else csrf_of(str(visit)) if visit else None
    _compare(given, expected)


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form, whoever sent it. Raises `Problem` 415 and 422."""
    return dict(await pairs_of(request))


async def pairs_of(request: Request) -> list[tuple[str, str]]:
    """The same for a form in which a field may be there more than once."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != FORM:
        raise Problem(415, "this is no form", f"send Content-Type: {FORM}")
    try:
        return parse_qsl(
            (await request.body()).decode(),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise Problem(422, "this form cannot be read", "send the form as the page has it") from None


def check_call(request: Request, caller: Caller, front: Front) -> None:
    """See that a call by session was made by our own page. Raises `Problem` 403."""
    if request.method not in SAFE:
        check_origin(request, front)
        _compare(request.headers.get(HEADER, ""), caller.csrf)


def check_origin(request: Request, front: Front, guest: str | None = None) -> None:
    """See that the browser says it comes from here; one that says nothing is not believed. Raises `Problem` 403.

    `guest` is the origin of another application of ours, whose pages may call too.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is None and site is None:
        raise Problem(
            403, "not allowed", "there is neither Origin nor Sec-Fetch-Site; send it from our own page"
        )
    if guest is not None and origin == guest:
        return
    if site not in {None, "same-origin"} or origin not in {None, front.origin(request)}:
        raise Problem(
            403, "not allowed", "this was sent from another site; open our own page and send it there"
        )


def _compare(given: str, expected: str | None) -> None:
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Problem(
            403, "not allowed", "this page is too old, or of another session; open it anew and send it again"
        )
