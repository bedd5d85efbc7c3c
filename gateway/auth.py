"""Who is calling? People and bells have bearer tokens; everybody else is nobody."""

import hashlib
import hmac
import time
from collections import OrderedDict
from typing import Literal, NamedTuple

import structlog

from firestation.authority import Station
from firestation.errors import NotConfigured
from firestation.ports import Secrets
from gateway.problems import Problem

log = structlog.get_logger()

MOST_FAILURES = 10
FAILURE_SECONDS = 60.0
MOST_ADDRESSES = 10_000


class Caller(NamedTuple):
    """An authenticated caller: one of the station's people, or one of its bells."""

    kind: Literal["person", "bell"]
    name: str


class Doorkeeper:
    """Knows everybody by their token, and turns away who guesses too often."""

    def __init__(self, station: Station, secrets: Secrets) -> None:
        self.station, self.secrets = station, secrets
        self.failures: OrderedDict[str, list[float]] = OrderedDict()

    def admit(self, authorization: str | None, address: str) -> Caller:
        """The caller behind this Authorization header. Raises `Problem` 401 or 429; deny is the default."""
        self._slow_down(address)
        scheme, _, token = (authorization or "").partition(" ")
        given = hashlib.sha256(token.strip().encode()).digest()
        found: Caller | None = None
        # Every entry is compared, in constant time, whether or not one has matched already.
        for caller, known in self._known():
            if hmac.compare_digest(given, known) and scheme.lower() == "bearer" and token.strip():
                found = caller
        if found is None:
            self._remember_failure(address)
            log.warning("an unknown caller was turned away", address=address)
            raise Problem(401, "who are you?", "send Authorization: Bearer with your token")
        return found

    def _known(self) -> list[tuple[Caller, bytes]]:
        """Everybody with the digest of their token, read anew each time so that a rotation needs no restart."""
        people = [(Caller("person", each.id), each.token_reference) for each in self.station.people]
        bells = [(Caller("bell", each.id), each.token_reference) for each in self.station.bells]
        found = []
        for caller, reference in (*people, *bells):
            try:
                token = self.secrets.resolve(reference)
            except NotConfigured:
                continue  # somebody without a token cannot come in
            found.append((caller, hashlib.sha256(token.encode()).digest()))
        return found

    def _slow_down(self, address: str) -> None:
        recent = [at for at in self.failures.get(address, []) if at > time.monotonic() - FAILURE_SECONDS]
        if len(recent) >= MOST_FAILURES:
            detail = f"more than {MOST_FAILURES} wrong tokens from your address; wait a minute"
            raise Problem(429, "too many attempts", detail, headers={"Retry-After": "60"})

    def _remember_failure(self, address: str) -> None:
        recent = self.failures.pop(address, [])[-MOST_FAILURES:]
        self.failures[address] = [*recent, time.monotonic()]
        while len(self.failures) > MOST_ADDRESSES:
            self.failures.popitem(last=False)
