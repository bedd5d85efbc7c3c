"""Who has failed how often lately: a bounded memory that tells when somebody is to be slowed down."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_FAILURES = 10
SECONDS = 60.0
MOST_REMEMBERED = 10_000
NEIGHBOURS = 64
"""Bits of an IPv6 address that one customer has in common with nobody else."""


class Attempts:
    """Failures by a name (an address, a token's id, a login), the oldest names forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, name: str) -> int:
        """How many seconds this one has to wait; 0 when it may try."""
        recent = self._recent(name)
        if len(recent) < MOST_FAILURES:
            return 0
        return max(1, round(recent[-MOST_FAILURES] + SECONDS - self._clock()))

    def failed(self, *names: str) -> None:
        """Remember a failure of each of these."""
        for name in names:
            recent = self._recent(name)[-MOST_FAILURES:]
            self._failures.pop(name, None)
            self._failures[name] = [*recent, self._clock()]
        while len(self._failures) > MOST_REMEMBERED:
            self._failures.popitem(last=False)

    def _recent(self, name: str) -> list[float]:
        return [at for at in self._failures.get(name, []) if at > self._clock() - SECONDS]


def neighbourhood(address: str) -> str:
    """The address, or of IPv6 the network that one customer has whole: another address costs nothing there."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, NEIGHBOURS), strict=False))
    return str(found)
