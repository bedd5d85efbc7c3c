"""What every format is given, and what it makes of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from firestation.alarm import Alarm
from firestation.errors import InvalidInput


class Ear(NamedTuple):
    """Who rings: the bell's id, and the system that it is of when what comes names none."""

    source: str
    system: str | None = None


class Heard(NamedTuple):
    """The alarms of one delivery, and what is wrong with those that are none: one does not silence the others.

    `delivery` is what a redelivery repeats, where the source names it; otherwise the alarms tell. `cut` counts the
    alarms that the source says it has left out.
    """

    alarms: tuple[Alarm, ...]
    errors: tuple[InvalidInput, ...] = ()
    delivery: str | None = None
    cut: int = 0


Format = Callable[[Any, Mapping[str, str], Ear], Heard]
"""The body as JSON, the headers with names in lower case, and who rings. Raises `InvalidInput` when nothing is usable."""
