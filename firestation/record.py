"""The record of an incident: everything that happened, in order, as plain values.

The state of an incident is a fold of its record and nothing else. The live workflow appends to the record;
the auditor makes the same record again from the raw Temporal history. Each event says what it is made of there.
"""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from firestation.acts import Act
from firestation.after_action import LockProof, SoakReport, Ticket
from firestation.alarm import Alarm, Alarms, Batch, Tally
from firestation.authority import Roster
from firestation.board import Audience, Message, Receipt, Word, WordDraft
from firestation.clock import Milestone
from firestation.drill import DrillMark, marked
from firestation.evidence import ArtifactRef, Sealed
from firestation.firebreak import Action, MoveOrder, MoveOutcome, Reading
from firestation.legal import LegalClock
from firestation.model import Duration, Id, Line, Model, Sha256, Text, Time, wrong_at
from firestation.runbook import Runbook
from firestation.steps import AtExpiry, Undecided
from firestation.system import Position, System
from firestation.wall import Hanging, Recall

EDITION = 5
"""What incidents that are opened today can do beyond those of before, which go on as they began.

2: levers are leased, the captain is asked before an expiry, a failed move is put back, lifts wait for newer ones, and
the idempotency keys of two incidents of one fire always differ. 3: people are paged by all their contacts and a page
that reached nobody goes to the next one at once, a captain who is silent is relieved, the severity decides who is
paged and how often a word is due, and a lever is read anew before a move when another incident let go of it since, and
before a step that moves it is put to the captain again. 4: the waiver of a lock needs a second person, a
lock that broke is named and weighs, and the after-action goes on by itself. 5: after the first word the engine drafts
the words for people, a word that is late is a breach and escalates, and a public word may wait for a yes; of many
different alarms only some are kept one by one, and an alarm that flaps is seen to; it may be a drill, and knows when
its steps were last drilled."""


LONGEST_TITLE = 300


class Brief(Model):
    """What an incident is opened with, pinned: a change on disk never changes a running incident.

    `alternatives` are the other runbooks of the wall that fit the system; the captain may switch to one of them.
    `clocks` are the legal clocks that may start, the catalogue's and the system's own. `drill` says that it is one, and
    then only those who drill are on the roster, and no legal clock may start. `drilled` has the day on which each step
    of these runbooks, as they are pinned, was last drilled on this system, by runbook and step, as `RUNBOOK/STEP`.
    """

    incident: Id
    system: System
    runbook: Runbook
    matched: tuple[str, ...]
    roster: Roster
    alternatives: tuple[Runbook, ...] = ()
    edition: int = Field(default=1, ge=1, le=EDITION)
    clocks: tuple[LegalClock, ...] = Field(default=(), exclude_if=lambda value: value == ())
    drill: DrillMark | None = Field(default=None, exclude_if=lambda value: value is None)
    drilled: dict[Line, date] = Field(default_factory=dict, exclude_if=lambda value: not value)

    @property
    def runbooks(self) -> tuple[Runbook, ...]:
        """The one that is gone by, and its alternatives."""
        return (self.runbook, *self.alternatives)

    @model_validator(mode="after")
    def _drill_is_whole(self) -> Self:
        drill = self.drill
        if drill is None:
            return self
        strangers = sorted({each.id for each in self.roster.people} - set(drill.drillers))
        says = None
        if drill.drill != self.incident:
            says = f"the drill {drill.drill} has the incident {self.incident}; both have one name"
        elif strangers:
            says = f"{', '.join(strangers)} stand on the roster and do not drill"
        elif self.clocks:
            says = "a drill has legal clocks; no authority is informed of a drill"
        if says:
            raise wrong_at("drill", says=says)
        return self

    @property
    def title(self) -> str:
        """What people call the system, after the word DRILL when it is one."""
        return marked(self.system.title, LONGEST_TITLE) if self.drill else self.system.title


class _Event(Model):
    at: Time


class Opened(_Event):
    """The bell rang and there was no incident yet. From WorkflowExecutionStarted."""

    kind: Literal["opened"] = "opened"
    brief: Brief
    run: str
    predecessor: str | None = None


class Rang(_Event):
    """An alarm joined. From the update or signal `ring`.

    `tally`: it rang more than once before it was told, or stands for others. `batch`: what it was told with.
    """

    kind: Literal["rang"] = "rang"
    alarm: Alarm
    tally: Tally | None = Field(default=None, exclude_if=lambda value: value is None)
    batch: Batch | None = Field(default=None, exclude_if=lambda value: value is None)


def rung(alarms: Alarms, at: datetime) -> tuple[Rang, ...]:
    """What alarms that are told together are on the record."""
    tallies = alarms.tallies or (None,) * len(alarms.alarms)
    return tuple(
        Rang(at=at, alarm=alarm, tally=tally, batch=alarms.batch)
        for alarm, tally in zip(alarms.alarms, tallies, strict=True)
    )


class Acted(_Event):
    """A person did something, and it was accepted. From the update or signal of that name."""

    kind: Literal["acted"] = "acted"
    act: Act


class TurnedAway(_Event):
    """A person tried something, and it was refused. From the same."""

    kind: Literal["turned-away"] = "turned-away"
    by: Id
    act: Line
    rule: int
    missing: Text


class Sent(_Event):
    """A message reached a channel. From the activity `send`."""

    kind: Literal["sent"] = "sent"
    message: Message
    key: Line
    receipt: Receipt


class Unsent(_Event):
    """A message reached no channel in spite of all retries. From the failed activity `send`."""

    kind: Literal["unsent"] = "unsent"
    message: Message
    key: Line
    detail: Text


class Paged(_Event):
    """It was time to page this person. Derived from the clock."""

    kind: Literal["paged"] = "paged"
    step: int
    person: Id


class Unreached(_Event):
    """A page came to nobody: every way of it had failed. Derived from what became of its messages."""

    kind: Literal["unreached"] = "unreached"
    step: int
    person: Id


class Silent(_Event):
    """Something waits for the captain, who says nothing: are they there? Derived from the clock."""

    kind: Literal["silent"] = "silent"
    person: Id
    since: Time


class Relieved(_Event):
    """The captain went on saying nothing, past the limit: the captaincy is free. Derived from the clock."""

    kind: Literal["relieved"] = "relieved"
    person: Id
    since: Time


class Said(_Event):
    """It was time for the engine to put a word on the board by itself. Derived from the clock."""

    kind: Literal["said"] = "said"
    word: Word


class WordDrafted(_Event):
    """A word is due soon, or overdue: what could be said is put to the comms owner. Derived from the clock."""

    kind: Literal["word-drafted"] = "word-drafted"
    draft: WordDraft


class WordOverdue(_Event):
    """A word was promised by `due`, and nobody said it: `times` counts whom that was told. Derived from the clock."""

    kind: Literal["word-overdue"] = "word-overdue"
    audience: Audience
    due: Time
    times: int


class Measured(_Event):
    """A check was measured before any lever moved. From the activity `measure`."""

    kind: Literal["measured"] = "measured"
    reading: Reading


class SealedUp(_Event):
    """The manifest is signed and stored. From the activity `seal`."""

    kind: Literal["sealed"] = "sealed"
    sealed: Sealed


class Supplemented(_Event):
    """What came late is signed and stored, beside the manifest that it supplements. From the activity `seal`."""

    kind: Literal["supplemented"] = "supplemented"
    sealed: Sealed


class NotSealed(_Event):
    """The snapshot could not be sealed; it is tried again. From the failed activity `seal`."""

    kind: Literal["not-sealed"] = "not-sealed"
    detail: Text


class LeverRead(_Event):
    """A lever's own position was read and kept, apart from the snapshot. From the activity `read_lever`.

    `action`: what is decided and waits for it, since what was read before is worth nothing any more.
    """

    kind: Literal["lever-read"] = "lever-read"
    lever: Id
    position: Position | None
    detail: Text
    action: Sha256 | None = Field(default=None, exclude_if=lambda value: value is None)


class Proposed(_Event):
    """An exact action was put before the captain, or is pre-authorized. Derived from runbook and snapshot."""

    kind: Literal["proposed"] = "proposed"
    action: Action
    decide_within: Duration
    approvals: int
    preauthorized: bool


class Skipped(_Event):
    """A step of the runbook makes no sense here (no such lever, already there). Derived."""

    kind: Literal["skipped"] = "skipped"
    step: Id
    reason: Text


class Lapsed(_Event):
    """The time to decide passed; what follows stands in the runbook. Derived from the clock."""

    kind: Literal["lapsed"] = "lapsed"
    action: Sha256
    then: Undecided = "deny"


class Leased(_Event):
    """This incident has the lever for itself, or another one (`holder`) has it. From the activity `take_lease`.

    `freed_at`: when another incident, which had it last, let go of it; by the clock of the Temporal server.
    """

    kind: Literal["leased"] = "leased"
    lever: Id
    action: Sha256
    holder: Id | None = None
    freed_at: Time | None = Field(default=None, exclude_if=lambda value: value is None)


class Released(_Event):
    """The lever is free for other incidents again. From the activity `release_lease`."""

    kind: Literal["released"] = "released"
    lever: Id


class Called(_Event):
    """It is the turn of a manual step; after its time it is called again. Derived from the clock."""

    kind: Literal["called"] = "called"
    step: Id
    times: int = 1


class Ordered(_Event):
    """A lever is about to be moved or put back. From ActivityTaskScheduled of `move_lever`."""

    kind: Literal["ordered"] = "ordered"
    order: MoveOrder


class Moved(_Event):
    """What came of it. From the end of the activity `move_lever`."""

    kind: Literal["moved"] = "moved"
    order: MoveOrder
    outcome: MoveOutcome


class Probed(_Event):
    """Whether the harm stopped. From the activity `probe`."""

    kind: Literal["probed"] = "probed"
    action: Sha256
    reading: Reading


class Asked(_Event):
    """The expiry is near: the captain is asked to lift, adopt or extend. Derived from the clock."""

    kind: Literal["asked"] = "asked"
    action: Sha256


class Expired(_Event):
    """A firebreak outlived its expiry; what follows was approved with it. Derived from the clock."""

    kind: Literal["expired"] = "expired"
    action: Sha256
    then: AtExpiry


class Soaked(_Event):
    """What the checks showed over the soak. From the activity `soak`."""

    kind: Literal["soaked"] = "soaked"
    report: SoakReport


class Missed(_Event):
    """A milestone was not reached in time. Derived from the clock."""

    kind: Literal["missed"] = "missed"
    milestone: Milestone


class Reminded(_Event):
    """It was time to remind the owner of a legal clock; `cause` is what started it. Derived from the clock."""

    kind: Literal["reminded"] = "reminded"
    clock: Id
    cause: Id
    number: int


class Overdue(_Event):
    """The time of a legal clock passed, and nobody had recorded that the authority was informed. Derived."""

    kind: Literal["overdue"] = "overdue"
    clock: Id
    cause: Id


class Drafted(_Event):
    """The postmortem was drafted and kept. From the activity `keep`."""

    kind: Literal["drafted"] = "drafted"
    artifact: ArtifactRef


class TaskOpened(_Event):
    """A task stands in the tracker. From the activity `open_task`."""

    kind: Literal["task-opened"] = "task-opened"
    ticket: Ticket


class LockTried(_Event):
    """The lock was run against the frozen evidence and the live system. From the activity `prove_lock`.

    `lacks`: the runs prove a lock, and not the one that the plan demands; what is missing.
    """

    kind: Literal["lock-tried"] = "lock-tried"
    proof: LockProof
    lacks: Text | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def proved(self) -> bool:
        """Whether it proves the lock that is demanded."""
        return self.proof.proved and self.lacks is None

    @property
    def verdict(self) -> str:
        """What the runs showed, and what they lack."""
        return f"{self.proof.verdict}; {self.lacks}" if self.lacks else self.proof.verdict


class Recalled(_Event):
    """The wall of locks has answered what hangs there for this system and class. From the activity `recall_locks`."""

    kind: Literal["recalled"] = "recalled"
    recall: Recall


class NotRecalled(_Event):
    """The wall of locks could not be asked; it is asked again. From the failed activity `recall_locks`."""

    kind: Literal["not-recalled"] = "not-recalled"
    detail: Text


class Hung(_Event):
    """An entry hangs on the wall of locks. From the activity `hang_lock`."""

    kind: Literal["hung"] = "hung"
    hanging: Hanging


class NotHung(_Event):
    """An entry could not be hung on the wall of locks; it is tried again. From the failed activity `hang_lock`."""

    kind: Literal["not-hung"] = "not-hung"
    detail: Text


class Failed(_Event):
    """Something that the engine owes could not be done, and waits for a person. From a failed activity."""

    kind: Literal["failed"] = "failed"
    step: Literal["soak", "draft", "task", "lock"]
    detail: Text


Event = Annotated[
    Opened
    | Rang
    | Acted
    | TurnedAway
    | Sent
    | Unsent
    | Paged
    | Unreached
    | Silent
    | Relieved
    | Said
    | WordDrafted
    | WordOverdue
    | Measured
    | SealedUp
    | Supplemented
    | NotSealed
    | LeverRead
    | Proposed
    | Skipped
    | Lapsed
    | Leased
    | Released
    | Called
    | Ordered
    | Moved
    | Probed
    | Asked
    | Expired
    | Soaked
    | Missed
    | Reminded
    | Overdue
    | Drafted
    | TaskOpened
    | LockTried
    | Recalled
    | NotRecalled
    | Hung
    | NotHung
    | Failed,
    Field(discriminator="kind"),
]

Record = tuple[Event, ...]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
