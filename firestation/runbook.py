"""The runbook: the rehearsed response to one failure pattern, pinned into the incident when it opens."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from firestation.clock import FirstFifteen
from firestation.errors import NotConfigured
from firestation.expect import Expectation
from firestation.model import Duration, Id, Line, Model, Text
from firestation.severity import Axes, Severity
from firestation.system import System

GENERAL = "general"


class Match(Model):
    """Which alarms this runbook is for: every label must have one of its values. An empty match never matches."""

    names: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def reasons(self, name: str, labels: dict[str, str]) -> tuple[str, ...]:
        """Why an alarm matches, or nothing when it does not."""
        if not self.names and not self.labels:
            return ()
        if self.names and name not in self.names:
            return ()
        if any(labels.get(label) not in values for label, values in self.labels.items()):
            return ()
        named = (f"the alarm is named {name}",) if self.names else ()
        return named + tuple(f"label {label} is {labels[label]}" for label in self.labels)


class Probe(Model):
    """What shows that the harm has stopped: this check passes within the deadline after the move."""

    check: Id
    deadline: Duration = Field(default="60s", validate_default=True)
    every: Duration = Field(default="2s", validate_default=True)


class FirebreakStep(Model):
    """One lever to move to a named position, for how long, on whose word, and how its effect is seen."""

    id: Id
    lever: Id
    to: Id
    why: Text
    cost: Text
    probe: Probe
    expires_after: Duration = Field(default="4h", validate_default=True)
    at_expiry: Literal["lift", "keep"] = "keep"
    decide_within: Duration = Field(default="12m", validate_default=True)
    approvals: int = Field(default=1, ge=1, le=3)
    preauthorized: tuple[Severity, ...] = ()

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.expires_after <= timedelta():
            msg = "expires_after must be longer than 0s: every firebreak ends"
            raise ValueError(msg)
        if self.probe.every <= timedelta():
            msg = "probe.every must be longer than 0s"
            raise ValueError(msg)
        return self


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
    """One page of the runbook wall."""

    runbook: Id
    title: Line
    pattern: Id
    match: Match
    severity: Axes
    clock: FirstFifteen = FirstFifteen()
    cadence: Duration = Field(default="30m", validate_default=True)
    firebreaks: tuple[FirebreakStep, ...] = ()
    recovery: Recovery
    lock: LockPlan

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [step.id for step in self.firebreaks]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            msg = f"firebreaks has the id {twice[0]!r} twice; give each its own id"
            raise ValueError(msg)
        return self

    def step(self, name: str) -> FirebreakStep | None:
        """The firebreak step of this id."""
        return next((each for each in self.firebreaks if each.id == name), None)


class Dangling(Model):
    """A name in the runbook that the system file does not know."""

    field: str
    problem: str
    fix: str


def dangling(runbook: Runbook, system: System) -> tuple[Dangling, ...]:
    """Every name in the runbook that this system cannot follow. Empty means that the two fit together."""
    found: list[Dangling] = []

    def want(field: str, kind: str, name: str, known: tuple[str, ...]) -> None:
        if name not in known:
            choice = ", ".join(known) or "nothing"
            problem = f"the system {system.system} has no {kind} {name!r}"
            found.append(Dangling(field=field, problem=problem, fix=f"It has {choice}"))

    checks = tuple(check.id for check in system.checks)
    for index, step in enumerate(runbook.firebreaks):
        lever = system.lever(step.lever)
        want(f"firebreaks[{index}].lever", "lever", step.lever, tuple(each.id for each in system.levers))
        if lever:
            want(f"firebreaks[{index}].to", f"position of {lever.id}", step.to, tuple(lever.positions))
        want(f"firebreaks[{index}].probe.check", "check", step.probe.check, checks)
    for index, check in enumerate(runbook.recovery.checks):
        want(f"recovery.checks[{index}]", "check", check, checks)
    want("lock.check", "check", runbook.lock.check, checks)
    want("lock.source", "source", runbook.lock.source, tuple(source.id for source in system.sources))
    source = system.source(runbook.lock.source)
    if source and source.privacy.encrypt_to:
        problem = (
            f"the evidence of {source.id} is encrypted, and the station that runs the lock cannot read it"
        )
        found.append(
            Dangling(field="lock.source", problem=problem, fix="Name a source that is not encrypted")
        )
    return tuple(found)


def choose(
    wall: tuple[Runbook, ...], system: System, name: str, labels: dict[str, str]
) -> tuple[Runbook, tuple[str, ...]]:
    """The runbook for an alarm, and why: the most reasons win, then the order of the ids.

    Only runbooks that fit the system are looked at. Raises `NotConfigured` when none matches and none is `general`.
    """
    fitting = sorted((each for each in wall if not dangling(each, system)), key=lambda each: each.runbook)
    matched = [(runbook, runbook.match.reasons(name, labels)) for runbook in fitting]
    best = max(matched, key=lambda pair: len(pair[1]), default=None)
    if best and best[1]:
        return best
    general = next((runbook for runbook in fitting if runbook.pattern == GENERAL), None)
    if general is None:
        msg = f"no runbook matches {name!r} for {system.system}, and none of pattern {GENERAL!r} fits it; add one"
        raise NotConfigured(msg)
    return general, ("no runbook matches, so the general one is used",)
