"""The traffic split of an endpoint of MLflow's AI gateway, as `mlflow_levers` offers it."""

import shlex
from typing import Any

from pydantic import JsonValue

from firestation.drivers.harvest import Fixed
from firestation.drivers.kit import Kit
from firestation.drivers.moving import ProductLever, ProductLeverConfig, Raced, is_number, plain_number
from firestation.errors import Gone
from firestation.model import canonical_json
from firestation.ports import ByHand
from firestation.system import LeverFitting, Position

ENDPOINT = Fixed(url="/api/3.0/mlflow/gateway/endpoints/get", query={"name": "{name}"})
DEFINITIONS = Fixed(url="/api/3.0/mlflow/gateway/model-definitions/list")
UPDATE = Fixed(method="POST", url="/api/3.0/mlflow/gateway/endpoints/update", body="{update}")
UPDATE_FROM_STDIN = Fixed(method="POST", url="/api/3.0/mlflow/gateway/endpoints/update")
FROM_STDIN = "-H 'Content-Type: application/json' -d @-"

SPLITS = "REQUEST_BASED_TRAFFIC_SPLIT"
LEAST_WEIGHT = 0.01
"""MLflow cuts weights to whole percents; where none is left, the endpoint answers nothing."""
OF_A_MODEL = ("model_definition_id", "linkage_type", "weight", "fallback_order")
BY_HAND = """
$to as {to} | .endpoint | .fallback_config as $fallback | {endpoint_id, model_configs: [
.model_mappings[] | .model_definition.name as $name
| if .linkage_type != "PRIMARY" then . else select($to | has($name)) | .weight = $to[$name] end
| {model_definition_id, linkage_type, weight, fallback_order} | with_entries(select(.value != null))]}
+ if $fallback then {fallback_config: $fallback} else {} end
"""


def are_weights(value: JsonValue) -> bool:
    """Whether these are weights of models, by their names, with which some request finds a model."""
    if not isinstance(value, dict):
        return False
    weights = [each for each in value.values() if is_number(each)]
    return len(weights) == len(value) and any(each >= LEAST_WEIGHT for each in weights)


class SplitLever(ProductLever[ProductLeverConfig]):
    """The weights of the primary models. The models to fall back to, and how, are sent again as they are."""

    def __init__(self, fitting: LeverFitting, config: ProductLeverConfig, kit: Kit, endpoint: str) -> None:
        super().__init__(fitting, config, kit)
        self.endpoint = endpoint

    async def position(self) -> Position:
        """The weights by the names of the models' definitions."""
        return _weights(await self._read_endpoint())

    async def _read_endpoint(self) -> dict[str, Any]:
        """Raises `Gone` for an endpoint that splits nothing: its weights mean nothing then."""
        endpoint: dict[str, Any] = (await self.ask(ENDPOINT, name=self.endpoint)).at("$.endpoint")
        if endpoint.get("routing_strategy") != SPLITS:
            msg = f"the endpoint {self.endpoint} splits no traffic; set its routing_strategy to {SPLITS}"
            raise Gone(msg)
        return endpoint

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One request, which replaces all models of the endpoint at once, so it is never half-applied."""
        del key
        listed = (await self.ask(DEFINITIONS)).json().get("model_definitions") or ()
        endpoint = await self._read_endpoint()
        now = _weights(endpoint)
        if not now.same_as(found):
            raise Raced(f"the endpoint {self.endpoint} stands at {now} meanwhile")
        if not isinstance(to.value, dict):
            raise Gone(f"{to} is no split, so the endpoint {self.endpoint} cannot be moved there")
        ids = {each["name"]: each["model_definition_id"] for each in listed}
        unknown = sorted(set(to.value) - set(ids))
        if unknown:
            raise Gone(f"MLflow's gateway has no model {', '.join(unknown)}; it has {', '.join(sorted(ids))}")
        models: list[JsonValue] = [
            {"model_definition_id": ids[name], "linkage_type": "PRIMARY", "weight": weight}
            for name, weight in to.value.items()
        ]
        models += [
            {name: each[name] for name in OF_A_MODEL if name in each}
            for each in endpoint["model_mappings"]
            if each["linkage_type"] != "PRIMARY"
        ]
        update: dict[str, JsonValue] = {"endpoint_id": endpoint["endpoint_id"], "model_configs": models}
        if endpoint.get("fallback_config"):
            update["fallback_config"] = endpoint["fallback_config"]
        await self.ask(UPDATE, update=update)

    def read_by_hand(self) -> ByHand:
        """The same request."""
        look = "the weights stand in $.endpoint.model_mappings; keep the whole answer"
        return ByHand(command=self.curl(ENDPOINT, name=self.endpoint), look=look)

    def by_hand(self, to: JsonValue) -> str:
        """With jq. A model that the endpoint does not have now is not added."""
        program = " ".join(BY_HAND.split()).replace("$to as {to}", f"{canonical_json(to).decode()} as $to")
        read, update = self.curl(ENDPOINT, name=self.endpoint), self.curl(UPDATE_FROM_STDIN)
        return f"{read} | jq {shlex.quote(program)} | {update} {FROM_STDIN}"


def _weights(endpoint: dict[str, Any]) -> Position:
    primary = [each for each in endpoint["model_mappings"] if each["linkage_type"] == "PRIMARY"]
    return Position(
        value={each["model_definition"]["name"]: plain_number(each.get("weight", 0)) for each in primary}
    )
