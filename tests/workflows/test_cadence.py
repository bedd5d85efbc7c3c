"""The cadence on a server: drafts come by durable timers, what is overdue escalates, a public word waits for a yes."""

from datetime import timedelta
from pathlib import Path

from firestation import acts
from firestation.authority import Role
from firestation.picture import Picture
from firestation.state import Phase
from firestation.wording import Wording
from tests.workflows.stage import ON_THE_REAL_SERVER, Stage, Town, live, real_server, staged

MINUTE = timedelta(minutes=1)


def quiet(stage: Stage) -> None:
    """No lever moves, nobody is relieved; words to the public wait for the comms owner."""
    runbook, roster = stage.brief.runbook, stage.brief.roster
    undecided = (
        each.changed(decide_within=timedelta(days=9), preauthorized=()) for each in runbook.firebreaks
    )
    changes = {"manual": (), "firebreaks": tuple(undecided), "updates": Wording(public_approval="comms")}
    stage.brief = stage.brief.changed(runbook=runbook.changed(**changes), roster=roster.changed(silence=None))


def told(town: Town, title: str) -> list[str | None]:
    """Whom messages of this title went to."""
    return [each.to for each in town.pager.sent.values() if title in each.title]


def room(town: Town) -> list[str]:
    return [each.text for each in town.room.sent.values() if each.purpose == "update"]


def own(seen: Picture) -> int:
    return sum(word.by is None for word in seen.words)


async def test_a_draft_comes_and_a_word_that_nobody_says_escalates(stage: Stage) -> None:
    quiet(stage)
    await live(stage, until=Phase.DECLARED)
    seen = await stage.until("the first word, by the engine", lambda seen: seen.words)
    await stage.skip(25 * MINUTE)
    seen = await stage.until("the draft", lambda seen: seen.drafts)
    assert seen.drafts[0].due == seen.words[0].at + 30 * MINUTE
    await stage.until("who is asked for it", lambda _: told(stage.town, "a word to the team is due"))
    await stage.skip(6 * MINUTE)
    await stage.until("the breach", lambda seen: seen.overdue_words)
    await stage.until("the escalation", lambda _: len(told(stage.town, "overdue: the word")) == 2)
    await stage.until("the engine's own", lambda _: len(room(stage.town)) == 2)
    await stage.skip(6 * MINUTE)
    await stage.until("the next one", lambda _: len(told(stage.town, "overdue: the word")) == 3)
    draft = (await stage.picture()).drafts[0]
    await stage.do(acts.Update(by="cara", known=draft.known, unknown=draft.unknown, doing=draft.doing))
    seen = await stage.picture()
    assert (seen.overdue_words, seen.drafts, own(seen)) == ((), (), 2)
    await stage.until("her word", lambda _: len(room(stage.town)) == 3)
    first, second, third = told(stage.town, "overdue: the word")  # two of them are told at once
    assert ({first, second}, third) == ({"cara@example.org", "ana@example.org"}, "ben@example.org")
    assert told(stage.town, "a word to the team is due") == ["cara@example.org"]
    assert "a person's word is overdue since" in room(stage.town)[1]
    report = await stage.proved()
    assert any("the word to the team that was due at" in each.what for each in report.findings)


async def test_a_worker_that_dies_between_draft_and_breach_changes_nothing(tmp_path: Path) -> None:
    town = Town()
    async with real_server() as environment:
        async with staged(environment, tmp_path, town=town) as before:
            quiet(before)
            await live(before, until=Phase.DECLARED)
            await before.until("the first word", lambda seen: seen.words)
            await before.skip(25 * MINUTE)
            await before.until("the draft", lambda seen: seen.drafts)
            await before.until("the message", lambda _: told(town, "a word to the team is due"))
        async with staged(environment, tmp_path, town=town) as after:
            after.brief = before.brief
            await after.turn_page()
            await after.until("the draft, still", lambda seen: seen.drafts)
            await after.skip(6 * MINUTE)
            await after.until("the escalation", lambda _: len(told(town, "overdue: the word")) == 2)
            await after.until("the engine's own", lambda _: len(room(town)) == 2)
            await after.do(acts.Update(by="ana", known="we look"))
            await after.until("the word", lambda _: len(room(town)) == 3)
            assert len(told(town, "a word to the team is due")) == 1
            await after.proved()


@ON_THE_REAL_SERVER
async def test_a_public_word_waits_and_goes_out_once_exactly_as_it_was_released(stage: Stage) -> None:
    quiet(stage)
    await live(stage, until=Phase.DECLARED)
    await stage.do(acts.Acknowledge(by="cara", role=Role.COMMS))
    waits = acts.Update(by="ana", audience="public", known="Refunds are slower.", unknown="For how long.")
    answer = await stage.act(waits)
    assert answer.accepted
    assert "it waits for the yes of cara" in (answer.missing or "")
    (held,) = (await stage.picture()).held
    await stage.until("cara to be asked", lambda _: told(stage.town, "waits for your yes"))
    own_yes = await stage.act(acts.Release(by="ana", word=held.digest))
    assert (own_yes.accepted, own_yes.rule) == (False, 7)
    assert not stage.town.page.sent
    await stage.turn_page()
    await stage.do(acts.Release(by="cara", word=held.digest))
    assert (await stage.act(acts.Release(by="cara", word=held.digest))).rule == 7
    await stage.until("the public word", lambda _: stage.town.page.sent)
    (message,) = stage.town.page.sent.values()
    assert message.text.startswith("Known: Refunds are slower.\nNot known: For how long.\nNext word by")
    seen = await stage.picture()
    assert (seen.words[-1].by, seen.words[-1].released_by, seen.held) == ("ana", "cara", ())
    await stage.proved()
