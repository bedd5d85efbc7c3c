"""The after-action: the tasks that outlive the incident, and the lock that it becomes."""

from typing import Literal

from pydantic import Field

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
"""What keeps a class from coming back: a test of the product, a guardrail that stops the input, or what people do."""


class Run(Model):
    """One run of the lock: against the frozen evidence, against the live system, or with the harmless control input."""

    against: Literal["frozen", "live", "control"]
    outcome: Literal["failed", "passed", "error"]
    detail: Text


class LockProof(Model):
    """The lock and its runs. Proved: it fails on what was frozen and passes, every time, on what was repaired.

    That of a guardrail also needs the harmless control input to pass: what stops everything keeps nothing back.
    `statement` is the signed in-toto `test-result` of these runs.
    """

    lock: ArtifactRef
    evidence: Sha256
    report: ArtifactRef
    runs: tuple[Run, ...] = Field(min_length=1)
    at: Time
    statement: ArtifactRef | None = Field(default=None, exclude_if=lambda value: value is None)
    kind: LockKind = Field(default="eval", exclude_if=lambda value: value == "eval")

    @property
    def proved(self) -> bool:
        """Whether the runs prove the lock. An error proves nothing."""
        frozen, live, control = map(self._outcomes, ("frozen", "live", "control"))
        controlled = set(control) == {"passed"} if self.kind == "guardrail" else not control
        return set(frozen) == {"failed"} and set(live) == {"passed"} and controlled

    @property
    def verdict(self) -> str:
        """In one sentence, what the runs showed."""
        frozen, live, control = (", ".join(self._outcomes(each)) for each in ("frozen", "live", "control"))
        harmless = (
            f"; with the harmless control input: {control or 'not run'}" if self.kind == "guardrail" else ""
        )
        return f"on the frozen evidence: {frozen}; on the live system: {live}{harmless}"

    def _outcomes(self, against: str) -> tuple[str, ...]:
        return tuple(run.outcome for run in self.runs if run.against == against)


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
