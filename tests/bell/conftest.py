"""A gateway with a bell of each format, before a desk that only remembers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import httpx
import pytest
from fastapi import FastAPI

import gateway.app
import gateway.bells
from firestation.authority import Bell, Station
from firestation.bell.formats import FormatName
from firestation.bell.signatures import Signature
from firestation.drivers.register import Register
from firestation.secrets import ReferenceSecrets
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.tokens import Scope
from gateway.attachments import Attachments
from gateway.auth import Doorkeeper
from gateway.front import Front
from gateway.guard import Guard
from gateway.problems import install
from gateway.ringers import Ringers
from tests.bell.golden import MAPPING, OF_THE_BELL
from tests.gateway.conftest import (
    Clock,
    Remembering,
    bells,
    books_of,
    client_of,
    clock,
    desk,
    front,
    register,
    station,
)

__all__ = ["bells", "clock", "desk", "front", "register", "station"]

HEADER = Signature(scheme="header", header="X-Bell-Secret")
TIMED = Signature(scheme="grafana", timestamp="X-Grafana-Alerting-Timestamp")


def secret(bell: str, number: int = 0) -> str:
    """What a bell of these tests shows or signs with: the newest, and the one before."""
    return f"{('new', 'old')[number]}-secret-of-{bell}-0123456789"


def ringing(name: FormatName) -> Bell:
    """A bell of this format."""
    signature = {"grafana": TIMED, "datadog": HEADER, "opsgenie": HEADER}.get(name)
    return Bell(
        id=name,
        tokens=(f"file:{name}", f"file:{name}-old"),
        format=name,
        system="refund-agent" if name in OF_THE_BELL else None,
        signature=signature,
    )


MAPPED = Bell(id="mapped", token="file:mapped", mapping=MAPPING)
SMALL = Bell(id="small", token="file:small", largest=1024)
HOLLOW = Bell(id="hollow", token="file:hollow", format="sentry")
"""A bell whose secret nobody has written yet."""


@pytest.fixture
def door(tmp_path: Path, station: Station, register: Register, clock: Clock) -> Doorkeeper:
    names: tuple[FormatName, ...] = get_args(FormatName)
    rings = (*(ringing(name) for name in names), MAPPED, SMALL, HOLLOW)
    folder = tmp_path / "secrets"
    folder.mkdir()
    for bell in rings[:-1]:
        for number, reference in enumerate(bell.token_references):
            (folder / reference.removeprefix("file:")).write_text(secret(bell.id, number))
    return Doorkeeper(books_of(station.changed(bells=rings)), ReferenceSecrets(folder), register, clock)


@pytest.fixture
def app(desk: Remembering, door: Doorkeeper, front: Front) -> FastAPI:
    """The bell's routes alone: the whole gateway takes half a second to make."""
    found, ringers = FastAPI(), Ringers(door, desk.hearing)
    install(found)
    rings, looks = (gateway.app._caller(door, front, scope) for scope in (Scope.RING, Scope.LOOK))
    attachments = Attachments(MemoryEvidence(), MemoryShelf())
    found.include_router(gateway.bells.alarms(desk, ringers, attachments, rings=rings, looks=looks))
    found.include_router(gateway.bells.bells(desk, ringers))
    found.add_middleware(Guard, sent_away=ringers.sent_away)
    return found


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client
