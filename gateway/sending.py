"""What somebody sent by a form of ours: who, and what; and all of it again when it was not taken."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import Response

from firestation.tokens import Scope
from gateway.auth import Caller
from gateway.csrf import check_origin, fields_of, read_form
from gateway.forms import KEY, Wrong, sent_of
from gateway.front import Front
from gateway.pages import FAILED, render
from gateway.problems import Problem

AGAIN = "It may have been done all the same; sent again from here, unchanged, it is done once"


class Unsent(Exception):
    """A form that may be sent again: why it was not taken, and what stood in it."""

    def __init__(self, problem: Problem, fields: dict[str, str]) -> None:
        super().__init__(problem.title)
        self.problem, self.fields = problem, fields


async def sent(request: Request, front: Front, caller: Caller | None) -> tuple[Caller, dict[str, str]]:
    """Who sent a form of ours, who may act, and what. Raises `Problem`, and `Unsent` where it may be sent again."""
    check_origin(request, front)
    if caller is not None:
        caller.need(Scope.LOOK)
        caller.need(Scope.ACT)
    try:
        fields = await read_form(request, front)
    except Problem as problem:
        if problem.status != 403:  # noqa: PLR2004 - HTTP's number
            raise
        fields = await fields_of(request)
        if caller is not None:
            raise Unsent(problem, fields) from None
    if caller is None:
        over = "log in again, in another window, and send it from here"
        raise Unsent(Problem(401, "your session is over", over), fields)
    return caller, fields


def kept(request: Request, kind: str, problem: Problem, fields: Mapping[str, str]) -> Response:
    """What somebody sent and we could not take: the reason, and all of it, to be sent again."""
    sent = sent_of(kind, {name: text for name, text in fields.items() if name != "csrf"})
    hidden = {name: fields[name] for name in ("subject", "fire") if name in fields}
    typed = {name: text for name, text in sent.fields.items() if name not in hidden}
    hidden["key"] = fields.get(KEY, "")
    part = request.url.path.split("/")[2]
    back = "#waits" if part == "triage" else f"/{part}"
    answer = render(
        request,
        "unsent.html",
        problem.status,
        kind=kind,
        wrong=wrong_of(problem),
        perhaps=problem.status >= FAILED,
        typed=typed,
        hidden=hidden,
        back=back,
        path=request.url.path,
    )
    answer.headers.update(problem.headers)
    return answer


def wrong_of(problem: Problem) -> Wrong:
    """The refusal as a page tells it: with its rule and the field, where there is one."""
    errors = problem.more.get("errors") or [{}]
    rule = problem.more.get("rule", 0)
    again = f". {AGAIN}" if problem.status >= FAILED else ""
    return Wrong(problem.title, f"{problem.detail or ''}{again}", int(rule), str(errors[0].get("field", "")))
