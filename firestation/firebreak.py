"""The firebreak: a lever moved to a safer position for the length of an incident.

An `Action` is the exact effect that is decided on; its digest is what the captain approves. A `Firebreak` is
what became of it. The functions at the end say what the engine owes a lever next; they decide, others act.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from firestation.authority import Authority
from firestation.decision import Signed
from firestation.model import Duration, Id, Line, Model, Sha256, Text, Time
from firestation.severity import Severity
from firestation.steps import AtExpiry, FirebreakStep
from firestation.system import Position
from firestation.watch.sample import Sample


class Action(Model):
    """One exact effect. Change any field and it is another action with another digest.

    `at_expiry` is what follows when nobody answers before the expiry; actions from before that field have none.
    """

    incident: Id
    run: str
    step: Id
    attempt: int = Field(ge=1)
    lever: Id
    origin: Position
    to: Position
    scope: Line
    severity: Severity
    expires_after: Duration
    manifest: Sha256 | None
    at_expiry: AtExpiry | None = Field(default=None, exclude_if=lambda value: value is None)


class Reading(Model):
    """What a check measured. No data is inconclusive, and inconclusive is not passed.

    `sample` is what it counted, where it counts: the watch adds that up over many readings.
    """

    check: Id
    verdict: Literal["passed", "failed", "inconclusive"]
    detail: Text
    at: Time
    sample: Sample | None = Field(default=None, exclude_if=lambda value: value is None)


class Lease(StrEnum):
    """How far a firebreak has come."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    LAPSED = "lapsed"
    AUTHORIZED = "authorized"
    DRIFTED = "drifted"
    TAKEN = "taken"
    MOVING = "moving"
    APPLIED = "applied"
    EFFECTIVE = "effective"
    INEFFECTIVE = "ineffective"
    UNCERTAIN = "uncertain"
    LIFTING = "lifting"
    LIFTED = "lifted"
    ADOPTED = "adopted"


HOLDING = frozenset({Lease.APPLIED, Lease.EFFECTIVE, Lease.INEFFECTIVE, Lease.UNCERTAIN})
"""The lever has left its place, or may have: somebody must put it back or adopt it."""

UNDERWAY = frozenset({Lease.PROPOSED, Lease.AUTHORIZED, Lease.MOVING, Lease.APPLIED, Lease.LIFTING})
"""Something is still to be decided or done before anyone can say how this stands."""

ENDED = frozenset({Lease.REFUSED, Lease.LAPSED, Lease.DRIFTED, Lease.TAKEN, Lease.LIFTED, Lease.ADOPTED})
"""Nothing of this firebreak is left to do. Taken: another incident holds the lever, so it never moved."""


class Decided(Model):
    """One person's word on an action, as it stands on the record; signed, where they did. `captain`: they were it."""

    kind: Literal["approve", "refuse"]
    by: Id
    captain: bool
    at: Time
    reason: Text | None = None
    signed: Signed | None = None


class Firebreak(Model):
    """One action and what became of it. `digest` is the action's, `step` the pinned runbook's, as it was then.

    `mark` stands in the idempotency keys of its moves.

    `uncovered_at`: when the word that was written beforehand did not cover it any more, so that it needs the captain's.

    `compensating`: it is put back because the move failed, or because another of its group did.
    """

    digest: Sha256
    action: Action
    mark: Line
    runbook: Id
    step: FirebreakStep
    state: Lease
    proposed_at: Time
    decide_by: Time
    approvals_needed: int
    decisions: tuple[Decided, ...] = ()
    authority: Authority | None = None
    moved_at: Time | None = None
    effective_at: Time | None = None
    expires_at: Time | None = None
    asked_at: Time | None = None
    uncovered_at: Time | None = None
    escalations: int = 0
    lift_wanted_by: Id | None = None
    compensating: bool = False
    lifts: int = 0
    found: Position | None = None
    trouble: Text | None = None

    @property
    def approved_by(self) -> tuple[Id, ...]:
        """Everybody who has said yes, in their order."""
        return tuple(each.by for each in self.decisions if each.kind == "approve")

    @property
    def written_beforehand(self) -> tuple[Severity, ...]:
        """The severities at which the pinned runbook lets it move without anybody's word."""
        if self.authority == "preauthorized":
            return self.step.preauthorized
        undecided = self.authority == "absence" and self.step.absence.undecided == "apply"
        return self.step.absence.severities if undecided else ()


class MoveOrder(Model):
    """What the lever activity is told: move `action.lever` from `expected` to `to`, once, under `key`."""

    purpose: Literal["move", "lift"]
    action: Action
    to: Position
    expected: Position
    authority: Authority
    key: Line


class MoveOutcome(Model):
    """What came of a move order. `done`: the lever, read again, shows the wanted position.

    `drifted`: it stood elsewhere and nothing was overwritten. `uncertain`: it could not be moved or read back.
    """

    result: Literal["done", "drifted", "uncertain"]
    found: Position | None
    detail: Text


def order_move(firebreak: Firebreak, authority: Authority) -> MoveOrder:
    """The order that moves the lever as approved."""
    action = firebreak.action
    return MoveOrder(
        purpose="move",
        action=action,
        to=action.to,
        expected=action.origin,
        authority=authority,
        key=effect_key(action.incident, firebreak.mark, f"move-{action.step}-{action.attempt}"),
    )


def order_lift(firebreak: Firebreak) -> MoveOrder:
    """The order that puts the lever back to the position that we read, never by the product's own undo."""
    action = firebreak.action
    authority: Authority = "captain"
    if firebreak.lift_wanted_by == "engine":
        authority = "compensation" if firebreak.compensating else "expiry"
    return MoveOrder(
        purpose="lift",
        action=action,
        to=action.origin,
        expected=action.to,
        authority=authority,
        key=effect_key(
            action.incident, firebreak.mark, f"lift-{action.step}-{action.attempt}-{firebreak.lifts + 1}"
        ),
    )


def effect_key(incident: str, mark: str, step: str) -> str:
    """The idempotency key of one outside effect: the same step of the same incident, the same key.

    `mark` tells this incident from others of the same fire (`Incident.mark`).
    """
    return f"{incident}/{mark}/{step}"


def has_lapsed(firebreak: Firebreak, now: datetime) -> bool:
    """Whether the time to decide is over with no decision."""
    return firebreak.state is Lease.PROPOSED and now >= firebreak.decide_by


def has_expired(firebreak: Firebreak, now: datetime) -> bool:
    """Whether a firebreak that holds has outlived its expiry."""
    return firebreak.state in HOLDING and firebreak.expires_at is not None and now >= firebreak.expires_at


def asks_at(firebreak: Firebreak) -> datetime | None:
    """When the captain is asked what shall follow at the expiry; None while there is nothing to ask."""
    if firebreak.state not in HOLDING or firebreak.lift_wanted_by or firebreak.asked_at:
        return None
    notice = min(firebreak.step.ask_before, firebreak.action.expires_after / 2)
    return firebreak.expires_at - notice if firebreak.expires_at else None
