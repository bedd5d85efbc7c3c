"""The runbook: the rehearsed response to one failure pattern, pinned into the incident when it opens."""

from datetime import date, timedelta
from typing import Self

from pydantic import Field, model_validator

from firestation.alike import Alike
from firestation.clock import FirstFifteen
from firestation.errors import NotConfigured
from firestation.lock_plan import LockPlan
from firestation.model import Duration, Id, Line, Model, Span, Text, wrong_at
from firestation.severity import Axes, Severity
from firestation.steps import FirebreakStep, ManualStep
from firestation.system import SnapshotItem, System
from firestation.wording import Wording

GENERAL = "general"


class Match(Alike):
    """Which alarms this runbook is for: every label must have one of its values. An empty match never matches.

    `systems` narrows it to these; alone it matches nothing, for a system is no evidence of a pattern.
    """

    systems: tuple[Id, ...] = Field(
        default=(), description="the only systems that it is for; without it, all"
    )

    def reasons(self, system: str, name: str, labels: dict[str, str]) -> tuple[str, ...]:
        """Why an alarm matches, or nothing when it does not."""
        if (self.systems and system not in self.systems) or not self.means(name, labels):
            return ()
        named = (f"the alarm is named {name}",) if self.names else ()
        return named + tuple(f"label {label} is {labels[label]}" for label in self.labels)

    def misses(self, system: str, name: str, labels: dict[str, str]) -> tuple[str, ...]:
        """Why an alarm does not match; nothing when it does."""
        if self.empty:
            return ("it names no alarm and no label",)
        found = []
        if self.systems and system not in self.systems:
            found.append(f"it is only for the system {' or '.join(self.systems)}")
        if self.names and name not in self.names:
            found.append(f"it is for alarms named {' or '.join(self.names)}")
        for label, values in self.labels.items():
            if labels.get(label) not in values:
                has = f"is {labels[label]}" if label in labels else "is missing"
                found.append(f"label {label} {has}, and it is for {' or '.join(values) or 'none'}")
        return tuple(found)


class Recovery(Model):
    """Recovery is proved when all checks have held for the whole soak."""

    checks: tuple[Id, ...] = Field(min_length=1, description="the checks that must all hold, by their ids")
    soak: Duration = Field(default="10m", validate_default=True, description="how long they must hold")
    every: Duration = Field(default="30s", validate_default=True, description="how often they are asked")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not timedelta() < self.every <= self.soak:
            says = "every is longer than soak, so it is asked once at most; make it shorter"
            raise wrong_at("every", says=says)
        return self


class FollowUp(Model):
    """A task of the after-action beside postmortem and lock: who owns it, and until when."""

    id: Id = Field(description="a name for it, such as review-the-source")
    title: Line = Field(description="what is to be done, in a line")
    owner: Line = Field(description="who does it: a person or a team")
    within: Duration = Field(
        default="14d", validate_default=True, gt=timedelta(), description="how long after the recovery"
    )


POSTMORTEM_WITHIN = timedelta(days=5)


class PostmortemPlan(Model):
    """Who brings the drafted postmortem to its end, and until when."""

    owner: Line | None = Field(
        default=None, description="who writes it: a person or a team; otherwise the captain of the time"
    )
    within: Duration = Field(
        default=POSTMORTEM_WITHIN, gt=timedelta(), description="how long after the recovery; otherwise 5d"
    )


class Runbook(Model):
    """One page of the runbook wall.

    `guidance` helps the captain to declare, `needs` names what of the minimum snapshot this pattern cannot do without.
    `validated` is the day on which somebody last went through it, and after `stale_after` it says that it is stale.
    """

    runbook: Id = Field(description="its id, which people type, such as poisoned-index")
    title: Line = Field(description="what burns, in a line that a tired person understands")
    pattern: Id = Field(
        description="the failure pattern, such as retrieval-poisoning; `general` catches the rest"
    )
    match: Match = Field(description="which alarms it is for; {} for the general one")
    severity: Axes = Field(
        description="harm, spread, reversibility and momentum, each from 0 (mild) to 3 (grave)"
    )
    guidance: Text | None = Field(default=None, description="what helps the captain to declare the severity")
    owners: tuple[Line, ...] = Field(default=(), description="who keeps it true: people or teams")
    validated: date | None = Field(default=None, description="the day on which somebody last went through it")
    stale_after: Duration = Field(
        default="90d", validate_default=True, gt=timedelta(), description="after which it counts as stale"
    )
    needs: tuple[SnapshotItem, ...] = Field(
        default=(), description="what of the minimum snapshot this pattern cannot do without"
    )
    clock: FirstFifteen = Field(
        default=FirstFifteen(), description="other times for the first fifteen minutes"
    )
    cadence: Duration = Field(
        default="30m", validate_default=True, gt=timedelta(), description="how often the board says a word"
    )
    cadence_at: dict[Severity, Span] = Field(
        default_factory=dict,
        description="how often at a severity, such as {sev1: 15m}; at the others as `cadence` says",
        exclude_if=lambda value: not value,
    )
    updates: Wording = Field(default=Wording(), description="the words that are ready before the night")
    firebreaks: tuple[FirebreakStep, ...] = Field(default=(), description="the levers to move")
    manual: tuple[ManualStep, ...] = Field(default=(), description="what people do by hand and confirm")
    recovery: Recovery = Field(
        description="the checks that prove the recovery, and for how long they must hold"
    )
    lock: LockPlan = Field(description="what keeps this from coming back: without a lock no incident closes")
    postmortem: PostmortemPlan = Field(
        default=PostmortemPlan(),
        exclude_if=lambda value: value == PostmortemPlan(),
        description="who writes the postmortem, and until when",
    )
    after_action: tuple[FollowUp, ...] = Field(
        default=(), description="tasks of the after-action, beside postmortem and lock"
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        given: dict[str, str] = {}
        for field in ("firebreaks", "manual", "after_action"):
            given = {} if field == "after_action" else given
            for index, each in enumerate(getattr(self, field)):
                if each.id in given:
                    says = f"{each.id!r} is already the id of {given[each.id]}; give each its own id"
                    raise wrong_at(field, index, "id", says=says)
                given[each.id] = f"{field}[{index}]"
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

    def every(self, severity: Severity) -> timedelta:
        """How often the board says a word at this severity."""
        return self.cadence_at.get(severity, self.cadence)

    def to_do(self) -> str:
        """SHA-256 of what it says to do: not of whose it is, nor of when it was gone through or drilled."""
        undated = tuple(each.changed(drilled=None) for each in self.firebreaks)
        bare = self.changed(firebreaks=undated, validated=None, owners=(), stale_after=timedelta(days=1))
        return bare.sha256()

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
