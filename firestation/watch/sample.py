"""What a check counted, besides its verdict."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from firestation.alarm import Subjects
from firestation.model import Model

ROUNDED = 1e-6
"""What a sum of floats may be off by, as a share of it."""


class Sample(Model):
    """`n` outcomes that were looked at, and how many were good; or the sum of their values, where they have values.

    `squares` is the sum of the squares of these values: it says how far they spread, so that less is enough to be sure.
    `key` is whatever changes with every new sample: one that comes with the key of the last is the last, and is not
    counted again. `request_ids` are some that were not good.
    """

    n: int = Field(ge=0, le=10**9)
    good: float = Field(ge=0, le=1e15, allow_inf_nan=False)
    squares: float | None = Field(
        default=None, ge=0, le=1e30, allow_inf_nan=False, exclude_if=lambda value: value is None
    )
    key: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = None
    request_ids: Subjects = ()

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.n == 0 and self.good > 0:
            msg = f"good is {self.good}, of no outcome at all; write how many were looked at into n"
            raise ValueError(msg)
        if self.squares is not None and self.squares * self.n < self.good**2 * (1 - ROUNDED):
            msg = f"no {self.n} values have the sum {self.good} and the squares {self.squares}; square each, then add"
            raise ValueError(msg)
        return self
