"""The bells at the door: which of the station's bells rings here. Whoever is none of them learns nothing of any."""

import secrets
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import structlog
from fastapi import Request

from firestation import tokens
from firestation.authority import Bell
from firestation.bell.signatures import Verdict, routed, verify
from gateway.auth import Doorkeeper, address_of
from gateway.guard import LARGEST_BODY
from gateway.hearing import STRANGERS, Hearing
from gateway.problems import Problem
from gateway.reading import parsed

log = structlog.get_logger()

NOBODY = Bell(id="nobody")
NOBODYS = secrets.token_hex(32)
"""Stands where there is no such bell, or it has no secret, so that the same is done for it."""


UNKNOWN, BELLS = 401, "/bells/"
SECRETLESS = "it has no secret here: write it where its `token` says"
GIVE_IT = (
    "Give it the secret that this bell's `token` in the station file refers to, or write there the one it has"
)
FIXES = {
    "a signature of another time": "Set the clocks of both sides right; what is older than its `window` is a replay",
    SECRETLESS: "Have whoever keeps the station do that",
}
"""What to do about why a bell was turned away; about anything else, `GIVE_IT`."""


class Rung(NamedTuple):
    """A bell that rang, and what it sent."""

    bell: Bell
    raw: bytes


class Ringers:
    """Knows the bells by what they show, or by how they sign."""

    def __init__(self, door: Doorkeeper, hearing: Hearing) -> None:
        self.door, self.hearing = door, hearing

    def bell(self, name: str) -> Bell:
        """The bell of this name; `NOBODY` where there is none."""
        return next((each for each in self.door.station.bells if each.id == name), NOBODY)

    async def admit(self, request: Request, name: str) -> Rung:
        """The bell of this name, if it is itself that rings. Raises `Problem` 401, 413, 415 and 429."""
        await self.door.books.latest()
        bell = self.bell(name)
        known = dict(self.door.secrets_of(bell)) if bell is not NOBODY else {}
        with self.hearing.noting(place_of(bell)):
            raw = await _read(request.stream(), LARGEST_BODY) if bell.proof.signs else b""
            verdict = self._judge(bell, list(known.values()) or [NOBODYS], raw, request)
        if not known or verdict.number is None:
            why = verdict.why if known else "there is no such bell" if bell is NOBODY else SECRETLESS
            log.warning("a bell was turned away", bell=name[:64], shows=bell.proof.scheme, why=why)
            self.hearing.refused(place_of(bell), Problem(UNKNOWN, why, FIXES.get(why, GIVE_IT)))
            self.door.turn_away(address_of(request), verdict.why or "no such bell")
        self._say_which(bell, list(known)[verdict.number])
        with self.hearing.noting(bell.id):
            if not bell.proof.signs:
                raw = await _read(request.stream(), bell.largest)
            small_enough(raw, bell)
        return Rung(bell, raw)

    def sent_away(self, path: str, problem: Problem) -> None:
        """Something was refused before anybody looked at where it goes; if it was to a bell, that is known of it."""
        if path.startswith(BELLS):
            bell = self.bell(path.removeprefix(BELLS).partition("/")[0])
            self.hearing.refused(place_of(bell), problem)

    async def by_routing_key(self, body: Any, address: str) -> Bell | None:
        """The bell whose routing key stands in this event; None for none. Raises `Problem` 429."""
        await self.door.books.latest()
        found, why = list[tuple[Bell, int]](), "no routing key"
        for bell in self.door.station.bells:  # each is compared, whether or not one has matched already
            if bell.proof.scheme == "routing-key":
                known = dict(self.door.secrets_of(bell))
                verdict = self._counted(routed(body, list(known.values())), address)
                why = verdict.why or why
                found += [(bell, list(known)[verdict.number])] if verdict.number is not None else []
        if len(found) != 1:
            self.hearing.refused(STRANGERS, Problem(UNKNOWN, why))
            self.door.wait(self.door.failed(address, "a routing key of several at once" if found else why))
            return None
        self._say_which(*found[0])
        return found[0][0]

    def _judge(self, bell: Bell, known: list[str], raw: bytes, request: Request) -> Verdict:
        proof = bell.proof
        if proof.scheme != "routing-key":
            verdict = verify(proof, known, raw, dict(request.headers), self.door.clock())
            return self._counted(verdict, address_of(request))
        try:
            body = parsed(raw, request.headers, LARGEST_BODY)
        except Problem:
            return Verdict(None, "no event")
        return self._counted(routed(body, known), address_of(request))

    def _counted(self, verdict: Verdict, address: str) -> Verdict:
        """The verdict; but 429 first for a secret that may be guessed, from where there were too many failures."""
        if verdict.shown is not None and not tokens.is_ours(verdict.shown):
            self.door.slow_down(address)
        return verdict

    @staticmethod
    def _say_which(bell: Bell, number: int) -> None:
        if number:
            log.info("a bell's older secret is still in use", bell=bell.id, number=number + 1)


def place_of(bell: Bell) -> str:
    """Under which name it is kept what is known of it."""
    return STRANGERS if bell is NOBODY else bell.id


def small_enough(raw: bytes, bell: Bell) -> None:
    """Raises `Problem` 413 for more than this bell may send."""
    if len(raw) > bell.largest:
        raise _too_large(bell.largest)


async def _read(stream: AsyncIterator[bytes], most: int) -> bytes:
    """What is sent. Raises `Problem` 413 as soon as there is too much."""
    pieces, size = list[bytes](), 0
    async for piece in stream:
        size += len(piece)
        if size > most:
            raise _too_large(most)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(most: int) -> Problem:
    return Problem(413, "this is too large", f"the limit is {most} bytes")
