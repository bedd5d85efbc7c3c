"""People attach files to alarms: by the API and on the board's page; what is no such file, or nobody's, is refused."""

import hashlib
from typing import Any

import httpx
import pytest

from firestation.alarm import OWN_BELL
from firestation.attachment import MOST_BYTES, Attachment
from firestation.authority import Bell, Station
from firestation.bell import generic
from firestation.bell.heard import Ear
from firestation.drivers.register import Register
from firestation.errors import InvalidInput, Unreachable
from firestation.picture import Picture, picture
from firestation.record import Rang as RangEvent
from firestation.testing import MemoryEvidence
from firestation.tokens import Scope
from gateway import bellpull
from gateway.ringing import Rang
from tests.gateway.conftest import BELL, INCIDENT, TOKENS, Remembering, bearer
from tests.gateway.test_app import ALARM, GENERIC
from tests.gateway.test_sessions import ORIGIN, csrf, log_in
from tests.gateway.test_tokens import with_scopes
from tests.property.test_attachments import attachment
from tests.property.worlds import World, alarm
from worker.bell import said

ANA = bearer(TOKENS["ana"])
PNG = b"\x89PNG\r\n\x1a\n a picture"
PAGE = "/board/ring"
KEY = "0123456789abcdef01234567"
TYPED = {
    "system": "refund-agent",
    "summary": "the answer names <b>another</b> customer",
    "class": "privacy",
    "name": "",
    "started_at": "2026-11-25T11:30",
    "request_ids": "r-1, r-2",
    "tenants": "blue",
    "users": "",
    "key": KEY,
}
FILE = {"file": ("../../\u202escreen.png", PNG, "text/html")}


async def attach(
    http: httpx.AsyncClient,
    content: bytes = PNG,
    name: str = "a.png",
    headers: dict[str, str] = ANA,
) -> httpx.Response:
    return await http.post("/attachments", params={"name": name}, content=content, headers=headers)


async def send(http: httpx.AsyncClient, files: Any = FILE, **fields: str) -> httpx.Response:
    """Send the page's form, as a browser does: the file comes last."""
    data = {"csrf": csrf(await http.get(PAGE)), **TYPED, **fields}
    return await http.post(PAGE, data=data, files=files, headers=ORIGIN)


@pytest.fixture
def station(station: Station) -> Station:
    return station.changed(bells=(*station.bells, Bell(id=OWN_BELL)))


@pytest.fixture
async def ana(http: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await log_in(http)).status_code == 303
    return http


# The API -----------------------------------------------------------------------------------------------------


async def test_a_file_is_kept_and_rung_with_in_the_name_of_who_rings(
    http: httpx.AsyncClient, desk: Remembering, store: MemoryEvidence
) -> None:
    answer = await attach(http, name="C:\\shots\\Bild 1.png")
    kept = answer.json()
    assert answer.status_code == 201
    digest = hashlib.sha256(PNG).hexdigest()
    told = {"digest": digest, "name": "Bild 1.png", "media_type": "image/png", "size": len(PNG), "by": "ana"}
    assert kept == told
    assert store.kept[digest] == PNG
    assert (await attach(http, name="C:\\shots\\Bild 1.png")).json() == kept
    body = {**ALARM, "attachments": [{**kept, "by": "cara"}]}
    assert (await http.post(GENERIC, json=body, headers=ANA)).status_code == 202
    assert desk.rang[0].attachments == (Attachment.model_validate(kept),)


async def test_what_is_too_much_or_no_such_file_is_refused(
    http: httpx.AsyncClient, store: MemoryEvidence
) -> None:
    async def endless() -> Any:
        for _ in range(2 * MOST_BYTES // 65536):
            yield b"\x00" * 65536

    large = await http.post("/attachments", content=endless(), headers=ANA)
    claimed = await attach(http, headers={**ANA, "Content-Length": str(MOST_BYTES + 1)})
    assert (large.status_code, claimed.status_code) == (413, 413)
    for content, name in ((b"", "a.png"), (b"MZ\x90\x00", "a.png"), (b"\x00\xff", "a.txt")):
        answer = await attach(http, content, name, {**ANA, "Content-Type": "image/png"})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == "file"
    assert store.kept == {}


async def test_only_people_who_may_ring_attach(
    http: httpx.AsyncClient, register: Register, store: MemoryEvidence
) -> None:
    looks = await with_scopes(register, Scope.LOOK, Scope.ACT)
    assert (await attach(http, headers=bearer("nonsense-nonsense-nonsense"))).status_code == 401
    assert (await attach(http, headers=bearer(BELL))).status_code == 403
    assert (await attach(http, headers=bearer(looks))).status_code == 403
    assert store.kept == {}


async def test_a_credential_in_a_text_is_masked_before_it_is_kept(
    http: httpx.AsyncClient, store: MemoryEvidence
) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    kept = (await attach(http, f"key: {key}\n".encode(), "log.txt")).json()
    assert (kept["media_type"], store.kept[kept["digest"]]) == ("text/plain", b"key: [credential]\n")
    assert (await http.post(GENERIC, json={**ALARM, "attachments": [kept]}, headers=ANA)).status_code == 202


@pytest.mark.parametrize("wrong", ["unknown", "evidence", "another type", "another size", "lost", "too many"])
async def test_an_alarm_names_only_what_the_station_has_taken_in(
    http: httpx.AsyncClient, desk: Remembering, store: MemoryEvidence, wrong: str
) -> None:
    kept = (await attach(http)).json()
    other = (await store.put(b'{"of": "another incident"}')).digest
    changes: dict[str, dict[str, Any]] = {
        "unknown": {"digest": "0" * 64},
        "evidence": {"digest": other, "media_type": "application/json", "size": 26},
        "another type": {"media_type": "application/pdf"},
        "another size": {"size": 1},
    }
    if wrong == "lost":
        del store.kept[kept["digest"]]
    named = [{**kept, **changes.get(wrong, {})}] * (6 if wrong == "too many" else 1)
    answer = await http.post(GENERIC, json={**ALARM, "attachments": named}, headers=ANA)
    assert (answer.status_code, desk.rang) == (422, [])
    (error,) = answer.json()["errors"]
    assert error["field"].startswith("attachments")
    assert error["fix"]


async def test_a_store_that_is_away_rings_nobody_and_says_so(
    http: httpx.AsyncClient, desk: Remembering, store: MemoryEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> Any:
        raise Unreachable("the store is away")

    kept = (await attach(http)).json()
    monkeypatch.setattr(store, "stream", away)
    answer = await http.post(GENERIC, json={**ALARM, "attachments": [kept]}, headers=ANA)
    assert (answer.status_code, desk.rang) == (503, [])
    assert (await http.post(GENERIC, json=ALARM, headers=ANA)).status_code == 202


def test_a_bell_attaches_nothing_but_the_stations_own_rings_again_what_was_attached() -> None:
    held = alarm().changed(attachments=(attachment(1, by="cara"),))
    body = said(held)
    with pytest.raises(InvalidInput, match="a bell attaches nothing"):
        generic.hear(body, {}, Ear("alertmanager"))
    (again,) = generic.hear(body, {}, Ear(OWN_BELL)).alarms
    assert again.attachments == held.attachments


# The page ----------------------------------------------------------------------------------------------------


async def test_a_person_rings_on_the_page_with_a_screenshot(
    ana: httpx.AsyncClient, desk: Remembering
) -> None:
    assert f'href="{PAGE}"' in (await ana.get("/board")).text
    answer = await send(ana)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/board/{INCIDENT}?done=ring")
    (rang,) = desk.rang
    assert (rang.source, rang.name, rang.labels) == ("person", "Complaint", {"class": "privacy"})
    assert (rang.request_ids, rang.tenants, rang.users) == (("r-1", "r-2"), ("blue",), ())
    assert rang.started_at.isoformat() == "2026-11-25T11:30:00+00:00"
    (file,) = rang.attachments
    assert (file.name, file.media_type, file.by) == ("_screen.png", "image/png", "ana")
    await send(ana)
    assert len({(each.key, delivery) for each, delivery in zip(desk.rang, desk.deliveries, strict=True)}) == 1
    await send(ana, summary="and another one")
    assert len(set(desk.deliveries)) == 2


async def test_without_a_file_and_without_a_class_it_rings_too(
    ana: httpx.AsyncClient, desk: Remembering
) -> None:
    none = {"file": ("", b"", "application/octet-stream")}
    fields = {"class": "", "name": "WrongRefund", "started_at": ""}
    assert (await send(ana, none, **fields)).status_code == 303
    (rang,) = desk.rang
    assert (rang.name, rang.labels, rang.attachments) == ("WrongRefund", {}, ())


@pytest.mark.parametrize(
    ("changes", "files", "says"),
    [
        ({"summary": " "}, FILE, "summary"),
        ({"system": "nonsense"}, FILE, "there is no system"),
        ({"started_at": "yesterday"}, FILE, "started_at"),
        ({"class": "nonsense"}, FILE, "no such class"),
        ({"key": "nonsense"}, FILE, "own key is missing"),
        ({}, {"file": ("a.png", b"MZ\x90\x00", "image/png")}, "none of the kinds"),
        ({}, {"file": ("a.png", PNG + bytes(MOST_BYTES), "image/png")}, "larger than 10 MB"),
        ({}, {"file": ("a.png", PNG + bytes(12 * 1024 * 1024), "image/png")}, "larger than 10 MB"),
    ],
)
async def test_what_is_refused_stays_as_it_was_typed(
    ana: httpx.AsyncClient, desk: Remembering, changes: dict[str, str], files: Any, says: str
) -> None:
    answer = await send(ana, files, **{"users": "u-17 <i>", **changes})
    assert (answer.status_code, desk.rang) == (422, [])
    assert says in answer.text
    assert "A file has to be chosen again" in answer.text
    assert "u-17 &lt;i&gt;" in answer.text


async def test_only_our_own_page_of_this_session_rings(
    ana: httpx.AsyncClient, desk: Remembering, store: MemoryEvidence
) -> None:
    token = csrf(await ana.get(PAGE))
    fields = {"csrf": token, **TYPED}
    for headers in ({}, {"Origin": "https://elsewhere.example"}):
        assert (await ana.post(PAGE, data=fields, files=FILE, headers=headers)).status_code == 403
    forged = await ana.post(PAGE, data={**fields, "csrf": "0" * 64}, files=FILE, headers=ORIGIN)
    assert forged.status_code == 403
    assert "another&lt;/b&gt; customer" in forged.text
    assert (await ana.post(PAGE, data=fields, headers=ORIGIN)).status_code == 415
    broken = {**ORIGIN, "Content-Type": "multipart/form-data"}
    assert (await ana.post(PAGE, content=b"nonsense", headers=broken)).status_code == 422
    two = [("file", ("a.png", PNG)), ("file", ("b.png", PNG))]
    assert (await ana.post(PAGE, data=fields, files=two, headers=ORIGIN)).status_code == 422
    huge = {**ORIGIN, "Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(1 << 30)}
    assert (await ana.post(PAGE, content=b"", headers=huge)).status_code == 413
    assert (desk.rang, store.kept) == ([], {})


async def test_who_is_nobody_any_more_keeps_what_was_typed(
    ana: httpx.AsyncClient, desk: Remembering, store: MemoryEvidence
) -> None:
    token = csrf(await ana.get(PAGE))
    ana.cookies.clear()
    answer = await ana.get(PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={PAGE}")
    for size in (0, 2 * 1024 * 1024):
        files = {"file": ("a.png", PNG + bytes(size), "image/png")}
        answer = await ana.post(PAGE, data={"csrf": token, **TYPED}, files=files, headers=ORIGIN)
        assert answer.status_code == 401
        assert "another&lt;/b&gt; customer" in answer.text
        assert "log in again" in answer.text
    assert (desk.rang, store.kept) == ([], {})


async def test_who_may_not_ring_sees_no_bell(http: httpx.AsyncClient, register: Register) -> None:
    assert (await log_in(http, await with_scopes(register, Scope.LOOK, Scope.ACT))).status_code == 303
    assert (await http.get(PAGE)).status_code == 403
    assert PAGE not in (await http.get("/board")).text
    refused = await http.post(PAGE, data=TYPED, files=FILE, headers=ORIGIN)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("rang", "says"),
    [
        (
            Rang(alarm="Complaint", incident=None, reason="waits for a person: soon", waits="s-1"),
            "board#waits",
        ),
        (Rang(alarm="Complaint", incident=None, reason="recorded only: chatter"), "recorded only: chatter"),
        (Rang(alarm="Complaint", incident="late-1"), 'href="/board/late-1"'),
    ],
)
async def test_it_says_what_triage_made_of_it(
    ana: httpx.AsyncClient, desk: Remembering, monkeypatch: pytest.MonkeyPatch, rang: Rang, says: str
) -> None:
    async def ring(*_: Any) -> Rang:
        return rang

    monkeypatch.setattr(desk, "ring", ring)
    monkeypatch.setattr(bellpull, "OPENS_SECONDS", 0)
    answer = await send(ana)
    assert answer.status_code == 200
    assert says in answer.text


async def test_it_is_among_the_evidence_and_is_downloaded(
    ana: httpx.AsyncClient, desk: Remembering, store: MemoryEvidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = (await store.put(PNG)).digest
    world = World()
    file = attachment(1, by="cara").changed(digest=digest, name="<script>.png", size=len(PNG))
    world.happen(RangEvent(at=world.incident.now, alarm=alarm().changed(attachments=(file,))))
    seen = picture(world.incident, tuple(world.record))

    async def shown(_: str) -> Picture:
        return seen

    monkeypatch.setattr(desk, "picture", shown)
    page = (await ana.get(f"/board/{INCIDENT}")).text
    assert "&lt;script&gt;.png" in page
    assert f"cara rang with it, image/png, {len(PNG)} bytes" in page
    answer = await ana.get(f"/incidents/{INCIDENT}/evidence/{digest}")
    assert (answer.content, answer.headers["content-type"]) == (PNG, "application/octet-stream")
    assert answer.headers["content-disposition"].startswith("attachment")
