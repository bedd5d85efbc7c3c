"""Evidence over HTTP: to people, of this incident only, as bytes that no browser shows."""

from collections.abc import AsyncIterator

import httpx
import pytest

from firestation.errors import Nonsense
from firestation.picture import Picture, exhibits, picture
from firestation.testing import MemoryEvidence
from gateway.app import whole
from tests.gateway.conftest import BELL, INCIDENT, TOKENS, Remembering, bearer
from tests.property.worlds import World

ANA = bearer(TOKENS["ana"])


@pytest.fixture
async def content(desk: Remembering, store: MemoryEvidence, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of an artifact of the incident."""
    digest = (await store.put(b"<script>alert(1)</script>")).digest
    world = World()
    world.seal()
    assert world.incident.sealed
    held = world.incident.sealed.artifacts[0].changed(digest=digest)
    seen = picture(world.incident, tuple(world.record))
    assert seen.sealed
    seen = seen.changed(sealed=seen.sealed.changed(artifacts=(held,)))

    async def shown(incident: str) -> Picture:
        assert incident == INCIDENT
        return seen

    monkeypatch.setattr(desk, "picture", shown)
    assert digest in exhibits(seen)
    return digest


async def test_the_bytes_are_given_and_shown_by_no_browser(http: httpx.AsyncClient, content: str) -> None:
    answer = await http.get(f"/incidents/{INCIDENT}/evidence/{content}", headers=ANA)
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_is_big_comes_in_pieces_and_breaks_off_when_it_was_altered(
    http: httpx.AsyncClient, content: str, store: MemoryEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = False

    async def stream(digest: str) -> AsyncIterator[bytes]:
        assert digest == content
        for _ in range(3):
            yield b"x" * 1000
        if altered:
            raise Nonsense("it was altered")

    monkeypatch.setattr(store, "stream", stream)
    path = f"/incidents/{INCIDENT}/evidence/{content}"
    assert (await http.get(path, headers=ANA)).content == b"x" * 3000
    altered = True
    with pytest.raises(ConnectionAbortedError, match="altered"):
        async for _ in whole(b"x", b"x", store.stream(content)):
            pass


async def test_only_people_and_only_what_is_of_this_incident(
    http: httpx.AsyncClient, content: str, store: MemoryEvidence
) -> None:
    path = f"/incidents/{INCIDENT}/evidence"
    assert (await http.get(f"{path}/{content}")).status_code == 401
    assert (await http.get(f"{path}/{content}", headers=bearer(BELL))).status_code == 403
    other = (await store.put(b"another incident's")).digest
    for wrong in (other, content[:12], "nonsense", "..%2f..%2fetc%2fpasswd"):
        assert (await http.get(f"{path}/{wrong}", headers=ANA)).status_code == 404


async def test_what_was_altered_is_not_handed_out(
    http: httpx.AsyncClient, content: str, store: MemoryEvidence
) -> None:
    store.kept[content] = b"something else"
    answer = await http.get(f"/incidents/{INCIDENT}/evidence/{content}", headers=ANA)
    assert answer.status_code == 502
    assert "altered" in answer.json()["detail"]
