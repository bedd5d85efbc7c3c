"""The LaunchDarkly lever: a flag on or off in one environment, or what it serves to those whom no rule names.

Contract-tested only: against the published API (version 20240415), not against LaunchDarkly. A semantic patch compares
nothing: somebody else's move that lands between our reading and our write is overwritten, and that gap is one round
trip. A flag that needs approval refuses the patch, which is `Denied`.
"""

from typing import Any, ClassVar, Literal

from pydantic import JsonValue

from firestation.drivers.harvest import Fixed
from firestation.drivers.moving import ProductLever, ProductLeverConfig
from firestation.errors import Denied, Gone
from firestation.model import Line, Model
from firestation.ports import ByHand
from firestation.system import Position

VERSION = {"LD-API-Version": "20240415"}
URL = "/api/v2/flags/{project}/{flag}"
FLAG = Fixed(url=URL, query={"env": "{environment}"}, headers=VERSION)
PATCH = Fixed(
    method="PATCH",
    url=URL,
    headers={**VERSION, "Content-Type": "application/json; domain-model=launchdarkly.semanticpatch"},
    body={"environmentKey": "{environment}", "comment": "{comment}", "instructions": ["{instruction}"]},
)
FALLTHROUGH = "updateFallthroughVariationOrRollout"
EXPERIMENT = "experiment"
WHOLE = 100_000  # weights are in thousandths of a percent


class LaunchdarklyLeverConfig(ProductLeverConfig):
    """`move` says what of the flag: `on` (true or false) or `fallthrough`.

    The fallthrough is the id of a variation, or a rollout: `{"weights": {ID: thousandths of a percent, ...}}`, with
    `bucketBy` and `contextKind` where they are set.
    """

    base: str = "https://app.launchdarkly.com"
    project: Line = "default"
    environment: Line = "production"
    flag: Line
    move: Literal["on", "fallthrough"] = "on"


class LaunchdarklyLever(ProductLever[LaunchdarklyLeverConfig]):
    """Moves one thing of one flag in one environment."""

    config_model: ClassVar[type[Model]] = LaunchdarklyLeverConfig

    async def position(self) -> Position:
        """As the API shows it."""
        asked = self.config
        flag = (await self.ask(FLAG, **self._place)).json()
        if asked.environment not in flag["environments"]:
            raise Gone(f"the flag {asked.flag} has no environment {asked.environment}")
        environment = flag["environments"][asked.environment]
        if asked.move == "on":
            on: bool = environment["on"]
            return Position(value=on)
        return Position(
            value=_served(environment["fallthrough"], [each["_id"] for each in flag["variations"]])
        )

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One semantic patch; the key stands in its comment."""
        if isinstance(found.value, dict) and found.value.get("kind") == EXPERIMENT:
            raise Denied(
                f"an experiment runs on {self.config.flag}, which cannot be put back; stop it there first"
            )
        instruction = self._instruction(to.value)
        await self.ask(PATCH, **self._place, comment=f"Firestation {key}", instruction=instruction)

    def _instruction(self, to: JsonValue) -> dict[str, JsonValue]:
        """What LaunchDarkly is told. Raises `Gone` for a position that it cannot hold."""
        if self.config.move == "on":
            if not isinstance(to, bool):
                raise Gone(f"a flag is true or false, not {to}")
            return {"kind": "turnFlagOn" if to else "turnFlagOff"}
        if isinstance(to, str):
            return {"kind": FALLTHROUGH, "variationId": to}
        known = {"weights", "bucketBy", "contextKind"}
        if isinstance(to, dict) and isinstance(to.get("weights"), dict) and set(to) <= known:
            weights: Any = to["weights"]
            if all(isinstance(each, int) for each in weights.values()) and sum(weights.values()) == WHOLE:
                told: dict[str, JsonValue] = {"kind": FALLTHROUGH, "rolloutWeights": weights}
                told |= {
                    f"rollout{each[0].upper()}{each[1:]}": to[each] for each in sorted(set(to) - {"weights"})
                }
                return told
        msg = (
            f"the fallthrough cannot be {to}; write the id of a variation, or weights: by id, {WHOLE} in sum"
        )
        raise Gone(msg)

    @property
    def _place(self) -> dict[str, JsonValue]:
        asked = self.config
        return {"project": asked.project, "flag": asked.flag, "environment": asked.environment}

    def read_by_hand(self) -> ByHand:
        """The same request."""
        spot = f"$.environments.{self.config.environment}.{self.config.move}"
        return ByHand(command=self.curl(FLAG, **self._place), look=f"its position stands at {spot}")

    def by_hand(self, to: JsonValue) -> str:
        """The same patch."""
        return self.curl(PATCH, **self._place, comment="by hand", instruction=self._instruction(to))


def _served(fallthrough: Any, ids: list[str]) -> JsonValue:
    """A variation by its id, for its number changes when variations are added or removed; or the whole rollout."""
    rollout = fallthrough.get("rollout")
    if rollout is None:
        variation: int = fallthrough["variation"]
        return ids[variation]
    weights: dict[str, JsonValue] = {ids[each["variation"]]: each["weight"] for each in rollout["variations"]}
    more = {each: rollout[each] for each in ("bucketBy", "contextKind") if rollout.get(each)}
    if rollout.get("kind") == EXPERIMENT:
        more["kind"] = EXPERIMENT
    return {"weights": weights, **more}
