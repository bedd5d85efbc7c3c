"""A real MLflow as its operator sees it, without us, with a gateway in front of a provider of models."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from pydantic import JsonValue

from tests.drivers.contracts import served

GATEWAY = "/api/3.0/mlflow/gateway"
REGISTRY = "/api/2.0/mlflow"
SPLIT = "REQUEST_BASED_TRAFFIC_SPLIT"
STABLE: JsonValue = {"stable": 1, "canary": 0}


def model(method: str, path: str, _: dict[str, str], body: Any) -> Any:
    """What stands behind the gateway: a provider of models, which says which one was asked."""
    assert (method, path) == ("POST", "/v1/chat/completions")
    message = {"role": "assistant", "content": f"I am {body['model']}"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    kind = {"id": "c-1", "object": "chat.completion", "created": 1, "model": body["model"]}
    return {**kind, "choices": [choice], "usage": usage}


class Mlflow:
    """MLflow as its operator sees it, without us."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60)
        self.models: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        return self.http.request(method, path, json=body, params=query).raise_for_status().json()

    def alias(self, name: str) -> JsonValue:
        found = self.call("GET", f"{REGISTRY}/registered-models/get", name=name)["registered_model"]
        aliases = {each["alias"]: int(each["version"]) for each in found.get("aliases", ())}
        return aliases.get("production")

    def set_alias(self, name: str, version: JsonValue) -> None:
        body = {"name": name, "alias": "production"}
        if version is None:
            self.call("DELETE", f"{REGISTRY}/registered-models/alias", body)
        else:
            self.call("POST", f"{REGISTRY}/registered-models/alias", {**body, "version": str(version)})

    def endpoint(self, name: str) -> Any:
        return self.call("GET", f"{GATEWAY}/endpoints/get", name=name)["endpoint"]

    def weights(self, name: str) -> JsonValue:
        return {
            each["model_definition"]["name"]: each["weight"]
            for each in self.endpoint(name)["model_mappings"]
            if each["linkage_type"] == "PRIMARY"
        }

    def configs(self, weights: Any) -> list[Any]:
        primary = [
            {"model_definition_id": self.models[name], "linkage_type": "PRIMARY", "weight": weight}
            for name, weight in weights.items()
        ]
        spare = {"model_definition_id": self.models["spare"], "linkage_type": "FALLBACK", "fallback_order": 1}
        return [*primary, spare]

    def set_weights(self, name: str, weights: Any) -> None:
        body = {"endpoint_id": self.endpoint(name)["endpoint_id"], "model_configs": self.configs(weights)}
        fallback = {"strategy": "SEQUENTIAL", "max_attempts": 1}
        self.call("POST", f"{GATEWAY}/endpoints/update", {**body, "fallback_config": fallback})

    def add_endpoint(self, name: str, strategy: str = SPLIT) -> None:
        body = {"name": name, "routing_strategy": strategy, "model_configs": self.configs(STABLE)}
        fallback = {"strategy": "SEQUENTIAL", "max_attempts": 1}
        self.call("POST", f"{GATEWAY}/endpoints/create", {**body, "fallback_config": fallback})

    def budgets(self) -> list[Any]:
        return list(self.call("GET", f"{GATEWAY}/budgets/list").get("budget_policies", ()))

    def amounts(self, scope: str = "ENDPOINT") -> JsonValue:
        """None, or the one amount, or all of them."""
        found = [each["budget_amount"] for each in self.budgets() if each["target_scope"] == scope]
        return None if not found else found[0] if len(found) == 1 else found

    def set_amount(self, name: str, amount: JsonValue) -> None:
        for each in self.budgets():
            body = {"budget_policy_id": each["budget_policy_id"]}
            self.call("DELETE", f"{GATEWAY}/budgets/delete", body)
        if amount is not None:
            self.add_budget(name, amount)

    def add_budget(self, name: str, amount: JsonValue, **changes: Any) -> None:
        policy = {
            "budget_unit": "USD",
            "budget_amount": amount,
            "duration": {"unit": "DAYS", "value": 1},
            "target_scope": "ENDPOINT",
            "target_value": self.endpoint(name)["endpoint_id"],
            "budget_action": "REJECT",
        }
        self.call("POST", f"{GATEWAY}/budgets/create", {**policy, **changes})

    def ask(self, endpoint: str) -> httpx.Response:
        return self.http.post("/gateway/mlflow/v1/chat/completions", json=question(endpoint))


def question(endpoint: str) -> dict[str, Any]:
    return {"model": endpoint, "messages": [{"role": "user", "content": "a refund?"}]}


@contextmanager
def operating(url: str) -> Iterator[Mlflow]:
    """MLflow with a gateway: three models and an endpoint; its slow first request is made in the background."""
    operator = Mlflow(url)
    with operator.http, served(model, lambda _: True) as provider:
        secret = {"secret_name": "provider", "secret_value": {"api_key": "none"}, "provider": "openai"}
        secret["auth_config"] = {"api_base": f"{provider}/v1"}
        kept = operator.call("POST", f"{GATEWAY}/secrets/create", secret)["secret"]["secret_id"]
        for name, of in (("stable", "gpt-4o"), ("canary", "gpt-4o-mini"), ("spare", "gpt-4.1")):
            body = {"name": name, "secret_id": kept, "provider": "openai", "model_name": of}
            made = operator.call("POST", f"{GATEWAY}/model-definitions/create", body)["model_definition"]
            operator.models[name] = made["model_definition_id"]
        operator.add_endpoint("chat")
        operator.call("POST", f"{REGISTRY}/registered-models/create", {"name": "ranker"})
        for _ in range(2):
            body = {"name": "ranker", "source": "s3://models/ranker"}
            operator.call("POST", f"{REGISTRY}/model-versions/create", body)
        first = threading.Thread(target=operator.ask, args=("chat",))
        first.start()
        yield operator
        first.join()
