"""The LiteLLM source: the proxy's models, its guardrails, and what it logged of the requests; and its lever.

Contract-tested only: against the shapes of LiteLLM's published API, not against its proxy.

LiteLLM does not compare before it sets, so somebody else's move that lands between our read and our write is
overwritten: the gap is one round trip to the proxy, and never longer than `timeout`. Other instances of the proxy keep
keys and models for a while, so a probe must ask through the proxy.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Self

from pydantic import JsonValue, model_validator

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource
from firestation.drivers.moving import ProductLever, ProductLeverConfig
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import ByHand
from firestation.system import Position

MODELS = Fixed(url="/model/info", holds="$.data")
GUARDRAILS = Fixed(url="/guardrails/list")
LOGGED = Fixed(url="/spend/logs", query={"request_id": "{request_id}"}, some="$")
HASH = re.compile(r"[0-9a-fA-F]{64}")
KEY = Fixed(url="/key/info", query={"key": "{key}"})
BLOCK = Fixed(method="POST", url="/key/block", body={"key": "{key}"})
UNBLOCK = Fixed(method="POST", url="/key/unblock", body={"key": "{key}"})
MODEL = Fixed(url="/model/info", query={"litellm_model_id": "{id}"})
ROUTE = Fixed(method="PATCH", url="/model/{id}/update", body={"litellm_params": {"model": "{model}"}})


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


class LitellmLeverConfig(ProductLeverConfig):
    """One of two: `key`, the hash of a virtual key that may be blocked, or `route`, the id of a model of the proxy.

    Positions: a key is `blocked` or `open`; a route is the model behind it, such as openai/gpt-4o. Only a model that
    is kept in the proxy's database has a route to move.
    """

    key: Line | None = None
    route: Line | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.key is None) == (self.route is None):
            msg = "a lever moves one thing; write either key: HASH or route: MODEL_ID"
            raise ValueError(msg)
        if self.key is not None and not HASH.fullmatch(self.key):
            msg = "key is not the hash of a key; write its 64 hexadecimal digits, never the key itself"
            raise ValueError(msg)
        return self

    def wrong(self, value: JsonValue) -> str | None:
        """What is wrong with a position of the system file."""
        if self.key is not None:
            return (
                None if value in ("blocked", "open") else "a key does not stand there; write blocked or open"
            )
        right = isinstance(value, str) and value
        return None if right else "this is no model; write it like openai/gpt-4o"


class LitellmLever(ProductLever[LitellmLeverConfig]):
    """Blocks and opens a key, or moves a route. One request, and the same one again changes nothing."""

    config_model: ClassVar[type[Model]] = LitellmLeverConfig

    async def position(self) -> Position:
        """Whether the key is blocked, or the model behind the route. Raises `Gone` for a route of the config file."""
        if self.config.key is not None:
            info = (await self.ask(KEY, key=self.config.key)).at("$.info")
            if info.get("deleted_at"):  # LiteLLM answers for deleted keys too
                raise Gone(f"the key {self.config.key} was deleted at {info['deleted_at']}")
            return Position(value="blocked" if info.get("blocked") else "open")
        answer = await self.ask(MODEL, id=self.config.route)
        model = answer.at("$.data[0]")
        if not model["model_info"].get("db_model"):
            msg = f"the model {self.config.route} stands in the proxy's config file; only one of its database moves"
            raise Gone(msg)
        return Position(value=str(model["litellm_params"]["model"]))

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One request."""
        del found, key
        request, values = self._request(to.value)
        await self.ask(request, **values)

    def read_by_hand(self) -> ByHand:
        """The same request."""
        if self.config.key is not None:
            command = self.curl(KEY, key=self.config.key)
            return ByHand(command=command, look="blocked where $.info.blocked is true, else open")
        command = self.curl(MODEL, id=self.config.route)
        return ByHand(command=command, look="the model stands at $.data[0].litellm_params.model")

    def by_hand(self, to: JsonValue) -> str:
        """The same request."""
        request, values = self._request(to)
        return self.curl(request, **values)

    def _request(self, to: JsonValue) -> tuple[Fixed, dict[str, JsonValue]]:
        if self.config.key is not None:
            return (BLOCK if to == "blocked" else UNBLOCK), {"key": self.config.key}
        return ROUTE, {"id": self.config.route, "model": to}
