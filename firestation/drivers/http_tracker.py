"""The tracker by declaration: how a task is opened and, where the product can be asked, looked at and reminded of.

A tracker of which the file says no `look` is not `Followed`, and does not claim to be: it is built from another class.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from firestation.after_action import Task, Ticket, TicketState
from firestation.drivers.exchange import Spot, ask
from firestation.drivers.harvest import one_line, stamp
from firestation.drivers.http import Keyed, reference
from firestation.drivers.kit import Kit
from firestation.drivers.template import Method, Request
from firestation.errors import Gone, Nonsense
from firestation.expect import MISSING, JsonPath, value_at
from firestation.model import Model, canonical_json
from firestation.system import TrackerFitting

Values = tuple[JsonValue, ...]


class OpenRequest(Request):
    """How a task is opened. Without an owner or a day `{owner}` and `{due}` are null, and empty inside text."""

    allowed: ClassVar[frozenset[str]] = frozenset(
        {"incident", "kind", "title", "text", "key", "owner", "due"}
    )

    method: Method = "POST"


class LookRequest(Request):
    """How a task is looked at: its state stands at `state`, and is open, done or gone by the values that are listed."""

    allowed: ClassVar[frozenset[str]] = frozenset({"ticket"})

    state: JsonPath
    open: Values = Field(min_length=1)
    done: Values = Field(min_length=1)
    gone: Values = ()
    assignee: JsonPath | None = None

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        listed = [canonical_json(each) for each in (*self.open, *self.done, *self.gone)]
        for each in listed:
            if listed.count(each) > 1:
                msg = f"{each.decode()} is listed twice; write it once, under open, done or gone"
                raise ValueError(msg)
        return self

    def means(self, value: JsonValue) -> Literal["open", "done", "gone"] | None:
        """What this value says; None when it is not listed."""
        told = canonical_json(value)
        if told in _told(self.open):
            return "open"
        if told in _told(self.done):
            return "done"
        return "gone" if told in _told(self.gone) else None


class RemindRequest(Request):
    """How a word is put to a task."""

    allowed: ClassVar[frozenset[str]] = frozenset({"ticket", "text", "key"})

    method: Method = "POST"


class HttpTrackerConfig(Keyed):
    """`ticket`: where the answer names the ticket; without it, the status. `look` and `remind` come together."""

    open: OpenRequest
    ticket: Spot | None = None
    look: LookRequest | None = None
    remind: RemindRequest | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.look is None) != (self.remind is None):
            msg = (
                "a tracker that is followed is looked at and reminded; write both look and remind, or neither"
            )
            raise ValueError(msg)
        if self.look and self.ticket is None:
            msg = "look and remind need to know which ticket; add ticket: {path: $.id}, where the answer names it"
            raise ValueError(msg)
        return self


class HttpTracker:
    """Opens tasks. That a repeated key opens one is the product's promise, kept by its idempotency key."""

    config_model: ClassVar[type[Model]] = HttpTrackerConfig

    def __new__(cls, fitting: TrackerFitting, config: HttpTrackerConfig, kit: Kit) -> Self:
        """One that can be followed where the configuration says how, and one that does not claim it elsewhere."""
        del fitting, kit
        made: Any = FollowedHttpTracker if config.look else cls
        tracker: Self = super().__new__(made)
        return tracker

    def __init__(self, fitting: TrackerFitting, config: HttpTrackerConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def open(self, task: Task, key: str) -> Ticket:
        """One request, under the key."""
        config = self.config
        values: dict[str, JsonValue] = {**task.model_dump(mode="json"), "key": key, "owner": task.owner}
        values["due"] = stamp(task.due) if task.due else None
        answer = await ask(self.kit, config, config.open, values, config.key(key))
        return Ticket(kind=task.kind, tracker=self.fitting.id, reference=reference(answer, config.ticket))


class FollowedHttpTracker(HttpTracker):
    """Looks and reminds too. That a repeated key reminds once is the product's promise as well."""

    async def look(self, ticket: Ticket) -> TicketState:
        """One request. Raises `Nonsense` for a state that the configuration does not list."""
        look = self.config.look
        assert look is not None
        try:
            answer = await ask(self.kit, self.config, look, {"ticket": ticket.reference})
        except Gone as error:
            return TicketState(state="gone", detail=str(error)[:4000])
        value = answer.at(look.state)
        state = look.means(value)
        if state is None:
            shown = one_line(canonical_json(value).decode())
            msg = f"{answer.asked} says {shown} at {look.state}; list it under open, done or gone"
            raise Nonsense(msg)
        owner = value_at(answer.json(), look.assignee) if look.assignee else None
        assignee = None if owner in (MISSING, None, "") else one_line(owner)
        return TicketState(state=state, assignee=assignee, detail=one_line(f"{look.state} is {value}"))

    async def remind(self, ticket: Ticket, text: str, key: str) -> None:
        """One request, under the key."""
        remind = self.config.remind
        assert remind is not None
        values: dict[str, JsonValue] = {"ticket": ticket.reference, "text": text, "key": key}
        await ask(self.kit, self.config, remind, values, self.config.key(key))


def _told(values: Iterable[JsonValue]) -> set[bytes]:
    return {canonical_json(each) for each in values}
