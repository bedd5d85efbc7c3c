"""The postmortem on the shelf: every version of it, the engine's drafts and people's edits, none of which is ever lost.

A version is one document by its number, created once. Of two writers who both made the same number one succeeds, and
the other starts again from that: so it does not matter who dies where.
"""

import asyncio
import re
import unicodedata
from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError

from firestation.credentials import SECRETS
from firestation.errors import FirestationError, InvalidInput, Nonsense, Unreachable
from firestation.model import Id, Line, Model, Plain, Time
from firestation.ports import Shelf
from firestation.postmortem.merge import merge

FOLDER = "postmortems"
LARGEST = 4 * 1024 * 1024
MOST_LINES = 40_000
TRIES = 20
OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Version(Model):
    """One version of the document.

    `base` is the number of the version that it was made from, 0 for the first. `draft` is the number of the version
    whose words of the engine are in it; those are that version's `words`, from before people's edits were merged in.
    `conflicts` counts the passages of which both have a version, for people to settle.
    """

    station: Id
    incident: Id
    run: Line
    number: int = Field(ge=1)
    kind: Literal["draft", "edit"]
    by: Id | None
    at: Time
    base: int = Field(ge=0)
    draft: int = Field(ge=1)
    conflicts: int = 0
    text: Plain
    drafted: Plain | None = None

    @property
    def words(self) -> str:
        """What the engine itself wrote, when this is a draft."""
        return self.text if self.drafted is None else self.drafted

    @property
    def tag(self) -> str:
        """What names this version among all of this incident's fires."""
        return f"{self.run}.{self.number}"


class Stale(FirestationError):
    """Somebody else, or the engine, has written a newer version meanwhile."""

    def __init__(self, latest: Version) -> None:
        who = latest.by or "the engine, which drafted it again"
        super().__init__(f"version {latest.number} is newer, by {who}; merge with it and send that")
        self.latest = latest


class Documents:
    """The postmortems of one station on a shelf."""

    def __init__(self, shelf: Shelf, station: str) -> None:
        self.shelf, self.station = shelf, station

    async def newest(self, incident: str) -> str | None:
        """The run of the latest fire of this incident that has a postmortem; None when none has."""
        names = await self.shelf.names(f"{FOLDER}/{incident}")
        first = dict[str, datetime]()
        for name, at in names.items():
            first.setdefault(name.split("/")[-2], at)
        return max(first, key=lambda run: (first[run], run)) if first else None

    async def latest(self, incident: str, run: str) -> Version | None:
        """The version that counts; None when there is none, or it is another station's."""
        names = list(await self.shelf.names(f"{FOLDER}/{incident}/{run}"))
        return await self._read(names[-1]) if names else None

    async def version(self, incident: str, run: str, number: int) -> Version | None:
        """The version of this number; None as above."""
        return await self._read(_name(incident, run, number))

    async def edit(self, latest: Version, began: str, text: str, by: str, at: datetime) -> Version:
        """Keep what somebody made of the version with the tag `began`.

        Raises `InvalidInput`, and `Stale` when that is not the latest.
        """
        if began != latest.tag:
            raise Stale(latest)
        made = latest.changed(
            number=latest.number + 1,
            kind="edit",
            by=by,
            at=at,
            base=latest.number,
            conflicts=0,
            text=await asyncio.to_thread(checked, text),  # megabytes of patterns
            drafted=None,
        )
        if made.text == latest.text:
            return latest
        if await self._create(made):
            return made
        newer = await self.latest(latest.incident, latest.run)
        raise Stale(newer or latest)

    async def redraft(self, incident: str, run: str, words: str, at: datetime) -> Version:
        """Keep what the engine wrote, with what people had made of its last draft. The same words are kept once."""
        for _ in range(TRIES):
            latest = await self.latest(incident, run)
            made = await self._merged(latest, words, at) if latest else self._first(incident, run, words, at)
            if made is latest or await self._create(made):
                return made
        raise Unreachable(f"the postmortem of {incident} is being written by many at once; try again")

    def _first(self, incident: str, run: str, words: str, at: datetime) -> Version:
        return Version(
            station=self.station,
            incident=incident,
            run=run,
            number=1,
            kind="draft",
            by=None,
            at=at,
            base=0,
            draft=1,
            text=words,
        )

    async def _merged(self, latest: Version, words: str, at: datetime) -> Version:
        began = latest if latest.kind == "draft" else None
        began = began or await self.version(latest.incident, latest.run, latest.draft)
        if began is None:
            raise Nonsense(
                f"version {latest.draft} of the postmortem of {latest.incident} is gone from the shelf"
            )
        if words == began.words:
            return latest
        both = await asyncio.to_thread(merge, began.words, latest.text, words)
        number = latest.number + 1
        return latest.changed(
            number=number,
            kind="draft",
            by=None,
            at=at,
            base=latest.number,
            draft=number,
            conflicts=both.conflicts,
            text=both.text,
            drafted=None if both.text == words else words,
        )

    async def _create(self, made: Version) -> bool:
        return await self.shelf.create(_name(made.incident, made.run, made.number), made.canonical())

    async def _read(self, name: str) -> Version | None:
        kept = await self.shelf.get(name)
        if kept is None:
            return None
        try:
            found = Version.model_validate_json(kept)
        except ValidationError as error:
            raise Nonsense(
                f"{name} on the shelf is no version of a postmortem: {error.error_count()} errors"
            ) from None
        return found if found.station == self.station else None


def _name(incident: str, run: str, number: int) -> str:
    return f"{FOLDER}/{incident}/{run}/{number:06}.json"


def checked(text: str) -> str:
    """What somebody wrote, with whole lines. Raises `InvalidInput` for what must not be kept, naming the line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    if not text.strip():
        raise InvalidInput("text", "it is empty", "Write the document; earlier versions stay on the shelf")
    if len(text.encode(errors="replace")) > LARGEST or len(lines) > MOST_LINES:
        fix = f"Write at most {LARGEST} bytes and {MOST_LINES} lines; link to what is longer"
        raise InvalidInput("text", "it is too long", fix)
    for number, line in enumerate(lines, start=1):
        if SECRETS.search(line):
            fix = "Take it out, and have it revoked: whoever reads the document would have it"
            raise InvalidInput("text", f"line {number} holds something in the form of a credential", fix)
        if OVERRIDES.search(line) or any(unicodedata.category(c) in {"Cc", "Cs"} for c in line if c != "\t"):
            fix = "Take it out: what is shown would not be what is written"
            raise InvalidInput("text", f"line {number} holds a control character", fix)
    return "\n".join(lines) + "\n"
