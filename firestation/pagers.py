"""Pagers: the station's own ways to reach its people, each by one kind of contact point."""

from typing import NamedTuple

from pydantic import Field

from firestation.contacts import ContactKind
from firestation.model import Line
from firestation.system import ChannelFitting, Fitting


class Pager(Fitting):
    """A channel that reaches people one by one: each who has a contact point of the kind `reaches`, at that one."""

    title: Line = Field(
        default="the station's pager", description="what it is, in a line that a captain understands"
    )
    reaches: ContactKind = Field(description="the kind of contact point that it sends to")

    def fitting(self) -> ChannelFitting:
        """The same as a channel, as `send` is ordered to use it."""
        return ChannelFitting(
            id=self.id, title=self.title, driver=self.driver, config=self.config, audience="pager"
        )


class Way(NamedTuple):
    """How one message reaches one person: by this pager, to this address. `id` tells the ways of one person apart."""

    id: str
    pager: Pager
    to: str
