"""The plan of a lock, as a runbook has it: what is run on what, in which tool, and who judges the rest."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from firestation.address import Address
from firestation.after_action import LockKind, LockProof, Side
from firestation.confidence import lower_bound
from firestation.expect import Expectation, JsonPath
from firestation.model import Duration, Id, Line, Model, Text, count, wrong_at

LOCK_WITHIN = timedelta(days=14)

ONE_RUN = timedelta(minutes=2)
"""How long one run of a lock may take before it is stopped."""
AROUND_THE_RUNS = timedelta(minutes=10)
"""What may go by beside the runs: reading the evidence, keeping and signing, trying again."""
LONGEST_TRIAL = timedelta(hours=6)
"""How long the trial of a lock may take, if every run takes its time; `firestation runbook lint` refuses more."""

ON: dict[Side, str] = {
    "frozen": "on the frozen evidence",
    "live": "on the live system",
    "control": "with the harmless control input",
}

LockTool = Literal["pytest", "deepeval", "promptfoo", "inspect"]


class Judge(Model):
    """A judge of the team's, where what is asked of an answer cannot be computed. It is asked again and again.

    It gets `{rubric, asked, answer}` as JSON, without a credential. `passes` is on what it answers.
    """

    rubric: Text = Field(description="what the judge is told to look at, in plain words")
    url: Address = Field(description="where the judge answers to a POST; it gets no credential")
    passes: tuple[Expectation, ...] = Field(
        min_length=1, description="what must hold of the judge's own answer when it finds the answer good"
    )
    repetitions: int = Field(default=20, ge=1, le=100, description="how often each side is judged")
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="how sure the proof must be, such as 0.95"
    )
    at_least: float = Field(
        default=0.8,
        gt=0,
        lt=1,
        description="the share of right verdicts that must be shown with that confidence",
    )

    @model_validator(mode="after")
    def _can_be_shown(self) -> Self:
        best = lower_bound(self.repetitions, self.repetitions, self.confidence)
        if best < self.at_least:
            msg = (
                f"{self.repetitions} runs show no more than {best:.2f} with a confidence of {self.confidence}; "
                "write more repetitions, or a lower at_least"
            )
            raise wrong_at("repetitions", says=msg)
        return self


class Control(Model):
    """A harmless input that a guardrail must let pass, and what its answer must show then."""

    input: JsonValue = Field(description="what is sent in the place of the input that got through")
    expect: tuple[Expectation, ...] = Field(
        min_length=1, description="what holds of the answer when it was let pass"
    )


class LockPlan(Model):
    """The lock to make: the check that must fail on the frozen evidence and pass, `runs` times, on the repaired system.

    The frozen evidence is the first artifact of `source` for which all of `where` holds; what the system answered
    is at the path `answer` in it, and what it was asked is where `ask` says: a member of the request's body, and the
    path in the artifact. What `ask` does not name is asked as the check itself asks it. A lock of the kind `guardrail`
    sends what stands at `input` in it to the check again, at the path `into` of the check's own request, and must find
    it stopped, while the `control` still passes. One of the kind `process` is run by no machine: two people attest it.
    """

    title: Line = Field(description="what must never happen again, in a line")
    kind: LockKind = Field(
        default="eval",
        description="eval (a test of the product), guardrail (the input is stopped) or process (two people attest it)",
        exclude_if=lambda value: value == "eval",
    )
    check: Id | None = Field(
        default=None,
        description="the check that fails on the frozen evidence and passes on the repaired system",
        exclude_if=lambda value: value is None,
    )
    source: Id | None = Field(
        default=None,
        description="the source whose frozen evidence holds the wrong answer",
        exclude_if=lambda value: value is None,
    )
    where: tuple[Expectation, ...] = Field(
        default=(), description="which artifact of it: all of this holds there"
    )
    answer: str = Field(default="$", description="where the answer stands in the artifact")
    runs: int = Field(default=3, ge=1, le=100, description="how often it must pass")
    owner: Line | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="who puts it where it is run for ever: a person or a team; otherwise the captain of the time",
    )
    within: Duration = Field(
        default=LOCK_WITHIN,
        gt=timedelta(),
        exclude_if=lambda value: value == LOCK_WITHIN,
        description="how long after the recovery; otherwise 14d",
    )
    tool: LockTool = Field(
        default="pytest",
        description="the team's own tool, in which the lock is written",
        exclude_if=lambda value: value == "pytest",
    )
    ask: dict[Line, JsonPath] = Field(
        default_factory=dict,
        description="members of the request's body that are asked as frozen: where each stands in the artifact",
        exclude_if=lambda value: not value,
    )
    judge: Judge | None = Field(
        default=None,
        description="a judge of the team's, for what cannot be computed; the check's own expectations come first",
        exclude_if=lambda value: value is None,
    )

    @property
    def live_runs(self) -> int:
        """How often it runs on the repaired system."""
        return self.judge.repetitions if self.judge else self.runs

    @property
    def frozen_runs(self) -> int:
        """How often it runs on the frozen evidence: what is computed always computes the same."""
        return self.judge.repetitions if self.judge else 1

    @property
    def control_runs(self) -> int:
        """How often a guardrail gets what is harmless."""
        return self.live_runs if self.kind == "guardrail" else 0

    @property
    def trial(self) -> timedelta:
        """How long its trial takes at most, when every run takes all of its time."""
        runs = self.frozen_runs + self.live_runs + 2 * self.control_runs  # each control is asked both ways
        return runs * ONE_RUN + AROUND_THE_RUNS

    def lacks(self, proof: LockProof) -> str | None:
        """What this proof lacks of what is demanded here, in words; None when it proves the lock of this plan."""
        if self.kind == "process":
            return "no machine proves a lock of the kind process: two people attest it"
        if proof.kind != self.kind:
            return f"it is of the kind {proof.kind}, and a lock of the kind {self.kind} is wanted"
        if not proof.proved:
            return proof.verdict
        wanted: dict[Side, int] = {
            "frozen": self.frozen_runs,
            "live": self.live_runs,
            "control": self.control_runs,
        }
        for side, runs in wanted.items():
            made = len(proof.outcomes(side))
            if made < runs:
                return f"{made} of {count(runs, 'run')} {ON[side]}"
        return self._lacks_confidence(proof)

    def _lacks_confidence(self, proof: LockProof) -> str | None:
        sure, judge = proof.confidence, self.judge
        if judge is None:
            return None if sure is None else "it counts on a judge, and none is wanted"
        if sure is None:
            return "it says nothing of how sure the judge's verdicts are"
        if (sure.level, sure.wanted) == (judge.confidence, judge.at_least):
            return None
        demanded = f"{judge.at_least:.0%} with {judge.confidence:.0%} confidence"
        return (
            f"it asks a share of {sure.wanted:.0%} with {sure.level:.0%} confidence, and {demanded} is wanted"
        )

    input: JsonPath | None = Field(
        default=None,
        description="of a guardrail: where the input that got through stands in the artifact",
        exclude_if=lambda value: value is None,
    )
    into: JsonPath = Field(
        default="$",
        description="of a guardrail: where the input goes in the request of the check",
        exclude_if=lambda value: value == "$",
    )
    control: Control | None = Field(
        default=None,
        description="of a guardrail: a harmless input that must still pass",
        exclude_if=lambda value: value is None,
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        guards, by_people = self.kind == "guardrail", self.kind == "process"
        for name in ("check", "source"):
            if getattr(self, name) is None and not by_people:
                raise wrong_at(name, says=f"a lock of the kind {self.kind} is run on one; name it")
            if getattr(self, name) is not None and by_people:
                raise wrong_at(name, says="no machine runs a lock of the kind process; leave it out")
        for name in ("input", "control"):
            if getattr(self, name) is None and guards:
                says = "a guardrail is proved by what got through and by what must still pass; write it"
                raise wrong_at(name, says=says)
            if getattr(self, name) is not None and not guards:
                raise wrong_at(name, says="it is for a lock of the kind guardrail only; leave it out")
        return self
