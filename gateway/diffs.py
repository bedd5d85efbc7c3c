"""What differs, as a page: the captain's first question, answered from the frozen evidence as the command does it.

What is compared was written by machines and strangers. So a piece, all pieces together, the work and the page have an
end each, one comparison is made at a time, and not in the loop that everybody else waits for.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

import structlog
from pydantic import JsonValue

from firestation.comparison import Comparison, Difference, then_and_now
from firestation.differing import (
    Line,
    Rank,
    beside,
    changed_lines,
    documents,
    frozen,
    healthy,
    of_request,
    ranks,
    requests,
)
from firestation.errors import DriverError, Gone, InvalidInput
from firestation.evidence import ArtifactRef
from firestation.picture import Picture
from firestation.ports import EvidenceStore
from gateway.shared import Shared

log = structlog.get_logger()

MOST_BYTES = 1_000_000
"""A bigger piece is not compared here."""

MOST_READ = 8_000_000
"""Nor is what comes after so many bytes of pieces."""

MOST_WORK = 10_000_000
"""Bytes of a bad request times the healthy ones that it is put beside; the first ones of a long sample are enough."""

MOST_BAD = 5
MOST_SHOWN = 100
MOST_LINES = 40
FRESH_SECONDS = 300.0
"""Sealed evidence does not change; of a supplement more is made anew."""


class Told(NamedTuple):
    """One difference, as the page has it: by lines, by ranks, or by its two values (None: not there)."""

    path: str
    lines: tuple[Line, ...]
    ranks: tuple[Rank, ...]
    here: str | None
    there: str | None
    more: int


class Part(NamedTuple):
    """A comparison: what of, its first differences, how many more there are, ids and times, and what is the same."""

    name: str
    told: tuple[Told, ...]
    rest: int
    incidental: int
    same: int
    nothing_known: bool


class Differing(NamedTuple):
    """What differs. `request` is the bad one that is shown, of `requests`; `left_out` are pieces by name, and why."""

    request: str | None
    requests: tuple[str, ...]
    beside: Part | None
    changed: tuple[Part, ...]
    left_out: tuple[tuple[str, str], ...]


class _Read(NamedTuple):
    artifact: ArtifactRef
    documents: tuple[JsonValue, ...]


class Comparing:
    """Comparisons, which all who look share. `look` gives an incident's picture."""

    def __init__(self, look: Callable[[str], Awaitable[Picture]], store: EvidenceStore) -> None:
        self.look, self.store = look, store
        self.made = Shared[tuple[str, str, int], Differing](self._make, FRESH_SECONDS)
        self._one = asyncio.Semaphore(1)

    async def get(self, seen: Picture, request: str) -> Differing:
        """What differs in this incident. `request` is a bad one, or empty: the first that can be compared.

        Raises `Gone` before the seal, `InvalidInput` for a request that no alarm names.
        """
        if seen.sealed is None:
            raise Gone(f"{seen.incident} has no sealed evidence yet")
        if request and request not in requests(seen):
            raise InvalidInput("request", "no alarm names it", "Choose one of the page")
        return await self.made.get((seen.incident, request, len(seen.supplements)))

    async def _make(self, key: tuple[str, str, int]) -> Differing:
        incident, request, _ = key
        seen = await self.look(incident)
        async with self._one:
            read, left_out = await self._read(frozen(seen))
            made = await asyncio.to_thread(_differing, seen, read, request)
        return made._replace(left_out=tuple(left_out))

    async def _read(self, artifacts: Sequence[ArtifactRef]) -> tuple[list[_Read], list[tuple[str, str]]]:
        """Every JSON piece that can be read and is not too big, and what was left out."""
        read, left_out, total = list[_Read](), list[tuple[str, str]](), 0
        for each in artifacts:
            why = ""
            if each.media_type != "application/json":
                continue
            if each.encryption:
                why = "encrypted"
            elif each.size > MOST_BYTES or total + each.size > MOST_READ:
                why = "too big"
            else:
                try:
                    content = await self.store.get(each.digest)
                except DriverError as error:
                    log.warning("evidence not compared", digest=each.digest, why=str(error))
                    why = str(error)
                else:
                    total += len(content)
                    read.append(_Read(each, tuple(documents(content))))
            if why:
                left_out.append((each.name, why))
        return read, left_out


def _differing(seen: Picture, read: Sequence[_Read], request: str) -> Differing:
    found = {each.artifact.digest: each for each in read}
    artifacts = [each.artifact for each in read]
    ours = {name: [found[each.digest] for each in of_request(artifacts, name)] for name in requests(seen)}
    known = tuple(name for name, pieces in ours.items() if any(piece.documents for piece in pieces))
    chosen = request or next(iter(known), None)
    others = [document for each in healthy(artifacts) for document in found[each.digest].documents]
    made = _beside(ours[chosen] if chosen else [], others)
    return Differing(chosen, known, made, tuple(part for each in read for part in _changed(each)), ())


def _beside(bad: Sequence[_Read], others: Sequence[JsonValue]) -> Part | None:
    """The bad request beside the healthy one most like it; None without both."""
    pairs = [(each.artifact, document) for each in bad for document in each.documents][:MOST_BAD]
    if not pairs or not others:
        return None
    weight = sum({artifact.digest: artifact.size for artifact, _ in pairs}.values())
    artifact, made = beside(pairs, others[: max(1, MOST_WORK // max(1, weight))])
    return _part(artifact.name, made) if made else None


def _changed(each: _Read) -> Iterator[Part]:
    """How the things of a piece that a source froze as they were and as they are have changed."""
    for document in each.documents:
        made = then_and_now(document)
        if made:
            yield _part(each.artifact.name, made)


def _part(name: str, made: Comparison) -> Part:
    telling = made.telling
    return Part(
        name,
        tuple(_told(each) for each in telling[:MOST_SHOWN]),
        max(0, len(telling) - MOST_SHOWN),
        len(made.differences) - len(telling),
        made.same,
        any(each.path == "$" for each in made.differences),
    )


def _told(each: Difference) -> Told:
    lines = changed_lines(each)
    order = ranks(each) if each.kind == "order" else []
    more = max(0, len(lines or order) - MOST_LINES)
    here, there = (
        None if each.kind == gone else _value(value)
        for gone, value in (
            ("only in the healthy one", each.bad),
            ("only in the bad one", each.healthy),
        )
    )
    path = each.path.removeprefix("$.")
    return Told(path, tuple(lines[:MOST_LINES]), tuple(order[:MOST_LINES]), here, there, more)


def _value(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
