"""The steps of a runbook: levers to move, and things that people do by hand; in which order, and on which conditions.

Conditions are data over declared facts of the incident, never text that is evaluated.
"""

from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from firestation.authority import Role
from firestation.model import Duration, Id, Line, Model, Text
from firestation.severity import Severity

Undecided = Literal["deny", "escalate", "apply", "keep"]
"""What follows when nobody decides in time: it lapses, the next one is asked too, it is done, or it goes on waiting."""

AtExpiry = Literal["lift", "keep", "escalate"]
"""What follows when nobody answers before the expiry: put back, held for another span, or the next one is asked too."""


class When(Model):
    """Conditions, all of which must hold: the severity is one of these, a label has one of these values.

    A lever stands at one of these positions, by their names in the system file.
    """

    severity: tuple[Severity, ...] = ()
    labels: dict[str, tuple[str, ...]] = {}
    levers: dict[Id, tuple[Id, ...]] = {}

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.severity or self.labels or self.levers):
            msg = "a condition with nothing in it always holds; leave when out"
            raise ValueError(msg)
        for field, choices in (("labels", self.labels), ("levers", self.levers)):
            for name, values in choices.items():
                if not values:
                    msg = f"{field}.{name} has no value, so it can never hold; name at least one"
                    raise ValueError(msg)
        return self


class Facts(Model):
    """What conditions are judged by. `levers` holds the names of the positions at which each lever stands."""

    severity: Severity
    labels: dict[str, tuple[str, ...]]
    levers: dict[Id, tuple[Id, ...]]


def unmet(when: When | None, facts: Facts) -> str | None:
    """The first condition that does not hold, in words; None when all do."""
    if when is None:
        return None
    if when.severity and facts.severity not in when.severity:
        return f"only at {', '.join(when.severity)}, and this is {facts.severity}"
    for label, wanted in when.labels.items():
        if not set(wanted) & set(facts.labels.get(label, ())):
            return f"only when the label {label} is {' or '.join(wanted)}"
    for lever, names in when.levers.items():
        if not set(names) & set(facts.levers.get(lever, ())):
            return f"only when {lever} stands at {' or '.join(names)}"
    return None


class Step(Model):
    """What every step has: its turn comes after others, or instead of one that failed, and on conditions."""

    id: Id
    after: tuple[Id, ...] = ()
    fallback_for: Id | None = None
    when: When | None = None


class Standing(StrEnum):
    """How a step stands, as far as the turn of others depends on it."""

    AHEAD = "ahead"
    UNDERWAY = "underway"
    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


class Turn(StrEnum):
    """Whether it is a step's turn: now, later, or (as things stand) not at all."""

    NOW = "now"
    LATER = "later"
    NOT_CALLED_FOR = "not called for"


def turn(step: Step, standing: Callable[[str], Standing], facts: Facts) -> tuple[Turn, str]:
    """Whether it is this step's turn, and why not. Steps that wait for nothing go side by side."""
    for other in step.after:
        stands = standing(other)
        if stands is Standing.BAD:
            return Turn.NOT_CALLED_FOR, f"it comes after {other}, which came to nothing"
        if stands not in {Standing.GOOD, Standing.SKIPPED}:
            return Turn.LATER, f"it comes after {other}"
    if step.fallback_for:
        stands = standing(step.fallback_for)
        if stands is Standing.GOOD:
            return Turn.NOT_CALLED_FOR, f"it is the fallback for {step.fallback_for}, which holds"
        if stands not in {Standing.BAD, Standing.SKIPPED}:
            return Turn.LATER, f"it is the fallback for {step.fallback_for}, if that comes to nothing"
    missing = unmet(step.when, facts)
    return (Turn.NOT_CALLED_FOR, missing) if missing else (Turn.NOW, "")


class Probe(Model):
    """What shows that the harm has stopped: this check passes within the deadline after the move."""

    check: Id
    deadline: Duration = Field(default="60s", validate_default=True)
    every: Duration = Field(default="2s", validate_default=True)


class Absence(Model):
    """What follows when nobody decides in time. `severities`: where `apply` may act without anybody's word."""

    undecided: Undecided = "deny"
    severities: tuple[Severity, ...] = ()

    @model_validator(mode="after")
    def _written_beforehand(self) -> Self:
        if (self.undecided == "apply") != bool(self.severities):
            msg = "apply and severities go together; name the severities at which it is done without anybody's word"
            raise ValueError(msg)
        return self

    def at(self, severity: Severity) -> Undecided:
        """The policy at this severity."""
        return "deny" if self.undecided == "apply" and severity not in self.severities else self.undecided


class FirebreakStep(Step):
    """One lever to move to a named position, for how long, on whose word, and how its effect is seen.

    Steps of one `group` hold together or not at all: when one of them fails, those that hold are put back.
    """

    lever: Id
    to: Id
    why: Text
    cost: Text
    probe: Probe
    group: Id | None = None
    expires_after: Duration = Field(default="4h", validate_default=True)
    ask_before: Duration = Field(default="10m", validate_default=True)
    at_expiry: AtExpiry = "keep"
    decide_within: Duration = Field(default="12m", validate_default=True)
    absence: Absence = Absence()
    approvals: int = Field(default=1, ge=1, le=3)
    preauthorized: tuple[Severity, ...] = ()
    on_failure: Literal["put-back", "hold"] = "put-back"
    if_ineffective: Literal["put-back", "hold"] = "hold"
    way_back: Text | None = None
    drilled: date | None = None

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.expires_after <= timedelta():
            msg = "expires_after must be longer than 0s: every firebreak ends"
            raise ValueError(msg)
        if self.probe.every <= timedelta():
            msg = "probe.every must be longer than 0s"
            raise ValueError(msg)
        if self.approvals > 1 and (self.preauthorized or self.absence.severities):
            msg = "approvals asks for a second person, and elsewhere it moves with none; keep one of the two"
            raise ValueError(msg)
        return self


class ManualStep(Step):
    """Something that a person does by hand and confirms. `confirmed_by` is the role whose word counts."""

    title: Line
    do: Text
    confirmed_by: Role = Role.CAPTAIN
    within: Duration = Field(default="30m", validate_default=True, gt=timedelta(), le=timedelta(days=30))
