"""The desk on a real server: what joins, what is a repeat, what a list shows, and how a history grows."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
from temporalio.client import Client, WorkflowExecution

from firestation import acts
from firestation.aftermath import course
from firestation.alarm import MOST_KINDS, incident_id
from firestation.authority import Bell, Member, Station
from firestation.errors import Gone, InvalidInput, Refused, Unreachable
from firestation.fold import begin
from firestation.follow_up import Course, Finish
from firestation.oncall import on_call
from firestation.record import Opened
from firestation.rotation import Layer, Rotation
from firestation.severity import Severity
from firestation.state import Phase
from firestation.waits import triage_id
from gateway import ringing
from gateway.book import Book
from gateway.desk import Desk
from gateway.spool import Left
from gateway.tasks import TaskList
from gateway.temporal import CALL, latest_of
from tests.gateway.conftest import Standing
from tests.gateway.desks import a_desk
from tests.property.worlds import alarm
from tests.workflows.stage import Stage, live, real_server, staged
from workflows import messages
from workflows.client import TASK_QUEUE

REPEATS = timedelta(minutes=5)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with real_server() as environment, staged(environment, tmp_path) as stage:
        yield stage


def book(stage: Stage, station_id: str = "demo") -> Book:
    brief = stage.brief
    people = tuple(
        Member(id=p.id, name=p.name, roles=p.roles, address=p.address) for p in brief.roster.people
    )
    station = Station(station=station_id, people=people, escalation=("ana", "ben"), bells=(Bell(id="bell"),))
    return Book(station=station, systems={brief.system.system: brief.system}, wall=(brief.runbook,))


class Opening(Protocol):
    async def __call__(self, books: Book | None = None, coalesce: timedelta = REPEATS) -> Desk: ...


@pytest.fixture
async def desks(stage: Stage, tmp_path: Path) -> AsyncIterator[Opening]:
    """Opens desks before the stage, each with its own spool."""
    async with AsyncExitStack() as stack:
        numbers = count(1)

        async def opened(books: Book | None = None, coalesce: timedelta = REPEATS) -> Desk:
            folder, standing = tmp_path / f"desk-{next(numbers)}", Standing(books or book(stage))
            return await stack.enter_async_context(
                a_desk(stage.environment.client, standing, folder, coalesce)
            )

        yield opened


async def told(desk: Desk, incident: str) -> None:
    """Have everything told that waits for this incident."""
    async with asyncio.timeout(30):
        while desk.ringing.spool.holds(incident):
            await desk.ringing.pump.hand_over(incident, 5, repeats=True)


async def events(desk: Desk, incident: str) -> list[str]:
    history = await desk.client.get_workflow_handle(incident).fetch_history()
    return [event.WhichOneof("attributes") or "" for event in history.events]


async def quiet(desk: Desk, incident: str) -> None:
    """Wait until the engine has done what the alarm made it do: then only alarms make the history grow."""
    handle = desk.client.get_workflow_handle(incident)
    async with asyncio.timeout(30):
        while True:
            seen = await desk.picture(incident)
            described = await handle.describe()
            if seen.sealed and seen.firebreaks and not described.raw_description.pending_activities:
                before = described.history_length
                await handle.query(messages.PICTURE)
                if (await handle.describe()).history_length == before:
                    return
            await asyncio.sleep(0.05)


async def test_the_first_alarm_opens_and_the_next_ones_join(stage: Stage, desks: Opening) -> None:
    desk = await desks()
    first = await desk.ring(alarm("k1"))
    second = await desk.ring(alarm("k2"))
    assert first.incident
    assert first.incident == second.incident
    await told(desk, first.incident)
    assert [each.alarm.key for each in (await desk.picture(first.incident)).alarms] == ["k1", "k2"]
    assert len(await desk.listing(open_only=False)) <= 1


async def test_a_storm_costs_the_history_a_few_updates_and_its_counts_are_true(
    stage: Stage, desks: Opening
) -> None:
    desk = await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await quiet(desk, incident)
    before = await events(desk, incident)
    assert (await desk.ring(alarm("k1"))).coalesced, "the same delivery again is not counted"
    for number in range(400):
        key, status = f"k{number % 4}", "resolved" if number % 8 == 3 else "firing"
        await desk.ring(alarm(key, status=status).changed(summary=f"seen for the {number}th time"))
    await asyncio.gather(*(desk.ring(alarm(f"other-{number}")) for number in range(100)))
    await told(desk, incident)
    seen = await desk.picture(incident)
    counts = {each.alarm.key: each.times for each in seen.alarms}
    assert [counts[f"k{number}"] for number in range(4)] == [100, 101, 100, 100]
    assert seen.beyond is not None
    assert sum(counts.values()) + seen.beyond.times == 501
    assert len(counts) == MOST_KINDS
    (flapping,) = (each for each in seen.alarms if each.flapping)
    assert (flapping.alarm.key, flapping.changes) == ("k3", 99)
    grown = (await events(desk, incident))[len(before) :]
    assert sum(name.startswith("workflow_execution_update_accepted") for name in grown) <= 12
    assert not [name for name in grown if "activity" in name or "timer" in name]


async def test_what_was_told_and_not_noted_is_counted_once_whatever_page_is_turned(
    stage: Stage, desks: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await desks()
    spool, noted = desk.ringing.spool, desk.ringing.spool.done
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await told(desk, incident)
    lost: list[str] = []

    async def died(name: str, left: Iterable[Left] = ()) -> None:
        if len(lost) < 2:
            lost.append(name)
            await desk.client.get_workflow_handle(name).signal(messages.TURN_PAGE)
            raise Unreachable("the gateway died before it could note that this was told")
        await noted(name, left)

    monkeypatch.setattr(spool, "done", died)
    for number in range(5):
        await desk.ring(alarm("k1").changed(summary=f"the {number}th"))
    await told(desk, incident)
    assert len(lost) == 2
    assert [each.times for each in (await desk.picture(incident)).alarms] == [6]


async def test_what_a_worker_of_before_does_not_understand_waits_for_a_newer_one(
    stage: Stage, desks: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, alarms, new = await desks(), ringing._alarms, [True]
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await told(desk, incident)

    def newer(*given: Any) -> Any:
        made = alarms(*given)
        return made.model_dump(mode="json") | {"a-field-of-tomorrow": 1} if new else made

    monkeypatch.setattr(ringing, "_alarms", newer)
    await desk.ring(alarm("k2"))
    async with asyncio.timeout(30):
        while "worker of before" not in str(desk.ringing.pump.trouble()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    new.clear()
    async with asyncio.timeout(30):
        while desk.ringing.spool.holds(incident):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert not (await desk.held()).untold
    assert [each.alarm.key for each in (await desk.picture(incident)).alarms] == ["k1", "k2"]


async def test_what_rings_again_is_told_after_a_while_by_itself(stage: Stage, desks: Opening) -> None:
    desk = await desks(coalesce=timedelta(seconds=0.2))
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await desk.ring(alarm("k1").changed(summary="again"))
    async with asyncio.timeout(30):
        while (await desk.picture(incident)).alarms[0].times < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_all_clear_without_a_fire_opens_nothing_and_is_kept(stage: Stage, desks: Opening) -> None:
    desk = await desks()
    incident = (await desk.ring(alarm("k1", status="resolved"))).incident
    assert incident
    await told(desk, incident)
    with pytest.raises(Gone):
        await desk.picture(incident)
    (orphan,) = (await desk.held()).untold
    assert (orphan.why, orphan.incident, orphan.key, orphan.times) == ("orphan", incident, "k1", 1)
    await desk.ring(alarm("k2"))
    await desk.ring(alarm("k2", status="resolved"))
    await told(desk, incident)
    (rung,) = (await desk.picture(incident)).alarms
    assert (rung.alarm.status, (await desk.picture(incident)).phase) == ("resolved", Phase.OPEN)


async def test_an_alarm_while_the_last_incident_says_its_last_words_opens_the_next(
    stage: Stage, desks: Opening
) -> None:
    """A slow channel keeps an ended incident's workflow open for a moment; the alarm waits and is not lost.

    What was delivered before it ended, and is sent again by whoever has captured it, is no such alarm.
    """
    desk = await desks()
    incident = (await desk.ring(alarm("k1"), "event-1")).incident
    assert incident
    first = await desk.picture(incident)
    await stage_dismissed(desk, incident)
    assert (await desk.ring(alarm("k1"), "event-1")).coalesced
    await desk.ring(alarm("k2"))
    await told(desk, incident)
    picture = await desk.picture(incident)
    assert picture.predecessor == first.run
    assert [each.alarm.key for each in picture.alarms] == ["k2"]


async def stage_dismissed(desk: Desk, incident: str) -> None:
    await desk.act(incident, acts.Acknowledge(by="ana"))
    await quiet(desk, incident)
    for firebreak in (await desk.picture(incident)).firebreaks:
        if firebreak.moved_at:
            await desk.act(incident, acts.Lift(by="ana", action=firebreak.digest, reason="no fire"))
    async with asyncio.timeout(30):
        while not (await desk.act(incident, acts.Dismiss(by="ana", reason="no fire"))).accepted:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_the_list_is_drawn_from_visibility(stage: Stage, desks: Opening) -> None:
    desk = await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await desk.act(incident, acts.Acknowledge(by="ana"))
    async with asyncio.timeout(30):
        while True:
            rows = await desk.listing(open_only=True)
            if rows and rows[0].captain == "ana":
                break
            await asyncio.sleep(0.05)
    (row,) = rows
    assert (row.incident, row.system, row.title, row.phase) == (
        incident,
        "refund-agent",
        "Refund agent",
        "open",
    )
    assert "severity" in row.waiting
    assert row.waiting_since == (await desk.picture(incident)).waiting[0].since
    await quiet(desk, incident)
    before = await desk.version(incident)
    assert await desk.version(incident) == before, "looking changes nothing"
    await desk.act(incident, acts.Note(by="ana", text="seen"))
    assert await desk.version(incident) != before
    with pytest.raises(Gone, match="no incident"):
        await desk.version("none-1")


async def test_a_station_neither_sees_nor_moves_what_another_one_in_the_namespace_has(
    stage: Stage, desks: Opening
) -> None:
    desk = await desks()
    other = await desks(book(stage, "next-door"))
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    async with asyncio.timeout(30):
        while not await desk.listing(open_only=True):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await other.listing(open_only=False) == []
    with pytest.raises(Gone, match="no incident"):
        await other.version(incident)
    with pytest.raises(Gone, match="no incident"):
        await other.picture(incident)
    with pytest.raises(Gone, match="no incident"):
        await other.act(incident, acts.Note(by="ana", text="from next door"))
    assert (await other.ring(alarm("k2"))).incident == incident
    await told(other, incident)
    (refused,) = (await other.held()).untold
    assert (refused.why, "is the station demo's" in refused.reason) == ("refused", True)
    seen = await desk.picture(incident)
    assert (seen.entries, len(seen.alarms)) == ((), 1)


async def test_an_incident_of_before_does_not_say_whose_it_is_and_is_shown(
    stage: Stage, desks: Opening
) -> None:
    desk = await desks()
    incident = incident_id(alarm("k1"), stage.brief.system.fire_labels)
    start = messages.IncidentStart(brief=stage.brief.changed(incident=incident))
    await stage.environment.client.start_workflow(
        messages.WORKFLOW, start, id=incident, task_queue=TASK_QUEUE, memo={"title": "of before"}
    )
    await desk.act(incident, acts.Acknowledge(by="ana"))
    assert (await desk.picture(incident)).captain == "ana"
    assert (await desk.ring(alarm("k1"))).incident == incident
    another = "not-an-incident"
    await stage.environment.client.start_workflow("Other", id=another, task_queue="nobody-works-here")
    with pytest.raises(Gone, match="no incident"):
        await desk.act(another, acts.Note(by="ana", text="to a workflow of another kind"))


async def test_what_is_not_there_is_gone_and_what_has_ended_is_refused(stage: Stage, desks: Opening) -> None:
    desk = await desks()
    with pytest.raises(Gone, match="no incident"):
        await desk.act("refund-agent-00000000", acts.Close(by="ana"))
    with pytest.raises(Gone, match="no incident"):
        await desk.picture("refund-agent-00000000")
    with pytest.raises(InvalidInput, match="protects refund-agent"):
        await desk.ring(alarm("k1").changed(system="toaster"))
    with pytest.raises(InvalidInput, match="credential"):
        await desk.ring(alarm("k1").changed(summary="401 with\nsk-proj-" + "A1b2C3d4" * 5))
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await stage_dismissed(desk, incident)
    async with asyncio.timeout(30):
        while (await desk.picture(incident)).phase is not Phase.DISMISSED:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    with pytest.raises(Refused, match=r"dismissed|ended"):
        await desk.act(incident, acts.Note(by="ana", text="too late"))


async def test_what_rings_after_the_end_is_another_fire_however_soon(stage: Stage, desks: Opening) -> None:
    """And what rang before it is no fire: it is on the record of the one that it belongs to."""
    desk = await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    first = await desk.picture(incident)
    await desk.ring(alarm("k1").changed(summary="before the end"))
    await stage_dismissed(desk, incident)
    assert (await desk.picture(incident)).alarms[0].times == 2
    await desk.ring(alarm("k1").changed(summary="after the end"))
    await told(desk, incident)
    again = await desk.picture(incident)
    assert again.predecessor == first.run
    assert [each.times for each in again.alarms] == [1]


async def test_repeats_from_before_the_end_open_nothing_whoever_ends_it(stage: Stage, desks: Opening) -> None:
    desk, other = await desks(), await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await quiet(desk, incident)
    await desk.ring(alarm("k1").changed(summary="before the end"))
    await stage_dismissed(other, incident)
    async with asyncio.timeout(30):
        while (await desk.client.get_workflow_handle(incident).describe()).close_time is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await told(desk, incident)
    (late,) = (await desk.held()).untold
    assert (late.why, late.key, late.times) == ("late", "k1", 1)
    await desk.ring(alarm("k1").changed(summary="after the end"))
    await told(desk, incident)
    assert (await desk.picture(incident)).phase is Phase.OPEN


async def closed(desk: Desk, incident: str) -> str:
    """Wait until the workflow has said its last words; its run."""
    async with asyncio.timeout(30):
        while (found := await desk.client.get_workflow_handle(incident).describe()).close_time is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found.run_id


async def test_what_an_incident_has_counted_opens_no_other_when_its_answer_was_lost(
    stage: Stage, desks: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, other = await desks(), await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await quiet(desk, incident)
    noted, lost = desk.ringing.spool.done, list[str]()

    async def died(name: str, left: Iterable[Left] = ()) -> None:
        if not lost:
            await desk.client.get_workflow_handle(name).signal(messages.TURN_PAGE)
            await stage_dismissed(other, name)
            lost.append(await closed(other, name))
            raise Unreachable("the gateway died before it could note that this was told")
        await noted(name, left)

    monkeypatch.setattr(desk.ringing.spool, "done", died)
    await desk.ring(alarm("k2"))
    async with asyncio.timeout(30):
        while desk.ringing.spool.holds(incident):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [await closed(desk, incident)] == lost
    assert (await desk.held()).untold == ()


@pytest.mark.parametrize("opens", [False, True])
async def test_what_a_terminated_incident_was_told_opens_no_other_and_what_rings_afterwards_does(
    stage: Stage, desks: Opening, monkeypatch: pytest.MonkeyPatch, *, opens: bool
) -> None:
    """Whether it was opened by what it was told, or open already."""
    desk = await desks()
    if not opens:
        await quiet(desk, str((await desk.ring(alarm("k1"))).incident))
    noted, lost = desk.ringing.spool.done, list[str]()

    async def died(name: str, left: Iterable[Left] = ()) -> None:
        if not lost:
            await desk.client.get_workflow_handle(name).terminate("by hand, in Temporal")
            lost.append(await closed(desk, name))
            raise Unreachable("the gateway died before it could note that this was told")
        await noted(name, left)

    monkeypatch.setattr(desk.ringing.spool, "done", died)
    incident = (await desk.ring(alarm("k1" if opens else "k2"))).incident
    assert incident
    async with asyncio.timeout(30):
        while desk.ringing.spool.holds(incident):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [await closed(desk, incident)] == lost
    assert (await desk.held()).untold == ()
    await desk.ring(alarm("k3"))
    await told(desk, incident)
    again = await desk.picture(incident)
    assert (again.phase, [each.alarm.key for each in again.alarms]) == (Phase.OPEN, ["k3"])


async def test_an_all_clear_for_an_incident_that_is_just_ending_opens_no_other(
    stage: Stage, desks: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, other = await desks(), await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await quiet(desk, incident)
    seen = [await latest_of(desk.client, incident)]
    await stage_dismissed(other, incident)
    run = await closed(other, incident)

    async def looked(client: Client, name: str) -> WorkflowExecution | None:
        return seen.pop() if seen else await latest_of(client, name)

    monkeypatch.setattr(ringing, "latest_of", looked)
    await desk.ring(alarm("k1", status="resolved"))
    await told(desk, incident)
    assert (await desk.client.get_workflow_handle(incident).describe()).run_id == run
    assert [each.why for each in (await desk.held()).untold] == ["orphan"]


async def test_a_fire_among_many_all_clears_opens_an_incident(
    stage: Stage, desks: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the first fifty it is one of the others, of which there is a sample: that is what burns."""
    desk = await desks()
    over = [alarm(f"k{number}", status="resolved") for number in range(MOST_KINDS + 2)]
    with monkeypatch.context() as quietly:  # until all have rung
        quietly.setattr(desk.ringing.pump, "wake", lambda _: None)
        incident = (await desk.ring(over[0])).incident
        assert incident
        for each in (*over[1:], alarm("fire")):
            await desk.ring(each)
    desk.ringing.pump.wake(incident)
    await told(desk, incident)
    (rung,) = (await desk.picture(incident)).alarms
    assert (rung.alarm.key, rung.times) == ("fire", 3)
    assert len((await desk.held()).untold) == MOST_KINDS


async def test_an_act_that_is_sent_again_is_done_once_though_the_page_was_turned_meanwhile(
    stage: Stage, desks: Opening
) -> None:
    desk = await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await quiet(desk, incident)
    note = acts.Note(by="ana", text="it began with the deployment")
    first = await desk.act(incident, note, "chat-1")
    handle = desk.client.get_workflow_handle(incident)
    before = (await handle.describe()).run_id
    await handle.signal(messages.TURN_PAGE)
    async with asyncio.timeout(30):
        while (await handle.describe()).run_id == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await desk.act(incident, note, "chat-1") == first
    assert (await desk.act(incident, note, "chat-2")).accepted
    entries = (await desk.picture(incident)).entries
    assert [each.text for each in entries] == [note.text] * 2


async def test_what_waited_and_goes_to_the_incident_is_not_taken_for_told(
    stage: Stage, desks: Opening
) -> None:
    """Two lanes of one spool lead to it, and the numbers of one are no numbers of the other."""
    desk = await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await told(desk, incident)
    lane = triage_id(incident)
    await desk.ringing.spool.keep(lane, alarm("k2"), "waits", REPEATS)
    batch = await desk.ringing.spool.freeze(lane)
    assert batch
    await desk.ring(alarm("k3"))
    await told(desk, incident)
    for _ in range(2):
        await desk.ringing._wait(lane, batch, ())
    counts = {each.alarm.key: each.times for each in (await desk.picture(incident)).alarms}
    assert counts == {"k1": 1, "k2": 1, "k3": 1}


async def test_a_digest_may_be_shortened_but_not_guessed(stage: Stage, desks: Opening) -> None:
    desk = await desks()
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    await quiet(desk, incident)
    (first, *_) = (await desk.picture(incident)).firebreaks
    assert await desk.whole_digest(incident, first.digest[:12]) == first.digest
    for wrong in (first.digest[:4], "f" * 12):
        with pytest.raises(InvalidInput, match="action"):
            await desk.whole_digest(incident, wrong)


async def test_a_station_without_a_worker_says_that_nobody_answered(tmp_path: Path) -> None:
    async with real_server() as environment, AsyncExitStack() as stack:
        async with staged(environment, tmp_path) as stage:
            desk = await stack.enter_async_context(
                a_desk(environment.client, Standing(book(stage)), tmp_path / "desk", patience=CALL)
            )
            incident = (await desk.ring(alarm("k1"))).incident
            assert incident
            await told(desk, incident)
        with pytest.raises(Unreachable, match=r"has not answered within \d+ s|cannot be shown"):
            await desk.act(incident, acts.Acknowledge(by="ana"))


async def test_an_incident_is_pinned_to_whoever_is_on_call_when_it_begins(
    stage: Stage, desks: Opening
) -> None:
    week = Layer(
        name="week",
        people=("ana", "ben"),
        zone="Europe/Berlin",
        start=date(2026, 10, 19),
        turn=timedelta(days=7),
    )
    known = book(stage)
    rotation = Rotation(id="primary", layers=(week,))
    station = known.station.changed(rotations=(rotation,), escalation=("primary",))
    turning = known.changed(station=station)
    for day, person in ((25, "ana"), (26, "ben")):
        assert turning.brief(alarm("k1"), datetime(2026, 10, day, 12, tzinfo=UTC)).roster.escalation == (
            person,
        )
    graver = turning.changed(
        station=station.changed(escalation_at={Severity.SEV1: ("primary", "ana", "ben")})
    )
    pinned = graver.brief(alarm("k1"), datetime(2026, 10, 26, 12, tzinfo=UTC)).roster
    assert {each: pinned.ranks(each) for each in (Severity.SEV1, Severity.SEV2)} == {
        Severity.SEV1: ("ben", "ana"),
        Severity.SEV2: ("ben",),
    }
    desk = await desks(turning)
    before = on_call(rotation, datetime.now(UTC))[0]
    incident = (await desk.ring(alarm("k1"))).incident
    assert incident
    async with asyncio.timeout(30):
        while True:
            asked = {each.who for each in (await desk.picture(incident)).waiting}
            if asked & {before, on_call(rotation, datetime.now(UTC))[0]}:
                break
            await asyncio.sleep(0.05)
    assert not asked & {"ana", "ben"} - {before, on_call(rotation, datetime.now(UTC))[0]}


async def listed(desk: Desk, incident: str, *, open_only: bool) -> TaskList:
    """The tasks, once visibility has them: it is a moment behind."""
    async with asyncio.timeout(30):
        while True:
            found = await desk.tasks(incident, open_only=open_only)
            if found.incidents:
                return found
            await asyncio.sleep(0.1)


async def test_the_tasks_of_an_ended_incident_are_listed_and_finished(stage: Stage, desks: Opening) -> None:
    desk, incident = await desks(), stage.brief.incident
    with pytest.raises(Gone):
        await desk.tasks(incident, open_only=False)
    await live(stage)
    await stage.ended()
    (seen,) = (await listed(desk, incident, open_only=True)).incidents
    assert [each.task for each in seen.tasks] == ["postmortem", "eval-lock"]
    assert not (await (await desks(book(stage, "other"))).tasks(None, open_only=False)).incidents
    word = Finish(by="cara", task="postmortem", reason="it is written")
    first = await desk.finish(incident, word, "", "finish/postmortem/cara/key-12345678")
    again = await desk.finish(incident, word, seen.mark[:8], "finish/postmortem/cara/key-12345678")
    assert (first.accepted, again) == (True, first)
    refused = await desk.finish(incident, word.changed(by="nobody"), "", None)
    assert "not one of the people" in (refused.missing or "")
    with pytest.raises(Refused, match="credential"):
        await desk.finish(incident, word.changed(reason=f"ghp_{'a' * 36}"), "", None)
    with pytest.raises(Refused, match="no fire begins with"):
        await desk.finish(incident, word, "no-such", None)
    with pytest.raises(Gone):
        await desk.finish("refund-agent-00000000", word, "", None)
    assert (await desk.finish(incident, word.changed(task="eval-lock"), "", None)).accepted
    async with asyncio.timeout(30):
        while (await desk.tasks(incident, open_only=True)).incidents:  # noqa: ASYNC110 - Temporal tells nobody
            await asyncio.sleep(0.1)
    (over,) = (await listed(desk, incident, open_only=False)).incidents
    assert over.over
    with pytest.raises(Refused, match="is done"):
        await desk.finish(incident, word, "", None)


async def test_two_fires_of_one_incident_have_each_their_tasks(stage: Stage, desks: Opening) -> None:
    desk, incident = await desks(), stage.brief.incident
    begun = course_of(stage)
    for mark in ("0198b7d2-1", "0198b7d3-2"):
        await desk.client.start_workflow(
            messages.AFTER_ACTION,
            messages.AfterStart(course=begun.changed(mark=mark)),
            id=messages.after_id(incident, mark),
            task_queue=TASK_QUEUE,
            memo={messages.STATION: begun.roster.station},
        )
    async with asyncio.timeout(30):
        while len((await desk.tasks(None, open_only=True)).incidents) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)
    word = Finish(by="ana", task="postmortem", reason="it is written")
    with pytest.raises(InvalidInput, match=r"2 fires of .* have open tasks"):
        await desk.finish(incident, word, "", None)
    assert (await desk.finish(incident, word, "0198b7d3", None)).accepted
    found = {each.mark: each.tasks for each in (await desk.tasks(incident, open_only=True)).incidents}
    assert {mark: sum(each.done_at is not None for each in tasks) for mark, tasks in found.items()} == {
        "0198b7d2-1": 0,
        "0198b7d3-2": 1,
    }


def course_of(stage: Stage) -> Course:
    """The tasks of an incident that somebody has just begun."""
    opened = Opened(at=datetime.now(UTC), brief=stage.brief, run="0198b7d2")
    return course(begin(opened))
