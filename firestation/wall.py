"""The wall of locks: what a closed incident leaves to those of its class that come after it, for years.

One entry is one small signed document on the shelf beside the evidence, under a name that follows from what it says.
Locks hang under `locks/SYSTEM/CLASS/`, and what broke one under `broken/SYSTEM/CLASS/`. The class is the pattern of
the runbook by which the incident went.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from firestation.after_action import LockKind
from firestation.evidence import STATEMENT_TYPE
from firestation.model import Id, Line, Model, Sha256, Text, Time

WALL_TYPE = "https://firestation.dev/wall-of-locks/v1"
MOST_RECALLED = 20
"""So many locks of a class are told to an incident, the newest first; the others are counted."""

Mark = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")]
"""What tells two incidents of one fire apart: the run that one began with."""

LONGEST_NAME = 600
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
"""Of a document on the shelf: it holds five ids at most."""


class _Entry(Model):
    system: Id
    pattern: Id
    incident: Id
    mark: Mark
    at: Time

    @property
    def ours(self) -> tuple[str, str]:
        """The incident that hung it, told apart from another one of the same fire."""
        return self.incident, self.mark


class WallLock(_Entry):
    """The lock that an incident closed with. `at` is when it was proved, attested or waived.

    `artifact` is the digest of the file, or of the document in which a change of process is written down, `statement`
    that of the signed result of its runs. `by` are the people who stand for it, where it was not proved. `until` is
    when the waiver ends, or when somebody looks again at what was attested.
    """

    kind: Literal["lock"] = "lock"
    how: Literal["proved", "attested", "waived"]
    lock: LockKind
    runbook: Id
    title: Line
    artifact: Sha256 | None = None
    statement: Sha256 | None = None
    by: tuple[Id, ...] = ()
    reason: Text | None = None
    until: Time | None = None
    closed_at: Time

    def told(self) -> str:
        """The lock in one line: what it is, since when, and after which incident."""
        day = f"{self.at:%Y-%m-%d}"
        if self.how == "waived":
            until, people = f"{self.until:%Y-%m-%d}", " and ".join(self.by)
            return f"{self.title}, was waived until {until}, by {people}, after {self.incident}"
        return f"{self.title}, {self.how} {day} after {self.incident}"


class WallBreak(_Entry):
    """The class of a lock rang again: the incident, and the lock that should have kept it back.

    Without `holds` it is taken back: the incident was no fire after all, or one of another class.
    """

    kind: Literal["broken"] = "broken"
    of: Id
    of_mark: Mark
    title: Line
    holds: bool = True


Entry = Annotated[WallLock | WallBreak, Field(discriminator="kind")]


class Hanging(Model):
    """An entry, and the name under which it hangs."""

    entry: Entry
    name: Name


class Doubt(Model):
    """Something on the shelf that is not believed, and why."""

    name: Name
    why: Text


class Recall(Model):
    """What the wall knows of a system and a class, and what on it could not be verified. `more` are older locks."""

    pattern: Id
    locks: tuple[WallLock, ...] = ()
    more: int = Field(default=0, ge=0)
    doubts: tuple[Doubt, ...] = ()


class Wall(Model):
    """The wall, or the part of it that was asked for: by system and class, the newest lock of each first."""

    locks: tuple[WallLock, ...] = ()
    broken: tuple[WallBreak, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def breaks(self, lock: WallLock) -> tuple[WallBreak, ...]:
        """What broke this lock, and was not taken back."""
        here = (lock.system, lock.pattern, *lock.ours)
        ours = [each for each in self.broken if (each.system, each.pattern, each.of, each.of_mark) == here]
        back = {each.ours for each in ours if not each.holds}
        return tuple(each for each in ours if each.holds and each.ours not in back)


def names(entry: WallLock | WallBreak) -> tuple[str, str]:
    """The name of an entry; and the one that it has when somebody else's document stands in its place."""
    if isinstance(entry, WallLock):
        stem = f"locks/{entry.system}/{entry.pattern}/{entry.incident}-{entry.mark}"
    else:
        lock, by = f"{entry.of}-{entry.of_mark}", f"{entry.incident}-{entry.mark}"
        back = "" if entry.holds else ".back"
        stem = f"broken/{entry.system}/{entry.pattern}/{lock}/{by}{back}"
    return f"{stem}.json", f"{stem}.{entry.sha256()[:16]}.json"


def statement(entry: WallLock | WallBreak) -> dict[str, Any]:
    """The in-toto statement that is signed: its subject is the lock's file, where it has one, or the entry itself."""
    digest = (entry.artifact if isinstance(entry, WallLock) else None) or entry.sha256()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": names(entry)[0], "digest": {"sha256": digest}}],
        "predicateType": WALL_TYPE,
        "predicate": entry.model_dump(mode="json"),
    }
