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


class Run(Model):
    """One run of the lock: against the frozen evidence, or against the live system."""

    against: Literal["frozen", "live"]
    outcome: Literal["failed", "passed", "error"]
    detail: Text


class LockProof(Model):
    """The lock and its runs. Proved: it fails on what was frozen and passes, every time, on what was repaired.

    `statement` is the signed in-toto `test-result` of these runs.
    """

    lock: ArtifactRef
    evidence: Sha256
    report: ArtifactRef
    runs: tuple[Run, ...] = Field(min_length=1)
    at: Time
    statement: ArtifactRef | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def proved(self) -> bool:
        """Whether the runs prove the lock. An error proves nothing."""
        frozen = [run.outcome for run in self.runs if run.against == "frozen"]
        live = [run.outcome for run in self.runs if run.against == "live"]
        return bool(frozen) and bool(live) and set(frozen) == {"failed"} and set(live) == {"passed"}

    @property
    def verdict(self) -> str:
        """In one sentence, what the runs showed."""
        frozen = ", ".join(run.outcome for run in self.runs if run.against == "frozen")
        live = ", ".join(run.outcome for run in self.runs if run.against == "live")
        return f"on the frozen evidence: {frozen}; on the live system: {live}"


class SoakReport(Model):
    """What the checks showed over a soak. `held` only when every reading of every check passed, without a hole."""

    held: bool
    since: Time
    until: Time
    readings: int = Field(ge=0)
    widest_hole_s: float = Field(ge=0)
    checks: tuple[Id, ...]
    detail: Text
