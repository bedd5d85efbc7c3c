"""What time alone makes happen, on both servers: pages climb, deadlines are missed, firebreaks and decisions lapse."""

from datetime import timedelta

from firestation import acts
from firestation.clock import Milestone
from firestation.firebreak import Lease
from firestation.state import Phase
from tests.workflows.stage import ON_THE_REAL_SERVER, Stage, firebreak, live, stands


async def test_pages_climb_until_somebody_answers(stage: Stage) -> None:
    await live(stage, until=Phase.OPEN)
    await stage.skip(timedelta(minutes=5))
    await stage.until("the third page", lambda seen: sum(m.kind == "paged" for m in seen.timeline) >= 3)
    await stage.until("the pager", lambda _: len(stage.town.pager.sent) >= 3)
    await stage.do(acts.Acknowledge(by="ben"))
    paged = [m.text for m in (await stage.picture()).timeline if m.kind == "paged"]
    assert [text.split()[-1] for text in paged[:3]] == ["ana", "ben", "ana"]
    await stage.skip(timedelta(minutes=10))
    assert [m.text for m in (await stage.picture()).timeline if m.kind == "paged"] == paged


async def test_the_first_fifteen_minutes_are_kept_or_missed(stage: Stage) -> None:
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.skip(timedelta(minutes=16))
    seen = await stage.until(
        "the deadlines", lambda seen: seen.deadlines[-1].missed or seen.deadlines[-1].met_at
    )
    missed = {each.milestone for each in seen.deadlines if each.missed}
    met = {each.milestone for each in seen.deadlines if each.met_at}
    assert {Milestone.STAFFED, Milestone.DECLARED} <= missed
    assert {Milestone.ACKNOWLEDGED, Milestone.SEALED} <= met
    assert seen.words, "the engine speaks when no human has"


async def test_a_decision_that_nobody_takes_lapses_and_denies(stage: Stage) -> None:
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the proposal", stands("reranker", Lease.PROPOSED))
    seen = await stage.later("the lapse", stands("reranker", Lease.LAPSED), timedelta(minutes=13))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    late = await stage.act(acts.Approve(by="ana", action=wanted.digest))
    assert (late.accepted, late.rule) == (False, 4)
    assert stage.town.reranker.log == []
    await stage.do(acts.Propose(by="ana", step="reranker-on"))
    await stage.until("the proposal again", stands("reranker", Lease.PROPOSED))


async def test_an_expired_firebreak_is_lifted_as_its_runbook_says(stage: Stage) -> None:
    await live(stage, until=Phase.OPEN)
    await stage.until("the pre-authorized firebreak", stands("tool", Lease.EFFECTIVE))
    await stage.skip(timedelta(minutes=61))
    await stage.until("the way back", stands("tool", Lease.LIFTED))
    assert [move.to for move in stage.town.tool.log] == ["disabled", "enabled"]
    await stage.proved()


@ON_THE_REAL_SERVER
async def test_a_page_turned_does_not_begin_the_clock_anew(stage: Stage) -> None:
    await live(stage, until=Phase.OPEN)
    await stage.until("the pre-authorized firebreak", stands("tool", Lease.EFFECTIVE))
    await stage.skip(timedelta(minutes=40))
    await stage.turn_page()
    assert not stands("tool", Lease.LIFTED)(await stage.until("the next run", lambda seen: seen))
    await stage.skip(timedelta(minutes=21))
    await stage.until("the way back", stands("tool", Lease.LIFTED))
    await stage.proved()
