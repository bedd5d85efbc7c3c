"""What the workflow orders from the outside world, one model an activity. The auditor reads them back from history."""

from typing import Literal

from pydantic import Field

from firestation.after_action import Task, Ticket, TicketState
from firestation.alarm import Alarm
from firestation.board import Message
from firestation.evidence import ArtifactRef, Scope, Snapshot
from firestation.firebreak import MoveOrder
from firestation.links import Link
from firestation.lock_plan import LockPlan
from firestation.model import Duration, Id, Line, Model, Sha256, Text, Time
from firestation.public_page.notice import Notice
from firestation.public_page.part import PublicIncident
from firestation.system import ChannelFitting, CheckFitting, LeverFitting, SourceFitting, TrackerFitting
from firestation.wall import Entry


class CollectOrder(Model):
    """Freeze what this source has in scope. Answer: `Collected`."""

    source: SourceFitting
    scope: Scope


class ReadOrder(Model):
    """Read this lever. Answer: `LeverState`.

    For the snapshot, because the snapshot was waived, or because another incident may have let go of the lever since
    it was read (`freed`): for the `action` that is decided and waits for it, or for a step that is asked for again.
    """

    lever: LeverFitting
    purpose: Literal["snapshot", "waived", "freed"] = "snapshot"
    action: Sha256 | None = Field(default=None, exclude_if=lambda value: value is None)


class MeasureOrder(Model):
    """Measure this check once. Answer: `Reading`."""

    check: CheckFitting
    since: Time
    until: Time | None = Field(
        default=None, exclude_if=lambda value: value is None, description="now, where it is not said"
    )


class RingOrder(Model):
    """Ring the station's own bell with this alarm: its watch found it, or it has waited for a person. Answer: `Rung`.

    `delivery` is what a repeat of it repeats; without one the alarm itself tells.
    """

    alarm: Alarm
    delivery: Line | None = Field(default=None, exclude_if=lambda value: value is None)


class Rung(Model):
    """The bell has it: the incident that it opened or joined."""

    incident: Id | None


class SealOrder(Model):
    """Sign and keep the manifest of this snapshot. Answer: `Sealed`."""

    snapshot: Snapshot


class LeaseOrder(Model):
    """Have this lever for this incident alone, until it is released. Answer: `LeaseAnswer`."""

    system: Id
    lever: Id
    incident: Id
    run: str
    action: Sha256


class LeaseAnswer(Model):
    """Who has the lever: nobody but the incident that asked (`holder` is None), or another incident.

    `freed_at`: when another incident, which had it last, let go of it, as far as Temporal still knows.
    """

    holder: Id | None
    freed_at: Time | None = Field(default=None, exclude_if=lambda value: value is None)


class ReleaseOrder(Model):
    """Let other incidents have this lever, which was taken for this action. Answer: the lever's id."""

    system: Id
    lever: Id
    incident: Id
    run: str
    action: Sha256


class LeverOrder(Model):
    """Move or put back this lever. Answer: `MoveOutcome`."""

    lever: LeverFitting
    order: MoveOrder


class ProbeOrder(Model):
    """Measure until the check passes or the deadline is over. Answer: `Reading`."""

    action: Sha256
    check: CheckFitting
    moved_at: Time
    deadline: Time
    every: Duration


class SoakOrder(Model):
    """Measure until all checks have held for `soak`, or have not for `patience`. Answer: `SoakReport`."""

    checks: tuple[CheckFitting, ...] = Field(min_length=1)
    soak: Duration
    every: Duration
    patience: Duration


class SendOrder(Model):
    """Send this message once; with the link of its page, when it is one. Answer: `Receipt`."""

    channel: ChannelFitting
    message: Message
    key: Line
    link: Link | None = Field(default=None, exclude_if=lambda link: link is None)


class TaskOrder(Model):
    """Open this task once. Answer: `Ticket`."""

    tracker: TrackerFitting
    task: Task
    key: Line


class LookOrder(Model):
    """Ask what became of this task. Answer: `LookAnswer`."""

    tracker: TrackerFitting
    ticket: Ticket


class LookAnswer(Model):
    """What became of it; None from a tracker that cannot be asked."""

    state: TicketState | None


class RemindOrder(Model):
    """Put this word to the task, once. Answer: whether the tracker is one that takes words."""

    tracker: TrackerFitting
    ticket: Ticket
    text: Text
    key: Line


class KeepOrder(Model):
    """Keep this text in the evidence store. Answer: `ArtifactRef`."""

    name: Line
    media_type: Line
    text: str
    source: Id


class DraftOrder(Model):
    """Draft the postmortem of this record and keep it, with what people made of the draft before.

    `packed` is the record, compressed (`firestation.postmortem.packed`). Answer: `ArtifactRef` of the whole document.
    """

    incident: Id
    packed: str


class RecallOrder(Model):
    """Tell what the wall of locks has for this system and class, but for the asking incident's. Answer: `Recall`."""

    system: Id
    pattern: Id
    incident: Id
    mark: Line


class HangOrder(Model):
    """Hang this on the wall of locks, once. Answer: `Hanging`."""

    entry: Entry


class PublishOrder(Model):
    """Put this on the public page, unless something newer of it stands there. Answer: whether there is a page."""

    part: PublicIncident


class TellOrder(Model):
    """Tell this word to all subscribers who were not told yet. Answer: `Told`.

    `last`: who cannot be told now is not told at all.
    """

    notice: Notice
    last: bool = False


class Told(Model):
    """What came of it: how many were told, are to be tried again, and were not there. No name of anybody."""

    told: int = Field(default=0, ge=0)
    left: int = Field(default=0, ge=0)
    gone: int = Field(default=0, ge=0)


class LockOrder(Model):
    """Write the lock, run it against the frozen evidence and against the live system. Answer: `LockProof`.

    `changes`: how often what it is proved on had changed when this was ordered.
    """

    incident: Id
    plan: LockPlan
    check: CheckFitting
    evidence: tuple[ArtifactRef, ...]
    changes: int = Field(default=0, ge=0, exclude_if=lambda value: value == 0)
