"""The steps of a runbook: levers to move, and things that people do by hand; in which order, and on which conditions.

Conditions are data over declared facts of the incident, never text that is evaluated.
"""

from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from firestation.authority import Role
from firestation.model import Duration, Id, Line, Model, Text, wrong_at
from firestation.severity import Severity

Undecided = Literal["deny", "escalate", "apply", "keep"]
"""What follows when nobody decides in time: it lapses, the next one is asked too, it is done, or it goes on waiting."""

AtExpiry = Literal["lift", "keep", "escalate"]
"""What follows when nobody answers before the expiry: put back, held for another span, or the next one is asked too."""


class When(Model):
    """Conditions, all of which must hold: the severity is one of these, a label has one of these values.

    A lever stands at one of these positions, by their names in the system file.
    """

    severity: tuple[Severity, ...] = Field(default=(), description="only at these severities")
    labels: dict[str, tuple[str, ...]] = Field(
        default={}, description="only when a label of the alarm has one of these values"
    )
    levers: dict[Id, tuple[Id, ...]] = Field(
        default={}, description="only when a lever stands at one of these positions, by their names"
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.severity or self.labels or self.levers):
            msg = "a condition with nothing in it always holds; leave when out"
            raise ValueError(msg)
        for field, choices in (("labels", self.labels), ("levers", self.levers)):
            for name, values in choices.items():
                if not values:
                    raise wrong_at(
                        field, name, says="it has no value, so it can never hold; name at least one"
                    )
        return self


class Facts(Model):
    """What conditions are judged by. `levers` holds the names of the positions at which each lever stands."""

    severity: Severity
    labels: dict[str, tuple[str, ...]]
    levers: dict[Id, tuple[Id, ...]]


def unmet(when: When, facts: Facts) -> str | None:
    """The first condition that does not hold, in words; None when all do."""
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

    id: Id = Field(description="a name for the step, such as index-back")
    after: tuple[Id, ...] = Field(default=(), description="the steps that come first")
    fallback_for: Id | None = Field(
        default=None, description="the step instead of which it comes, when that fails"
    )
    when: When | None = Field(default=None, description="conditions, all of which must hold")


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


def turn(step: Step, standing: Callable[[str], Standing], facts: Callable[[], Facts]) -> tuple[Turn, str]:
    """Whether it is this step's turn, and why not. Steps that wait for nothing go side by side.

    `facts` are asked for only where the step has a condition: this is asked at every turn of the workflow.
    """
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
    missing = unmet(step.when, facts()) if step.when else None
    return (Turn.NOT_CALLED_FOR, missing) if missing else (Turn.NOW, "")


class Probe(Model):
    """What shows that the harm has stopped: this check passes within the deadline after the move."""

    check: Id = Field(description="the check that passes when the harm has stopped, by its id")
    deadline: Duration = Field(
        default="60s",
        validate_default=True,
        gt=timedelta(),
        description="how long after the move it may take",
    )
    every: Duration = Field(
        default="2s", validate_default=True, gt=timedelta(), description="how often the check is asked"
    )


class Absence(Model):
    """What follows when nobody decides in time. `severities`: where `apply` may act without anybody's word."""

    undecided: Undecided = Field(
        default="deny", description="it lapses, the next one is asked too, it is done, or it goes on waiting"
    )
    severities: tuple[Severity, ...] = Field(
        default=(), description="where `apply` acts without anybody's word"
    )

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

    lever: Id = Field(description="the lever, by its id in the system file")
    to: Id = Field(description="the name of the position to move it to")
    why: Text = Field(description="why this stops the harm; the captain reads it before deciding")
    cost: Text = Field(description="what it costs the customers while it stands")
    probe: Probe = Field(
        description="the check that shows that the harm has stopped; "
        "a move with no probe is never seen to be effective"
    )
    group: Id | None = Field(default=None, description="steps of one group hold together or not at all")
    expires_after: Duration = Field(
        default="4h", validate_default=True, gt=timedelta(), description="for how long: every firebreak ends"
    )
    ask_before: Duration = Field(
        default="10m",
        validate_default=True,
        gt=timedelta(),
        description="how long before that the captain is asked",
    )
    at_expiry: AtExpiry = Field(
        default="keep", description="what follows when nobody answers before the expiry"
    )
    decide_within: Duration = Field(
        default="12m", validate_default=True, gt=timedelta(), description="how long the captain has to decide"
    )
    absence: Absence = Field(default=Absence(), description="what follows when nobody decides in time")
    approvals: int = Field(default=1, ge=1, le=3, description="how many people must say yes")
    signed: bool = Field(
        default=False,
        description="whether each approval must be signed with the SSH key of whoever gives it",
        exclude_if=lambda signed: not signed,
    )
    preauthorized: tuple[Severity, ...] = Field(
        default=(), description="the severities at which it is done without asking"
    )
    on_failure: Literal["put-back", "hold"] = Field(
        default="put-back", description="what follows when the move cannot be confirmed"
    )
    if_ineffective: Literal["put-back", "hold"] = Field(
        default="hold", description="what follows when the probe does not pass in time"
    )
    way_back: Text | None = Field(
        default=None, description="how people undo it, where the engine cannot put the lever back"
    )
    drilled: date | None = Field(default=None, description="the day on which this move was last rehearsed")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.approvals > 1 and (self.preauthorized or self.absence.severities):
            says = "it asks for a second person, and elsewhere it moves with none; keep one of the two"
            raise wrong_at("approvals", says=says)
        if self.signed and (self.preauthorized or self.absence.severities):
            says = (
                "it asks for a signature, and elsewhere it moves without anybody's word; keep one of the two"
            )
            raise wrong_at("signed", says=says)
        return self


class ManualStep(Step):
    """Something that a person does by hand and confirms. `confirmed_by` is the role whose word counts."""

    title: Line = Field(description="what is to be done, in a line")
    do: Text = Field(description="how it is done, so that somebody who never did it can")
    confirmed_by: Role = Field(default=Role.CAPTAIN, description="the role whose word counts")
    within: Duration = Field(
        default="30m",
        validate_default=True,
        gt=timedelta(),
        le=timedelta(days=30),
        description="how long it may take",
    )
