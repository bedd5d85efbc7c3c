"""What differs, as a page: the same as the command tells, by the same door, of bounded size, and only text."""

import hashlib
import json
import re
from typing import Any

import httpx
import pytest

from firestation.evidence import ArtifactRef
from firestation.privacy import Encryption
from firestation.system import CONTROL
from firestation.testing import MemoryEvidence
from gateway import diffs
from tests.gateway.test_board import HOSTILE, PAGE, Counting, captain, send, text_of
from tests.gateway.test_sessions import log_in
from tests.property.worlds import World, artifact

DIFF = f"{PAGE}/diff"
PROMPT = "Be polite.\n" * 8
BAD = {
    "id": "r-1",
    "route": "fallback",
    "prompt": f"{PROMPT}Pay at once.",
    "found": [{"id": "old"}, {"id": "new"}],
}
GOOD = {
    "id": "r-0",
    "route": "primary",
    "prompt": f"{PROMPT}Ask first.",
    "found": [{"id": "new"}, {"id": "old"}],
}


class Room:
    """The evidence of the incident, as a test puts it there."""

    def __init__(self, desk: Counting, store: MemoryEvidence) -> None:
        self.desk, self.store, self.reads = desk, store, 0

    async def freeze(self, *pieces: tuple[str, bytes, dict[str, Any]]) -> list[ArtifactRef]:
        """Put these pieces in place of what was sealed: name, bytes, and what else is said of them."""
        made = []
        for name, content, more in pieces:
            digest = (await self.store.put(content)).digest
            made.append(artifact(name, digest).changed(size=len(content), **more))
        world = self.desk.world
        assert world.incident.sealed is not None
        world.incident = world.incident.changed(sealed=world.incident.sealed.changed(artifacts=tuple(made)))
        return made

    async def requests(self, bad: Any, *healthy: Any) -> None:
        await self.freeze(
            ("trace r-1", json.dumps(bad).encode(), {}),
            ("the last good eval", json.dumps(healthy).encode(), {"provides": (CONTROL,)}),
        )


@pytest.fixture
def desk() -> Counting:
    desk = Counting()
    captain(desk)
    return desk


@pytest.fixture
def room(desk: Counting, store: MemoryEvidence) -> Room:
    return Room(desk, store)


@pytest.fixture
async def ana(http: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await log_in(http)).status_code == 303
    return http


async def test_a_bad_request_beside_the_healthy_one_most_like_it(ana: httpx.AsyncClient, room: Room) -> None:
    await room.requests(BAD, {"other": 1}, GOOD)
    assert f'href="{DIFF}"' in (await ana.get(PAGE)).text
    page = await ana.get(DIFF)
    told = text_of(page)
    assert page.status_code == 200
    for words in (
        "trace r-1, beside the healthy request most like it: 3 differences",
        'route Bad "fallback" Healthy "primary"',
        "Healthy Ask first.Bad Pay at once.",
        "found: the order differs 1 old healthy: 22 new healthy: 1",
        "reranker: off",
    ):
        assert words in told, (words, told)
    assert "Be polite" not in told, "the lines that are the same are not shown"
    assert "script-src" not in page.headers["content-security-policy"], "this page needs no script"


async def test_then_and_now_and_what_became_of_the_levers(
    ana: httpx.AsyncClient, desk: Counting, room: Room
) -> None:
    changed = {"then": {"reranker": "on", "k": 5}, "now": {"reranker": "off", "k": 5}}
    await room.freeze(("configuration", json.dumps(changed).encode(), {}))
    told = text_of(await ana.get(DIFF))
    assert "No bad request can be compared" in told
    assert 'configuration reranker Now "off" Then "on"' in told
    assert "moved" not in told
    (plan, *_) = desk.world.incident.pending
    await send(ana, "approve", subject=plan.digest)
    while desk.world.work(plan.action.lever):
        await send(ana, "note", text="it moves", standing="fact")
    told = text_of(await ana.get(DIFF))
    assert f"{plan.action.lever}: {plan.action.origin} →now {plan.action.to} moved" in told


async def test_who_may_not_look_sees_nothing(http: httpx.AsyncClient, room: Room) -> None:
    await room.requests(BAD, GOOD)
    answer = await http.get(DIFF)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={DIFF}")


async def test_a_request_that_no_alarm_names_and_evidence_that_is_not_there(
    ana: httpx.AsyncClient, desk: Counting, room: Room
) -> None:
    await room.requests(BAD, GOOD)
    assert (await ana.get(f"{DIFF}?request=r-7")).status_code == 422
    assert (await ana.get("/board/none-1/diff")).status_code == 404
    desk.world = World()
    await send(ana, "note", text="not sealed", standing="fact")  # what changes an incident ends its last look
    answer = await ana.get(DIFF)
    assert (answer.status_code, "no sealed evidence yet" in text_of(answer)) == (404, True)
    assert f'href="{DIFF}"' not in (await ana.get(PAGE)).text


async def test_what_cannot_be_compared_is_named_with_the_reason(ana: httpx.AsyncClient, room: Room) -> None:
    deep = b'{"a":' * 400 + b"1" + b"}" * 400
    locked = Encryption(digest="d" * 64, size=1, recipients=(f"age1{'q' * 58}",))
    altered, *_ = await room.freeze(
        ("altered", b'{"a": 1}', {}),
        ("locked", b'{"a": 2}', {"encryption": locked}),
        ("huge", json.dumps("A" * 1_100_000).encode(), {}),
        ("trace r-1", deep, {}),
        ("sample", deep.replace(b"1", b"2"), {"provides": (CONTROL,)}),
        ("no json", b"{", {}),
        ("picture", b"{}", {"media_type": "image/png"}),
    )
    room.store.kept[altered.digest] = b'{"a": 9}'
    told = text_of(await ana.get(DIFF))
    left = told[told.index("Not compared here") :]
    for words in ("! altered", "was altered", "! locked encrypted", "! huge too big"):
        assert words in left, words
    assert "picture" not in told


async def test_a_deep_document_stops_nothing(ana: httpx.AsyncClient, room: Room) -> None:
    for depth in (300, 900, 100_000):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        diffs_of = b'{"then": 1, "now": ' + deep + b"}"
        await room.freeze(
            ("trace r-1", deep + b" " * depth, {}),
            ("sample", deep.replace(b"1", b"2"), {"provides": (CONTROL,)}),
            ("changed", diffs_of, {}),
        )
        page = await ana.get(f"{DIFF}?depth={depth}")
        assert (page.status_code, len(page.content) < 100_000) == (200, True)


async def test_hostile_evidence_is_text_and_has_an_end(ana: httpx.AsyncClient, room: Room) -> None:
    many = {f"{HOSTILE[:60]}{number}": HOSTILE for number in range(200)}
    bad = {
        **many,
        "line": "A" * 300_000,
        "lines": "\n".join(f"{HOSTILE[:90]}{n}" for n in range(900)),
        "half": "\ud800",
    }
    good = {**dict.fromkeys(many, "x"), "line": "B", "lines": "\n".join("y" for _ in range(900)), "half": "z"}
    await room.requests(bad, good)
    page = await ana.get(DIFF)
    assert page.status_code == 200
    assert len(page.content) < 400_000
    assert re.findall(r"<script|<img|on\w+=alert", page.text.replace("onerror=alert(1)&gt;", "")) == []
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", page.text)
    assert "[U+202E]" in page.text
    assert "and 103 more differences" in text_of(page)


async def test_the_evidence_is_read_once_for_all_who_look(
    ana: httpx.AsyncClient, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.requests(BAD, GOOD)
    reads: list[str] = []
    get = room.store.get

    async def counted(digest: str) -> bytes:
        reads.append(digest)
        return await get(digest)

    monkeypatch.setattr(room.store, "get", counted)
    assert [(await ana.get(DIFF)).status_code for _ in range(5)] == [200] * 5
    assert len(reads) == len(set(reads)) == 2
    assert hashlib.sha256(json.dumps(BAD).encode()).hexdigest() in reads


async def test_all_pieces_together_have_an_end(
    ana: httpx.AsyncClient, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffs, "MOST_READ", 100)
    await room.freeze(*((f"piece {n}", json.dumps({"n": n, "x": "y" * 30}).encode(), {}) for n in range(5)))
    told = text_of(await ana.get(DIFF))
    assert told.count("too big") == 3
