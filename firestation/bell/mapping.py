"""The mapping that a generic bell declares: where in somebody's JSON the parts of an alarm stand. Data, never code."""

from typing import Annotated

from pydantic import Field, JsonValue

from firestation.expect import JsonPath
from firestation.model import Line, Model

Paths = Annotated[dict[Line, JsonPath], Field(max_length=32)]


class Mapping(Model):
    """JSON paths to the parts of an alarm, such as `$.rule.title`.

    With `each`, a path to a list, every element of it is an alarm and the other paths start there; otherwise the whole
    body is one. The alarm is over when what stands at `status` is one of `resolved`. Without `summary` the name is
    shown, without `started_at` it counts from when it came; a `system` that is not there is the bell's.
    """

    each: JsonPath | None = Field(default=None, description="a path to the list of alarms")
    id: JsonPath = Field(description="what names the same alarm again, like $.alert.id")
    name: JsonPath = Field(description="what kind of alarm; runbooks match it, like $.rule.title")
    summary: JsonPath | None = None
    system: JsonPath | None = None
    status: JsonPath | None = None
    resolved: tuple[JsonValue, ...] = Field(default=("resolved", "ok", "closed"), min_length=1)
    started_at: JsonPath | None = None
    url: JsonPath | None = None
    labels: Paths = Field(default_factory=dict)
    annotations: Paths = Field(default_factory=dict)
    request_ids: JsonPath | None = None
    trace_ids: JsonPath | None = None
    tenants: JsonPath | None = None
    users: JsonPath | None = None
    queries: JsonPath | None = None
