"""The runbook: the rehearsed response to one failure pattern, pinned into the incident when it opens."""

from datetime import date, timedelta
from typing import Self

from pydantic import Field, model_validator

from firestation.clock import FirstFifteen
from firestation.errors import NotConfigured
from firestation.expect import Expectation
from firestation.model import Duration, Id, Line, Model, Text
from firestation.severity import Axes
from firestation.steps import FirebreakStep, ManualStep
from firestation.system import SnapshotItem, System
from firestation.wording import Wording

GENERAL = "general"


class Match(Model):
    """Which alarms this runbook is for: every label must have one of its values. An empty match never matches.

    `systems` narrows it to these; alone it matches nothing, for a system is no evidence of a pattern.
    """

    names: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    systems: tuple[Id, ...] = ()

    def reasons(self, system: str, name: str, labels: dict[str, str]) -> tuple[str, ...]:
        """Why an alarm matches, or nothing when it does not."""
        if not self.names and not self.labels:
            return ()
        if self.systems and system not in self.systems:
            return ()
        if self.names and name not in self.names:
            return ()
        if any(labels.get(label) not in values for label, values in self.labels.items()):
            return ()
        named = (f"the alarm is named {name}",) if self.names else ()
        return named + tuple(f"label {label} is {labels[label]}" for label in self.labels)


class Recovery(Model):
    """Recovery is proved when all checks have held for the whole soak."""

    checks: tuple[Id, ...] = Field(min_length=1)
    soak: Duration = Field(default="10m", validate_default=True)
    every: Duration = Field(default="30s", validate_default=True)

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not timedelta() < self.every <= self.soak:
            msg = "every must be longer than 0s and not longer than soak"
            raise ValueError(msg)
        return self


class FollowUp(Model):
    """A task of the after-action beside postmortem and lock: who owns it, and until when."""

    id: Id
    title: Line
    owner: Line
    within: Duration = Field(default="14d", validate_default=True, gt=timedelta())


class LockPlan(Model):
    """The lock to make: the check that must fail on the frozen evidence and pass, `runs` times, on the repaired system.

    The frozen evidence is the first artifact of `source` for which all of `where` holds; what the system answered
    is at the path `answer` in it.
    """

    title: Line
    check: Id
    source: Id
    where: tuple[Expectation, ...] = ()
    answer: str = "$"
    runs: int = Field(default=3, ge=1, le=100)


class Runbook(Model):
    """One page of the runbook wall.

    `guidance` helps the captain to declare, `needs` names what of the minimum snapshot this pattern cannot do without.
    `validated` is the day on which somebody last went through it, and after `stale_after` it says that it is stale.
    """

    runbook: Id
    title: Line
    pattern: Id
    match: Match
    severity: Axes
    guidance: Text | None = None
    owners: tuple[Line, ...] = ()
    validated: date | None = None
    stale_after: Duration = Field(default="90d", validate_default=True, gt=timedelta())
    needs: tuple[SnapshotItem, ...] = ()
    clock: FirstFifteen = FirstFifteen()
    cadence: Duration = Field(default="30m", validate_default=True)
    updates: Wording = Wording()
    firebreaks: tuple[FirebreakStep, ...] = ()
    manual: tuple[ManualStep, ...] = ()
    recovery: Recovery
    lock: LockPlan
    after_action: tuple[FollowUp, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for field, ids in (
            ("firebreaks and manual have", [step.id for step in self.steps]),
            ("after_action has", [task.id for task in self.after_action]),
        ):
            twice = sorted({name for name in ids if ids.count(name) > 1})
            if twice:
                msg = f"{field} the id {twice[0]!r} twice; give each its own id"
                raise ValueError(msg)
        return self

    @property
    def steps(self) -> tuple[FirebreakStep | ManualStep, ...]:
        """Everything to do, by the engine and by hand."""
        return (*self.firebreaks, *self.manual)

    def step(self, name: str) -> FirebreakStep | None:
        """The firebreak step of this id."""
        return next((each for each in self.firebreaks if each.id == name), None)

    def duty(self, name: str) -> ManualStep | None:
        """The manual step of this id."""
        return next((each for each in self.manual if each.id == name), None)

    def stale(self, today: date) -> bool:
        """Whether nobody has gone through it for too long, or ever."""
        return self.validated is None or today - self.validated > self.stale_after


def choose(
    wall: tuple[Runbook, ...], system: System, name: str, labels: dict[str, str]
) -> tuple[Runbook, tuple[str, ...]]:
    """The runbook for an alarm, and why: the most reasons win, then the order of the ids.

    `wall` holds only runbooks that fit the system (`firestation.lint.fitting`). Raises `NotConfigured` when none
    matches and none is `general`.
    """
    best = next(iter(matching(wall, system, name, labels)), None)
    if best:
        return best
    general = next((runbook for runbook in wall if runbook.pattern == GENERAL), None)
    if general is None:
        msg = f"no runbook matches {name!r} for {system.system}, and none of pattern {GENERAL!r} fits it; add one"
        raise NotConfigured(msg)
    return general, ("no runbook matches, so the general one is used",)


def matching(
    wall: tuple[Runbook, ...], system: System, name: str, labels: dict[str, str]
) -> list[tuple[Runbook, tuple[str, ...]]]:
    """Every runbook that is for such an alarm, with its reasons, the best first."""
    found = [(each, each.match.reasons(system.system, name, labels)) for each in wall]
    return sorted((pair for pair in found if pair[1]), key=lambda pair: (-len(pair[1]), pair[0].runbook))
