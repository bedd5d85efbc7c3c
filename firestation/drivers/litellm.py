"""The LiteLLM source: the proxy's models, its guardrails, and what it logged of the requests.

Contract-tested only: against the shapes of LiteLLM's published API, not against its proxy.
"""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource
from firestation.evidence import Scope
from firestation.model import Model

MODELS = Fixed(url="/model/info", holds="$.data")
GUARDRAILS = Fixed(url="/guardrails/list")
LOGGED = Fixed(url="/spend/logs", query={"request_id": "{request_id}"}, some="$")


class LitellmSourceConfig(ProductConfig):
    """`logs` needs the proxy's database; contents are in them only with store_prompts_in_spend_logs."""

    parts: ClassVar = {
        "models": ("model-route", "flags"),
        "guardrails": ("guardrails",),
        "logs": (),
    }

    models: bool = True
    guardrails: bool = False
    logs: bool = False


class LitellmSource(ProductSource[LitellmSourceConfig]):
    """Freezes the routes and guardrails of the proxy, and its log of the requests that the alarm names."""

    config_model: ClassVar[type[Model]] = LitellmSourceConfig

    def jobs(self, scope: Scope) -> Iterator[Job]:
        """The routes first."""
        if self.config.models:
            yield partial(self.freeze, "models", "models", MODELS)
        if self.config.guardrails:
            yield partial(self.freeze, "guardrails", "guardrails", GUARDRAILS)
        if self.config.logs:
            for request in scope.request_ids:
                name = f"log of request {request}"
                yield partial(self.freeze, "logs", name, LOGGED, request_id=request)
