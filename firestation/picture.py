"""The picture: an incident as people look at it. What is known, what is waited for, what to type next."""

from datetime import datetime
from functools import partial

from pydantic import Field

from firestation import proofs, release
from firestation.after_action import Attestation, LockKind, LockProof, Ticket
from firestation.allowed_signers import AllowedSigner
from firestation.attachment import Attachment
from firestation.board import AUDIENCES, TO, Entry, LateWord, Word, WordDraft, causal
from firestation.cadence import comms_owner, prepared
from firestation.captaincy import expiring
from firestation.clock import Deadline
from firestation.drill import DrillMark
from firestation.evidence import ArtifactRef, Sealed
from firestation.firebreak import Firebreak, Lease, Reading
from firestation.legal import LegalRun
from firestation.legal_course import in_sight, owners
from firestation.model import Id, Line, Model, Text, Time, show_duration
from firestation.paging import want_of_captain
from firestation.plan import Plan, plans
from firestation.quorum import quorum
from firestation.record import Event, Record
from firestation.recurrence import told
from firestation.seconding import NOBODY, Waits, good, waits
from firestation.severity import Declaration, Proposal, Severity
from firestation.state import Beyond, Duty, Incident, Page, Phase, Rung, Tenure, Waiver
from firestation.steps import FirebreakStep, ManualStep, Turn
from firestation.timeline import Moment, moments
from firestation.wall import Recall


class Waiting(Model):
    """Something that the incident waits for: who can do it, since when, by when, and the command that does it.

    `bare` is `what` without a position, a person's words or a product's answer, where it has one: it may stand where
    nothing is encrypted, as in search attributes. Without it, `what` is made of ids and of titles in the files.
    """

    what: Line
    bare: Line | None = Field(default=None, exclude=True)
    who: Line
    since: Time
    due: Time | None = None
    command: Line | None = None


class Picture(Model):
    """Everything that a board or a terminal shows of one incident."""

    incident: Id
    run: str
    predecessor: str | None
    system: Id
    title: Line
    runbook: Id
    matched: tuple[str, ...]
    phase: Phase
    severity: Severity | None
    proposal: Proposal
    proposed_since: Time
    declarations: tuple[Declaration, ...]
    guidance: Text | None
    needs: tuple[Line, ...]
    signers: dict[Id, tuple[AllowedSigner, ...]]
    drill: DrillMark | None = None
    captain: Id | None
    tenures: tuple[Tenure, ...]
    scribe: Id | None
    comms: Id | None
    investigator: Id | None
    offered_to: Id | None
    paging: tuple[Page, ...] = ()
    opened_at: Time
    as_of: Time
    alarms: tuple[Rung, ...]
    beyond: Beyond | None = None
    deadlines: tuple[Deadline, ...]
    sealed: Sealed | None
    supplements: tuple[Sealed, ...]
    baseline: tuple[Reading, ...]
    firebreaks: tuple[Firebreak, ...]
    steps: tuple[FirebreakStep, ...]
    plans: tuple[Plan, ...]
    turns: dict[Id, Text]
    skipped: dict[Id, Text]
    duties: dict[Id, Duty]
    manual: tuple[ManualStep, ...]
    alternatives: tuple[Id, ...]
    prepared: dict[Line, Text]
    stopped_by: Id | None
    entries: tuple[Entry, ...]
    words: tuple[Word, ...]
    next_word: Time | None
    next_public_word: Time | None = None
    drafts: tuple[WordDraft, ...] = ()
    overdue_words: tuple[LateWord, ...] = ()
    held: tuple[release.Pending, ...] = ()
    unpublished: tuple[release.Pending, ...] = Field(default=(), exclude_if=lambda value: value == ())
    waivers: tuple[Waiver, ...]
    legal: tuple[LegalRun, ...]
    trouble: dict[str, Text]
    restored_at: Time | None
    postmortem: ArtifactRef | None
    tickets: tuple[Ticket, ...]
    lock: LockProof | None
    lock_proved: bool
    lock_lacks: Text | None = None
    lock_kind: LockKind = "eval"
    attestation: Attestation | None = None
    second: Waits | None = None
    recall: Recall | None = None
    recall_trouble: Text | None = None
    recalled: tuple[Text, ...] = ()
    wall_trouble: Text | None = None
    ended_at: Time | None
    merged_into: Id | None
    waiting: tuple[Waiting, ...]
    timeline: tuple[Moment, ...]


def picture(incident: Incident, events: Record) -> Picture:
    """Draw the picture from the state and its record."""
    shared = set(Picture.model_fields) & set(Incident.model_fields) - {"baseline"}
    brief = incident.brief
    return Picture(
        **{name: getattr(incident, name) for name in shared},
        incident=incident.id,
        system=brief.system.system,
        title=brief.title,
        drill=brief.drill,
        runbook=brief.runbook.runbook,
        matched=brief.matched,
        phase=incident.phase,
        proposed_since=incident.proposed_since,
        next_word=incident.due("internal"),
        next_public_word=incident.due("public"),
        overdue_words=tuple(filter(None, map(incident.late_word, AUDIENCES))),
        held=release.waiting(incident),
        unpublished=release.unpublished(incident),
        as_of=incident.now,
        alarms=incident.rung,
        baseline=tuple(incident.baseline.values()),
        guidance=brief.runbook.guidance,
        needs=brief.runbook.needs,
        signers={each.id: each.signers for each in brief.roster.people if each.signers},
        steps=brief.runbook.firebreaks,
        manual=brief.runbook.manual,
        plans=plans(incident),
        turns=_turns(incident),
        alternatives=tuple(each.runbook for each in brief.alternatives),
        prepared=prepared(incident),
        lock_proved=proofs.stands(incident),
        lock_lacks=proofs.lacking(incident),
        lock_kind=brief.runbook.lock.kind,
        second=_second(incident),
        recalled=told(incident),
        waiting=waiting_for(incident),
        timeline=moments(events, partial(besides, incident)),
    )


def besides(incident: Incident, event: Event) -> str:
    """What the state adds to an event's sentence: what the law said to a move, that a public word had to wait."""
    return in_sight(incident, event) or release.in_waiting(incident, event)


def _turns(incident: Incident) -> dict[Id, Text]:
    """The steps whose turn has not come, and why."""
    found = {}
    for step in incident.brief.runbook.steps:
        planned = incident.latest(step.id) or step.id in incident.skipped or step.id in incident.duties
        turn, why = incident.turn(step)
        if not planned and turn is not Turn.NOW:
            found[step.id] = why
    return found


def exhibits(seen: Picture) -> frozenset[str]:
    """The digest of everything that this incident keeps in the evidence store."""
    found: set[str] = set()
    for seal in (seen.sealed, *seen.supplements):
        if seal:
            found |= {seal.manifest, seal.envelope, *(each.digest for each in seal.artifacts)}
    found |= {each.digest for each in attached(seen)}
    if seen.postmortem:
        found.add(seen.postmortem.digest)
    if seen.lock:
        kept = (seen.lock.lock, seen.lock.report, *seen.lock.attached())
        found |= {seen.lock.evidence, *(each.digest for each in kept)}
    return frozenset(found)


def attached(seen: Picture) -> tuple[Attachment, ...]:
    """What people attached to the alarms."""
    alarms = [rung.alarm for rung in (*seen.alarms, seen.beyond) if rung]
    return tuple({each.digest: each for alarm in alarms for each in alarm.attachments}.values())


def waiting_for(incident: Incident) -> tuple[Waiting, ...]:
    """What stands between this incident and its end, the most urgent first."""
    if incident.ended:
        return ()
    people = (*_people(incident), *_decisions(incident), *_asked(incident), *_seconds(incident))
    engine = _engine(incident)
    said = (*_held(incident), *_due_words(incident))
    return (*people, *said, *_by_law(incident), *engine, *_after(incident), *_words_to_say(incident))


def _people(incident: Incident) -> list[Waiting]:
    due = {deadline.milestone.name: deadline.due for deadline in incident.deadlines}
    found, name = [], incident.id
    if incident.captain is None:
        found.append(
            Waiting(
                what=want_of_captain(incident)[:300],
                bare=want_of_captain(incident, reasons=False)[:300],
                who=incident.paged or "anyone on call",
                since=(incident.tenures[-1].until if incident.tenures else None) or incident.opened_at,
                due=due["ACKNOWLEDGED"],
                command=f"firestation ack {name}",
            )
        )
    elif incident.severity is None:
        command = f"firestation declare {name} {incident.proposal.severity} --reason '...'"
        found.append(
            Waiting(
                what=f"a severity ({incident.proposal.severity} is proposed)",
                who=incident.captain,
                since=incident.opened_at,
                due=due["DECLARED"],
                command=command,
            )
        )
    if incident.offered_to:
        found.append(
            Waiting(
                what="the handover to be accepted",
                who=incident.offered_to,
                since=incident.now,
                command=f"firestation accept {name}",
            )
        )
    return found


def _decisions(incident: Incident) -> list[Waiting]:
    return [
        Waiting(
            what=f"a decision: move {each.action.lever} from {each.action.origin} to {each.action.to}"[:300],
            bare=f"a decision: move {each.action.lever}",
            who=quorum(incident, each).wanted()[:300],
            since=each.proposed_at,
            due=each.decide_by,
            command=f"firestation approve {incident.id} {each.digest[:12]}",
        )
        for each in incident.pending
    ]


def _asked(incident: Incident) -> list[Waiting]:
    """The firebreaks that expire soon, and the manual steps that nobody has confirmed."""
    name, who = incident.id, incident.captain or "a captain"
    answers = [
        Waiting(
            what=f"an answer: {each.action.lever} at {each.action.to} expires; lift, adopt or extend it"[
                :300
            ],
            bare=f"an answer: {each.action.lever} expires; lift, adopt or extend it",
            who=who,
            since=each.asked_at,
            due=each.expires_at,
            command=f"firestation extend {name} {each.digest[:12]} --reason '...'",
        )
        for each in expiring(incident)
        if each.asked_at
    ]
    duties = [
        Waiting(
            what=step.title,
            who=step.confirmed_by,
            since=duty.called_at,
            due=duty.due,
            command=f"firestation confirm {name} {step.id}",
        )
        for step in incident.brief.runbook.manual
        if (duty := incident.duties.get(step.id)) and not (duty.confirmed_by or incident.stopped_by)
    ]
    return [*answers, *duties]


def _second(incident: Incident) -> Waits | None:
    """The word on the lock that waits for a second person, as long as nothing better stands in its place."""
    return (
        None if incident.ended or proofs.stands(incident) or good(incident, incident.now) else waits(incident)
    )


def _seconds(incident: Incident) -> list[Waiting]:
    found = _second(incident)
    if found is None:
        return []
    command = f"firestation second {incident.id} --reason '...'"
    who = " or ".join(found.who) or NOBODY
    return [
        Waiting(
            what=f"a second person for {found.what}"[:300], who=who[:300], since=found.since, command=command
        )
    ]


def _held(incident: Incident) -> list[Waiting]:
    """The public words that wait for a yes."""
    return [
        Waiting(
            what=f"a yes to the public word of {each.by}, which is never published once the incident has ended",
            who=" or ".join(each.who) or "a comms owner or a captain",
            since=each.since,
            command=f"firestation release {incident.id} {each.digest[:12]}",
        )
        for each in release.waiting(incident)
    ]


def _due_words(incident: Incident) -> list[Waiting]:
    """The words that are due soon and drafted, and those that are overdue."""
    found = []
    for draft in incident.drafts:
        due, late = incident.due(draft.audience), incident.late_word(draft.audience)
        if due is None:
            continue
        public = " --public" if draft.audience == "public" else ""
        found.append(
            Waiting(
                what=f"the {'overdue ' if late else ''}word to {TO[draft.audience]}",
                who=comms_owner(incident),
                since=late.due if late else draft.at,
                due=late.due if late else due,
                command=f"firestation update {incident.id} --draft{public}",
            )
        )
    return found


def _by_law(incident: Incident) -> list[Waiting]:
    """The authorities that have to be informed, the first that is due first."""
    return [
        Waiting(
            what=f"{each.clock.authority} to be informed of {each.cause} ({each.clock.source})"[:300],
            who=", ".join(owners(incident, each))[:300],
            since=each.started_at,
            due=each.due,
            command=f"firestation inform {incident.id} {each.clock.id} --reference '...'",
        )
        for each in sorted(incident.counting, key=lambda run: run.due)
    ]


def _words_to_say(incident: Incident) -> list[Waiting]:
    """What nothing waits for, and somebody should say: whether it is graver or milder, and that a cause was none."""
    name, found = incident.id, []
    last = incident.last_word("public")
    if last and not incident.cause_is_fact and (named := causal(last)):
        found.append(
            Waiting(
                what=f"a public word without a cause: the last one names one ({named!r}), and it is refuted",
                bare="a public word without a cause",
                who="comms",
                since=last.at,
                command=f"firestation update {name} '...' --public",
            )
        )
    if incident.in_doubt:
        proposed, declared = incident.proposal.severity, incident.severity
        do = "raise" if declared and proposed.graver_than(declared) else "lower"
        since = f"{incident.proposed_since:%H:%M:%S} UTC"
        found.append(
            Waiting(
                what=f"{proposed} is proposed since {since}, declared is {declared}: {do} it or say why not",
                who=incident.captain or "a captain",
                since=incident.proposed_since,
                command=f"firestation declare {name} {proposed} --reason '...'",
            )
        )
    return found


def _engine(incident: Incident) -> list[Waiting]:
    found = []
    if incident.sealed is None:
        what = "the snapshot" + (f" ({incident.seal_trouble})" if incident.seal_trouble else "")
        found.append(Waiting(what=what[:300], bare="the snapshot", who="engine", since=incident.opened_at))
    if incident.recall_trouble:
        bare = "the wall of locks to answer"
        what = f"{bare} ({incident.recall_trouble})"
        found.append(Waiting(what=what[:300], bare=bare, who="engine", since=incident.opened_at))
    if incident.late:
        what = f"the late evidence of {', '.join(incident.late)}"
        found.append(Waiting(what=what[:300], who="engine", since=incident.opened_at))
    doing = {
        Lease.AUTHORIZED: "move",
        Lease.MOVING: "move",
        Lease.APPLIED: "probe",
        Lease.LIFTING: "put back",
    }
    found += [
        Waiting(
            what=f"the engine to {doing[each.state]} {each.action.lever}", who="engine", since=incident.now
        )
        for each in incident.firebreaks
        if each.state in doing and not incident.lift_is_owed(each)
    ]
    found += [
        Waiting(what=f"the engine to put back {each.action.lever}", who="engine", since=incident.now)
        for each in incident.firebreaks
        if incident.lift_is_owed(each)
    ]
    if incident.phase is Phase.RECOVERING:
        recovery = incident.brief.runbook.recovery
        trouble = f"; {incident.soak_trouble}" if incident.soak_trouble else ""
        checks = f"the checks {', '.join(recovery.checks)} to hold for {show_duration(recovery.soak)}"
        what, since = f"{checks}{trouble}"[:300], incident.changed_at or incident.opened_at
        found.append(Waiting(what=what, bare=checks[:300], who="engine", since=since))
    return found


def _after(incident: Incident) -> list[Waiting]:
    name, captain = incident.id, incident.captain or "a captain"
    found = []
    if incident.restored_at or incident.phase is Phase.RECOVERING:
        found += [
            Waiting(
                what=f"{each.action.lever} to be lifted (back to {each.action.origin}) or adopted for good"[
                    :300
                ],
                bare=f"{each.action.lever} to be lifted or adopted for good",
                who=captain,
                since=each.moved_at or each.proposed_at,
                due=each.expires_at,
                command=f"firestation lift {name} {each.digest[:12]} --reason '...'",
            )
            for each in reversed(incident.holding)
            if each.state is not Lease.LIFTING and not incident.lift_is_owed(each)
        ]
    if incident.phase is not Phase.AFTER_ACTION or incident.restored_at is None:
        return found
    if incident.lock_wanted:
        by_people = incident.brief.runbook.lock.kind == "process"
        what = "the postmortem to be drafted" + ("" if by_people else " and the lock to be proved")
        return [*found, Waiting(what=what, who="engine", since=incident.restored_at)]
    closable = good(incident, incident.now) or proofs.stands(incident)
    if closable and incident.counting:
        return found
    if closable:
        what, command = "the incident to be closed", f"firestation close {name}"
    elif incident.brief.runbook.lock.kind == "process":
        if _second(incident):
            return found
        what = f"the change of process to be attested: {incident.brief.runbook.lock.title}"
        command = f"firestation attest {name} --change '...' --reference '...' --verify-by 90d"
    else:
        verdict = incident.lock.verdict if incident.lock else incident.trouble.get("lock", "it was not run")
        verdict = proofs.lacking(incident) or verdict
        what, command = f"a lock that is proved ({verdict})", f"firestation prove {name}"
    bare = what.partition(" (")[0]
    return [
        *found,
        Waiting(what=what[:300], bare=bare, who=captain, since=incident.restored_at, command=command),
    ]


def overdue(incident: Picture, now: datetime) -> tuple[Waiting, ...]:
    """What should have happened by now."""
    return tuple(each for each in incident.waiting if each.due and now >= each.due)
