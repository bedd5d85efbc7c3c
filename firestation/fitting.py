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


ONE_PLACE = {
    "email": "to",
    "matrix": "room",
    "webhook": "url",
    "slack": "channel",
    "teams": "url",
    "pagerduty": "routing_key",
    "statuspage": "page",
}
"""By driver: the setting that sends everything to one place, whoever it is for."""


class Telling(Fitting):
    """What brings words to people: a system's channel, or a station's pager.

    Whoever reads a page's link can use it as the person who was paged, so it goes where that person alone reads, or
    where `link` says that it may.
    """

    link: bool | None = Field(
        default=None,
        exclude_if=lambda link: link is None,
        description="whether a page that goes by it has its personal link; unset, only if it goes to the person alone",
    )

    @property
    def gathers(self) -> bool:
        """Whether everything goes to one place, as far as its settings tell: a secret URL tells nothing."""
        if self.driver == "http":
            return "{to}" not in str(self.config.get("send"))
        return self.config.get(ONE_PLACE.get(self.driver, "")) is not None

    @property
    def place(self) -> str | None:
        """The one place where everything goes, as far as its settings name one; else None."""
        if self.driver == "http":
            return f"{self.config.get('base')} {self.config.get('send')}" if self.gathers else None
        setting = "file" if self.driver == "file" else ONE_PLACE.get(self.driver, "")
        found = self.config.get(setting)
        return None if found is None else str(found)

    def brings_link(self, to: str | None) -> bool:
        """Whether the link of a page may be in what it sends to this address of the person; that may be a room, too."""
        if self.link is not None:
            return self.link
        return not self.gathers and not is_room(to or "")


def is_room(address: str) -> bool:
    """Whether it is a Matrix room's and not a person's."""
    return address.startswith(("#", "!"))
