"""The after-action: the tasks that outlive the incident, and the lock that it becomes."""

from typing import Literal

from pydantic import Field

from firestation.confidence import lower_bound
from firestation.evidence import ArtifactRef
from firestation.model import Id, Line, Model, Sha256, Text, Time

TaskKind = Literal["postmortem", "eval-lock", "follow-up"]


class Task(Model):
    """Something that a person must do after the fire. `name` is the follow-up of the runbook that it is.

    `owner` is a person of the station or a team; `due` is when it has to be done.
    """

    incident: Id
    kind: TaskKind
    title: Line
    text: Text
    name: Id | None = Field(default=None, exclude_if=lambda value: value is None)
    owner: Line | None = Field(default=None, exclude_if=lambda value: value is None)
    due: Time | None = Field(default=None, exclude_if=lambda value: value is None)


class Ticket(Model):
    """A task as the tracker keeps it. `name` is the follow-up of the runbook that it is."""

    kind: TaskKind
    tracker: Id
    reference: Line
    name: Id | None = Field(default=None, exclude_if=lambda value: value is None)


class TicketState(Model):
    """What became of a task, as its tracker tells it. `gone`: the tracker does not know it any more."""

    state: Literal["open", "done", "gone"]
    assignee: Line | None = None
    detail: Text


LockKind = Literal["eval", "guardrail", "process"]

Side = Literal["frozen", "live", "control"]
SIDES: tuple[Side, ...] = ("frozen", "live", "control")
"""What keeps a class from coming back: a test of the product, a guardrail that stops the input, or what people do."""


class Run(Model):
    """One run of the lock: against the frozen evidence, against the live system, or with the harmless control input."""

    against: Side
    outcome: Literal["failed", "passed", "error"]
    detail: Text


class Confidence(Model):
    """What the runs of a judged lock show: with `level`, the share of right verdicts is at least `frozen` and `live`.

    Bounds of Clopper and Pearson. `wanted` is the share that the plan demands.
    """

    level: float = Field(gt=0.5, lt=1)
    wanted: float = Field(gt=0, lt=1)
    frozen: float = Field(ge=0, le=1)
    live: float = Field(ge=0, le=1)


class ToolVersion(Model):
    """The tool that ran a lock."""

    name: Line
    version: Line


class LockProof(Model):
    """The lock and its runs. Proved: it fails on what was frozen and passes, every time, on what was repaired.

    That of a guardrail also needs the harmless `control` input to pass: what stops everything keeps nothing back.

    `report` is what the tool said, run by run; `replay` the request and the answer that stood for the system as it was
    frozen. `statement` is the signed in-toto `test-result` of the live runs, `frozen_statement` that of the frozen
    ones; a side that has none did not run to its end. `confidence` is there only when a judge judged. Of a guardrail
    `control` is the file of the harmless input.
    """

    lock: ArtifactRef
    evidence: Sha256
    report: ArtifactRef
    runs: tuple[Run, ...] = Field(min_length=1)
    at: Time
    statement: ArtifactRef | None = Field(default=None, exclude_if=lambda value: value is None)
    frozen_statement: ArtifactRef | None = Field(default=None, exclude_if=lambda value: value is None)
    replay: ArtifactRef | None = Field(default=None, exclude_if=lambda value: value is None)
    tool: ToolVersion | None = Field(default=None, exclude_if=lambda value: value is None)
    confidence: Confidence | None = Field(default=None, exclude_if=lambda value: value is None)
    kind: LockKind = Field(default="eval", exclude_if=lambda value: value == "eval")
    control: ArtifactRef | None = Field(default=None, exclude_if=lambda value: value is None)

    def outcomes(self, against: Side) -> tuple[str, ...]:
        """How the runs of one side ended, in their order."""
        return tuple(run.outcome for run in self.runs if run.against == against)

    def attached(self) -> tuple[ArtifactRef, ...]:
        """What was kept beside the lock and the report."""
        kept = (self.control, self.replay, self.frozen_statement, self.statement)
        return tuple(each for each in kept if each is not None)

    @property
    def proved(self) -> bool:
        """Whether the runs prove the lock. An error proves nothing.

        Of a judge, who may err, the runs must show the share that is wanted; the bounds are computed anew.
        """
        frozen, live, control = (self.outcomes(side) for side in SIDES)
        controlled = set(control) == {"passed"} if self.kind == "guardrail" else not control
        if not frozen or not live or "error" in frozen + live or not controlled:
            return False
        if self.confidence is None:
            return set(frozen) == {"failed"} and set(live) == {"passed"}
        level, wanted = self.confidence.level, self.confidence.wanted
        return (
            lower_bound(frozen.count("failed"), len(frozen), level) >= wanted
            and lower_bound(live.count("passed"), len(live), level) >= wanted
        )

    @property
    def verdict(self) -> str:
        """In one sentence, what the runs showed."""
        said = f"on the frozen evidence: {self._said('frozen')}; on the live system: {self._said('live')}"
        if self.kind == "guardrail":
            said += f"; with the harmless control input: {self._said('control')}"
        sure = self.confidence
        if sure is None:
            return said
        return (
            f"{said}; with {sure.level:.0%} confidence it fails at least {sure.frozen:.0%} of the time on what was "
            f"frozen, and passes at least {sure.live:.0%} of the time on the live system ({sure.wanted:.0%} wanted)"
        )

    def _said(self, against: Side) -> str:
        found = self.outcomes(against)
        if self.confidence is None:
            return ", ".join(found) or "not run"
        return ", ".join(f"{found.count(each)} {each}" for each in dict.fromkeys(found)) or "not run"


class Attestation(Model):
    """The word of a person that people do it differently now, and of a second person who stands for it too.

    `reference` is where the change is written down, `document` the SHA-256 of that text as it was; `verify_by` is the
    day until which somebody looks again whether it is still done so.
    """

    by: Id
    change: Text
    reference: Line
    document: Sha256 | None = None
    verify_by: Time
    at: Time
    seconded_by: Id | None = Field(default=None, exclude_if=lambda value: value is None)
    seconded_at: Time | None = Field(default=None, exclude_if=lambda value: value is None)


class SoakReport(Model):
    """What the checks showed over a soak. `held` only when every reading of every check passed, without a hole."""

    held: bool
    since: Time
    until: Time
    readings: int = Field(ge=0)
    widest_hole_s: float = Field(ge=0)
    checks: tuple[Id, ...]
    detail: Text
