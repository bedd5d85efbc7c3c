"""A budget that rejects requests to MLflow's AI gateway, as `mlflow_levers` offers it.

MLflow rejects once the spend has reached the amount: with 0 it rejects at once, with any other amount only where the
cost of the models is known to it and has been spent.
"""

import shlex
from typing import Any, Literal, TypeGuard

from pydantic import Field, JsonValue

from firestation.drivers.harvest import Fixed
from firestation.drivers.kit import Kit
from firestation.drivers.mlflow_split import ENDPOINT, FROM_STDIN
from firestation.drivers.moving import ProductLever, ProductLeverConfig, Raced, is_number, plain_number
from firestation.errors import Nonsense
from firestation.model import Line, Model, canonical_json
from firestation.ports import ByHand
from firestation.system import LeverFitting, Position

LIST = Fixed(url="/api/3.0/mlflow/gateway/budgets/list")
CREATE = Fixed(method="POST", url="/api/3.0/mlflow/gateway/budgets/create", body="{policy}")
CREATE_FROM_STDIN = Fixed(method="POST", url="/api/3.0/mlflow/gateway/budgets/create")
UPDATE = Fixed(
    method="POST",
    url="/api/3.0/mlflow/gateway/budgets/update",
    body={"budget_policy_id": "{id}", "budget_amount": "{amount}"},
)
DELETE = Fixed(
    method="DELETE", url="/api/3.0/mlflow/gateway/budgets/delete", body={"budget_policy_id": "{id}"}
)
DELETE_FROM_STDIN = Fixed(method="DELETE", url="/api/3.0/mlflow/gateway/budgets/delete")

OURS = """
.budget_policies[]? | select((.target_value // "") == $endpoint and contains($of)) | {budget_policy_id}
"""
WANTED = """
$of + {budget_unit: "USD", budget_amount: $to} + if $endpoint == "" then {} else {target_value: $endpoint} end
"""


class Budget(Model):
    """The REJECT budget of an endpoint by its name, or of the whole gateway: US dollars for `every` so many units."""

    endpoint: Line | None = None
    every: int = Field(default=1, ge=1)
    unit: Literal["MINUTES", "HOURS", "DAYS", "WEEKS", "MONTHS"] = "DAYS"


def is_amount(value: JsonValue) -> TypeGuard[int | float]:
    """Whether this is an amount as we read it: 100 and never 100.0, for the two are not the same position."""
    return is_number(value) and type(plain_number(value)) is type(value)


class BudgetLever(ProductLever[ProductLeverConfig]):
    """The amount of the policy with this scope, duration and action. Several with one amount are as one.

    Two are left when a slow create is sent again. Several with different amounts stand at the list of them.
    """

    def __init__(self, fitting: LeverFitting, config: ProductLeverConfig, kit: Kit, budget: Budget) -> None:
        super().__init__(fitting, config, kit)
        self.budget = budget
        self.of: dict[str, JsonValue] = {
            "budget_action": "REJECT",
            "duration": {"unit": budget.unit, "value": budget.every},
            "target_scope": "ENDPOINT" if budget.endpoint else "GLOBAL",
        }

    async def position(self) -> Position:
        """Dollars; null where there is no such budget."""
        return _amount(await self._policies(await self._of()))

    async def _of(self) -> dict[str, JsonValue]:
        """What our policies have in common."""
        if self.budget.endpoint is None:
            return self.of
        endpoint = await self.ask(ENDPOINT, name=self.budget.endpoint)
        return {**self.of, "target_value": endpoint.at("$.endpoint.endpoint_id")}

    async def _policies(self, of: dict[str, JsonValue]) -> list[dict[str, Any]]:
        answer = await self.ask(LIST)
        listed = answer.json()
        if listed.get("next_page_token"):
            raise Nonsense(f"{answer.asked} has more budgets than one answer holds; delete old ones")
        wanted = {"target_value": None, **of}
        return [
            each
            for each in listed.get("budget_policies") or ()
            if all(each.get(name) == value for name, value in wanted.items())
        ]

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One policy is left first and set last: whatever fails before, the amount that was found still shows."""
        del key
        of = await self._of()
        policies = await self._policies(of)
        now = _amount(policies)
        if not now.same_as(found):
            raise Raced(f"the budget stands at {now} meanwhile")
        kept = policies[:1] if to.value is not None else []
        for each in policies[len(kept) :]:
            await self.ask(DELETE, id=each["budget_policy_id"])
        for each in kept:
            await self.ask(UPDATE, id=each["budget_policy_id"], amount=to.value)
        if to.value is not None and not kept:
            await self.ask(CREATE, policy={**of, "budget_unit": "USD", "budget_amount": to.value})

    def read_by_hand(self) -> ByHand:
        """The same request."""
        look = f"in $.budget_policies, the budget_amount of {self.budget.endpoint or 'the whole gateway'}; none: null"
        return ByHand(command=self.curl(LIST), look=look)

    def by_hand(self, to: JsonValue) -> str:
        """With jq: delete the policies that there are, then create the one that is wanted."""
        given = f'--arg endpoint "$ENDPOINT" --argjson of {shlex.quote(canonical_json(self.of).decode())}'
        steps = ["ENDPOINT="]
        if self.budget.endpoint is not None:
            steps = [
                f"ENDPOINT=$({self.curl(ENDPOINT, name=self.budget.endpoint)} | jq -r .endpoint.endpoint_id)"
            ]
        each = f'echo "$EACH" | {self.curl(DELETE_FROM_STDIN)} {FROM_STDIN}'
        ours, wanted = (shlex.quote(" ".join(each.split())) for each in (OURS, WANTED))
        steps.append(f"{self.curl(LIST)} | jq -c {given} {ours} | while read -r EACH; do {each}; done")
        if to is not None:
            made = f"jq -n {given} --argjson to {shlex.quote(canonical_json(to).decode())} {wanted}"
            steps.append(f"{made} | {self.curl(CREATE_FROM_STDIN)} {FROM_STDIN}")
        return "; ".join(steps)


def _amount(policies: list[dict[str, Any]]) -> Position:
    amounts: list[JsonValue] = [*sorted({plain_number(each["budget_amount"]) for each in policies})]
    return Position(value=None if not amounts else amounts[0] if len(amounts) == 1 else amounts)
