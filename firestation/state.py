"""The state of an incident, and what follows from it directly.

`fold.py` makes it from the record, `rules.py` judges by it, `incident.py` says what may come next, `due.py` what must.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from firestation.after_action import Attestation, LockProof, Ticket
from firestation.alarm import Alarm, Batch
from firestation.board import Audience, Entry, Held, LateWord, Message, Word, WordDraft
from firestation.clock import Deadline, Milestone
from firestation.evidence import ArtifactRef, Sealed
from firestation.firebreak import HOLDING, UNDERWAY, Firebreak, Lease, Reading
from firestation.fitting import Telling
from firestation.legal import LegalRun
from firestation.model import Id, Keys, Line, Model, Sha256, Text, Time, show_duration
from firestation.pagers import Pager
from firestation.record import Brief
from firestation.severity import Assessment, Axis, Declaration, Proposal, Severity, Weighing, propose
from firestation.steps import Facts, FirebreakStep, Standing, Step, Turn, turn
from firestation.system import ChannelFitting, Position
from firestation.wall import Hanging, Recall


class Phase(StrEnum):
    """Where the incident is in its life (DESIGN.md §4)."""

    OPEN = "open"
    DECLARED = "declared"
    CONTAINED = "contained"
    RECOVERING = "recovering"
    RESTORED = "restored"
    AFTER_ACTION = "after-action"
    CLOSED = "closed"
    DISMISSED = "dismissed"
    MERGED = "merged"


ENDS = frozenset({Phase.CLOSED, Phase.DISMISSED, Phase.MERGED})
"""The phases in which an incident is over."""


FLAPS = 3
"""An alarm whose status has changed so often flaps; before that it has ended, and perhaps come back."""


class Rung(Model):
    """One alarm on the record, with its last status, how often it rang, and how often its status changed."""

    alarm: Alarm
    first_at: Time
    last_at: Time
    times: int = 1
    changes: int = Field(default=0, exclude_if=lambda value: value == 0)

    @property
    def often(self) -> str:
        """How often it rang, and from when to when."""
        return _often(self.times, self.first_at, self.last_at)

    @property
    def flapping(self) -> str | None:
        """That it flaps, in words; None when it does not."""
        if self.changes < FLAPS:
            return None
        return f"flaps: {self.changes} changes in {show_duration(self.last_at - self.first_at)}"


class Beyond(Model):
    """How often alarms rang that are not kept one by one, since there are too many of them; one as a sample."""

    alarm: Alarm
    first_at: Time
    last_at: Time
    times: int

    @property
    def often(self) -> str:
        """How often they rang, and from when to when."""
        return _often(self.times, self.first_at, self.last_at)


def _often(times: int, first_at: datetime, last_at: datetime) -> str:
    if times == 1:
        return f"rang at {first_at:%H:%M:%S} UTC"
    return f"rang {times:,} times, first {first_at:%H:%M:%S}, last {last_at:%H:%M:%S} UTC"


class Waiver(Model):
    """A rule that a captain waived, by name, with a reason. It stands on the record for ever.

    That of the lock counts when a second person has stood for it (`firestation.seconding`).
    """

    what: Literal["snapshot", "lock"]
    by: Id
    reason: Text
    until: Time | None
    at: Time
    seconded_by: Id | None = Field(default=None, exclude_if=lambda value: value is None)
    seconded_at: Time | None = Field(default=None, exclude_if=lambda value: value is None)


class Duty(Model):
    """A manual step whose turn has come, and the word of the person who has done it or could not."""

    step: Id
    called_at: Time
    due: Time
    times: int = 1
    confirmed_by: Id | None = None
    done: bool = False
    note: Text | None = None


class Page(Model):
    """One page: whom, when, and what came of it. `sent` counts the ways in which it went out, `unsent` says why not."""

    step: int
    person: Id
    at: Time
    sent: int = 0
    unsent: tuple[Text, ...] = ()
    unreached: bool = False
    answered: bool = False


Left = Literal["handed it over", "renounced it", "was relieved of it"]


class Tenure(Model):
    """A span in which somebody was the captain, and how it ended."""

    person: Id
    since: Time
    until: Time | None = None
    left: Left | None = None


class Altering(Model):
    """A move that was decided on, or made, while a running clock said not to alter before informing."""

    what: Literal["move", "lift"]
    decided: bool = False
    action: Sha256
    by: Id
    at: Time
    clocks: tuple[Id, ...] = ()


class Parcel(Model):
    """A message that is still to be sent, under its idempotency key, by a channel.

    `pager` says that the channel is one of the station's; `page` is the number of the page that this belongs to.
    """

    key: Line
    channel: Id
    message: Message
    pager: bool = False
    page: int | None = None


def as_channel(pager: Pager) -> ChannelFitting:
    """One of the station's pagers as the channel that an activity sends by."""
    return ChannelFitting(audience="pager", **{name: getattr(pager, name) for name in Telling.model_fields})


class Incident(Model):
    """Everything that is known of one incident. `phase` and its like are derived, so they cannot disagree.

    `freed`: the levers whose position we read is worth nothing any more, and why; it is read anew before they move
    and before a step that moves them is put to the captain again. `changes`: how often what a lock is proved on has
    changed, by a lever or by another runbook; `lock_changes`: how often it had when the lock was last tried.
    `weighed_at`: when its weight, or the runbook, changed last. `beyond`: what rang besides `rung`; `batches`: the last
    batch of each spool that was counted.
    """

    brief: Brief
    run: str
    opened_at: Time
    now: Time
    predecessor: str | None = None
    rung: tuple[Rung, ...] = ()
    beyond: Beyond | None = None
    batches: dict[Id, int] = {}
    deadlines: tuple[Deadline, ...] = ()
    captain: Id | None = None
    tenures: tuple[Tenure, ...] = ()
    scribe: Id | None = None
    comms: Id | None = None
    investigator: Id | None = None
    heard: dict[Id, Time] = {}
    silence_asked_at: Time | None = None
    offered_to: Id | None = None
    severity: Severity | None = None
    proposal: Proposal
    assessed: dict[Axis, Assessment] = {}
    weighings: tuple[Weighing, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    pages: int = 0
    ladder: int = 0
    paged: Id | None = None
    paged_at: Time | None = None
    paging: tuple[Page, ...] = ()
    lost: tuple[int, ...] = ()
    sealed: Sealed | None = None
    supplements: tuple[Sealed, ...] = ()
    seal_trouble: Text | None = None
    positions: dict[Id, Position] = {}
    kept: dict[Id, Time] = {}
    baseline: dict[Id, Reading] = {}
    waivers: tuple[Waiver, ...] = ()
    legal: tuple[LegalRun, ...] = ()
    altering: tuple[Altering, ...] = ()
    firebreaks: tuple[Firebreak, ...] = ()
    wanted: tuple[Id, ...] = ()
    skipped: dict[Id, Text] = {}
    duties: dict[Id, Duty] = {}
    leased: dict[Id, Sha256] = {}
    taken: dict[Id, Id] = {}
    freed: dict[Id, Text] = {}
    stopped_by: Id | None = None
    changed_at: Time | None = None
    restored_at: Time | None = None
    soak_trouble: Text | None = None
    entries: tuple[Entry, ...] = ()
    words: tuple[Word, ...] = ()
    drafts: tuple[WordDraft, ...] = ()
    late_words: tuple[LateWord, ...] = ()
    held_words: tuple[Held, ...] = ()
    weighed_at: Time | None = None
    outbox: tuple[Parcel, ...] = ()
    done_keys: Keys = frozenset()
    postmortem: ArtifactRef | None = None
    tickets: tuple[Ticket, ...] = ()
    lock: LockProof | None = None
    lock_wanted: bool = True
    changes: int = 0
    lock_changes: int = 0
    attestations: tuple[Attestation, ...] = ()
    recall: Recall | None = None
    recall_trouble: Text | None = None
    hung: tuple[Hanging, ...] = ()
    wall_trouble: Text | None = None
    trouble: dict[str, Text] = {}
    ended: Literal["closed", "dismissed", "merged"] | None = None
    ended_at: Time | None = None
    merged_into: Id | None = None

    @property
    def id(self) -> str:
        """The incident's id, which is also its workflow id."""
        return self.brief.incident

    def since(self, edition: int) -> bool:
        """Whether it was opened by this edition (`record.EDITION`) or a later one; older ones go on as they began."""
        return self.brief.edition >= edition

    @property
    def mark(self) -> str:
        """What tells this incident from an earlier one of the same fire: the run that it began with.

        Older incidents go on with its first eight characters, which are a time: within a minute two may share them.
        """
        return self.run if self.since(2) else self.run[:8]

    def page(self, step: int) -> Page | None:
        """The page of this number."""
        return self.paging[step - 1] if 0 < step <= len(self.paging) else None

    def carrier(self, parcel: Parcel) -> ChannelFitting:
        """The channel that a parcel goes by: one of the station's pagers, or one of the system's channels."""
        if not parcel.pager:
            return next(each for each in self.brief.system.channels if each.id == parcel.channel)
        return as_channel(next(each for each in self.brief.roster.pagers if each.id == parcel.channel))

    @property
    def late(self) -> tuple[Id, ...]:
        """The sources whose evidence is still to be sealed in a supplement."""
        return self.sealed.late if self.sealed and not self.supplements else ()

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """All the evidence that is sealed, the supplements' too."""
        seals = (self.sealed, *self.supplements) if self.sealed else ()
        return tuple(artifact for seal in seals for artifact in seal.artifacts)

    @property
    def phase(self) -> Phase:
        """Where the incident is in its life."""
        if self.ended:
            return Phase(self.ended)
        if self.severity is None:
            return Phase.OPEN
        if self.restored_at:
            return Phase.RESTORED if self.holding else Phase.AFTER_ACTION
        if self.ready_to_soak:
            return Phase.RECOVERING
        if any(firebreak.effective_at for firebreak in self.firebreaks):
            return Phase.CONTAINED
        return Phase.DECLARED

    @property
    def weight(self) -> Severity:
        """The declared severity, or the proposed one until somebody has declared."""
        return self.severity or self.proposal.severity

    @property
    def ranks(self) -> tuple[Id, ...]:
        """Who is paged in which order, at the present weight."""
        return self.brief.roster.ranks(self.weight)

    @property
    def proposed_since(self) -> datetime:
        """Since when the engine proposes what it proposes."""
        changes = (each.at for each in reversed(self.weighings) if each.was is not each.now)
        return next(changes, self.opened_at)

    @property
    def in_doubt(self) -> bool:
        """Whether something else is proposed than declared, and the captain has not answered that yet."""
        if self.severity is None or not self.since(3):
            return False
        return self.proposal.severity not in {self.severity, self.declarations[-1].proposed}

    def covered(self, severities: Collection[Severity]) -> bool:
        """Whether a word that the runbook has for these severities holds now.

        Before anybody has declared, an assessment may take such a word away; it cannot add one, for whoever assesses is
        not the captain.
        """
        weighs = {self.weight}
        if self.severity is None and self.since(3):
            weighs.add(propose(self.brief.runbook.severity).severity)
        return weighs <= set(severities)

    @property
    def holding(self) -> tuple[Firebreak, ...]:
        """Firebreaks that are not back and not adopted, oldest first; being moved counts."""
        away = HOLDING | {Lease.MOVING, Lease.LIFTING}
        return tuple(each for each in self.firebreaks if each.state in away)

    @property
    def pending(self) -> tuple[Firebreak, ...]:
        """Proposals that wait for a decision."""
        return tuple(each for each in self.firebreaks if each.state is Lease.PROPOSED)

    @property
    def ready_to_soak(self) -> bool:
        """Whether recovery can be measured: every step was put to the captain and nothing is under way."""
        all_planned = all(self._planned(step) for step in self.brief.runbook.firebreaks)
        underway = any(each.state in UNDERWAY or self.lift_is_owed(each) for each in self.firebreaks)
        frozen = self.sealed is not None or self.snapshot_waiver is not None
        return self.severity is not None and frozen and all_planned and not underway and not self.wanted

    @property
    def snapshot_waiver(self) -> Waiver | None:
        """The waiver of rule 1, if there is one."""
        return next((each for each in self.waivers if each.what == "snapshot"), None)

    @property
    def lock_waiver(self) -> Waiver | None:
        """The waiver of rule 9, if there is one: the last, which replaced those before it."""
        ours = [each for each in self.waivers if each.what == "lock"]
        return (ours[-1] if self.since(4) else ours[0]) if ours else None

    @property
    def attestation(self) -> Attestation | None:
        """The last attestation, which replaced those before it."""
        return self.attestations[-1] if self.attestations else None

    @property
    def counting(self) -> tuple[LegalRun, ...]:
        """The legal clocks that run: started, and neither informed of nor withdrawn."""
        return tuple(each for each in self.legal if each.running)

    @property
    def cadence(self) -> timedelta:
        """How long until the next word is due: as the runbook says, and a day once only the after-action is left."""
        if self.phase is Phase.AFTER_ACTION:
            return timedelta(days=1)
        return self.brief.runbook.every(self.weight)

    def due(self, audience: Audience) -> datetime | None:
        """When the next word to these people is due, or was: none before the first, nor to the public once it is over.

        It is due as promised; to the team sooner when it has become graver since, and then people have a fifth of the
        new cadence for it.
        """
        last, late = self.promise(audience), self._late(audience)
        over = self.ended or self.phase is Phase.AFTER_ACTION
        if last is None or last.next_due is None or (over and audience == "public"):
            return None
        if late:
            return late.due
        if audience == "public" or not self.since(3):
            return last.next_due
        sooner = last.at + self.cadence
        if self.since(5) and self.weighed_at and self.weighed_at > last.at:
            sooner = max(sooner, self.weighed_at + self.cadence / 5)
        return min(last.next_due, sooner)

    def promise(self, audience: Audience) -> Word | None:
        """The last word to these people that promised a next one."""
        ours = (word for word in reversed(self.words) if word.audience == audience)
        return next((word for word in ours if word.next_due), None)

    def draft(self, audience: Audience) -> WordDraft | None:
        """The draft of the next word to these people."""
        return next((each for each in self.drafts if each.audience == audience), None)

    def late_word(self, audience: Audience) -> LateWord | None:
        """The word to these people that is overdue now."""
        return self._late(audience) if self.due(audience) else None

    def _late(self, audience: Audience) -> LateWord | None:
        ours = (each for each in self.late_words if each.audience == audience)
        return next((each for each in ours if each.said_at is None), None)

    @property
    def cause_is_fact(self) -> bool:
        """Whether the captain has marked a fact as the cause, and nobody has refuted it."""
        return any(entry.cause and entry.standing == "fact" for entry in self.entries)

    def entry(self, number: int) -> Entry | None:
        """The note of this number."""
        return next((each for each in self.entries if each.number == number), None)

    def firebreak(self, digest: str) -> Firebreak | None:
        """The firebreak of this action."""
        return next((each for each in self.firebreaks if each.digest == digest), None)

    def latest(self, step: str) -> Firebreak | None:
        """The last attempt at this step of the present runbook."""
        ours = (each for each in reversed(self.firebreaks) if each.runbook == self.brief.runbook.runbook)
        return next((each for each in ours if each.action.step == step), None)

    def lift_is_owed(self, firebreak: Firebreak) -> bool:
        """Whether the engine owes this firebreak its way back. Incidents of before finished the probe first."""
        return self.since(2) and firebreak.lift_wanted_by is not None and firebreak.state in HOLDING

    def _planned(self, step: FirebreakStep) -> bool:
        if self.latest(step.id) or step.id in self.skipped or self.stopped_by:
            return True
        return self.turn(step)[0] is Turn.NOT_CALLED_FOR

    def counted(self, batch: Batch | None) -> bool:
        """Whether this batch of alarms is on the record already: its answer was lost, and it came again."""
        return batch is not None and batch.number <= self.batches.get(batch.spool, 0)

    def turn(self, step: Step) -> tuple[Turn, str]:
        """Whether it is the turn of a step of the runbook, and why not."""
        return turn(step, lambda other: self.standing(other, frozenset({step.id})), self._facts)

    def standing(self, name: str, asking: frozenset[str] = frozenset()) -> Standing:
        """How a step of the runbook stands. `asking` are the steps whose turn depends on the answer."""
        latest, duty = self.latest(name), self.duties.get(name)
        if latest:
            return self._stands(latest)
        if duty:
            answered = Standing.GOOD if duty.done else Standing.BAD
            return answered if duty.confirmed_by else Standing.UNDERWAY
        if name in self.skipped:
            return Standing.SKIPPED
        step = next((each for each in self.brief.runbook.steps if each.id == name), None)
        if step is None or name in asking:
            return Standing.AHEAD
        its_turn, _ = turn(step, lambda other: self.standing(other, asking | {name}), self._facts)
        return Standing.SKIPPED if its_turn is Turn.NOT_CALLED_FOR else Standing.AHEAD

    def _stands(self, firebreak: Firebreak) -> Standing:
        asked_again = firebreak.action.step in self.wanted
        if firebreak.state in UNDERWAY or asked_again or self.lift_is_owed(firebreak):
            return Standing.UNDERWAY
        if firebreak.state in {Lease.EFFECTIVE, Lease.ADOPTED}:
            return Standing.GOOD
        was_good = firebreak.state in {Lease.LIFTED, Lease.UNCERTAIN} and firebreak.effective_at
        return Standing.GOOD if was_good else Standing.BAD

    def _facts(self) -> Facts:
        labels: dict[str, tuple[str, ...]] = {}
        for rung in self.rung:
            for label, value in rung.alarm.labels.items():
                labels[label] = (*labels.get(label, ()), value)
        levers = {
            each.id: each.named(self.positions[each.id])
            for each in self.brief.system.levers
            if each.id in self.positions
        }
        return Facts(severity=self.weight, labels=labels, levers=levers)

    def deadline(self, milestone: Milestone) -> Deadline:
        """The deadline of a milestone."""
        return next(each for each in self.deadlines if each.milestone is milestone)

    def last_word(self, audience: str) -> Word | None:
        """The last update to this audience."""
        return next((word for word in reversed(self.words) if word.audience == audience), None)
