"""The detector: what is promised of a check's outcomes, and how sure it must be before it rings."""

import math
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from firestation.model import Duration, Id, Line, Model, Plain, Span, show_duration, wrong_at
from firestation.watch.sample import ROUNDED

SAME_HOUR = "same-hour"
SILENT = "WatchSilent"
QUIET_WINDOWS = 3
FEWEST_WINDOWS = 10
Promise = Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["same-hour"]


class Rings(Model):
    """The alarm that it rings with. That nothing is heard any more is an alarm of another name."""

    name: Line = Field(description="the alarm's name; runbooks match it")
    silent: Line = Field(default=SILENT, description="the alarm's name when nothing is heard any more")
    labels: dict[Plain, Plain] = Field(default={}, max_length=60, description="the alarm's labels")


class Detector(Model):
    """One promise that is watched.

    `at_least` or `at_most` is the promised mean of an outcome, in the check's own unit: a rate, where an outcome is
    good or not. `same-hour` learns it from the same hour (UTC) of the first days. With neither it only hears whether
    the check still talks. An outcome is worth 0 at least and `most` at most.
    """

    id: Id = Field(description="its id")
    title: Line = Field(description="what people call it")
    check: Id = Field(description="the check that it looks at")
    at_least: Promise | None = Field(default=None, description="the promised mean, which must not fall")
    at_most: Promise | None = Field(default=None, description="the promised mean, which must not rise")
    matters: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="the smallest change that matters"
    )
    most: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="what one outcome is worth at most"
    )
    together: int = Field(
        default=1,
        ge=1,
        le=10**6,
        exclude_if=lambda value: value == 1,  # a detector's digest stays what it was
        description="how many outcomes may go wrong together, by one cause: it takes so many for one",
    )
    every: Span = Field(description="how often it looks")
    false_alarms: Duration = Field(
        default="1000d",
        validate_default=True,
        gt=timedelta(),
        description="while the promise is kept, one false alarm in so long on average, or fewer",
    )
    minimum: int = Field(default=20, ge=1, description="outcomes that it must have seen before it rings")
    talks_every: Span | None = Field(
        default=None, description="so long it may hear nothing; without it, three windows"
    )
    learn: Span = Field(
        default="7d", validate_default=True, description="how long same-hour learns before it judges"
    )
    again: Span = Field(
        default="1h", validate_default=True, description="while it goes on, it rings again after so long"
    )
    rings: Rings

    @model_validator(mode="after")
    def _one_promise(self) -> Self:
        if self.at_least is not None and self.at_most is not None:
            raise wrong_at(
                "at_most", says="at_least and at_most both stand there; write a detector for each of the two"
            )
        if self.promise is None and self.matters is not None:
            raise wrong_at("matters", says="nothing is promised; write at_least or at_most, or leave it out")
        if self.promise is not None and self.matters is None:
            raise wrong_at("matters", says="it is missing; write the smallest change that matters")
        return self

    @model_validator(mode="after")
    def _in_reach(self) -> Self:
        if not isinstance(self.promise, float) or self.matters is None:
            return self
        field = "at_least" if self.at_least is not None else "at_most"
        if self.promise >= self.most:
            says = f"an outcome is worth {self.most:g} at most; promise less, such as {0.99 * self.most:g}"
            raise wrong_at(field, says=says)
        beyond = self.promise - self.matters if self.at_least is not None else self.promise + self.matters
        if not 0 < beyond < self.most:
            says = f"the promise changed by this is {beyond:g}, and an outcome is worth 0 to {self.most:g}; write less"
            raise wrong_at("matters", says=says)
        return self

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.threshold < FEWEST_WINDOWS:
            says = f"it looks every {show_duration(self.every)}; write {FEWEST_WINDOWS} times that, or more"
            raise wrong_at("false_alarms", says=says)
        if self.talks_every is not None and self.talks_every < self.every:
            says = f"it looks every {show_duration(self.every)} only; write that, or more"
            raise wrong_at("talks_every", says=says)
        return self

    @property
    def promise(self) -> float | str | None:
        """What is promised, in the check's unit."""
        return self.at_least if self.at_least is not None else self.at_most

    @property
    def threshold(self) -> float:
        """It rings when M has come to this: as many windows as there are in the time of one false alarm."""
        return self.false_alarms / self.every

    @property
    def log_threshold(self) -> float:
        """The threshold's logarithm."""
        return math.log(self.threshold)

    @property
    def silence(self) -> timedelta:
        """So long it may hear nothing."""
        return self.talks_every or QUIET_WINDOWS * self.every

    def scaled(self, n: int, good: float) -> float:
        """The sum of outcomes as the statistics want it: each between 0 and 1, and more is better."""
        return max(min(self.scaled_sum(n, good), float(n)), 0.0)

    def scaled_sum(self, n: int, good: float) -> float:
        """The sum in that scale as it is: what is worth more than `most`, and must not be, is less than 0 there."""
        share = good / self.most
        return share if self.at_most is None else n - share

    def scaled_squares(self, n: int, good: float, squares: float) -> float:
        """The sum of their squares, as it is."""
        share, squared = good / self.most, squares / self.most**2
        return squared if self.at_most is None else n - 2 * share + squared

    def believes(self, n: int, good: float) -> bool:
        """Whether so many outcomes can be worth this. More refusals than requests are a fire, not a mistake."""
        return self.at_most is not None or good <= n * self.most * (1 + ROUNDED)

    def scaled_promise(self) -> float | None:
        """The promise in that scale; None when it has none, or learns it."""
        if not isinstance(self.promise, float):
            return None
        share = self.promise / self.most
        return share if self.at_most is None else 1 - share

    def scaled_matters(self) -> float:
        """The smallest change that matters in that scale."""
        return (self.matters or 0.0) / self.most

    def unscaled(self, rate: float) -> float:
        """A mean of that scale in the check's own unit."""
        return (rate if self.at_most is None else 1 - rate) * self.most
