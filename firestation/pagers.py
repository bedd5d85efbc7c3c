"""Pagers: the station's own ways to reach its people, each by one kind of contact point."""

from typing import NamedTuple

from pydantic import Field

from firestation.contacts import ContactKind
from firestation.fitting import Telling
from firestation.model import Line


class Pager(Telling):
    """A channel that reaches people one by one: each who has a contact point of the kind `reaches`, at that one."""

    title: Line = Field(
        default="the station's pager", description="what it is, in a line that a captain understands"
    )
    reaches: ContactKind = Field(description="the kind of contact point that it sends to")


class Way(NamedTuple):
    """How one message reaches one person: by this pager, to this address. `id` tells the ways of one person apart."""

    id: str
    pager: Pager
    to: str
