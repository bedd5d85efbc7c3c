"""Whether a bell works is seen by whoever connects it: over a restart, at no cost, and nothing secret is kept."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from firestation.alarm import OWN_BELL, Alarm
from firestation.authority import Bell, Station
from firestation.bell.signatures import Signature
from firestation.bell.view import Known, Refusal, view
from firestation.drivers.register import Register
from firestation.errors import Unreachable
from firestation.secrets import ReferenceSecrets
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway import spool as spools
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.front import Front
from gateway.hearing import STRANGERS, Ears, Sent
from gateway.problems import Problem
from gateway.ringing import Rang
from gateway.spool import Spool
from tests.gateway.conftest import NOW, TOKENS, Clock, Remembering, bearer, books_of, client_of
from tests.gateway.test_app import ALARM, ALERT, notification
from tests.gateway.test_sessions import log_in
from tests.gateway.test_spool import WINDOW
from tests.property.worlds import alarm

ANA = bearer(TOKENS["ana"])
SECRET, FORGED, PRIVATE = "secret-of-the-bell-012345", "forged-secret-9876543210", "the customer's own words"
HOOK = Signature(scheme="hmac", header="X-Signature")
STATION_BELLS = (
    Bell(id="plain", token="file:plain"),
    Bell(id="signs", token="file:signs", signature=HOOK),
    Bell(id="hollow", token="file:hollow", format="sentry"),
    Bell(id="pager", token="file:pager", format="pagerduty-events"),
    Bell(id="manager", token="file:manager", format="alertmanager"),
)


class Spooling(Remembering):
    """Remembers, and keeps what it is given in a spool."""

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self.spool, self.hearing = spool, spool.hearing

    async def ring(self, alarm: Alarm, delivery: str | None = None, sent: Sent | None = None) -> Rang:
        rang = await super().ring(alarm, delivery)
        kept = await self.spool.keep("fire-1", alarm, alarm.key, WINDOW, sent=sent)
        return rang.changed(coalesced=not kept)

    async def ears(self) -> Ears:
        return await self.spool.ears()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path / "alarms.sqlite")
    yield made
    await made.close()


@pytest.fixture
def commits(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much was written in each transaction of the spool."""
    found, commit = list[int](), spool._commit

    def counted(writes: Sequence[spools.Write]) -> None:
        if writes:
            found.append(len(writes))
        commit(writes)

    monkeypatch.setattr(spool, "_commit", counted)
    return found


@pytest.fixture
def door(station: Station, tmp_path: Path, register: Register, clock: Clock) -> Doorkeeper:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("plain", "signs", "pager", "manager"):
        (folder / name).write_text(f"{SECRET}-{name}")
    return Doorkeeper(
        books_of(station.changed(bells=STATION_BELLS)), ReferenceSecrets(folder), register, clock
    )


@pytest.fixture
async def http(spool: Spool, door: Doorkeeper, front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(
        create_app(Spooling(spool), door, MemoryEvidence(), front, shelf=MemoryShelf())
    ) as client:
        yield client


async def looked(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await http.get("/bells", headers=ANA)
    assert answer.status_code == 200, answer.text
    return {each["bell"]: each for each in answer.json()["bells"]}


def rows(path: Path) -> dict[str, tuple[Any, ...]]:
    """What the file has now, whatever the gateway still means to write."""
    with closing(sqlite3.connect(path)) as disk:
        return {
            each[0]: each[1:] for each in disk.execute("SELECT bell, deliveries, alarms, refusals FROM bells")
        }


async def test_a_delivery_and_that_it_was_heard_are_one_transaction(spool: Spool, commits: list[int]) -> None:
    await spool.condition()
    commits.clear()
    sent = Sent("plain")
    asked = [
        spool.keep("fire-1", alarm(f"k{number}"), f"d{number}", WINDOW, sent=sent) for number in range(20)
    ]
    assert all(await asyncio.gather(*asked))
    assert rows(spool.path) == {"plain": (1, 20, 0)}, "on the disk when it is acknowledged"
    assert commits == [20 * 2 + 1], "one row more, whatever the number of alarms"
    assert not await spool.keep("fire-1", alarm("k1"), "d1", WINDOW, sent=Sent("plain"))
    assert len(commits) == 1, "what is known already waits for no disk"


async def test_a_flood_of_forged_deliveries_is_one_write(
    spool: Spool, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "NOTE_SECONDS", 3600.0)
    await spool.condition()
    commits.clear()
    for _ in range(2000):
        spool.hearing.refused("plain", Problem(401, "a wrong signature", "Give it the secret"))
        spool.hearing.refused(STRANGERS, Problem(401, "there is no such bell"))
        await asyncio.sleep(0)
    assert (commits, rows(spool.path)) == ([], {})
    found = await spool.ears()
    assert (found.bells["plain"].refusals, found.strangers.refusals) == (2000, 2000)
    assert commits == [2], "one of the bell, one of all who came to none"


async def test_what_was_refused_is_written_by_itself_and_outlives_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "NOTE_SECONDS", 0.0)
    path = tmp_path / "spool" / "alarms.sqlite"
    spool = Spool(path)
    spool.hearing.refused("plain", Problem(413, "this is too large", "the limit is 1024 bytes"))
    assert spool._noting
    await spool._noting
    assert rows(path) == {"plain": (0, 0, 1)}
    monkeypatch.setattr(spools, "NOTE_SECONDS", 3600.0)
    spool.hearing.refused("plain", Problem(400, "the body is not JSON", "send one JSON object in UTF-8"))
    await spool.close()
    again = Spool(path)
    try:
        known = (await again.ears()).bells["plain"]
        assert known.refused
        assert (known.refusals, known.refused.title) == (2, "the body is not JSON"), "written when it ended"
        await again.keep("fire-1", alarm("k1"), "d1", WINDOW, sent=Sent("plain"))
        more = (await again.ears()).bells["plain"]
        assert (more.since, more.refused, more.refusals) == (known.since, known.refused, 2)
        assert (more.deliveries, more.alarms) == (1, 1)
    finally:
        await again.close()


async def test_what_could_not_be_written_was_not_heard(spool: Spool) -> None:
    await spool.condition()
    spool._open().execute("PRAGMA query_only = ON")
    with pytest.raises(Unreachable):
        await spool.keep("fire-1", alarm("k1"), "d1", WINDOW, sent=Sent("plain"))
    assert (await spool.ears()).bells == {}
    assert await spool.keep("fire-1", alarm("k1"), "d1", WINDOW, sent=Sent("plain"))
    assert (await spool.ears()).bells["plain"].deliveries == 1


async def test_who_connects_a_bell_sees_whether_it_works(http: httpx.AsyncClient) -> None:
    found = await looked(http)
    assert {name: each["standing"] for name, each in found.items()} == dict.fromkeys(
        ("plain", "signs", "hollow", "pager", "manager"), "never heard"
    )
    assert "http://gateway/bells/plain, as docs/bells.md says" in found["plain"]["next"]
    assert found["pager"]["url"] == "http://gateway/v2/enqueue"
    assert (found["hollow"]["secret"], found["plain"]["secret"]) == (False, True)
    assert "Write its secret" in found["hollow"]["next"]
    assert (found["signs"]["shows"], found["hollow"]["format"]) == ("hmac", "sentry")


def generic(**more: Any) -> dict[str, Any]:
    return {"json": ALARM | more, "headers": bearer(f"{SECRET}-plain")}


REFUSED: dict[str, tuple[str, dict[str, Any], int, str, str]] = {
    # what is sent, to which bell; the status of its answer, and what is known of it
    "a wrong secret": (
        "plain",
        {"json": ALARM, "headers": bearer(FORGED)},
        401,
        "a wrong secret",
        "the secret",
    ),
    "no header": ("signs", {"json": ALARM}, 401, "there is no header x-signature", "the secret"),
    "a wrong signature": (
        "signs",
        {"json": ALARM, "headers": {"X-Signature": FORGED}},
        401,
        "a wrong sig",
        "it has",
    ),
    "no secret here": ("hollow", {"json": ALARM}, 401, "it has no secret here", ""),
    "no JSON": (
        "plain",
        {"content": f"{PRIVATE}", "headers": bearer(f"{SECRET}-plain")},
        400,
        "not JSON",
        "one JSON object",
    ),
    "too large": ("signs", {"content": b" " * 1_100_000}, 413, "too large", "1048576 bytes"),
    "an unknown system": ("plain", generic(system="toaster"), 422, "cannot be used", "protects refund-agent"),
    "an unknown field": ("plain", generic(summary=PRIVATE, sumary="x"), 422, "cannot be used", ""),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_why_a_delivery_was_refused_is_told_without_what_was_in_it(
    http: httpx.AsyncClient, spool: Spool, case: str
) -> None:
    bell, sent, status, title, fix = REFUSED[case]
    assert (await http.post(f"/bells/{bell}", **sent)).status_code == status
    seen = (await looked(http))[bell]
    assert (seen["refusals"], seen["deliveries"], seen["standing"]) == (1, 0, "refused")
    assert (seen["refused"]["status"], seen["heard"]) == (status, None)
    assert title in seen["refused"]["title"]
    assert fix in seen["refused"]["fix"]
    with closing(sqlite3.connect(spool.path)) as disk:
        written = str(disk.execute("SELECT * FROM bells").fetchall())
    assert not [each for each in (SECRET, FORGED, PRIVATE, "toaster") if each in written]


async def test_what_was_taken_is_heard_also_when_it_rings_nothing_new(http: httpx.AsyncClient) -> None:
    assert (await http.post("/bells/plain", **generic())).status_code == 202
    assert (await http.post("/bells/plain", **generic())).status_code == 202, "sent again"
    event = {"routing_key": f"{SECRET}-pager", "event_action": "acknowledge", "dedup_key": "k1"}
    assert (await http.post("/v2/enqueue", json=event)).status_code == 202
    assert (await http.post("/alarms/generic", **generic(id="other"))).status_code == 202
    assert (await http.post("/alarms/generic", json=ALARM, headers=ANA)).status_code == 202, (
        "a person is no bell"
    )
    seen = await looked(http)
    assert (seen["plain"]["standing"], seen["plain"]["next"]) == ("heard", None)
    assert (seen["plain"]["deliveries"], seen["plain"]["alarms"], seen["plain"]["refusals"]) == (3, 2, 0)
    assert (seen["pager"]["deliveries"], seen["pager"]["alarms"]) == (1, 0), "an acknowledgement is no alarm"


async def test_who_comes_to_no_bell_is_counted_and_not_named(http: httpx.AsyncClient, spool: Spool) -> None:
    for number in range(3):
        assert (await http.post(f"/bells/guess-{number}", json=ALARM)).status_code == 401
    assert (await http.post("/v2/enqueue", json={"routing_key": FORGED})).status_code == 400
    assert (await http.post("/bells/guess-9", content=b" " * 1_100_000)).status_code == 413
    answer = await http.get("/bells", headers=ANA)
    assert answer.json()["strangers"]["refusals"] == 5
    assert "guess" not in answer.text
    assert set(rows(spool.path)) == {STRANGERS}


async def test_only_people_who_may_look_see_the_bells(http: httpx.AsyncClient) -> None:
    assert (await http.get("/bells")).status_code == 401
    assert (await http.get("/bells", headers=bearer(f"{SECRET}-plain"))).status_code == 403
    assert (await http.get("/board/bells")).status_code == 303, "nobody is led to the login"


async def test_the_page_tells_the_same_and_hostile_words_are_only_words(http: httpx.AsyncClient) -> None:
    await http.post("/bells/plain", **generic(**{"<script>alert(1)</script>\x1b[31m": "x"}))
    await http.post("/bells/nobody-knows", json=ALARM)
    await log_in(http)
    assert "/board/bells" in (await http.get("/board")).text
    page = await http.get("/board/bells")
    assert page.status_code == 200
    assert not [each for each in ("<script", "\x1b") if each in page.text]
    told = " ".join(unescape(page.text).split())
    assert "0 of 5 bells heard" in told
    assert "alert(1)" in told, "the field is named"
    assert "as this gateway heard them" in told
    assert told.index("refused") < told.index("never heard"), "what is wrong comes first"
    assert "1 delivery came to no bell of the station file" in told
    assert "http://gateway/bells/signs, as docs/bells.md says" in told


def test_a_bell_stands_as_its_last_delivery_does() -> None:
    def stands(heard: datetime | None, refused: datetime | None) -> str:
        why = Refusal(at=refused, status=401, title="a wrong secret") if refused else None
        known = Known(since=NOW, heard=heard, refused=why)
        return view("plain", "generic", "bearer", secret=True, origin="http://gateway", known=known).standing

    later = NOW + timedelta(seconds=1)
    assert (stands(None, None), stands(NOW, None), stands(None, NOW)) == ("never heard", "heard", "refused")
    assert (stands(later, NOW), stands(NOW, later)) == ("heard", "refused")
    assert stands(NOW, NOW) == "refused", "of one delivery, a part"
    own = view(OWN_BELL, "generic", "bearer", secret=True, origin="http://gateway", known=None)
    assert str(own.next).startswith("Nothing"), "nobody has to set up what the station rings itself"


async def test_a_delivery_of_which_a_part_is_wrong_was_heard_and_refused(http: httpx.AsyncClient) -> None:
    alerts = [ALERT, {**ALERT, "labels": {"alertname": "x", "system": "toaster"}, "fingerprint": "f2"}]
    headers = bearer(f"{SECRET}-manager")
    answer = await http.post("/bells/manager", json=notification(*alerts), headers=headers)
    assert answer.status_code == 422
    seen = (await looked(http))["manager"]
    assert (seen["deliveries"], seen["alarms"], seen["refusals"], seen["standing"]) == (1, 1, 1, "refused")
