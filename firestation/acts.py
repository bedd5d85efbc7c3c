"""What people do in an incident. Every act names who does it; whether they may is decided in `incident.py`.

The same models arrive as Temporal updates, as signals, and over HTTP, so there is one validation.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from firestation.authority import Role
from firestation.decision import Signed
from firestation.model import Id, Line, Model, Sha256, Text, Time, wrong_at
from firestation.severity import AXES, Axis, Grade, Severity


class _Act(Model):
    by: Id


class Acknowledge(_Act):
    """I have the page, and I take this role; or, when I am asked whether I am still there, I am.

    `page` is its number, when it is answered by its own link.
    """

    kind: Literal["acknowledge"] = "acknowledge"
    role: Role = Role.CAPTAIN
    page: int | None = Field(default=None, ge=1, exclude_if=lambda page: page is None)


class Declare(_Act):
    """This is how bad it is."""

    kind: Literal["declare"] = "declare"
    severity: Severity
    reason: Text


class Assess(_Act):
    """How bad it looks now, on one axis or more, each from 0 (mild) to 3 (grave); the engine weighs it again."""

    kind: Literal["assess"] = "assess"
    harm: Grade | None = None
    spread: Grade | None = None
    reversibility: Grade | None = None
    momentum: Grade | None = None
    reason: Text

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.grades:
            says = f"no axis is given; give at least one of {', '.join(AXES)}, from 0 to 3"
            raise wrong_at("harm", says=says)
        return self

    @property
    def grades(self) -> dict[Axis, int]:
        """What is said, by axis."""
        found: dict[Axis, int | None] = {axis: getattr(self, axis) for axis in AXES}
        return {axis: grade for axis, grade in found.items() if grade is not None}


class Propose(_Act):
    """Put this firebreak of the runbook before me (again)."""

    kind: Literal["propose"] = "propose"
    step: Id


class Approve(_Act):
    """Do exactly this action."""

    kind: Literal["approve"] = "approve"
    action: Sha256
    reason: Text | None = None
    signed: Signed | None = None


class Refuse(_Act):
    """Do not do this action."""

    kind: Literal["refuse"] = "refuse"
    action: Sha256
    reason: Text
    signed: Signed | None = None


class Note(_Act):
    """For the record: a fact, or a hypothesis. A fact may be marked as the cause, by the captain only.

    `at` is when it happened, if that was before it is written down.
    """

    kind: Literal["note"] = "note"
    text: Text
    standing: Literal["fact", "hypothesis"] = "hypothesis"
    cause: bool = False
    at: Time | None = Field(default=None, exclude_if=lambda value: value is None)


class Establish(_Act):
    """This note is a fact, and I stand for it; or, without `holds`, it is refuted. The captain may say: the cause."""

    kind: Literal["establish"] = "establish"
    entry: int = Field(ge=1)
    holds: bool = True
    cause: bool = False
    reason: Text


class Update(_Act):
    """A word to the people inside or outside: what is known, what is not, what is done, when the next word comes."""

    kind: Literal["update"] = "update"
    audience: Literal["internal", "public"] = "internal"
    known: Text
    unknown: Text | None = None
    doing: Text | None = None


class Release(_Act):
    """Say exactly this public word, which waits for my yes. `word` is its digest."""

    kind: Literal["release"] = "release"
    word: Sha256


class Withhold(_Act):
    """Do not say this public word, which waits for a yes."""

    kind: Literal["withhold"] = "withhold"
    word: Sha256
    reason: Text


class Handover(_Act):
    """Offer the captaincy to somebody."""

    kind: Literal["handover"] = "handover"
    to: Id


class Accept(_Act):
    """Take the captaincy that was offered to me."""

    kind: Literal["accept"] = "accept"


class Decline(_Act):
    """Not take the captaincy that was offered to me."""

    kind: Literal["decline"] = "decline"
    reason: Text


class Renounce(_Act):
    """Lay down a role that I have here. Without a captain the paging begins again."""

    kind: Literal["renounce"] = "renounce"
    role: Role = Role.CAPTAIN
    reason: Text


class Lift(_Act):
    """Put the lever of this firebreak back to where it stood."""

    kind: Literal["lift"] = "lift"
    action: Sha256
    reason: Text


class Adopt(_Act):
    """Keep this firebreak's position for good."""

    kind: Literal["adopt"] = "adopt"
    action: Sha256
    reason: Text


class Extend(_Act):
    """Hold this firebreak for another span."""

    kind: Literal["extend"] = "extend"
    action: Sha256
    reason: Text


class Stop(_Act):
    """Stop everything: refuse what is asked, and put back every firebreak, the newest first."""

    kind: Literal["stop"] = "stop"
    reason: Text


class Switch(_Act):
    """Go on by another runbook of the wall, as it was when the incident opened."""

    kind: Literal["switch"] = "switch"
    to: Id
    reason: Text


class Confirm(_Act):
    """I have done this manual step; or it cannot be done."""

    kind: Literal["confirm"] = "confirm"
    step: Id
    done: bool = True
    note: Text | None = None


class Waive(_Act):
    """Do without the snapshot because harm is still spreading, or without the lock until a date."""

    kind: Literal["waive"] = "waive"
    what: Literal["snapshot", "lock"]
    reason: Text
    until: Time | None = None


class Attest(_Act):
    """People do it differently now: what the change is, where it is written down, and until when somebody looks again.

    `document` is the SHA-256 of that text as it is today. It is the lock of a runbook that has one of the kind process,
    once a second person stands for it.
    """

    kind: Literal["attest"] = "attest"
    change: Text
    reference: Line
    document: Sha256 | None = None
    verify_by: Time


class Second(_Act):
    """I stand for it too: the waiver of the lock, or the attestation, that waits for a second person.

    `word` is its digest, for whoever wants to be sure that it was not replaced meanwhile.
    """

    kind: Literal["second"] = "second"
    reason: Text
    word: Sha256 | None = None


class Categorize(_Act):
    """This incident is of a category that has to be reported by law: the category's legal clocks start.

    They count from `aware_at`, the time at which somebody became aware of it; without one, from now.
    """

    kind: Literal["categorize"] = "categorize"
    category: Id
    reason: Text
    aware_at: Time | None = None


class Withdraw(_Act):
    """It is not of this category (or not at this severity) after all: the legal clocks that it started stop."""

    kind: Literal["withdraw"] = "withdraw"
    category: Id
    reason: Text


class Inform(_Act):
    """The authority of this legal clock was informed: at, by, under this reference. Without `at`, just now."""

    kind: Literal["inform"] = "inform"
    clock: Id
    reference: Line
    authority: Line | None = None
    at: Time | None = None


class Prove(_Act):
    """Run the lock again."""

    kind: Literal["prove"] = "prove"


class Dismiss(_Act):
    """This is no fire."""

    kind: Literal["dismiss"] = "dismiss"
    reason: Text


class Merge(_Act):
    """This is the same fire as another incident."""

    kind: Literal["merge"] = "merge"
    into: Id
    reason: Text


class Close(_Act):
    """The incident has become a lock, and is over."""

    kind: Literal["close"] = "close"


Act = Annotated[
    Acknowledge
    | Declare
    | Assess
    | Propose
    | Approve
    | Refuse
    | Note
    | Establish
    | Update
    | Release
    | Withhold
    | Handover
    | Accept
    | Decline
    | Renounce
    | Lift
    | Adopt
    | Extend
    | Stop
    | Switch
    | Confirm
    | Waive
    | Attest
    | Second
    | Categorize
    | Withdraw
    | Inform
    | Prove
    | Dismiss
    | Merge
    | Close,
    Field(discriminator="kind"),
]

ACTS: dict[str, type[_Act]] = {act.model_fields["kind"].default: act for act in get_args(get_args(Act)[0])}
"""Every act by its name: the names of the updates, of the signals and of the HTTP paths."""
