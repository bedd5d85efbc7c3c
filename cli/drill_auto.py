"""The engine plays the people of a drill, one act at a time: what a good captain would type, and nothing cleverer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cli.client import Gateway
from firestation.errors import FirestationError, Refused
from firestation.firebreak import HOLDING
from firestation.picture import Picture
from firestation.state import ENDS, Phase

WORD = "This was rehearsed: recovery is measured and the lock is proved; closing."
BEFORE = "The fault is found, and repair is under way; the firebreaks hold."


class Play(NamedTuple):
    """One act: who does what, with which fields."""

    person: str
    act: str
    fields: dict[str, Any]


class Players:
    """The people who drill, played. `stays` are the levers that the fault had moved, whose firebreaks are kept."""

    def __init__(self, people: Mapping[str, Gateway], stays: Sequence[str]) -> None:
        self.people, self.stays = people, frozenset(stays)
        self.tried: set[tuple[str, str, str]] = set()

    def act(self, seen: Picture, *, repaired: bool) -> list[tuple[Play, str]]:
        """Do whatever a person would do now; each act with what came of it. What was refused is not tried again."""
        done = []
        for play in plays(seen, tuple(self.people), self.stays, repaired=repaired):
            mark = (play.person, play.act, str(sorted(play.fields.items())))
            if mark in self.tried or play.person not in self.people:
                continue
            self.tried.add(mark)
            try:
                self.people[play.person].act(seen.incident, play.act, play.fields)
            except Refused as refusal:
                done.append((play, str(refusal)))
            except FirestationError:
                self.tried.discard(mark)  # nobody knows whether it was done; the next look tells
            else:
                done.append((play, "done"))
        return done


def plays(seen: Picture, people: tuple[str, ...], stays: frozenset[str], *, repaired: bool) -> Iterator[Play]:
    """What is to be done now, by what the picture shows."""
    if seen.phase in ENDS:
        return
    captain = seen.captain
    if captain is None:
        paged = seen.paging[-1].person if seen.paging else people[0]
        yield Play(paged, "acknowledge", {"role": "captain"})
        return
    yield from _run(seen, captain, people)
    if seen.restored_at and not repaired:
        yield Play(captain, "update", {"audience": "internal", "known": BEFORE})
    if seen.restored_at and repaired:
        yield from _put_back(seen, captain, stays)
    if seen.phase is Phase.AFTER_ACTION and seen.restored_at:
        yield from _close(seen, captain, people)


def _run(seen: Picture, captain: str, people: tuple[str, ...]) -> Iterator[Play]:
    """A scribe, a severity, what is done by hand, and the decisions."""
    if seen.scribe is None:
        yield from (Play(each, "acknowledge", {"role": "scribe"}) for each in people if each != captain)
    if seen.severity is None:
        reason = "; ".join(seen.proposal.reasons)[:300]
        yield Play(captain, "declare", {"severity": str(seen.proposal.severity), "reason": reason})
    for name, duty in seen.duties.items():
        if not duty.confirmed_by:
            yield Play(captain, "confirm", {"step": name, "note": "it is done, in the drill"})
    for plan in seen.plans:
        yield from (Play(each, "approve", {"action": plan.digest}) for each in (captain, *plan.approvers))


def _put_back(seen: Picture, captain: str, stays: frozenset[str]) -> Iterator[Play]:
    """The newest first, one after the other."""
    holding = [each for each in reversed(seen.firebreaks) if each.state in HOLDING]
    if holding and not any(each.lift_wanted_by for each in holding):
        first = holding[0]
        act = "adopt" if first.action.lever in stays else "lift"
        yield Play(captain, act, {"action": first.digest, "reason": "the fault is repaired"})


def _close(seen: Picture, captain: str, people: tuple[str, ...]) -> Iterator[Play]:
    if seen.second:
        yield from (
            Play(each, "second", {"reason": "seen in the drill"}) for each in people if each != captain
        )
    if seen.lock_proved and seen.postmortem:
        yield Play(captain, "update", {"audience": "internal", "known": WORD})
        yield Play(captain, "close", {})
