"""From what was sent to an act: one reading and one answer, for the API and for the pages."""

from typing import Annotated, Any

from fastapi import Header
from pydantic import TypeAdapter, ValidationError

from firestation.acts import ACTS, Act
from firestation.complaints import first_invalid
from firestation.model import Model
from gateway.auth import Caller
from gateway.problems import Problem
from workflows.messages import Answer

KeyHeader = Annotated[
    str | None,
    Header(
        pattern=r"^[\w.-]{8,100}$", description="send the same act again under the same key: it is done once"
    ),
]
ACT: TypeAdapter[Act] = TypeAdapter(Act)


def act_of(given: dict[str, Any], model: type[Model]) -> Act:
    """The act that these fields make. Raises `InvalidInput` naming the first field that is wrong."""
    try:
        return ACT.validate_python(given)
    except ValidationError as error:
        first = first_invalid(error, model)
        first.field = first.field.removeprefix(f"{given['kind']}.")
        raise first from None


def model_of(kind: str) -> type[Model]:
    """The model of the act of this name. Raises `Problem` 404."""
    model = ACTS.get(kind)
    if model is None:
        raise Problem(404, "not found", f"there is no act {kind[:40]!r}")
    return model


def refusal(answer: Answer) -> Problem | None:
    """The refusal as an error; None when it was accepted."""
    if answer.accepted:
        return None
    title, missing = answer.title or "refused", answer.missing or ""
    return Problem(409, title, missing, rule=answer.rule, missing=missing, phase=str(answer.phase))


def person_of(caller: Caller) -> str:
    """The person who calls. Raises `Problem` 403 for a bell."""
    if caller.kind != "person":
        raise Problem(403, "not allowed", f"{caller.name} is a bell; only people look and act")
    return caller.name
