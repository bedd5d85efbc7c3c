"""What follows when the captain raises the severity: the next word, the deadlines, and who is paged."""

from datetime import timedelta

from firestation import acts
from firestation.clock import Milestone
from firestation.picture import Picture
from firestation.severity import Severity
from firestation.state import Phase
from tests.property.worlds import GRAVER, more_at_sev1
from tests.workflows.stage import ON_THE_REAL_SERVER, Stage, live

MINUTE = timedelta(minutes=1)


def said(seen: Picture) -> list[str]:
    """What the engine has said by itself."""
    return [word.known for word in seen.words if word.by is None]


def told(stage: Stage, to: str) -> list[str]:
    return [
        f"{each.title}\n{each.text}"
        for each in stage.town.pager.sent.values()
        if each.to == f"{to}@example.org"
    ]


def followed(stage: Stage) -> None:
    """Let this incident's words, clock and ranks depend on the severity, and let its decisions wait long."""
    runbook = stage.brief.runbook.changed(**GRAVER)
    waiting = tuple(step.changed(decide_within=timedelta(hours=2)) for step in runbook.firebreaks)
    stage.brief = stage.brief.changed(runbook=runbook.changed(firebreaks=waiting), roster=more_at_sev1())


async def test_cadence_clock_and_paging_follow_a_raised_severity(stage: Stage) -> None:
    followed(stage)
    await live(stage, until=Phase.DECLARED)
    await stage.do(acts.Update(by="ana", known="We look."))
    before = await stage.picture()
    assert before.next_word is not None
    assert before.next_word - before.words[-1].at == 30 * MINUTE
    staffed = next(each for each in before.deadlines if each.milestone is Milestone.STAFFED)
    assert staffed.due == before.opened_at + 20 * MINUTE
    await stage.skip(12 * MINUTE)
    await stage.do(acts.Assess(by="ben", spread=3, reason="all tenants"))
    await stage.until(
        "the word to the captain", lambda _: any("sev1 is proposed" in each for each in told(stage, "ana"))
    )
    assert not told(stage, "eve")
    assert any("raise it or say why not" in each.what for each in (await stage.picture()).waiting)
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV1, reason="all tenants"))
    seen = await stage.until(
        "the draft at once", lambda seen: any("raised from sev2 by ana" in each.known for each in seen.drafts)
    )
    assert seen.next_word is not None
    assert seen.next_word - seen.declarations[-1].at == 2 * MINUTE, "a fifth of the new cadence"
    staffed = next(each for each in seen.deadlines if each.milestone is Milestone.STAFFED)
    assert (staffed.due, staffed.missed) == (seen.opened_at + 5 * MINUTE, True)
    await stage.until("the page", lambda _: len(told(stage, "eve")) == 1)
    assert "ana raises to sev1: all tenants" in told(stage, "eve")[0]
    words = len(said(seen))
    await stage.skip(3 * MINUTE)
    await stage.until("the engine's own word", lambda seen: len(said(seen)) > words and seen.overdue_words)
    assert len(told(stage, "eve")) == 1
    await stage.proved()


async def test_while_there_is_no_captain_the_ranks_of_what_is_proposed_are_paged(stage: Stage) -> None:
    followed(stage)
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Assess(by="cara", spread=3, reason="all tenants"))
    await stage.until("the page to eve", lambda _: told(stage, "eve"))
    await stage.skip(5 * MINUTE)
    seen = await stage.until(
        "the third page", lambda seen: sum(m.kind == "paged" for m in seen.timeline) >= 3
    )
    paged = [moment.text.split()[-1] for moment in seen.timeline if moment.kind == "paged"]
    assert paged[:3] == ["ana", "eve", "ana"]
    await stage.proved()


async def test_notes_are_established_and_refuted_and_a_cause_taken_back(stage: Stage) -> None:
    await live(stage, until=Phase.OPEN)
    opened = (await stage.picture()).opened_at
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Note(by="ben", text="the reranker is off", at=opened - MINUTE))
    await stage.do(acts.Establish(by="ana", entry=1, cause=True, reason="the log shows it"))
    public = acts.Update(by="cara", audience="public", known="It was because of our ranking.")
    await stage.do(public)
    answer = await stage.act(acts.Establish(by="ben", entry=1, holds=False, reason="it is on"))
    assert (answer.accepted, answer.rule) == (False, 7)
    await stage.do(acts.Establish(by="ana", entry=1, holds=False, reason="it is on"))
    answer = await stage.act(public)
    assert (answer.accepted, answer.rule) == (False, 7)
    seen = await stage.picture()
    assert [(each.standing, each.at) for each in seen.entries] == [("refuted", opened - MINUTE)]
    assert seen.timeline[0].text.startswith("ben notes a hypothesis, written down")
    await stage.proved()


@ON_THE_REAL_SERVER
async def test_a_turned_page_keeps_what_was_said_and_declared(stage: Stage) -> None:
    followed(stage)
    await live(stage, until=Phase.DECLARED)
    await stage.do(acts.Assess(by="ben", spread=3, reason="all tenants"))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV1, reason="all tenants"))
    await stage.do(acts.Note(by="ben", text="the reranker is off", standing="fact"))
    before = await stage.picture()
    await stage.turn_page()
    await stage.do(acts.Establish(by="ana", entry=1, reason="I see it too"))
    seen = await stage.picture()
    assert seen.declarations == before.declarations
    assert seen.proposal == before.proposal
    assert [each.by for each in seen.entries[0].stands_for_it] == ["ben", "ana"]
    await stage.until("the page", lambda _: len(told(stage, "eve")) == 1)
    await stage.proved()
