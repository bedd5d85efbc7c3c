"""The second person: whose word on a lock waits for another's, who could give it, and why somebody may not.

A waiver of the lock, and an attestation of one that is a process, are one person's word. They count when another one
stands for them too.
"""

from datetime import datetime

from firestation import acts
from firestation.after_action import Attestation
from firestation.authority import Role
from firestation.model import Id, Line, Model, Sha256, Time
from firestation.state import Incident, Waiver

MAY_SECOND = frozenset({Role.CAPTAIN, Role.APPROVER})


class Waits(Model):
    """A word that waits for a second person: whose it is, its digest, and who could stand for it."""

    what: Line
    by: Id
    word: Sha256
    since: Time
    who: tuple[Id, ...]

    def missing(self) -> str:
        """Who is missing, in words."""
        return f"a second person for {self.what}: {' or '.join(self.who) or NOBODY}"


NOBODY = "somebody else with the role captain or approver, and there is nobody"


def waits(incident: Incident) -> Waits | None:
    """The last word on the lock that waits for a second person; None when there is none."""
    word = _unseconded(incident)
    if word is None:
        return None
    if isinstance(word, Waiver):
        until = f" until {word.until:%Y-%m-%d}" if word.until else ""
        what = f"the waiver of the lock{until} by {word.by}"
    else:
        what = f"the attestation by {word.by} ({word.reference[:150]})"
    return Waits(
        what=what, by=word.by, word=word.sha256(), since=word.at, who=could_second(incident, word.by)
    )


def _unseconded(incident: Incident) -> Waiver | Attestation | None:
    if not incident.since(4):
        return None
    words = [each for each in (incident.lock_waiver, incident.attestation) if each and not each.seconded_by]
    return max(words, key=lambda each: each.at, default=None)


def could_second(incident: Incident, by: str) -> tuple[Id, ...]:
    """Everybody who may stand for the word of this person."""
    people = incident.brief.roster.people
    return tuple(each.id for each in people if each.id != by and MAY_SECOND & set(each.roles))


def seconded(incident: Incident, act: acts.Second) -> Incident:
    """The state after somebody stood for the word that waits."""
    word = _unseconded(incident)
    stands = {"seconded_by": act.by, "seconded_at": incident.now}
    if isinstance(word, Waiver):
        waivers = (each.changed(**stands) if each is word else each for each in incident.waivers)
        return incident.changed(waivers=tuple(waivers))
    said = (each.changed(**stands) if each is word else each for each in incident.attestations)
    return incident.changed(attestations=tuple(said))


def may_not(incident: Incident, act: acts.Second) -> str | None:
    """Why this person cannot stand for what waits; None when they can, or when nothing waits."""
    found = waits(incident)
    if found is None:
        return None
    who = f"who could: {', '.join(found.who) or NOBODY}"
    if act.by == found.by:
        return f"{act.by} has said so already; a second person is needed ({who})"
    if act.by not in found.who:
        return f"{act.by} holds neither the role captain nor approver ({who})"
    if act.word and act.word != found.word:
        return f"what {act.by} has seen was replaced meanwhile: {found.what} waits now; look at it and second that"
    return None


def good(incident: Incident, now: datetime) -> Waiver | Attestation | None:
    """The word of two people that stands in the place of a proof now, if there is one."""
    waiver, said = incident.lock_waiver, incident.attestation
    if not incident.since(4):
        return waiver
    attested = said if incident.brief.runbook.lock.kind == "process" else None
    for word, until in ((attested, attested and attested.verify_by), (waiver, waiver and waiver.until)):
        if word and word.seconded_by and until and until > now:
            return word
    return None
