"""What every format is given, and what it makes of it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from firestation.alarm import Alarm
from firestation.bell.mapping import Mapping as Declared
from firestation.errors import InvalidInput

REMEMBERED = timedelta(days=7)
"""So long a delivery that has a name is known again, also when its incident has ended meanwhile."""


class Ear(NamedTuple):
    """Who rings: the bell's id, and the system that it is of when what comes names none.

    `at` is when it was heard, and stands for the start where the source names none. `rung` has the last alarm that
    rang, by its key: some sources say of what is over nothing but its key. `mapping` is what the bell declares.
    """

    source: str
    system: str | None = None
    at: datetime | None = None
    rung: Mapping[str, Alarm] = MappingProxyType({})
    mapping: Declared | None = None
    by: str | None = None
    """The person who rings, where it is no machine."""


class Heard(NamedTuple):
    """The alarms of one delivery, and what is wrong with those that are none: one does not silence the others.

    `delivery` is what a redelivery repeats, where the source names it; otherwise the alarms tell. Where the body is
    signed it is of the body: a header that is not signed would make news of a captured delivery. `cut` counts the
    alarms that the source says it has left out.
    """

    alarms: tuple[Alarm, ...]
    errors: tuple[InvalidInput, ...] = ()
    delivery: str | None = None
    cut: int = 0


Format = Callable[[Any, Mapping[str, str], Ear], Heard]
"""The body as JSON, the headers with lower-case names, and who rings. Raises `InvalidInput` when nothing is usable."""
