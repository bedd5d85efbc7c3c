"""Notes: facts apart from hypotheses, with a person who stands for each fact; the cause only on the captain's word."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from firestation import acts
from firestation.due import settled
from firestation.picture import picture, waiting_for
from firestation.postmortem import draft
from firestation.state import Incident
from tests.property.worlds import START, World

MINUTE = timedelta(minutes=1)


def noted(*texts: str, **fields: Any) -> World:
    """An incident that ana has taken, with these hypotheses of ben."""
    world = World()
    world.wait(10 * MINUTE)
    world.attempt(acts.Acknowledge(by="ana"))
    for text in texts:
        assert world.attempt(acts.Note(by="ben", text=text, **fields)) is None
    return world


def refused(world: World, act: acts.Act) -> str:
    refusal = world.attempt(act)
    assert refusal is not None
    return f"{refusal.rule}: {refusal.missing}"


def knows_the_cause(world: World) -> bool:
    return world.incident.cause_is_fact


def stands(world: World, number: int) -> list[tuple[str, str | None]]:
    entry = world.incident.entry(number)
    assert entry is not None
    return [(each.by, each.reason) for each in entry.stands_for_it]


def test_a_hypothesis_becomes_a_fact_on_somebodys_word_and_keeps_its_author() -> None:
    world = noted("perhaps the prompt", "perhaps the reranker")
    assert [each.number for each in world.incident.entries] == [1, 2]
    assert world.attempt(acts.Establish(by="cara", entry=2, reason="the log shows it")) is None
    first, second = world.incident.entries
    assert (first.standing, first.stands_for_it) == ("hypothesis", ())
    assert (second.standing, second.by, second.vouchers[0].at) == ("fact", "ben", world.now)
    assert stands(world, 2) == [("cara", "the log shows it")]
    assert world.attempt(acts.Establish(by="ana", entry=2, reason="I saw it too")) is None
    assert stands(world, 2) == [("cara", "the log shows it"), ("ana", "I saw it too")]
    told = draft(world.incident, tuple(world.record))
    assert told.index("- Fact (ben") < told.index("cara stands for it") < told.index("- Hypothesis (ben")


def test_who_notes_a_fact_stands_for_it_and_a_second_person_may_too() -> None:
    world = noted("the reranker is off", standing="fact")
    assert stands(world, 1) == [("ben", None)]
    assert "ben has stood for note 1" in refused(world, acts.Establish(by="ben", entry=1, reason="again"))
    assert world.attempt(acts.Establish(by="ana", entry=1, reason="I see it as well")) is None
    assert [name for name, _ in stands(world, 1)] == ["ben", "ana"]


def test_what_is_refuted_stays_readable_and_is_no_fact_for_anybody() -> None:
    world = noted("the index is old", standing="fact")
    world.attempt(acts.Note(by="ana", text="the reranker is off", standing="fact"))
    assert world.attempt(acts.Establish(by="cara", entry=1, holds=False, reason="it is of today")) is None
    entry = world.incident.entries[0]
    assert (entry.text, entry.standing) == ("the index is old", "refuted")
    assert stands(world, 1) == [("cara", "it is of today")]
    for holds in (True, False):
        act = acts.Establish(by="ana", entry=1, holds=holds, reason="but it is")
        assert "cara has refuted note 1 already" in refused(world, act)
    assert "- Refuted (ben" in draft(world.incident, tuple(world.record))
    after, _ = settled(world.incident, world.now + 40 * MINUTE)
    assert "the reranker is off" in after.words[-1].known
    assert "the index is old" not in after.words[-1].known


def test_a_note_that_is_not_there_is_named_with_those_that_are() -> None:
    act = acts.Establish(by="ana", entry=9, reason="it is so")
    assert "there is no note 9; nobody has noted anything yet" in refused(noted(), act)
    assert "there is no note 9; they are numbered from 1 to 2" in refused(noted("a", "b"), act)


def test_an_auditor_reads() -> None:
    assert "an auditor reads" in refused(noted("a"), acts.Establish(by="dan", entry=1, reason="I know"))


# The cause ---------------------------------------------------------------------------------------------------------


def test_only_the_captain_makes_a_note_the_cause_and_only_a_fact() -> None:
    world = noted("the reranker is off")
    for by, holds in (("ben", True), ("ana", False)):
        act = acts.Establish(by=by, entry=1, holds=holds, cause=True, reason="the log shows it")
        assert refused(world, act).startswith("7: only the captain marks a cause")
    assert world.attempt(acts.Establish(by="ben", entry=1, reason="the log shows it")) is None
    assert not knows_the_cause(world)
    assert world.attempt(acts.Establish(by="ana", entry=1, reason="I see it too")) is None
    marks = acts.Establish(by="ana", entry=1, cause=True, reason="with it on all is well")
    assert world.attempt(marks) is None, "though ana stands for it already: the cause is news"
    assert knows_the_cause(world)
    assert "has stood for note 1" in refused(world, marks)


def test_only_the_captain_takes_a_cause_back_and_then_no_public_word_names_it() -> None:
    world = noted()
    world.attempt(acts.Note(by="ana", text="the reranker is off", standing="fact", cause=True))
    public = acts.Update(
        by="cara", audience="public", known="Some answers were wrong because of our ranking."
    )
    assert world.attempt(public) is None
    told = refused(world, acts.Establish(by="ben", entry=1, holds=False, reason="it is on"))
    assert told == "7: note 1 is marked as the cause; only the captain refutes it, and the captain is ana"
    assert world.attempt(acts.Establish(by="ana", entry=1, holds=False, reason="it is on")) is None
    assert not knows_the_cause(world)
    assert refused(world, public).startswith("7: the public text names a cause ('because')")
    waits = waiting_for(world.incident)[-1]
    assert waits.what.startswith("a public word without a cause: the last one names one ('because')")
    assert "Held for the cause, refuted (ana" in draft(world.incident, tuple(world.record))
    assert "Not known: the cause" in draft(world.incident, tuple(world.record))
    corrected = acts.Update(
        by="cara", audience="public", known="We do not know yet why some answers were wrong."
    )
    assert world.attempt(corrected) is None
    assert not any("public word" in each.what for each in waiting_for(world.incident))


# When it happened --------------------------------------------------------------------------------------------------


def test_what_happened_before_stands_at_its_own_time_with_the_writers_name() -> None:
    world = noted()
    world.attempt(acts.Note(by="ben", text="first", standing="fact"))
    world.attempt(acts.Note(by="ben", text="the lights went out", at=START + 3 * MINUTE))
    entry = world.incident.entries[1]
    assert (entry.at, entry.written_at) == (START + 3 * MINUTE, START + 10 * MINUTE)
    timeline = picture(world.incident, tuple(world.record)).timeline
    assert [each.at for each in timeline] == sorted(each.at for each in timeline)
    (moment,) = (each for each in timeline if "the lights" in each.text)
    assert moment.at == START + 3 * MINUTE
    assert moment.text == "ben notes a hypothesis, written down 03:10:00 UTC: the lights went out"
    assert len(timeline) == len(world.record)


def test_nobody_notes_what_has_not_happened() -> None:
    world = noted()
    late = acts.Note(by="ben", text="it will burn", at=world.now + MINUTE)
    assert "03:11:00 UTC has not come yet" in refused(world, late)
    skewed = acts.Note(by="ben", text="it burns", at=world.now + timedelta(seconds=2))
    assert world.attempt(skewed) is None, "the writer's clock may be a little ahead"
    assert world.incident.entries[0].at == world.now


# Whatever people write ---------------------------------------------------------------------------------------------

PEOPLE = st.sampled_from(["ana", "ben", "cara", "dan"])
CALLS = st.one_of(
    st.builds(
        acts.Note,
        by=PEOPLE,
        text=st.just("it was the reranker"),
        standing=st.sampled_from(["fact", "hypothesis"]),
        cause=st.booleans(),
    ),
    st.builds(
        acts.Establish,
        by=PEOPLE,
        entry=st.integers(1, 3),
        holds=st.booleans(),
        cause=st.booleans(),
        reason=st.just("I saw it"),
    ),
    st.just(acts.Update(by="cara", audience="public", known="It was because of us.")),
)


@settings(deadline=None)
@given(st.lists(CALLS, max_size=12))
def test_a_fact_always_has_somebody_who_stands_for_it(calls: list[acts.Act]) -> None:
    world = noted()
    for call in calls:
        before = world.incident
        accepted = world.attempt(call) is None
        check(before, world.incident)
        if accepted and isinstance(call, acts.Update):
            assert any(each.cause and each.standing == "fact" for each in before.entries)


def check(before: Incident, now: Incident) -> None:
    assert [each.number for each in now.entries] == list(range(1, len(now.entries) + 1))
    for was, each in zip(before.entries, now.entries, strict=False):
        assert (each.text, each.by, each.at) == (was.text, was.by, was.at)
        assert each.vouchers[: len(was.vouchers)] == was.vouchers, "nobody's word is ever lost"
        assert was.standing != "refuted" or each == was
        assert was.standing != "fact" or each.standing != "hypothesis"
    for each in now.entries:
        names = [voucher.by for voucher in each.stands_for_it]
        assert bool(names) == (each.standing != "hypothesis")
        assert set(names) <= {"ana", "ben", "cara"}
        assert not each.cause or any(voucher.by == "ana" for voucher in each.vouchers)
