"""The ferrogw source: the model gateway's configuration, its history, who changed it, and the requests it logged."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource, stamp
from firestation.evidence import Scope
from firestation.model import Model

CONFIG = Fixed(url="/admin/config")
HISTORY = Fixed(url="/admin/config/history", holds="$.data")
AUDIT = Fixed(url="/admin/audit", query={"limit": "200"}, holds="$.data")
LOGS = Fixed(url="/admin/logs", query={"since": "{since}", "limit": "200"}, some="$.data")

What = Literal["config", "history", "audit", "logs"]


class FerrogwSourceConfig(ProductConfig):
    """`logs` needs a request log store: REQUEST_LOG_STORE_BACKEND and the request-logger plugin of ferrogw."""

    parts: ClassVar = {"read": ("model-route", "flags", "requests", "guardrails")}

    read: tuple[What, ...] = ("config", "history", "audit", "logs")


class FerrogwSource(ProductSource[FerrogwSourceConfig]):
    """Freezes the gateway's configuration with its history, and the request log since the look-back."""

    config_model: ClassVar[type[Model]] = FerrogwSourceConfig

    def jobs(self, scope: Scope) -> Iterator[Job]:
        """The configuration first."""
        known = {
            "config": ("configuration", CONFIG),
            "history": ("configuration history", HISTORY),
            "audit": ("changes by people", AUDIT),
            "logs": ("requests since the look-back", LOGS),
        }
        for what in self.config.read:
            name, request = known[what]
            yield partial(self.freeze, "read", name, request, since=stamp(scope.since))
