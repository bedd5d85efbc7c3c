"""What the tests of sources do with one: make it, say what it is asked for, read it to its end."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from firestation.drivers import Drivers
from firestation.errors import DriverError
from firestation.evidence import Scope
from firestation.ports import Artifact, Source
from firestation.system import SourceFitting

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def make_source(
    bench: Drivers, driver: str, provides: tuple[str, ...] = ("requests",), **config: Any
) -> Source:
    """A source as a system file asks for it."""
    fitting = {"id": "evidence", "title": "E", "driver": driver, "provides": provides, "config": config}
    return bench.source(SourceFitting.model_validate(fitting))


def in_scope(*request_ids: str, **about: Any) -> Scope:
    """The minute before `NOW`, unless told otherwise."""
    span = {"since": NOW - timedelta(minutes=1), "until": NOW}
    return Scope(**{"incident": "agent-1", "request_ids": request_ids, **span, **about})


def just_now(*request_ids: str, **about: Any) -> Scope:
    """The last ten minutes."""
    now = datetime.now(UTC)
    return in_scope(*request_ids, since=now - timedelta(minutes=10), until=now, **about)


async def gather(source: Source, scope: Scope) -> tuple[list[Artifact], DriverError | None]:
    """All that came, and the error that came after it."""
    found: list[Artifact] = []
    try:
        async for artifact in source.collect(scope):
            found.append(artifact)  # noqa: PERF401 - what came before the error counts
    except DriverError as error:
        return found, error
    return found, None


async def documents(source: Source, scope: Scope) -> dict[str, Any]:
    """The artifacts of a source that lacks nothing: their JSON, by name."""
    found, error = await gather(source, scope)
    if error is not None:
        raise error
    return {each.name: json.loads(whole(each)) for each in found}


def whole(artifact: Artifact) -> bytes:
    """The bytes of an artifact that does not come in pieces."""
    assert isinstance(artifact.content, bytes)
    return artifact.content
