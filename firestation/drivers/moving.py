"""What levers have in common: compare, write once, and read back until the product shows it.

A driver reads and writes; `MovingLever` keeps the port's promises. Where the product itself compares before it sets,
`write` raises `Raced` and nothing is overwritten. Where it cannot, the gap between our comparison and our write is one
round trip to the product: each driver's docs say which it is.
"""

import asyncio
from abc import abstractmethod
from datetime import timedelta
from typing import ClassVar, Generic, TypeGuard, TypeVar

from pydantic import Field, JsonValue

from firestation.drivers.exchange import Answer, Connection, ask, curl
from firestation.drivers.harvest import Fixed
from firestation.drivers.kit import Kit
from firestation.errors import Drifted, DriverError, Nonsense, NotApplied, Unreachable
from firestation.model import Duration, Model
from firestation.system import LeverFitting, Position

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0


class Raced(DriverError):
    """The product compared, and refused: the lever has moved since we read it."""


class MovingConfig(Model):
    """`read_back_within`: how long after the answer the read-back may take to show the new position."""

    read_back_within: Duration = Field(
        default="5s", validate_default=True, ge=timedelta(), le=timedelta(minutes=2)
    )

    def wrong(self, value: JsonValue) -> str | None:
        """What is wrong with a position of the system file, as `problem; fix`; None when the lever can stand there."""
        del value
        return None


C = TypeVar("C", bound=MovingConfig)


class MovingLever(Generic[C]):
    """The frame of a lever. A driver gives `position` and `write`, and `by_hand` for the night without us."""

    config_model: ClassVar[type[Model]]

    def __init__(self, fitting: LeverFitting, config: C, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    @abstractmethod
    async def position(self) -> Position:
        """Where the product itself says that it stands. Raises `DriverError`."""

    @abstractmethod
    async def write(self, to: Position, found: Position, key: str) -> None:
        """Set it, once for each key where the product can tell. Raises `Raced` when the product compared and refused.

        What fails half-way leaves something that `position` tells apart from both ends, or that a second try completes.
        """

    @abstractmethod
    def by_hand(self, to: JsonValue) -> str:
        """The shell command that sets it without us; credentials are shell variables, never values."""

    async def read(self) -> Position:
        """The present position; an answer in a shape that cannot be read is nonsense."""
        try:
            return await self.position()
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            msg = f"the lever {self.fitting.id} answered in a shape that is not known: {type(error).__name__} {error}"
            raise Nonsense(msg[:4000]) from error

    async def move(self, to: Position, expected: Position, key: str) -> Position:
        """Move once. Whether a lever that is already at `to` is our own work is for the caller to judge."""
        found = await self.read()
        if not found.same_as(expected):
            raise self._drifted(expected, found)
        try:
            await self.write(to, found, key)
        except Raced as error:
            raise self._drifted(expected, await self.read()) from error
        return await self._read_back(to)

    async def _read_back(self, to: Position) -> Position:
        """Read until the lever shows `to`, or the time for it is over."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.config.read_back_within.total_seconds()
        pause, found = FIRST_PAUSE_S, None
        while True:
            try:
                found = await self.read()
            except (Unreachable, Nonsense):
                if loop.time() >= ends:
                    raise
            else:
                if found.same_as(to):
                    return found
            left = ends - loop.time()
            if left <= 0:
                msg = f"the lever {self.fitting.id} took the move to {to} and still shows {found}"
                raise NotApplied(msg, found=None if found is None else found.model_dump(mode="json"))
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _drifted(self, expected: Position, found: Position) -> Drifted:
        msg = f"the lever {self.fitting.id} was expected at {expected} and stands at {found}; nothing was written"
        return Drifted(msg, found=found.model_dump(mode="json"))


def plain_number(number: float) -> int | float:
    """A number as YAML and JSON write it, so that equal ones are of one type: 0, not 0.0."""
    return int(number) if float(number).is_integer() else number


def is_version(value: JsonValue) -> TypeGuard[int]:
    """Whether it is the number of a version: 1 or more; true and text are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_number(value: JsonValue) -> TypeGuard[int | float]:
    """Whether it is a number of 0 or more; true and infinity are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


class ProductLeverConfig(MovingConfig, Connection):
    """A lever of one product over HTTP."""

    base: str


P = TypeVar("P", bound=ProductLeverConfig)


class ProductLever(MovingLever[P]):
    """The frame of a lever of one product over HTTP."""

    async def ask(self, request: Fixed, **values: JsonValue) -> Answer:
        """One answer of the product. Raises `DriverError`."""
        return await ask(self.kit, self.config, request, values)

    def curl(self, request: Fixed, **values: JsonValue) -> str:
        """The same request as a person types it."""
        return curl(self.config, request, values)
