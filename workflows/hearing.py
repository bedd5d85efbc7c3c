"""How a workflow hears what is sent to it: signals before updates, arguments read here, refusals as failures.

Arguments are not read by the SDK, which would fail the workflow's task on a signal that has none, or too many.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.exceptions import ApplicationError

from firestation.complaints import invalid_inputs
from firestation.errors import Refused

M = TypeVar("M", bound=BaseModel)


async def signals_first() -> None:
    """Let the signals of this workflow task be heard before its updates.

    In a run's first task the SDK hands over updates first when it is live, and signals first when it replays; the
    record must come out the same.
    """
    await asyncio.sleep(0)


def read(model: type[M], given: tuple[object, ...]) -> M:
    """What was sent. Raises `ApplicationError` naming the fields that are wrong."""
    try:
        return model.model_validate(given[0] if len(given) == 1 else given)
    except ValidationError as error:
        wrong = "; ".join(str(each) for each in invalid_inputs(error, model))
        raise ApplicationError(wrong, type="InvalidInput", non_retryable=True) from None


@contextmanager
def refusals_as_failures() -> Iterator[None]:
    """Let a refusal out as the failure that a client can read."""
    try:
        yield
    except Refused as refusal:
        raise ApplicationError(str(refusal), refusal.rule, type="Refused", non_retryable=True) from None
