"""How bad is it? Four axes give a proposal with its reasons; the captain declares."""

from enum import StrEnum

from pydantic import Field

from firestation.model import Model


class Severity(StrEnum):
    """From the worst, sev1, to the mildest, sev4."""

    SEV1 = "sev1"
    SEV2 = "sev2"
    SEV3 = "sev3"
    SEV4 = "sev4"


WORDS: dict[str, tuple[str, str, str, str]] = {
    "harm": ("nobody is harmed", "annoyance", "money, trust or rights are lost", "people are in danger"),
    "spread": ("one user", "some users", "many users or a tenant", "everyone"),
    "reversibility": ("undone by itself", "undone by us", "undone with effort", "cannot be undone"),
    "momentum": ("over", "steady", "growing", "growing fast"),
}


def _from_to(axis: str) -> str:
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


def propose(axes: Axes) -> Proposal:
    """Weigh the axes. Grave harm that spreads or cannot be undone is never below sev1.

    The sum decides otherwise: 8 and more sev1, 5 and more sev2, 3 and more sev3. It never falls when an
    axis rises.
    """
    total = axes.harm + axes.spread + axes.reversibility + axes.momentum
    grave = axes.harm == 3 and max(axes.spread, axes.reversibility) >= 2  # noqa: PLR2004 - see WORDS
    steps = ((8, Severity.SEV1), (5, Severity.SEV2), (3, Severity.SEV3), (0, Severity.SEV4))
    severity = Severity.SEV1 if grave else next(level for floor, level in steps if total >= floor)
    reasons = tuple(f"{axis} {value}: {WORDS[axis][value]}" for axis, value in axes.model_dump().items())
    return Proposal(severity=severity, reasons=reasons)
