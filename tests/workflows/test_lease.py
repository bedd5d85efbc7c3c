"""Firebreaks as leases, on a real server: two fires and one lever, the way back of a failed move, stop everything."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from firestation import acts
from firestation.errors import Denied, Unreachable
from firestation.firebreak import Firebreak, Lease
from firestation.orders import LeaseOrder, ReleaseOrder
from firestation.picture import Picture
from firestation.runbook import FollowUp
from firestation.state import Phase
from firestation.steps import Absence
from tests.workflows.stage import Stage, firebreak, live, real_server, staged, stands
from worker.leases import TemporalLeases
from workflows.client import TASK_QUEUE


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with real_server() as environment, staged(environment, tmp_path) as stage:
        yield stage


def changed(stage: Stage, **fields: object) -> None:
    """The second step of the runbook, which moves the reranker, with changes."""
    runbook = stage.brief.runbook
    first, second = runbook.firebreaks
    stage.brief = stage.brief.changed(runbook=runbook.changed(firebreaks=(first, second.changed(**fields))))


async def approve(stage: Stage, *people: str) -> None:
    seen = await stage.until("the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    for person in people or ("ana", "ben"):
        await stage.do(acts.Approve(by=person, action=wanted.digest))


async def test_two_fires_never_fight_over_one_lever(stage: Stage) -> None:
    other = Stage(stage.environment, stage.town, stage.brief)
    other.brief = stage.brief.changed(incident=f"refund-agent-{uuid.uuid4().hex[:8]}")
    await live(stage, until=Phase.CONTAINED)
    await live(other, until=Phase.DECLARED)
    seen = await other.until("the tool to stand there already", lambda seen: seen.skipped)
    assert seen.skipped == {"stop-refunds": "tool stands at disabled already"}
    await approve(stage)
    await stage.until("the move", stands("reranker", Lease.EFFECTIVE))
    await approve(other)
    seen = await other.until("the first one's lease", stands("reranker", Lease.TAKEN))
    beaten = firebreak(seen, "reranker")
    assert beaten is not None
    assert stage.brief.incident in (beaten.trouble or "")
    assert [move.to for move in stage.town.reranker.log] == ["on"]

    await stage.do(acts.Stop(by="ana", reason="the other one is the real fire"))
    seen = await stage.until("the way back", stands("reranker", Lease.LIFTED))
    await stage.until("the tool to be back", stands("tool", Lease.LIFTED))
    await stage.until(
        "both to be free", lambda seen: [each.kind for each in seen.timeline].count("released") == 2
    )
    assert (stage.town.reranker.position.value, stage.town.tool.position.value) == ("off", "enabled")
    await other.do(acts.Propose(by="ana", step="stop-refunds"))
    await other.until("the step that was skipped", stands("tool", Lease.EFFECTIVE))
    assert [move.to for move in stage.town.tool.log] == ["disabled", "enabled", "disabled"]
    await other.do(acts.Propose(by="ana", step="reranker-on"))
    await approve(other)
    seen = await other.until("the move of the second", stands("reranker", Lease.EFFECTIVE))
    moments = [moment.text for moment in seen.timeline]
    assert "lever tool read: enabled" in moments, "the first has moved it since the second had read it"
    assert "lever reranker read: off" in moments
    assert not [each for each in seen.firebreaks if each.state is Lease.DRIFTED], (
        "nobody is asked again for nothing"
    )
    await stage.proved()
    await other.proved()


@pytest.mark.parametrize("dead", [False, True], ids=["well", "dead"])
async def test_what_was_read_while_another_incident_held_the_lever_moves_nothing(
    stage: Stage, dead: bool
) -> None:
    """What another incident had moved is nobody's origin: the lever would be put "back" to it in the end."""
    await live(stage, until=Phase.RECOVERING)
    await stage.until("the move", stands("reranker", Lease.EFFECTIVE))
    other = Stage(stage.environment, stage.town, stage.brief)
    other.brief = stage.brief.changed(incident=f"refund-agent-{uuid.uuid4().hex[:8]}")
    changed(other, to="off")
    await live(other, until=Phase.DECLARED)
    seen = await other.until("the proposal", stands("reranker", Lease.PROPOSED))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    assert (wanted.action.origin.value, wanted.action.to.value) == ("on", "off")
    await stage.do(acts.Stop(by="ana", reason="over"))
    await stage.until(
        "both to be free", lambda seen: [each.kind for each in seen.timeline].count("released") == 2
    )
    if dead:
        stage.town.reranker.faults.errors.append(Denied("403 to everybody"))
    await approve(other)
    seen = await other.until("the reading", lambda seen: _drifted(seen, wanted.digest))
    if dead:
        drifted = _drifted(seen, wanted.digest)
        assert drifted is not None
        assert "cannot be read, and another incident let go of it" in (drifted.trouble or "")
        await other.until("the word", lambda _: _told(stage, "move of reranker: drifted"))
        await other.do(acts.Propose(by="ana", step="reranker-on"))
    seen = await other.until("what it shows now", lambda seen: "reranker-on" in seen.skipped)
    assert seen.skipped["reranker-on"] == "reranker stands at off already"
    assert [move.to for move in stage.town.reranker.log] == ["on", "off"], "moved and put back by the first"
    await stage.proved()
    await other.proved()


async def test_the_next_one_learns_when_another_incident_let_go(stage: Stage) -> None:
    """Also when the answer is asked for again; of its own taking of before it is told nothing."""
    leases = TemporalLeases(stage.environment.client, TASK_QUEUE)
    first = LeaseOrder(
        system="refund-agent", lever="tool-3", incident="refund-agent-1", run="one", action="a" * 64
    )
    assert (await leases.take(first)).freed_at is None
    await leases.release(ReleaseOrder(**first.model_dump()))
    handle = stage.environment.client.get_workflow_handle("lever/refund-agent/tool-3")
    await handle.result()
    second = first.changed(incident=(await stage.ring()).incident, run="two")
    answer = await leases.take(second)
    assert answer.freed_at is not None
    assert await leases.take(second) == answer
    await leases.release(ReleaseOrder(**second.model_dump()))
    await handle.result()
    assert (await leases.take(second.changed(action="b" * 64))).freed_at is None


async def test_a_lease_that_is_let_go_of_is_not_taken_for_one_that_is_held(stage: Stage) -> None:
    """Taken again while its release is still on the way: the second taking is one of its own."""
    leases = TemporalLeases(stage.environment.client, TASK_QUEUE)
    run = (await stage.ring()).run
    order = LeaseOrder(
        system="refund-agent", lever="tool-2", incident=stage.brief.incident, run=run, action="a" * 64
    )
    assert (await leases.take(order)).holder is None
    assert (await leases.take(order)).holder is None, "taking it again changes nothing"
    release = ReleaseOrder(**order.model_dump())
    await leases.release(release)
    again = order.changed(action="b" * 64)
    async with asyncio.timeout(60):
        while True:
            try:
                assert (await leases.take(again)).holder is None
                break
            except Unreachable:
                await asyncio.sleep(0.02)
    await leases.release(release)  # an attempt that comes late
    other = again.changed(incident="refund-agent-ffffffff", run="another")
    assert (await leases.take(other)).holder == stage.brief.incident


async def test_an_incident_that_was_terminated_holds_no_lever(stage: Stage) -> None:
    await live(stage, until=Phase.RECOVERING)
    await stage.until("the move", stands("reranker", Lease.EFFECTIVE))
    await stage.handle.terminate("an operator's mistake")
    other = Stage(stage.environment, stage.town, stage.brief)
    other.brief = stage.brief.changed(incident=f"refund-agent-{uuid.uuid4().hex[:8]}")
    stage.town.reranker.moved_by_other("off")
    await live(other, until=Phase.DECLARED)
    await approve(other)
    await other.until("the move of the second", stands("reranker", Lease.EFFECTIVE))
    await other.proved()


async def test_a_move_whose_end_nobody_knows_is_put_back_by_itself(stage: Stage) -> None:
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    stage.town.reranker.faults.after_effect = True
    stage.town.reranker.faults.errors.append(Denied("403, and it moved all the same"))
    await approve(stage)
    seen = await stage.until("the way back", stands("reranker", Lease.LIFTED))
    assert [move.to for move in stage.town.reranker.log] == ["on", "off"]
    assert any("on the word of: compensation" in moment.text for moment in seen.timeline)
    await stage.proved()


async def test_a_page_that_is_turned_keeps_the_lease(stage: Stage) -> None:
    await live(stage, until=Phase.RECOVERING)
    await stage.until("the move", stands("reranker", Lease.EFFECTIVE))
    await stage.turn_page()
    await live(stage, after=Phase.RECOVERING)
    await stage.ended()
    report = await stage.proved()
    assert report.runs > 1


async def test_what_was_read_for_a_waiver_is_handed_on_as_the_audit_makes_it(stage: Stage) -> None:
    stage.town.evidence.faults.errors.extend([Unreachable("the store is down")] * 10_000)
    await stage.ring()
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Waive(by="ana", what="snapshot", reason="wrong refunds leave every second"))
    await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))
    stage.town.evidence.faults.errors.clear()
    await stage.until("the seal", lambda seen: seen.sealed)
    await stage.turn_page()
    assert (await stage.proved()).runs > 1


async def test_the_captain_is_asked_before_the_expiry_and_silence_has_its_rule(stage: Stage) -> None:
    changed(stage, at_expiry="lift", expires_after=timedelta(minutes=10), ask_before=timedelta(minutes=5))
    soon = timedelta(minutes=7)  # after the question, and before the expiry
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    await approve(stage)
    await stage.until("the move", stands("reranker", Lease.EFFECTIVE))
    await stage.later("the question", lambda seen: _asked(seen, "reranker"), soon)
    await stage.do(acts.Extend(by="ana", action=await _digest(stage, "reranker"), reason="not yet"))
    assert not _asked(await stage.picture(), "reranker")
    await stage.later("the question again", lambda seen: _asked(seen, "reranker"), soon)
    seen = await stage.later("the way back", stands("reranker", Lease.LIFTED), soon)
    assert [moment.kind for moment in seen.timeline].count("asked") == 2
    assert stage.town.reranker.position.value == "off"
    await stage.proved()


async def test_what_nobody_decides_is_done_where_the_runbook_says_so(stage: Stage) -> None:
    apply = Absence(undecided="apply", severities=stage.brief.runbook.firebreaks[0].preauthorized)
    changed(stage, absence=apply, approvals=1, decide_within=timedelta(seconds=2))
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the move", stands("reranker", Lease.EFFECTIVE))
    assert [move.to for move in stage.town.reranker.log] == ["on"]
    await stage.proved()


async def test_the_runbook_is_switched_and_people_do_their_part(stage: Stage) -> None:
    follow_up = FollowUp(id="tell-legal", title="Tell legal what left", owner="compliance")
    other = stage.brief.runbook.changed(runbook="other", after_action=(follow_up,))
    stage.brief = stage.brief.changed(alternatives=(other,))
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the manual step", lambda seen: seen.duties)
    await stage.do(acts.Confirm(by="cara", step="call-support", note="they know"))
    await stage.do(acts.Switch(by="ana", to="other", reason="it is another pattern"))
    seen = await stage.until("the other page", lambda seen: seen.runbook == "other")
    assert seen.alternatives == ("stale-policy",)
    await live(stage, after=Phase.CONTAINED)
    await stage.ended()
    seen = await stage.picture()
    assert [(each.kind, each.name) for each in seen.tickets] == [
        ("postmortem", None),
        ("eval-lock", None),
        ("follow-up", "tell-legal"),
    ]
    await stage.proved()


def _asked(seen: object, lever: str) -> bool:
    found = firebreak(seen, lever)  # type: ignore[arg-type]
    return found is not None and found.asked_at is not None


def _drifted(seen: Picture, digest: str) -> Firebreak | None:
    return next(
        (each for each in seen.firebreaks if each.digest == digest and each.state is Lease.DRIFTED), None
    )


def _told(stage: Stage, title: str) -> bool:
    return any(
        title in each.title for each in (*stage.town.pager.sent.values(), *stage.town.room.sent.values())
    )


async def _digest(stage: Stage, lever: str) -> str:
    found = firebreak(await stage.picture(), lever)
    assert found is not None
    return found.digest
