"""The Unleash levers: a flag on or off in one environment, and the rollout or the variants of one of its strategies.

Rollout and variants are changed by a JSON Patch that tests the value that was read: Unleash itself compares. On and
off have no such test, so somebody else's switch that lands between our reading and our write is not seen: that gap is
one round trip. Clients ask for the flags now and then, so they see a move some time after it is read back.

Unleash gives a flag that is switched on without any strategy one for everybody, which stays when it is off again.
"""

from typing import Any, ClassVar, Literal, Self

from pydantic import JsonValue, model_validator

from firestation.drivers.harvest import Fixed
from firestation.drivers.moving import ProductLever, ProductLeverConfig, Raced
from firestation.drivers.unleash import FEATURE
from firestation.errors import Gone, Unreachable
from firestation.model import Line, Model
from firestation.ports import ByHand
from firestation.system import Position

ENVIRONMENT = "/api/admin/projects/{project}/features/{feature}/environments/{environment}"
SWITCH = Fixed(method="POST", url=f"{ENVIRONMENT}/{{state}}")
PATCH = Fixed(method="PATCH", url=f"{ENVIRONMENT}/strategies/{{strategy}}", body="{patch}")
PLACES = {"rollout": "/parameters/rollout", "variants": "/variants"}
REFUSED = "Test operation failed"  # Unleash says it with 500
ALL, WHOLE = 100, 1000


class UnleashLeverConfig(ProductLeverConfig):
    """`move` says what of the flag: `enabled` (true or false), `rollout` (whole percent) or `variants`.

    Variants are a map: the name of each to `{"weight": ..., "weightType": ..., "stickiness": ...}` and its payload.
    The weights are in thousandths. Unleash shares what the `fix` ones leave among the `variable` ones equally.

    The last two belong to a strategy, named by its id where the flag has more than one in the environment.
    """

    project: Line = "default"
    feature: Line
    environment: Line
    move: Literal["enabled", "rollout", "variants"] = "enabled"
    strategy: Line | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.move == "enabled" and self.strategy:
            msg = "a strategy is not switched on or off here; leave strategy out, or write move: rollout or variants"
            raise ValueError(msg)
        return self


class UnleashLever(ProductLever[UnleashLeverConfig]):
    """Moves one thing of one flag in one environment."""

    config_model: ClassVar[type[Model]] = UnleashLeverConfig

    async def position(self) -> Position:
        """As the admin API shows it. The revision is the id of the strategy that is moved."""
        environment = await self._environment()
        if self.config.move == "enabled":
            enabled: bool = environment["enabled"]
            return Position(value=enabled)
        strategy = self._strategy(environment)
        return Position(value=self._value(strategy), revision=strategy["id"])

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - Unleash has no place for it
        """One request, in which Unleash compares, except for on and off."""
        if self.config.move == "enabled":
            await self.ask(SWITCH, **self._place, state=_state(to.value))
            return
        path, wanted = PLACES[self.config.move], self._told(to.value)
        strategy = self._strategy(await self._environment())
        if not Position(value=self._value(strategy)).same_as(found):
            raise Raced(f"the {self.config.move} was changed between our reading and our write")
        raw = strategy["parameters"]["rollout"] if self.config.move == "rollout" else strategy["variants"]
        patch: list[JsonValue] = [
            {"op": "test", "path": path, "value": raw},
            {"op": "replace", "path": path, "value": wanted},
        ]
        try:
            await self.ask(PATCH, **self._place, strategy=strategy["id"], patch=patch)
        except Unreachable as error:
            if REFUSED in str(error):
                raise Raced(str(error)) from error
            raise

    def _value(self, strategy: Any) -> JsonValue:
        """The rollout as a number, or the variants by their names: Unleash puts them into an order of its own."""
        if self.config.move == "variants":
            return {
                each["name"]: {key: value for key, value in each.items() if key != "name"}
                for each in strategy.get("variants") or ()
            }
        rollout = (strategy.get("parameters") or {}).get("rollout")
        if rollout is None:
            raise Gone(f"the strategy {strategy['name']} has no rollout; make it a flexibleRollout")
        return int(rollout)

    async def _environment(self) -> Any:
        asked = self.config
        flag = (await self.ask(FEATURE, project=asked.project, feature=asked.feature)).json()
        there = {each["name"]: each for each in flag["environments"]}
        if asked.environment not in there:
            msg = (
                f"the flag {asked.feature} has no environment {asked.environment}; it has {', '.join(there)}"
            )
            raise Gone(msg)
        return there[asked.environment]

    def _strategy(self, environment: Any) -> Any:
        named = self.config.strategy
        found = [each for each in environment["strategies"] if named in {None, each["id"]}]
        if len(found) != 1:
            ids = ", ".join(each["id"] for each in environment["strategies"]) or "none"
            msg = f"one strategy is to be moved and {len(found)} fit; set strategy to one of these ids: {ids}"
            raise Gone(msg)
        return found[0]

    def _told(self, value: JsonValue) -> JsonValue:
        """The value as Unleash keeps it. Raises `Gone` for one that it cannot hold."""
        if self.config.move == "variants":
            return _variants(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= ALL:
            return str(value)
        raise Gone(f"a rollout cannot be {value}; write a whole percent from 0 to 100")

    @property
    def _place(self) -> dict[str, JsonValue]:
        asked = self.config
        return {"project": asked.project, "feature": asked.feature, "environment": asked.environment}

    def read_by_hand(self) -> ByHand:
        """The same request."""
        asked = self.config
        spot = "its `enabled`" if asked.move == "enabled" else f"its strategy's {PLACES[asked.move]}"
        command = self.curl(FEATURE, project=asked.project, feature=asked.feature)
        return ByHand(command=command, look=f"in $.environments, the one named {asked.environment}: {spot}")

    def by_hand(self, to: JsonValue) -> str:
        """The same request without the comparison; an id of a strategy that is not configured is left to fill in."""
        if self.config.move == "enabled":
            return self.curl(SWITCH, **self._place, state=_state(to))
        patch: JsonValue = [
            {"op": "replace", "path": PLACES[self.config.move], "value": self._told(to)},
        ]
        return self.curl(PATCH, **self._place, strategy=self.config.strategy or "STRATEGY", patch=patch)


def _state(value: JsonValue) -> str:
    if not isinstance(value, bool):
        raise Gone(f"a flag is true or false, not {value}")
    return "on" if value else "off"


def _variants(value: JsonValue) -> JsonValue:
    """The list that a map of variants is. Raises `Gone` for weights of which Unleash would make others."""
    if not isinstance(value, dict):
        raise Gone(
            f"the variants cannot be {value}; write them as a map, the name of each to its weight and the rest"
        )
    named: list[Any] = [{**each, "name": name} for name, each in value.items() if isinstance(each, dict)]
    try:
        # The heaviest first: Unleash gives what cannot be shared equally to the first ones.
        shared = sorted(
            (each for each in named if each["weightType"] == "variable"), key=lambda each: -each["weight"]
        )
        fixed = [each for each in named if each["weightType"] == "fix"]
        left = WHOLE - sum(each["weight"] for each in fixed)
        share, rest = divmod(left, max(1, len(shared)))
        wanted = [share + (index < rest) for index in range(len(shared))]
        right = (
            len(named) == len(value) == len(shared) + len(fixed)
            and [each["weight"] for each in shared] == wanted
        )
    except (LookupError, TypeError) as error:
        raise Gone(f"a variant needs weight and weightType, fix or variable: {error}") from error
    if not right or (named and not shared):
        msg = (
            f"{left} of {WHOLE} are left to {len(shared)} variable variants; write {wanted}, or make them fix"
        )
        raise Gone(msg)
    return [*shared, *fixed]
