"""What comes back: the locks of this class that did not hold, what they weigh, and what this incident owes the wall."""

from firestation import proofs, seconding
from firestation.record import Hung, Recalled
from firestation.severity import Proposal, Severity, Weighing, propose
from firestation.state import Incident, Waiver
from firestation.wall import Entry, WallBreak, WallLock, names

GRAVER = {Severity.SEV4: Severity.SEV3, Severity.SEV3: Severity.SEV2, Severity.SEV2: Severity.SEV1}
THE_WALL = "engine"
"""On whose word the proposal is weighed again when the wall was asked."""


# The recall ---------------------------------------------------------------------------------------------------


def recall_is_owed(incident: Incident) -> bool:
    """Whether the wall is still to be asked, for the class of the runbook by which the incident goes now."""
    if not incident.since(4) or incident.ended or not incident.rung or incident.brief.drill:
        return False
    return incident.recall is None or incident.recall.pattern != incident.brief.runbook.pattern


def recalled(incident: Incident) -> tuple[WallLock, ...]:
    """The locks of this system and of the present class, the newest first."""
    recall, brief = incident.recall, incident.brief
    if recall is None or recall.pattern != brief.runbook.pattern:
        return ()
    ours, here = (incident.id, incident.run), (brief.system.system, recall.pattern)
    return tuple(each for each in recall.locks if each.ours != ours and (each.system, each.pattern) == here)


def broken(incident: Incident) -> tuple[WallLock, ...]:
    """The locks that should have kept this incident back: proved or attested, and it burns again."""
    return tuple(each for each in recalled(incident) if each.how != "waived")


def told(incident: Incident) -> tuple[str, ...]:
    """What there is to say of the locks of this class, a line each."""
    lines = [f"lock broken: {each.told()}" for each in broken(incident)]
    lines += [f"no lock: {each.told()}" for each in recalled(incident) if each.how == "waived"]
    more = incident.recall.more if lines and incident.recall else 0
    return (*lines, *([f"and {more} older locks of this class: firestation locks"] if more else []))


# The weight ---------------------------------------------------------------------------------------------------


def weighed(incident: Incident, by: str, reason: str) -> Incident:
    """The proposal computed again, from the axes and from the locks that broke, and what that changed."""
    axes = propose(incident.brief.runbook.severity, incident.assessed)
    proposal = heavier(axes, broken(incident))
    weighing = Weighing(
        by=by, reason=reason[:4000], was=incident.proposal.severity, now=proposal.severity, at=incident.now
    )
    return incident.changed(proposal=proposal, weighings=(*incident.weighings, weighing))


def heavier(proposal: Proposal, locks: tuple[WallLock, ...]) -> Proposal:
    """One step graver than the axes say when a lock is broken, and never beyond sev1: what comes back was not kept."""
    if not locks:
        return proposal
    severity = GRAVER.get(proposal.severity, Severity.SEV1)
    step = (
        f"one step graver than {proposal.severity}"
        if severity is not proposal.severity
        else "as grave as it gets"
    )
    others = f", and {len(locks) - 1} more" if len(locks) > 1 else ""
    return Proposal(
        severity=severity, reasons=(*proposal.reasons, f"lock broken: {locks[0].told()}{others}: {step}")
    )


def followed(incident: Incident, event: Recalled) -> Incident:
    """The state after the wall has answered."""
    incident = incident.changed(recall=event.recall, recall_trouble=None)
    locks = broken(incident)
    return weighed(incident, THE_WALL, f"lock broken: {locks[0].told()}") if locks else incident


# What is owed to the wall -------------------------------------------------------------------------------------


def owed(incident: Incident) -> tuple[Entry, ...]:
    """What is still to be hung: the locks that broke, once it is declared a fire; at its end the lock it became.

    What was hung too soon, of a fire that was none or is one of another class, is taken back at the end. A drill has
    kept nothing back and owes the wall nothing; nor is it asked, since no lock is broken by a drill.
    """
    if not incident.since(4) or incident.brief.drill:
        return ()
    found: list[Entry] = []
    stands = incident.severity is not None and incident.ended in {None, "closed"}
    breaks = [_break(incident, each) for each in broken(incident)] if stands else []
    known = {(each.pattern, each.of, each.of_mark) for each in breaks}
    hung = [each.entry for each in incident.hung]
    before = {(each.pattern, each.of, each.of_mark) for each in hung if isinstance(each, WallBreak)}
    found += [each for each in breaks if (each.pattern, each.of, each.of_mark) not in before]
    if incident.ended:
        found += [
            each.changed(holds=False, at=incident.ended_at)
            for each in hung
            if isinstance(each, WallBreak)
            and each.holds
            and (each.pattern, each.of, each.of_mark) not in known
        ]
    if incident.ended == "closed":
        found += filter(None, (_lock(incident),))
    there = {names(each)[0] for each in hung}
    return tuple(each for each in found if names(each)[0] not in there)


def hung(incident: Incident, event: Hung) -> Incident:
    """The state after an entry was hung."""
    return incident.changed(hung=(*incident.hung, event.hanging), wall_trouble=None)


def _break(incident: Incident, lock: WallLock) -> WallBreak:
    return WallBreak(
        system=lock.system,
        pattern=lock.pattern,
        incident=incident.id,
        mark=incident.run,
        at=incident.opened_at,
        of=lock.incident,
        of_mark=lock.mark,
        title=lock.title,
    )


def _lock(incident: Incident) -> WallLock | None:
    """The lock that it closed with: proved, or the word of two people."""
    assert incident.ended_at
    runbook, proof = incident.brief.runbook, incident.lock
    word = seconding.good(incident, incident.ended_at)
    fields: dict[str, object] = {
        "system": incident.brief.system.system,
        "pattern": runbook.pattern,
        "incident": incident.id,
        "mark": incident.run,
        "lock": runbook.lock.kind,
        "runbook": runbook.runbook,
        "title": runbook.lock.title,
        "closed_at": incident.ended_at,
    }
    if proof and proofs.stands(incident):
        statement = proof.statement.digest if proof.statement else None
        fields |= {"how": "proved", "artifact": proof.lock.digest, "statement": statement, "at": proof.at}
    elif word is None or word.seconded_by is None:
        return None
    elif isinstance(word, Waiver):
        by = (word.by, word.seconded_by)
        fields |= {"how": "waived", "by": by, "reason": word.reason, "until": word.until, "at": word.at}
    else:
        reason = f"{word.change}\n{word.reference}"[:4000]
        fields |= {"how": "attested", "by": (word.by, word.seconded_by), "reason": reason, "at": word.at}
        fields |= {"until": word.verify_by, "artifact": word.document}
    return WallLock.model_validate(fields)
