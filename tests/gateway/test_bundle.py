"""Bundles over HTTP: for auditors and captains, and for nobody else."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from firestation import tokens
from firestation.drivers.register import Register
from firestation.errors import NotConfigured
from firestation.settings import Settings
from firestation.signers import open_signer
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.bundles import Sealing
from gateway.front import Front
from tests.audit.forge import case, key, told, unpack, verify
from tests.gateway.conftest import BELL, INCIDENT, NOW, TOKENS, Remembering, bearer, client_of

PATH = f"/incidents/{INCIDENT}/bundle"
ANA, CARA = bearer(TOKENS["ana"]), bearer(TOKENS["cara"])


@pytest.fixture
async def auditor(register: Register) -> dict[str, str]:
    """The headers of somebody with the role auditor."""
    token, text = tokens.mint(
        hashlib.sha512(b"noname").digest()[: tokens.RANDOM_BYTES],
        person="noname",
        now=NOW,
        lifetime=timedelta(days=1),
    )
    assert await register.add(token)
    return bearer(text)


@pytest.fixture
async def exporting(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front
) -> AsyncIterator[httpx.AsyncClient]:
    store.kept.update(case("closed").store.kept)
    app = create_app(
        desk, door, store, front, shelf=MemoryShelf(), sealing=Sealing(lambda: key("trusted"), None)
    )
    async with client_of(app, timeout=60) as client:
        yield client


async def test_an_auditor_and_a_captain_get_the_same_bundle(
    exporting: httpx.AsyncClient, auditor: dict[str, str]
) -> None:
    answers = [await exporting.get(PATH, headers=each) for each in (ANA, auditor)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert int(answers[0].headers["content-length"]) == len(answers[0].content)
    assert answers[0].headers["content-disposition"].startswith("attachment")
    assert answers[0].headers["cache-control"] == "no-store"
    assert verify(answers[0].content).passed


async def test_the_evidence_may_be_left_out(exporting: httpx.AsyncClient) -> None:
    answer = await exporting.get(PATH, headers=ANA, params={"digests_only": "true"})
    assert told(unpack(answer.content)).digests_only


async def test_nobody_else_gets_one(exporting: httpx.AsyncClient) -> None:
    assert (await exporting.get(PATH)).status_code == 401
    assert (await exporting.get(PATH, headers=bearer(BELL))).status_code == 403
    answer = await exporting.get(PATH, headers=CARA)
    assert (answer.status_code, "auditor or captain" in answer.json()["detail"]) == (403, True)


async def test_an_incident_that_is_not_there(exporting: httpx.AsyncClient) -> None:
    assert (await exporting.get("/incidents/refund-agent-00000000/bundle", headers=ANA)).status_code == 404


async def test_evidence_that_is_gone_is_said_in_the_bundle(
    exporting: httpx.AsyncClient, store: MemoryEvidence
) -> None:
    named = told(unpack((await exporting.get(PATH, headers=ANA)).content))
    files = unpack((await exporting.get(PATH, headers=ANA)).content)
    digest = next(name.rpartition("/")[2] for name in files if name.startswith("evidence/sha256/"))
    del store.kept[digest]
    answer = await exporting.get(PATH, headers=ANA)
    assert answer.status_code == 200
    assert [each.digest for each in told(unpack(answer.content)).absent] == [digest]
    assert named.absent == ()


async def test_a_gateway_without_the_key_says_so_and_makes_none(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    answer = await http.get(PATH, headers=ANA)
    assert (answer.status_code, "no key" in answer.json()["detail"]) == (422, True)
    settings = Settings(state=tmp_path / "elsewhere")
    with pytest.raises(NotConfigured, match="cannot be read"):
        open_signer(settings, secrets=None, make=False)  # type: ignore[arg-type] # none is asked for
    assert not settings.signing_key.exists()
