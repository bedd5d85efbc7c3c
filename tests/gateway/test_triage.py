"""Triage at the gateway and on a real server: what is recorded, what waits, and what nobody has decided in time."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import httpx
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from firestation.alarm import OWN_BELL, Alarm, Alarms, Batch, incident_id
from firestation.authority import Bell, Station
from firestation.bell.formats import hear
from firestation.bell.heard import Ear
from firestation.errors import Gone, NotConfigured, Refused, Unreachable
from firestation.storm import pile
from firestation.system import System
from firestation.waits import Verdict, Wait, triage_id
from gateway.auth import Doorkeeper
from gateway.desk import Desk, Row
from gateway.forms import Field, Form
from gateway.hearing import Sent
from gateway.ringing import Rang
from gateway.same_fire import offered
from gateway.spool import Left
from gateway.waiting import SHOWN, WaitDesk
from tests.gateway.conftest import BELL, INCIDENT, TOKENS, Remembering, Standing, bearer, books_of
from tests.gateway.desks import a_desk
from tests.gateway.test_desk import book
from tests.gateway.test_sessions import ORIGIN, csrf, log_in
from tests.property.worlds import START, World
from tests.property.worlds import alarm as one_alarm
from tests.workflows.stage import PATIENCE, Stage, java_server, real_server, staged, taken
from worker.bell import said
from workflows import messages
from workflows.client import TASK_QUEUE

KEY = "0123456789abcdef01234567"

DECLARED = {
    "triage": [
        {
            "id": "cheap",
            "match": {"names": ["CostUp"]},
            "class": "cost",
            "then": "person",
            "within": "1h",
            "why": "it is often a campaign",
        },
        {
            "id": "soon",
            "match": {"names": ["CostSoon"]},
            "then": "person",
            "within": "2s",
            "why": "somebody looks at once",
        },
        {"id": "chatter", "match": {"names": ["Chatter"]}, "then": "record", "why": "nobody acts on it"},
    ],
    "inhibit": [
        {
            "id": "index-down",
            "while": {"names": ["IndexDown"], "labels": {"tier": ["one"]}},
            "match": {"names": ["SlowAnswers"]},
            "why": "without the index every answer is slow",
        }
    ],
    "maintenance": [
        {
            "id": "move",
            "starts": "2020-01-01T00:00:00Z",
            "ends": "2999-01-01T00:00:00Z",
            "match": {"names": ["Moved"]},
            "by": "ana",
            "why": "the index moves",
        }
    ],
}


class DeskBell:
    """The station's own bell, as the worker rings it and the gateway hears it."""

    def __init__(self) -> None:
        self.desk: Desk | None = None
        self.rang: list[tuple[Alarm, str | None]] = []
        self.lost = 0

    async def ring(self, alarm: Alarm, delivery: str | None = None) -> str | None:
        if self.desk is None:
            raise Unreachable("the gateway is being started again")
        (heard,) = hear("generic", said(alarm), {}, Ear(OWN_BELL)).alarms
        self.rang.append((heard, delivery))
        rang = await self.desk.ring(heard, delivery)
        if self.lost:
            self.lost -= 1
            raise Unreachable("its answer was lost")
        return rang.incident


class Place:
    """A stage with triage declared, and a desk before it."""

    def __init__(self, stage: Stage, desk: Desk, bell: DeskBell) -> None:
        self.stage, self.desk, self.bell = stage, desk, bell

    async def ring(self, name: str, key: str = "k1", status: str = "firing", **labels: str) -> Rang:
        return await self.desk.ring(one_alarm(key, status).changed(name=name, labels=labels))

    async def told(self, lane: str) -> None:
        async with asyncio.timeout(30):
            while self.desk.ringing.spool.holds(lane):
                await self.desk.ringing.pump.hand_over(lane, 5, repeats=True)

    async def kept(self) -> dict[str, int]:
        return {f"{each.why} {each.alarm}": each.times for each in (await self.desk.held()).untold}

    async def is_open(self, incident: str) -> bool:
        rows = await self.desk.listing(open_only=True)
        return incident in {each.incident for each in rows}


def declared(stage: Stage) -> System:
    return System.model_validate(stage.brief.system.model_dump() | DECLARED)


def standing(stage: Stage) -> Standing:
    found, system = book(stage), declared(stage)
    station = found.station.changed(bells=(*found.station.bells, Bell(id=OWN_BELL)))
    wall = (stage.brief.runbook.changed(pattern="general"),)
    return Standing(found.changed(station=station, systems={system.system: system}, wall=wall))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    bell = DeskBell()
    async with (
        real_server() as environment,
        staged(environment, tmp_path, bell=bell) as stage,
        a_desk(environment.client, standing(stage), tmp_path / "desk", timedelta(milliseconds=1)) as desk,
    ):
        yield Place(stage, desk, bell)


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(PATIENCE):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.05)


async def test_what_is_recorded_rings_nobody_and_is_listed_with_its_rule(place: Place) -> None:
    recorded = await place.ring("Chatter")
    assert (recorded.incident, recorded.reason) == (None, "recorded only: chatter: nobody acts on it")
    await place.ring("Chatter", status="resolved")
    assert "until 2999" in str((await place.ring("Moved")).reason)
    rings = await place.ring("SlowAnswers")
    assert rings.incident, "nothing explains it yet"
    await place.told(rings.incident)
    other = await place.ring("IndexDown", tier="two")
    opened = await place.ring("IndexDown", key="k2", tier="one")
    assert other.incident == opened.incident
    await place.told(str(opened.incident))
    await until(lambda: place.is_open(str(opened.incident)))
    assert await place.kept() == {"recorded Chatter": 2, "maintenance Moved": 1}


async def test_an_open_fire_explains_others_but_never_its_own(place: Place) -> None:
    opened = (await place.ring("IndexDown", tier="one")).incident
    assert opened
    await place.told(opened)
    await until(lambda: place.is_open(opened))

    async def muted() -> bool:  # what is open is shared for a moment
        slow = one_alarm().changed(name="SlowAnswers")
        return (await place.desk.ringing.sieve.sift(declared(place.stage), slow)).then == "record"

    await until(muted)
    assert (await place.ring("SlowAnswers")).incident is None
    assert (await place.ring("IndexDown", tier="one", status="resolved")).incident == opened
    found = [each for each in (await place.desk.held()).untold if each.why == "inhibited"]
    assert found[0].reason == f"index-down, while {opened} is open: without the index every answer is slow"


async def test_what_a_person_opens_rings_once_though_the_bell_is_away_and_its_answer_is_lost(
    place: Place,
) -> None:
    rang = await place.ring("CostUp")
    assert rang.incident is None
    assert rang.waits
    incident = rang.waits
    await place.told(triage_id(incident))
    await place.ring("CostUp", key="k2", status="firing")
    await place.ring("CostUp", key="k2", status="resolved")
    await place.told(triage_id(incident))
    with pytest.raises(Gone):
        await place.desk.picture(incident)
    (wait,) = (await until(lambda: shown(place))).waiting
    assert (wait.times, wait.class_) == (3, "cost")
    assert {each.alarm.labels["class"] for each in wait.heaps.values()} == {"cost"}

    verdict = Verdict(word="open", by="ana", reason="there is no campaign")
    assert (await place.desk.decide(incident, verdict)).accepted
    assert (await place.desk.decide(incident, verdict)).accepted
    late = Verdict(word="dismiss", by="ben", reason="it is nothing")
    answer = await place.desk.decide(incident, late)
    assert answer.missing == "it was opened by ana"
    place.bell.lost, place.bell.desk = 1, place.desk
    await until(lambda: place.is_open(incident))

    async def over() -> bool:
        found = await place.desk.ringing.waits.running(incident)
        return found is not None and found.status is WorkflowExecutionStatus.COMPLETED

    await until(over)
    await place.told(incident)
    seen = await place.desk.picture(incident)
    assert {each.alarm.key: each.times for each in seen.alarms} == {"k1": 1, "k2": 2}
    with pytest.raises(Refused, match="decided already"):
        await place.desk.decide(incident, late)
    assert {each.alarm.source for each in seen.alarms} == {"generic"}, "they come from where they came from"
    await until(lambda: rings_again(place, incident))


async def rings_again(place: Place, incident: str) -> bool:
    """Once its incident is seen to be open, it is told what rings again."""
    return (await place.ring("CostUp")).incident == incident


async def test_what_waited_and_was_not_noted_is_counted_once_though_it_is_an_incident_by_now(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.bell.desk, spool = place.desk, place.desk.ringing.spool
    noted, died = spool.done, list[str]()

    async def dies_once(lane: str, left: Iterable[Left] = ()) -> None:
        if lane.startswith("triage/") and not died:
            died.append(lane)
            incident = lane.removeprefix("triage/")
            verdict = Verdict(word="open", by="ana", reason="it is one")
            await place.desk.ringing.waits.decide(incident, verdict, None)  # by another gateway
            await until(lambda: place.is_open(incident))
            raise Unreachable("the gateway died before it could note that this was told")
        await noted(lane, left)

    monkeypatch.setattr(spool, "done", dies_once)
    incident = (await place.ring("CostUp")).waits
    assert incident
    await until(lambda: emptied(place))
    assert died
    assert [each.times for each in (await place.desk.picture(incident)).alarms] == [1]


async def emptied(place: Place) -> bool:
    return not place.desk.ringing.spool.incidents()


async def shown(place: Place) -> Any:
    found = await place.desk.waits()
    return found if found.waiting else None


async def test_nobody_decides_in_time_and_a_dismissal_stays(place: Place) -> None:
    place.bell.desk = place.desk
    soon = (await place.ring("CostSoon")).waits
    waits = (await place.ring("CostUp")).waits
    assert soon
    assert waits
    await place.told(triage_id(soon))
    await place.told(triage_id(waits))
    with pytest.raises(Refused, match="only reads"):
        await place.desk.decide(waits, Verdict(word="dismiss", by="nobody", reason="no"))
    with pytest.raises(Refused, match="credential"):
        await place.desk.decide(waits, Verdict(word="dismiss", by="ana", reason="AKIAABCDEFGHIJKLMNOP"))
    dismissed = Verdict(word="dismiss", by="ana", reason="a load test")
    assert (await place.desk.decide(waits, dismissed)).accepted
    await until(lambda: place.is_open(soon))
    assert {each.triaged.why for each, _ in place.bell.rang if each.triaged} == {"nobody has decided in time"}
    await until(lambda: gone(place))
    with pytest.raises(Gone):
        await place.desk.picture(waits)
    await place.ring("CostUp", status="resolved")
    await place.told(triage_id(waits))
    assert "orphan CostUp" in await place.kept()


async def gone(place: Place) -> bool:
    return not (await place.desk.waits()).waiting


# The hours of a wait, on the server that skips time -------------------------------------------------------------


def an_hour(incident: str, system: str, since: datetime, title: str = "Refund agent") -> Wait:
    """What waits for an hour, by a rule for what is cheap."""
    return Wait(
        incident=incident,
        system=system,
        title=title,
        rule="cheap",
        why="often nothing",
        since=since,
        until=since + timedelta(hours=1),
    )


async def test_a_wait_outlives_its_page_and_a_bell_that_only_people_can_mend(tmp_path: Path) -> None:
    class Unhung(DeskBell):
        missing = True

        async def ring(self, alarm: Alarm, delivery: str | None = None) -> str | None:
            if self.missing:
                self.missing = False
                raise NotConfigured("the station file has no bell 'watch'")
            self.rang.append((alarm, delivery))
            return None

    bell, first = Unhung(), one_alarm()
    async with java_server() as environment, staged(environment, tmp_path, bell=bell) as stage:
        client, now = environment.client, await environment.get_current_time()
        desk, id_ = WaitDesk(client, standing(stage)), incident_id(first, ())
        wait = an_hour(id_, first.system, now)
        start = messages.TriageStart(wait=wait, events_per_run=50)
        handle = await client.start_workflow(
            messages.TRIAGE, start, id=triage_id(id_), task_queue=TASK_QUEUE, result_type=messages.TriageEnd
        )
        for number in range(1, 21):
            alarms = Alarms(alarms=(first,), batch=Batch(spool="s", number=number))
            await taken(partial(desk.tell, wait, alarms))
        pages = client.get_workflow_handle(triage_id(id_))
        assert (await pages.describe()).run_id != handle.first_execution_run_id
        end = await handle.result()
        assert (end.ended.by, end.ended.word) == (None, "open")
        assert end.ended.at >= wait.until
        ((rang, key),) = bell.rang
        assert rang.triaged
        assert key == f"triage-{handle.first_execution_run_id}-1"


WORDY = {"text": "x" * 400_000}


async def test_what_is_too_large_to_be_handed_on_is_kept_where_it_is(tmp_path: Path) -> None:
    """Temporal takes two megabytes at once: a page that had to be turned with more would stand for ever."""
    bell, first = DeskBell(), one_alarm()
    async with real_server() as environment, staged(environment, tmp_path, bell=bell) as stage:
        client, now = environment.client, datetime.now(UTC)
        desk, id_ = WaitDesk(client, standing(stage)), incident_id(first, ())
        wait = an_hour(id_, first.system, now)
        start = messages.TriageStart(wait=wait, events_per_run=50)
        handle = await client.start_workflow(messages.TRIAGE, start, id=triage_id(id_), task_queue=TASK_QUEUE)
        for number in range(1, 10):
            wordy = one_alarm(f"k{number % 6}").changed(annotations=WORDY)
            alarms = Alarms(alarms=(wordy,), batch=Batch(spool="s", number=number))
            told = await desk.tell(wait, alarms)
            assert told.run == handle.first_execution_run_id
        verdict = Verdict(word="dismiss", by="ana", reason="a load test")
        said_so = await handle.execute_update(messages.DECIDE, verdict, result_type=messages.Decided)
        assert said_so.accepted
        await handle.result()


# The doors ------------------------------------------------------------------------------------------------------


def a_wait() -> Wait:
    wait = an_hour(INCIDENT, "refund-agent", START, title="Refund <agent>")
    return wait.changed(heaps={"generic/k1": pile(None, one_alarm(), START)})


async def submit(http: httpx.AsyncClient, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
    return await http.post(path, data={"csrf": csrf(page), "key": KEY, **fields}, headers=ORIGIN)


async def test_people_see_what_waits_and_decide_by_name(http: httpx.AsyncClient, desk: Remembering) -> None:
    desk.waiting.append(a_wait())
    ana, path = bearer(TOKENS["ana"]), f"/triage/{INCIDENT}"
    seen = await http.get("/triage", headers=ana)
    assert Wait.model_validate(seen.json()["waiting"][0]) == a_wait()
    assert (await http.get("/triage")).status_code == 401
    assert (await http.post(f"{path}/dismiss", json={}, headers=ana)).status_code == 422
    key = {"Idempotency-Key": "once-only-1"}
    answer = await http.post(f"{path}/dismiss", json={"reason": "a test"}, headers=ana | key)
    assert answer.json()["accepted"]
    assert (await http.post(f"{path}/open", json={}, headers=ana)).status_code == 200
    late = await http.post(f"{path}/open", json={"reason": "too late"}, headers=ana)
    assert (late.status_code, late.json()["detail"]) == (409, "it was dismissed by cara")
    words = [(verdict.word, verdict.by, key) for verdict, key in desk.decided[:2]]
    assert words == [("dismiss", "ana", "dismiss/ana/once-only-1"), ("open", "ana", None)]


async def test_the_board_shows_what_waits_with_its_two_words(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    await log_in(http, TOKENS["ana"])
    assert "waits" not in (await http.get("/board")).text
    desk.waiting.append(a_wait())

    async def listed() -> httpx.Response | None:  # the list is shared for a moment
        page = await http.get("/board")
        return page if 'id="waits"' in page.text else None

    page = await until(listed)
    assert "Refund &lt;agent&gt;" in page.text
    assert "1 alarm waits for a person" in page.text
    assert "others wait" not in page.text
    path = f"/board/triage/{INCIDENT}"
    forged = await http.post(f"{path}/open", data={}, headers={"Origin": "http://elsewhere"})
    assert forged.status_code == 403
    assert not desk.decided
    empty = await submit(http, page, f"{path}/dismiss", reason=" ")
    assert (empty.status_code, "Nothing that you typed is lost" in empty.text) == (422, True)
    done = await submit(http, page, f"{path}/dismiss", reason="a load test")
    assert (done.status_code, done.headers["location"]) == (303, "/board#waits")
    assert [(each.word, each.by, each.reason) for each, _ in desk.decided] == [
        ("dismiss", "ana", "a load test")
    ]


class Crowd:
    """A Temporal at which so much of this station waits, and as much of another one."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def list_workflows(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        for number in range(2 * self.number):
            id_, station = triage_id(f"refund-agent-{number:08x}"), ("elsewhere", "test")[number % 2]
            memo = AsyncMock(return_value={messages.STATION: station})
            yield SimpleNamespace(id=id_, workflow_type=messages.TRIAGE, memo=memo)

    def get_workflow_handle(self, _: str) -> Any:
        return SimpleNamespace(query=AsyncMock(return_value=a_wait()))


@pytest.mark.parametrize(("number", "more"), [(SHOWN - 1, False), (SHOWN, False), (SHOWN + 1, True)])
async def test_the_list_says_when_more_waits_than_it_has(
    station: Station, number: int, *, more: bool
) -> None:
    found = await WaitDesk(cast("Client", Crowd(number)), books_of(station)).listing()
    assert (len(found.waiting), found.more) == (min(number, SHOWN), more)


async def test_the_board_says_that_more_waits_than_it_shows(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    desk.waiting.append(a_wait())
    desk.more_wait = True
    await log_in(http, TOKENS["ana"])
    page = await http.get("/board")
    assert "More than 1 alarm waits for a person" in page.text
    assert "Still others wait than are shown here" in page.text
    assert (await http.get("/triage", headers=bearer(TOKENS["ana"]))).json()["more"] is True


async def test_an_alarm_that_waits_is_answered_so(http: httpx.AsyncClient, desk: Remembering) -> None:
    async def waits(alarm: Alarm, delivery: str | None = None, sent: Sent | None = None) -> Rang:
        del delivery, sent
        return Rang(alarm=alarm.name, incident=None, reason="waits for a person", waits=INCIDENT)

    desk.ring = waits  # type: ignore[method-assign]
    given = said(one_alarm())
    answer = await http.post("/alarms/generic", json=given, headers=bearer(BELL))
    assert answer.status_code == 202
    body = answer.json()
    assert ([each["waits"] for each in body["waits"]], body["incidents"], body["ignored"]) == (
        [INCIDENT],
        [],
        [],
    )
    for field, value in (("source", "other"), ("triaged", {"by": "ana", "why": "I say so"})):
        refused = await http.post("/alarms/generic", json=given | {field: value}, headers=bearer(BELL))
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


# The same fire --------------------------------------------------------------------------------------------------


def row(incident: str, opened_at: datetime, **more: Any) -> Row:
    fields = {
        "run": "r",
        "system": "refund-agent",
        "title": "Refund agent",
        "phase": "open",
        "severity": "sev2",
    }
    rest = {"captain": "nobody", "waiting": "a captain", "ended_at": None, "open": True}
    return Row.model_validate({"incident": incident, "opened_at": opened_at, **fields, **rest, **more})


async def test_what_opened_at_about_the_same_time_is_offered_as_the_same_fire(
    http: httpx.AsyncClient, desk: Remembering, door: Doorkeeper
) -> None:
    world, minute = World(), timedelta(minutes=1)
    opened = (await desk.picture(INCIDENT)).opened_at
    book = door.books.book.changed(systems={"refund-agent": world.incident.brief.system})
    door.books = Standing(book)
    rows = [
        row("refund-agent-0000000a", opened - 14 * minute),
        row("refund-agent-0000000b", opened + 2 * minute),
        row("refund-agent-0000000c", opened + 16 * minute),
        row("refund-agent-0000000d", opened, open=False),
        row("other-0000000e", opened, system="other"),
        row(world.incident.brief.incident, opened),
    ]

    async def listing(*, open_only: bool) -> list[Row]:
        del open_only
        return rows

    desk.listing = listing  # type: ignore[method-assign]
    near = ["refund-agent-0000000b", "refund-agent-0000000a"]
    answer = await http.get(f"/incidents/{INCIDENT}/same-fire", headers=bearer(TOKENS["ana"]))
    assert [each["incident"] for each in answer.json()["incidents"]] == near
    await log_in(http, TOKENS["ana"])
    page = (await http.get(f"/board/{INCIDENT}")).text
    assert re.findall(r'Perhaps the same fire: <a href="/board/([\w-]+)"', page) == near
    merge = Form("merge", "", "merge", "Merge", (Field("into", "Into this incident", "line"),), "key")
    offers = offered({"merge": merge}, (rows[1], rows[0]))["merge"].fields[0].options
    assert [name for name, _ in offers] == near
    assert offered({}, (rows[0],)) == {}
