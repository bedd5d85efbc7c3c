"""A fault by declaration: the requests that break a rehearsal target for a drill, and those that mend it."""

from typing import ClassVar

from pydantic import Field

from firestation.drivers.exchange import Connection, ask
from firestation.drivers.kit import Kit
from firestation.drivers.template import Method, Request
from firestation.errors import Gone
from firestation.model import Model
from firestation.rehearsal import RehearsalFitting


class FaultRequest(Request):
    """One request. `{drill}` is the name of the drill."""

    allowed: ClassVar[frozenset[str]] = frozenset({"drill"})

    method: Method = "POST"


class HttpFaultConfig(Connection):
    """The requests in their order; each may be sent again, and must then change nothing more."""

    inject: tuple[FaultRequest, ...] = Field(min_length=1)
    clear: tuple[FaultRequest, ...] = Field(min_length=1)


class HttpFault:
    """Sets and clears a fault. What is not there any more counts as cleared."""

    config_model: ClassVar[type[Model]] = HttpFaultConfig

    def __init__(self, fitting: RehearsalFitting, config: HttpFaultConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def inject(self, drill: str) -> None:
        """Each request, one after the other."""
        for request in self.config.inject:
            await ask(self.kit, self.config, request, {"drill": drill})

    async def clear(self, drill: str) -> None:
        """Each request, one after the other."""
        for request in self.config.clear:
            try:
                await ask(self.kit, self.config, request, {"drill": drill})
            except Gone:
                continue
