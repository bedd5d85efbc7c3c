"""The system: one AI application under protection, as its system file describes it."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from firestation.model import Duration, Id, Line, Model, Text, canonical_json
from firestation.privacy import Privacy

CONTROL = "control-sample"
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


SnapshotItem = Annotated[str, AfterValidator(_known_item)]


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
        """The bare value."""
        return self.value if isinstance(self.value, str) else canonical_json(self.value).decode()


class Fitting(Model):
    """A driver with its configuration: how one outside thing is reached. `with` is checked by the driver."""

    id: Id
    title: Line
    driver: Id
    config: dict[str, Any] = Field(default_factory=dict, alias="with")


class SourceFitting(Fitting):
    """A place where evidence is read from; `provides` names the items of the minimum snapshot it gives."""

    provides: tuple[SnapshotItem, ...]
    time_box: Duration = Field(
        default="30s", validate_default=True, gt=timedelta(), le=timedelta(minutes=8)
    )  # the whole snapshot has ten
    privacy: Privacy = Privacy()


class LeverFitting(Fitting):
    """A lever and the positions that it may be moved to, each with a name that runbooks use.

    `affects` says for whom a move changes something, `effective_within` how long its effect takes as a rule.
    """

    positions: dict[Id, JsonValue] = Field(min_length=1)
    affects: Line | None = None
    effective_within: Duration | None = None
    reversible: bool = True

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


class ChannelFitting(Fitting):
    """A way to reach people."""

    audience: Literal["internal", "public", "pager"]


class TrackerFitting(Fitting):
    """A place where tasks are kept."""


class System(Model):
    """One AI application: what to read, what to move, what to measure, whom to tell."""

    system: Id
    title: Line
    fire_labels: tuple[str, ...] = ()
    sources: tuple[SourceFitting, ...] = ()
    levers: tuple[LeverFitting, ...] = ()
    checks: tuple[CheckFitting, ...] = Field(min_length=1)
    channels: tuple[ChannelFitting, ...] = Field(min_length=1)
    trackers: tuple[TrackerFitting, ...] = Field(min_length=1)
    constraints: tuple[Constraint, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for kind in ("sources", "levers", "checks", "channels", "trackers"):
            ids = [fitting.id for fitting in getattr(self, kind)]
            twice = sorted({name for name in ids if ids.count(name) > 1})
            if twice:
                msg = f"{kind} has the id {twice[0]!r} twice; give each its own id"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _constraints_name_levers(self) -> Self:
        for constraint in self.constraints:
            for place in (constraint.with_, constraint.breaks):
                lever = self.lever(place.lever)
                known = lever.positions if lever else {}
                strange = next((name for name in place.at if name not in known), None)
                if strange:
                    msg = (
                        f"the constraint {constraint.id} names {place.lever} at {strange}, which no lever here has; "
                        f"name a lever and its positions"
                    )
                    raise ValueError(msg)
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

    def channels_for(self, audience: str) -> tuple[ChannelFitting, ...]:
        """The channels that reach this audience."""
        return tuple(each for each in self.channels if each.audience == audience)
