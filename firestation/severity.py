"""How bad is it? Four axes give a proposal with its reasons; the captain declares."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from firestation.model import Id, Model, Text, Time


class Severity(StrEnum):
    """From the worst, sev1, to the mildest, sev4."""

    SEV1 = "sev1"
    SEV2 = "sev2"
    SEV3 = "sev3"
    SEV4 = "sev4"

    def graver_than(self, other: "Severity") -> bool:
        """Whether it is worse than the other one."""
        return self.value < other.value


Axis = Literal["harm", "spread", "reversibility", "momentum"]
Grade = Annotated[int, Field(ge=0, le=3)]
"""How much of an axis: from 0 (mild) to 3 (grave)."""

AXES: tuple[Axis, ...] = ("harm", "spread", "reversibility", "momentum")


WORDS: dict[Axis, tuple[str, str, str, str]] = {
    "harm": ("nobody is harmed", "annoyance", "money, trust or rights are lost", "people are in danger"),
    "spread": ("one user", "some users", "many users or a tenant", "everyone"),
    "reversibility": ("undone by itself", "undone by us", "undone with effort", "cannot be undone"),
    "momentum": ("over", "steady", "growing", "growing fast"),
}


def _from_to(axis: Axis) -> str:
    return "; ".join(f"{number} is {words}" for number, words in enumerate(WORDS[axis]))


class Axes(Model):
    """Harm, spread, reversibility and momentum, each from 0 (mild) to 3 (grave); WORDS says what they mean."""

    harm: int = Field(ge=0, le=3, description=_from_to("harm"))
    spread: int = Field(ge=0, le=3, description=_from_to("spread"))
    reversibility: int = Field(ge=0, le=3, description=_from_to("reversibility"))
    momentum: int = Field(ge=0, le=3, description=_from_to("momentum"))


class Proposal(Model):
    """What the engine would declare, and why."""

    severity: Severity
    reasons: tuple[str, ...]


class Assessment(Model):
    """What somebody has said of one axis, and why. It stands in place of what the runbook expects."""

    grade: Grade
    by: Id
    reason: Text
    at: Time


class Weighing(Model):
    """The proposal was computed again: on whose word, why, what it was and what it is."""

    by: Id
    reason: Text
    was: Severity
    now: Severity
    at: Time


class Declaration(Model):
    """A severity was declared. `was` is None the first time; `proposed` is what the engine would have declared."""

    by: Id
    was: Severity | None
    now: Severity
    proposed: Severity
    reason: Text
    at: Time

    @property
    def verb(self) -> str:
        """What was done: declares, raises to, lowers to, keeps."""
        return declares(self.was, self.now)

    @property
    def past(self) -> str:
        """What was done, as it is told afterwards."""
        words = {"declares": "declared", "keeps": "kept", "raises to": "raised", "lowers to": "lowered"}
        return words[self.verb]


def declares(was: Severity | None, now: Severity) -> str:
    """The word for declaring a severity after another one."""
    if was is None:
        return "declares"
    if was is now:
        return "keeps"
    return "raises to" if now.graver_than(was) else "lowers to"


def propose(axes: Axes, assessed: Mapping[Axis, Assessment] | None = None) -> Proposal:
    """Weigh the axes, each as people said of it, or else as the runbook has it.

    Grave harm that spreads or cannot be undone is never below sev1. The sum decides otherwise: 8 and more sev1,
    5 and more sev2, 3 and more sev3. It never falls when an axis rises.
    """
    assessed = assessed or {}
    grades = {axis: assessed[axis].grade if axis in assessed else getattr(axes, axis) for axis in AXES}
    total = sum(grades.values())
    grave = grades["harm"] == 3 and max(grades["spread"], grades["reversibility"]) >= 2  # noqa: PLR2004 - see WORDS
    steps = ((8, Severity.SEV1), (5, Severity.SEV2), (3, Severity.SEV3), (0, Severity.SEV4))
    severity = Severity.SEV1 if grave else next(level for floor, level in steps if total >= floor)
    reasons = tuple(
        f"{axis} {grade}: {WORDS[axis][grade]}"
        + (f" ({assessed[axis].by}: {assessed[axis].reason})" if axis in assessed else "")
        for axis, grade in grades.items()
    )
    return Proposal(severity=severity, reasons=reasons)
