"""The system: one AI application under protection, as its system file describes it."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema, model_validator

from firestation.fitting import Fitting, Telling
from firestation.legal import Legal
from firestation.model import Duration, Id, Line, Model, Text, canonical_json, wrong_at
from firestation.privacy import Privacy
from firestation.rehearsal import RehearsalFitting
from firestation.watch.detector import Detector

CONTROL = "control-sample"
LONGEST_SHOWN = 300
FITTED = ("sources", "levers", "checks", "channels", "trackers")
MINIMUM_SNAPSHOT: dict[str, str] = {
    "user-visible-io": "what the user typed and what the user saw",
    "requests": "request ids and times",
    "prompts": "rendered prompts and the template's version",
    "model-route": "model provider, name, version, route and sampling settings",
    "retrieval": "retrieval query, candidates and index version",
    "tool-calls": "tool calls and their outputs",
    "memory": "memory state",
    "guardrails": "guardrail and safety-classifier decisions",
    "judges": "judge outputs",
    "flags": "flags and configuration",
    "tenant-filter": "the tenant filter that was in force",
    "human-review": "human-review samples",
    CONTROL: "healthy requests to compare with",
    "levers": "the present position of every lever",
}
"""The minimum snapshot. A manifest holds each either as an artifact or as a gap with its reason."""


def _known_item(item: str) -> str:
    if item not in MINIMUM_SNAPSHOT:
        msg = f"{item!r} is not in the minimum snapshot; choose from {', '.join(MINIMUM_SNAPSHOT)}"
        raise ValueError(msg)
    return item


SnapshotItem = Annotated[
    str, AfterValidator(_known_item), WithJsonSchema({"type": "string", "enum": list(MINIMUM_SNAPSHOT)})
]


class Position(Model):
    """Where a lever stands. `revision` is the product's own version mark, where it has one (ETag).

    Two positions are the same when their values are; a revision only guards a move against a race.
    """

    value: JsonValue
    revision: str | None = None

    def same_as(self, other: Self) -> bool:
        """Whether the lever stands at the same place."""
        return self.value == other.value and type(self.value) is type(other.value)

    def __str__(self) -> str:
        """The bare value, as it is shown to people: a long one is cut, for it may be a whole document."""
        text = self.value if isinstance(self.value, str) else canonical_json(self.value).decode()
        cut = len(text) - LONGEST_SHOWN
        return text if cut <= 0 else f"{text[:LONGEST_SHOWN]}… ({cut} more characters)"


class SourceFitting(Fitting):
    """A place where evidence is read from; `provides` names the items of the minimum snapshot it gives."""

    provides: tuple[SnapshotItem, ...] = Field(description="the items of the minimum snapshot that it gives")
    time_box: Duration = Field(
        default="30s", validate_default=True, gt=timedelta(), le=timedelta(minutes=8)
    )  # the whole snapshot has ten
    privacy: Privacy = Privacy()


class LeverFitting(Fitting):
    """A lever and the positions that it may be moved to, each with a name that runbooks use.

    `affects` says for whom a move changes something, `effective_within` how long its effect takes as a rule.
    """

    positions: dict[Id, JsonValue] = Field(
        min_length=1,
        description="where it may be moved to: a name that runbooks use, and the product's value",
    )
    affects: Line | None = Field(default=None, description="for whom a move changes something")
    effective_within: Duration | None = Field(default=None, description="how long its effect takes as a rule")
    reversible: bool = Field(default=True, description="false when the engine cannot put it back")

    def named(self, position: Position) -> tuple[str, ...]:
        """The names of this position; none when the lever stands where no name is for."""
        return tuple(
            name for name, value in self.positions.items() if Position(value=value).same_as(position)
        )


class Place(Model):
    """A lever at one of these positions, by their names."""

    lever: Id
    at: tuple[Id, ...] = Field(min_length=1)


class Constraint(Model):
    """Two levers that do not go together: with the one there, the other must not stand there."""

    id: Id
    with_: Place = Field(alias="with")
    breaks: Place
    why: Text


class CheckFitting(Fitting):
    """A measurement that says whether the product keeps its promise."""

    time_box: Duration = Field(default="10s", validate_default=True)


class ChannelFitting(Telling):
    """A way to reach people."""

    audience: Literal["internal", "public", "pager"] = Field(description="whom it reaches")


class TrackerFitting(Fitting):
    """A place where tasks are kept."""


class Component(Model):
    """A part of the system that customers know, as the public page names it: nothing of it is internal."""

    id: Id = Field(description="its id; it is not shown")
    title: Line = Field(description="what customers call it")
    description: Line | None = Field(default=None, description="what it does for them")


class System(Model):
    """One AI application: what to read, what to move, what to measure, whom to tell."""

    system: Id = Field(description="its id; alarms name it in the label `system`")
    title: Line = Field(description="what people call it")
    fire_labels: tuple[str, ...] = Field(
        default=(), description="alarms of one name with the same values of these labels are one fire"
    )
    sources: tuple[SourceFitting, ...] = Field(default=(), description="where evidence is read from")
    levers: tuple[LeverFitting, ...] = Field(default=(), description="what can be moved and put back")
    checks: tuple[CheckFitting, ...] = Field(
        min_length=1, description="what says whether it keeps its promise"
    )
    channels: tuple[ChannelFitting, ...] = Field(min_length=1, description="how people are reached")
    trackers: tuple[TrackerFitting, ...] = Field(min_length=1, description="where tasks are kept")
    constraints: tuple[Constraint, ...] = Field(default=(), description="levers that do not go together")
    components: tuple[Component, ...] = Field(
        default=(),
        exclude_if=lambda value: value == (),
        description="what the public page shows of it, under its title; none keeps both off the page",
    )
    watch: tuple[Detector, ...] = Field(
        default=(),
        exclude_if=lambda value: value == (),
        description="what rings by itself when a check slowly stops keeping its promise, or stops talking",
    )
    legal: Legal = Field(
        default=Legal(),
        exclude_if=lambda value: value == Legal(),
        description="who owns the legal clocks, clocks of your own, and whether it may be altered before informing",
    )
    rehearsal: tuple[RehearsalFitting, ...] = Field(
        default=(),
        exclude_if=lambda value: value == (),
        description="the kinds of drill that may be run on it; without it no drill is",
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for kind in (*FITTED, "constraints", "components", "watch", "rehearsal"):
            ids: list[str] = []
            for index, each in enumerate(getattr(self, kind)):
                if each.id in ids:
                    says = (
                        f"{each.id!r} is already the id of {kind}[{ids.index(each.id)}]; give each its own id"
                    )
                    raise wrong_at(kind, index, "id", says=says)
                ids.append(each.id)
        return self

    @model_validator(mode="after")
    def _rehearsal_names_levers(self) -> Self:
        for index, plan in enumerate(self.rehearsal):
            for spot, name in enumerate(plan.stays):
                if self.lever(name) is None:
                    choice = ", ".join(each.id for each in self.levers) or "none"
                    raise wrong_at(
                        "rehearsal",
                        index,
                        "stays",
                        spot,
                        says=f"there is no lever {name!r}; there is {choice}",
                    )
        return self

    @model_validator(mode="after")
    def _constraints_name_levers(self) -> Self:
        for index, constraint in enumerate(self.constraints):
            for name, place in (("with", constraint.with_), ("breaks", constraint.breaks)):
                lever = self.lever(place.lever)
                if lever is None:
                    choice = ", ".join(each.id for each in self.levers) or "none"
                    says = f"there is no lever {place.lever!r}; there is {choice}"
                    raise wrong_at("constraints", index, name, "lever", says=says)
                for spot, position in enumerate(place.at):
                    if position not in lever.positions:
                        says = f"{lever.id} has no position {position!r}; it has {', '.join(lever.positions)}"
                        raise wrong_at("constraints", index, name, "at", spot, says=says)
        return self

    @model_validator(mode="after")
    def _detectors_name_checks(self) -> Self:
        for index, detector in enumerate(self.watch):
            if self.check(detector.check) is None:
                choice = ", ".join(each.id for each in self.checks)
                says = f"there is no check {detector.check!r}; there is {choice}"
                raise wrong_at("watch", index, "check", says=says)
        return self

    def source(self, name: str) -> SourceFitting | None:
        """The source of this id."""
        return next((each for each in self.sources if each.id == name), None)

    def lever(self, name: str) -> LeverFitting | None:
        """The lever of this id."""
        return next((each for each in self.levers if each.id == name), None)

    def check(self, name: str) -> CheckFitting | None:
        """The check of this id."""
        return next((each for each in self.checks if each.id == name), None)

    def rehearsed(self, kind: str) -> RehearsalFitting | None:
        """How this kind of drill is run on it; None where it may not be."""
        return next((each for each in self.rehearsal if each.id == kind), None)

    def channels_for(self, audience: str) -> tuple[ChannelFitting, ...]:
        """The channels that reach this audience."""
        return tuple(each for each in self.channels if each.audience == audience)
