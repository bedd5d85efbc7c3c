"""The MLflow lever: an alias of a prompt or a model, the traffic split of a gateway endpoint, or a budget.

MLflow does not compare before it sets, so somebody else's move that lands between our last read and our write is
overwritten: the gap is one round trip to MLflow, and never longer than `timeout`.

When a move is effective is MLflow's own matter, and a probe must see it: clients keep a prompt that they loaded by its
alias for MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS (60 by default), the gateway keeps an endpoint for
--secrets-cache-ttl (60 by default, 10 at least), and a worker of the gateway other than the one that took the budget
reads the budgets again after MLFLOW_GATEWAY_BUDGET_REFRESH_INTERVAL (600 s by default).
"""

from typing import ClassVar, Self

from pydantic import JsonValue, model_validator

from firestation.drivers.harvest import Fixed
from firestation.drivers.kit import Kit
from firestation.drivers.mlflow_budget import Budget, BudgetLever, is_amount
from firestation.drivers.mlflow_split import SplitLever, are_weights
from firestation.drivers.moving import MovingLever, ProductLever, ProductLeverConfig, is_version
from firestation.model import Line, Model
from firestation.ports import ByHand
from firestation.system import LeverFitting, Position

REGISTERED = Fixed(url="/api/2.0/mlflow/registered-models/get", query={"name": "{name}"})
SET_ALIAS = Fixed(
    method="POST",
    url="/api/2.0/mlflow/registered-models/alias",
    body={"name": "{name}", "alias": "{alias}", "version": "{version}"},
)
DROP_ALIAS = Fixed(
    method="DELETE",
    url="/api/2.0/mlflow/registered-models/alias",
    body={"name": "{name}", "alias": "{alias}"},
)


class MlflowLeverConfig(ProductLeverConfig):
    """One of four: `prompt` or `model` with its `alias`, `split` (an endpoint of the AI gateway by its name), `budget`.

    Positions: an alias stands at a version (2) or nowhere (null); a split at the weights of its primary models, by
    the names of their definitions ({stable: 1, canary: 0}); a budget at dollars (0 stops everything) or nowhere (null).
    """

    prompt: Line | None = None
    model: Line | None = None
    alias: Line | None = None
    split: Line | None = None
    budget: Budget | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        named = [name for name in ("prompt", "model", "split", "budget") if getattr(self, name) is not None]
        if len(named) != 1:
            found = " and ".join(named) or "nothing"
            msg = (
                f"a lever moves one thing, and this names {found}; write one of prompt, model, split, budget"
            )
            raise ValueError(msg)
        if (named[0] in {"prompt", "model"}) != (self.alias is not None):
            fix = "leave alias out" if self.alias else "write alias: production"
            msg = f"a prompt and a model need an alias, and nothing else has one; {fix}"
            raise ValueError(msg)
        return self

    def wrong(self, value: JsonValue) -> str | None:
        """What is wrong with a position of the system file."""
        if self.split is not None:
            return (
                None
                if are_weights(value)
                else "this is no split; write {MODEL: 1, OTHER: 0}, one at least 0.01"
            )
        if self.budget is not None:
            right = value is None or is_amount(value)
            return None if right else "this is no budget; write dollars like 0, 100 or 0.5, or null for none"
        right = value is None or is_version(value)
        return None if right else "this is no version; write its number, like 2, or null for no alias"


class MlflowLever(MovingLever[MlflowLeverConfig]):
    """Moves the one thing that its configuration names."""

    config_model: ClassVar[type[Model]] = MlflowLeverConfig

    def __init__(self, fitting: LeverFitting, config: MlflowLeverConfig, kit: Kit) -> None:
        super().__init__(fitting, config, kit)
        self.moves: SplitLever | BudgetLever | AliasLever
        if config.split is not None:
            self.moves = SplitLever(fitting, config, kit, config.split)
        elif config.budget is not None:
            self.moves = BudgetLever(fitting, config, kit, config.budget)
        else:
            self.moves = AliasLever(fitting, config, kit)

    async def position(self) -> Position:
        """Where it stands."""
        return await self.moves.position()

    async def write(self, to: Position, found: Position, key: str) -> None:
        """Set it."""
        await self.moves.write(to, found, key)

    def read_by_hand(self) -> ByHand:
        """The same request."""
        return self.moves.read_by_hand()

    def by_hand(self, to: JsonValue) -> str:
        """The command; a split and a budget need jq too."""
        return self.moves.by_hand(to)


class AliasLever(ProductLever[MlflowLeverConfig]):
    """An alias. MLflow keeps prompts as registered models, so one is like the other."""

    @property
    def names(self) -> dict[str, JsonValue]:
        """Of what, and which."""
        return {"name": self.config.prompt or self.config.model, "alias": self.config.alias}

    async def position(self) -> Position:
        """The number of its version; null where there is no such alias."""
        answer = await self.ask(REGISTERED, **self.names)
        aliases = answer.at("$.registered_model").get("aliases") or ()
        version = {each["alias"]: each["version"] for each in aliases}.get(self.config.alias)
        return Position(value=None if version is None else int(version))

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One request; setting it to where it is, and deleting what is not there, are harmless."""
        del found, key
        request, values = self._request(to.value)
        await self.ask(request, **values)

    def read_by_hand(self) -> ByHand:
        """The same request."""
        look = f"in $.registered_model.aliases, the version of the alias {self.config.alias}; none: no such alias"
        return ByHand(command=self.curl(REGISTERED, **self.names), look=look)

    def by_hand(self, to: JsonValue) -> str:
        """The same request."""
        request, values = self._request(to)
        return self.curl(request, **values)

    def _request(self, to: JsonValue) -> tuple[Fixed, dict[str, JsonValue]]:
        return (DROP_ALIAS, self.names) if to is None else (SET_ALIAS, {**self.names, "version": str(to)})
