"""The first-fifteen clock: what must have happened when. Time is an argument here, never read."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import Field

from firestation.model import Duration, Model, Time

NEVER = datetime.max.replace(tzinfo=UTC)


class Milestone(StrEnum):
    """The steps of the first fifteen minutes, in their order."""

    ACKNOWLEDGED = "acknowledged"
    STAFFED = "captain and scribe"
    DECLARED = "severity declared"
    SEALED = "snapshot sealed"
    DECIDED = "firebreak decided"
    FIRST_UPDATE = "first update"


class FirstFifteen(Model):
    """How long after the bell each milestone is due; a runbook may set its own."""

    acknowledged: Duration = Field(default="2m", validate_default=True, gt=timedelta())
    staffed: Duration = Field(default="4m", validate_default=True, gt=timedelta())
    declared: Duration = Field(default="7m", validate_default=True, gt=timedelta())
    sealed: Duration = Field(default="10m", validate_default=True, gt=timedelta())
    decided: Duration = Field(default="12m", validate_default=True, gt=timedelta())
    first_update: Duration = Field(default="15m", validate_default=True, gt=timedelta())

    def due(self, milestone: Milestone, opened_at: datetime) -> datetime:
        """When this milestone is due for an incident opened then."""
        allowed: timedelta = getattr(self, milestone.name.lower())
        return opened_at + allowed


class Deadline(Model):
    """A milestone of one incident: when it is due, and when it was met or missed."""

    milestone: Milestone
    due: Time
    met_at: Time | None = None
    missed: bool = False
