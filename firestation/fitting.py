"""A fitting: how a system file, or a station file, names a driver and what it needs to know."""

from typing import Any

from pydantic import Field

from firestation.model import Id, Line, Model


class Fitting(Model):
    """A driver with its configuration: how one outside thing is reached. `with` is checked by the driver."""

    id: Id = Field(description="a name for it, which runbooks use")
    title: Line = Field(description="what it is, in a line that a captain understands")
    driver: Id = Field(description="the driver that reaches it, such as http")
    config: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="what the driver needs to know; the driver checks it"
    )
