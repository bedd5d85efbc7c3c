"""The first-fifteen clock: what must have happened when. Time is an argument here, never read."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import Field

from firestation.model import Duration, Model, Span, Time
from firestation.severity import Severity

NEVER = datetime.max.replace(tzinfo=UTC)


class Milestone(StrEnum):
    """The steps of the first fifteen minutes, in their order."""

    ACKNOWLEDGED = "acknowledged"
    STAFFED = "captain and scribe"
    DECLARED = "severity declared"
    SEALED = "snapshot sealed"
    DECIDED = "firebreak decided"
    FIRST_UPDATE = "first update"


class Times(Model):
    """Other times at one severity; what is left out is as at the others."""

    acknowledged: Span | None = None
    staffed: Span | None = None
    declared: Span | None = None
    sealed: Span | None = None
    decided: Span | None = None
    first_update: Span | None = None


class FirstFifteen(Model):
    """How long after the bell each milestone is due; a runbook may set its own, and others `at` a severity."""

    acknowledged: Duration = Field(default="2m", validate_default=True, gt=timedelta())
    staffed: Duration = Field(default="4m", validate_default=True, gt=timedelta())
    declared: Duration = Field(default="7m", validate_default=True, gt=timedelta())
    sealed: Duration = Field(default="10m", validate_default=True, gt=timedelta())
    decided: Duration = Field(default="12m", validate_default=True, gt=timedelta())
    first_update: Duration = Field(default="15m", validate_default=True, gt=timedelta())

    at: dict[Severity, Times] = Field(
        default_factory=dict,
        description="other times at a severity, such as {sev1: {first_update: 10m}}",
        exclude_if=lambda value: not value,
    )

    def allowed(self, milestone: Milestone, severity: Severity | None = None) -> timedelta:
        """How long after the bell this milestone is due at this severity; without one, as a rule."""
        name = milestone.name.lower()
        other: timedelta | None = getattr(self.at.get(severity), name, None) if severity else None
        usual: timedelta = getattr(self, name)
        return usual if other is None else other

    def due(self, milestone: Milestone, opened_at: datetime, severity: Severity) -> datetime:
        """When this milestone is due for an incident opened then, at this severity."""
        return opened_at + self.allowed(milestone, severity)


class Deadline(Model):
    """A milestone of one incident: when it is due, and when it was met or missed."""

    milestone: Milestone
    due: Time
    met_at: Time | None = None
    missed: bool = False
