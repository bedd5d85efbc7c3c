"""The codec server: auditors and captains read, everybody else gets one answer, and no other site's page gets any."""

import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from firestation import history_keys, tokens
from firestation.drivers.register import Register
from firestation.history_keys import KEY_BYTES, HistoryKeys
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.tokens import Scope
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.codec import Reader
from gateway.front import Front
from gateway.guard import LARGER
from tests.gateway.conftest import BELL, NOW, TOKENS, Remembering, bearer, client_of
from workflows.codec import HistoryCodec

UI, HOME = "http://127.0.0.1:8233", "http://gateway"
WORDS = "what the customer said"
NAMESPACE = {"X-Namespace": "default"}
JSON = {"Content-Type": "application/json"}
DECODE, ENCODE = "/codec/decode", "/codec/encode"


@pytest.fixture
def codec(tmp_path: Path) -> HistoryCodec:
    history_keys.add(tmp_path / "keys", "first", os.urandom(KEY_BYTES), current=True)
    return HistoryCodec(HistoryKeys(tmp_path / "keys"))


@pytest.fixture
async def http(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front, codec: HistoryCodec
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(desk, door, store, front, shelf=MemoryShelf(), reader=Reader(codec, "default", UI))
    async with client_of(app, HOME, headers=NAMESPACE) as client:
        yield client


def a_payload(text: str = WORDS) -> dict[str, Any]:
    return {"metadata": {"encoding": _base64(b"json/plain")}, "data": _base64(json.dumps(text).encode())}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture
async def sealed(http: httpx.AsyncClient) -> dict[str, Any]:
    answer = await http.post(ENCODE, json={"payloads": [a_payload()]}, headers=bearer(TOKENS["ana"]))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert _base64(json.dumps(WORDS).encode()) not in answer.text
    return found


async def token_of(register: Register, person: str, *scopes: Scope) -> str:
    made, text = tokens.mint(
        os.urandom(tokens.RANDOM_BYTES), person=person, now=NOW, lifetime=tokens.LONGEST, scopes=scopes
    )
    assert await register.add(made)
    return text


async def test_a_captain_and_an_auditor_read_what_was_encrypted(
    http: httpx.AsyncClient, register: Register, sealed: dict[str, Any]
) -> None:
    auditor = await token_of(register, "noname", Scope.LOOK)
    for token in (TOKENS["ana"], auditor):
        answer = await http.post(DECODE, json=sealed, headers=bearer(token))
        assert answer.json() == {"payloads": [a_payload()]}
        assert answer.headers["cache-control"] == "no-store"


async def test_what_is_plain_is_given_back_and_order_is_kept(
    http: httpx.AsyncClient, sealed: dict[str, Any]
) -> None:
    mixed = {"payloads": [a_payload("one"), *sealed["payloads"], a_payload("three")]}
    answer = await http.post(DECODE, json=mixed, headers=bearer(TOKENS["ana"]))
    assert answer.json()["payloads"] == [a_payload("one"), a_payload(), a_payload("three")]
    assert (await http.post(DECODE, json={}, headers=bearer(TOKENS["ana"]))).json() == {}


async def test_everybody_else_gets_one_answer_whatever_they_send(
    http: httpx.AsyncClient, sealed: dict[str, Any]
) -> None:
    for headers, status in (({}, 401), (bearer(TOKENS["cara"]), 403), (bearer(BELL), 403)):
        answers = [
            await http.post(path, content=body, headers={**headers, **JSON, **more})
            for path in (DECODE, ENCODE)
            for body in (json.dumps(sealed), json.dumps({"payloads": [a_payload()]}), "nonsense", "")
            for more in ({}, {"X-Namespace": "other"})
        ]
        assert {answer.status_code for answer in answers} == {status}
        assert len({answer.content for answer in answers}) == 1
        assert WORDS not in answers[0].text


async def test_a_token_that_only_looks_does_not_encrypt(http: httpx.AsyncClient, register: Register) -> None:
    looks = await token_of(register, "ana", Scope.LOOK)
    answer = await http.post(ENCODE, json={"payloads": [a_payload()]}, headers=bearer(looks))
    assert (answer.status_code, answer.json()["scope"]) == (403, "act")
    rings = await token_of(register, "ana", Scope.RING)
    assert (await http.post(DECODE, json={}, headers=bearer(rings))).status_code == 403


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("nonsense", {}, 422),
        ("[1]", {}, 422),
        ('"text"', {}, 422),
        ('{"payloads": 7}', {}, 422),
        ('{"payloads": [{"data": 7}]}', {}, 422),
        ("[" * 100_000, {}, 422),
        ("{}", {"Content-Type": "text/plain"}, 415),
        ("{}", {"X-Namespace": "other"}, 404),
        (" " * (LARGER[0][2] + 1), {}, 413),
    ],
)
async def test_what_cannot_be_used_is_refused_in_words(
    http: httpx.AsyncClient, body: str, headers: dict[str, str], status: int
) -> None:
    answer = await http.post(DECODE, content=body, headers={**JSON, **bearer(TOKENS["ana"]), **headers})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_payload_as_large_as_temporal_takes_it_is_read(http: httpx.AsyncClient) -> None:
    large = {"payloads": [a_payload("x" * 2_000_000)]}
    encoded = await http.post(ENCODE, json=large, headers=bearer(TOKENS["ana"]))
    assert encoded.status_code == 200
    assert (await http.post(DECODE, json=encoded.json(), headers=bearer(TOKENS["ana"]))).json() == large


async def test_an_altered_payload_and_an_unknown_key_are_named_and_shown_to_nobody(
    http: httpx.AsyncClient, sealed: dict[str, Any]
) -> None:
    (payload,) = sealed["payloads"]
    data = bytearray(base64.b64decode(payload["data"]))
    data[-1] ^= 1
    wrong = {"payloads": [{**payload, "data": _base64(bytes(data))}]}
    answer = await http.post(DECODE, json=wrong, headers=bearer(TOKENS["ana"]))
    assert answer.status_code == 422
    assert "by the history key first was altered" in answer.json()["detail"]
    metadata = {**payload["metadata"], "encryption-key-id": _base64(b"gone")}
    answer = await http.post(
        DECODE, json={"payloads": [{**payload, "metadata": metadata}]}, headers=bearer(TOKENS["ana"])
    )
    assert answer.status_code == 422
    assert "the history key gone is not here" in answer.json()["detail"]


async def test_the_log_says_who_read_how_much_and_nothing_of_it(
    http: httpx.AsyncClient, sealed: dict[str, Any]
) -> None:
    with capture_logs() as logs:
        await http.post(DECODE, json=sealed, headers=bearer(TOKENS["ana"]))
    assert [(each["by"], each["count"]) for each in logs if each["event"] == "payloads of a history"] == [
        ("ana", 1)
    ]
    assert WORDS not in str(logs)
    assert sealed["payloads"][0]["data"] not in str(logs)


# The Temporal UI in a browser, which comes from another origin --------------------------------------------------


async def test_the_page_of_the_ui_may_ask_and_no_other(http: httpx.AsyncClient) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace",
    }
    answer = await http.options(DECODE, headers={"Origin": UI, **asks})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert {"authorization", "content-type", "x-namespace"} <= set(
        answer.headers["access-control-allow-headers"].split(", ")
    )
    for other in ("http://evil.example.org", f"{UI}.example.org", "null", HOME):
        answer = await http.options(DECODE, headers={"Origin": other, **asks})
        assert not [name for name in answer.headers if name.startswith("access-control")], other


async def test_a_session_reads_from_our_pages_and_from_the_ui_only(
    http: httpx.AsyncClient, door: Doorkeeper, sealed: dict[str, Any]
) -> None:
    http.cookies.set("firestation", await door.open_session("ana"))
    for origin, status in ((UI, 200), (HOME, 200), ("http://127.0.0.1:1", 403), (None, 403)):
        headers = {"Origin": origin} if origin else {}
        answer = await http.post(DECODE, json=sealed, headers=headers)
        assert answer.status_code == status, origin
        shared = answer.headers.get("access-control-allow-origin")
        assert shared == (UI if origin == UI else None)
        assert (answer.json() == {"payloads": [a_payload()]}) == (status == 200)
    http.cookies.set("firestation", await door.open_session("cara"))
    answer = await http.post(DECODE, json=sealed, headers={"Origin": UI})
    assert answer.status_code == 403
    assert answer.headers["access-control-allow-origin"] == UI, "so that the UI can say why"


async def test_without_keys_there_is_no_codec_server(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front
) -> None:
    async with client_of(create_app(desk, door, store, front, shelf=MemoryShelf()), HOME) as client:
        assert (await client.post(DECODE, json={}, headers=bearer(TOKENS["ana"]))).status_code == 404
