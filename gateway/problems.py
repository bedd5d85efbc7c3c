"""Every error as problem details (RFC 9457): what, which field, and the fix. Never a stack trace."""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from firestation.complaints import CORRECT_IT, field_path, worded
from firestation.errors import (
    Denied,
    FirestationError,
    Gone,
    InvalidInput,
    Nonsense,
    NotConfigured,
    Refused,
    Unreachable,
)

log = structlog.get_logger()
TITLES = {
    401: "who are you?",
    403: "not allowed",
    404: "not found",
    405: "this address does not take that method",
}
CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Problem(Exception):
    """An answer that is not success."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(title)
        self.status, self.title, self.detail, self.more = status, title, detail, more
        self.headers = headers or {}
        self.number = 1
        """Of how many things it is said."""

    @property
    def told(self) -> dict[str, str]:
        """The headers that a machine is answered with: whoever is not known is told how to come again."""
        return (CHALLENGE if self.status == 401 else {}) | self.headers  # noqa: PLR2004 - HTTP's number

    def response(self, headers: dict[str, str] | None = None) -> JSONResponse:
        """As HTTP says it."""
        body = {"type": "about:blank", "status": self.status, "title": self.title, **self.more}
        if self.detail:
            body["detail"] = self.detail
        return JSONResponse(
            body, self.status, self.told | (headers or {}), media_type="application/problem+json"
        )


def unusable(errors: Sequence[InvalidInput | NotConfigured], **more: Any) -> Problem:
    """What was sent cannot be used; each field that is wrong is named, with the fix."""
    found = [
        {"field": error.field, "problem": error.problem, "fix": error.fix}
        for error in errors
        if isinstance(error, InvalidInput)
    ]
    detail = "; ".join(str(error) for error in errors)
    told: dict[str, Any] = {"errors": found} if found else {}
    problem = Problem(422, "this cannot be used", detail, **told, **more)
    problem.number = len(errors)
    return problem


def problem_of(error: Problem | FirestationError) -> Problem:
    """An error of ours as an answer."""
    match error:
        case Problem():
            return error
        case InvalidInput() | NotConfigured():
            return unusable([error])
        case Refused():
            return Problem(409, error.title, error.missing, rule=error.rule, missing=error.missing)
        case Gone():
            return Problem(404, "not found", str(error))
        case Nonsense() | Denied():
            return Problem(502, "what lies behind the station cannot be used", str(error))
        case Unreachable():
            return Problem(503, "the station cannot do it now", str(error), headers={"Retry-After": "2"})
        case _:
            log.error("an error that nobody foresaw", exc_info=error)
            return Problem(500, "something went wrong here", "it is in the gateway's log; nothing was lost")


def install(app: FastAPI) -> None:
    """Answer every error in one form."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(FirestationError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


async def _problem(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - a handler's form
    assert isinstance(error, Problem)
    return error.response()


async def _ours(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - a handler's form
    assert isinstance(error, FirestationError)
    return problem_of(error).response()


async def _invalid(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - a handler's form
    assert isinstance(error, RequestValidationError)
    found = [_wrong(each) for each in error.errors()]
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return Problem(400, "the body is not JSON", found[0]["problem"], errors=found).response()
    detail = f"{found[0]['field']}: {found[0]['problem']}"
    return Problem(422, "this cannot be used", detail, errors=found).response()


def _wrong(error: Any) -> dict[str, str]:
    problem, fix = worded(error)
    return {
        "field": field_path(tuple(error["loc"][1:])) if len(error["loc"]) > 1 else "(whole)",
        "problem": problem,
        "fix": "See /openapi.json for what belongs there" if fix == CORRECT_IT else fix,
    }


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    cause = error.__cause__
    if isinstance(cause, Problem):  # while the body was read, which FastAPI calls a body that is wrong
        return await _problem(request, cause)
    title = TITLES.get(error.status_code, "this cannot be answered")
    return Problem(error.status_code, title, f"{request.method} {request.url.path}").response(
        dict(error.headers or {})
    )


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    # Not the path: on the route of a page's link it is the link.
    route = getattr(request.scope.get("route"), "path", "no route of ours")
    log.error("an error that nobody foresaw", method=request.method, route=route, exc_info=error)
    return Problem(
        500, "something went wrong here", "it is in the gateway's log; nothing was lost"
    ).response()
