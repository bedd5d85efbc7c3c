"""The cadence of edition 5: the engine drafts, people speak; a word that nobody says is a breach, and escalates."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation import acts, cadence, record
from firestation.authority import Role
from firestation.board import AUDIENCES, Audience
from firestation.due import next_wake
from firestation.fold import fold, follow
from firestation.picture import overdue, picture
from firestation.record import Event
from firestation.rules import communicate_before_certainty
from firestation.severity import Severity
from firestation.state import Incident
from firestation.wording import Wording
from tests.property.worlds import World, move_forward

MINUTE = timedelta(minutes=1)
CALM: dict[str, Any] = {"firebreaks": (), "manual": ()}
"""A runbook of which nothing waits, so that nobody is silent or relieved meanwhile."""


def world(**changes: Any) -> World:
    """An incident with a captain, in which the engine has just said the first word; the next is due in 30 minutes."""
    made = World(**CALM, **changes)
    made.attempt(acts.Acknowledge(by="ana"))
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    made.baseline()
    made.seal()
    assert [(word.by, word.at) for word in made.incident.words] == [(None, made.now)]
    return made


def events(made: World, *kinds: type[Event]) -> list[Any]:
    return [each for each in made.record if isinstance(each, kinds)]


def told(incident: Incident, step: str) -> list[str | None]:
    """Whom a message of this step is for."""
    return [each.message.to for each in incident.outbox if f"/{step}" in each.key]


def own_words(made: World) -> list[datetime]:
    return [word.at for word in made.incident.words if word.by is None]


def test_a_word_is_drafted_for_the_comms_owner_and_sent_as_it_is() -> None:
    made = world()
    made.wait(23 * MINUTE)
    assert not made.incident.drafts
    made.wait(MINUTE)
    (draft,) = made.incident.drafts
    assert (draft.audience, draft.due) == ("internal", made.now + 6 * MINUTE)
    assert "RefundGoldenEvalFailing rang at" in draft.known
    assert draft.unknown == "The cause. Whom else it reached."
    assert told(made.incident, "draft-internal") == ["cara@example.org"], "nobody is comms here; cara may be"
    (waits,) = [each for each in picture(made.incident, ()).waiting if "word" in each.what]
    assert (waits.who, waits.command) == ("cara", f"firestation update {made.incident.id} --draft")
    made.attempt(acts.Update(by="cara", known=draft.known, unknown=draft.unknown, doing=draft.doing))
    assert not made.incident.drafts
    made.wait(20 * MINUTE)
    assert not made.incident.late_words
    assert len(own_words(made)) == 1, "the engine says the first word, and people the others"


def test_who_is_comms_here_is_asked_and_without_anybody_the_captain() -> None:
    made = world()
    made.attempt(acts.Acknowledge(by="cara", role=Role.COMMS))
    assert cadence.comms_owner(made.incident) == "cara"
    roster = made.incident.brief.roster
    quiet = roster.changed(people=tuple(each for each in roster.people if each.id != "cara"))
    alone = made.incident.changed(comms=None, brief=made.incident.brief.changed(roster=quiet))
    assert cadence.comms_owner(alone) == "ana"
    assert cadence.comms_owner(alone.changed(captain=None)) == "ana", "who was paged, or is the first to be"


def test_a_word_that_nobody_says_is_a_breach_and_the_engine_speaks_as_itself() -> None:
    made = world()
    due = made.now + 30 * MINUTE
    made.wait(30 * MINUTE)
    (late,) = made.incident.late_words
    assert (late.audience, late.due, late.times, late.said_at) == ("internal", due, 1, None)
    assert told(made.incident, "late-internal") == ["cara@example.org", "ana@example.org"]
    word = made.incident.words[-1]
    assert (word.by, word.overdue, word.next_due) == (None, due, None)
    assert "the word of cara is overdue" in (word.doing or "")
    assert "a person's word is overdue since" in made.incident.outbox[-1].message.text
    made.wait(6 * MINUTE)
    assert told(made.incident, "late-internal")[2:] == ["ben@example.org"], "then the next one on call"
    seen = picture(made.incident, ())
    assert [(each.due, each.times) for each in seen.overdue_words] == [(due, 2)]
    assert seen.next_word == due
    assert any(each.what == "the overdue word to the team" for each in overdue(seen, made.now))
    made.attempt(acts.Update(by="ana", known="we look"))
    assert made.incident.late_words[0].said_at == made.now
    assert list(cadence.breaches(made.incident)) == [
        f"the word to the team that was due at {due:%Y-%m-%d %H:%M:%S} UTC was said 6m late"
    ]
    assert not picture(made.incident, ()).overdue_words
    assert cadence.next_word(made.incident) == made.now + 30 * MINUTE


def test_whoever_speaks_late_does_not_undo_the_breach() -> None:
    """A worker was away: what was due comes first, then the word of whoever is heard."""
    made = world()
    made.now += 45 * MINUTE
    made.attempt(acts.Update(by="cara", known="we look"))
    kinds = [each.kind for each in made.record[-4:]]
    assert kinds == ["word-drafted", "word-overdue", "said", "acted"]
    assert made.incident.late_words[0].said_at == made.now


def test_three_days_of_nobody_fill_neither_the_record_nor_the_room() -> None:
    made = world()
    while made.now < made.incident.opened_at + timedelta(days=3):
        made.wait(max(next_wake(made.incident) - made.now, timedelta(seconds=1)))
    asked = [each.at for each in events(made, record.WordOverdue)]
    assert 5 < len(asked) <= 12
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == [min(6 * MINUTE * 2**number, timedelta(days=1)) for number in range(len(pauses))]
    assert len(own_words(made)) <= 9
    assert len(events(made, record.WordDrafted)) <= len(asked) + 1
    assert len(made.record) < 80
    assert made.incident.drafts[0].at == asked[-1], "the draft says what is known now"


def test_a_public_word_promises_the_next_one_and_its_draft_tells_nothing_from_inside() -> None:
    made = world()
    made.attempt(acts.Note(by="ana", text="tenant blue has it", standing="fact"))
    made.attempt(acts.Update(by="cara", audience="public", known="We look into it.", doing="We look."))
    due = made.now + 30 * MINUTE
    assert made.incident.due("public") == due
    made.wait(29 * MINUTE)
    draft = made.incident.draft("public")
    assert draft
    assert (draft.known, draft.unknown, draft.doing) == ("We look into it.", None, "We look.")
    made.attempt(acts.Update(by="ana", known="to the team"))
    made.wait(3 * MINUTE)
    assert [(each.audience, each.due) for each in picture(made.incident, ()).overdue_words] == [
        ("public", due)
    ]
    assert all(word.by for word in made.incident.words if word.audience == "public"), "never by the engine"
    assert told(made.incident, "late-public") == ["cara@example.org", "ana@example.org"]


def test_the_runbooks_words_are_the_public_draft_and_nothing_is_owed_once_it_is_over() -> None:
    made = World(**CALM, updates=Wording(public="Refunds are slower. Next word in {next_word}."))
    move_until_restored(made)
    made.attempt(acts.Update(by="ana", audience="public", known="We look."))
    assert made.incident.due("public") is None, "it is over for customers"
    made.wait(timedelta(days=3))
    assert [each.audience for each in made.incident.late_words] == ["internal"]
    other = world(updates=Wording(public="Refunds are slower. Next word in {next_word}."))
    other.attempt(acts.Update(by="ana", audience="public", known="We look."))
    other.wait(25 * MINUTE)
    draft = other.incident.draft("public")
    assert draft
    assert draft.known == "Refunds are slower. Next word in 30m."


def move_until_restored(made: World) -> None:
    for _ in range(20):
        if made.incident.restored_at is None:
            move_forward(made)
    assert made.incident.restored_at


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_breach_that_is_not_on_the_record_is_a_broken_rule(audience: Audience) -> None:
    made = world()
    made.attempt(acts.Update(by="ana", audience=audience, known="we look"))
    later = made.now + 31 * MINUTE
    note = record.Acted(at=later, act=acts.Note(by="ana", text="seen"))
    found = communicate_before_certainty(made.incident, note)
    assert found
    assert "is overdue and the breach is not on the record" in found
    for each in cadence.promises(made.incident):
        on_record = record.WordOverdue(at=later, audience=each.audience, due=each.due, times=1)
        assert communicate_before_certainty(made.incident, on_record) is None
        made.incident = follow(made.incident, on_record)
    assert communicate_before_certainty(made.incident, note) is None


def test_incidents_of_before_go_on_as_they_began() -> None:
    made = World(edition=4, **CALM)
    made.attempt(acts.Acknowledge(by="ana"))
    made.seal()
    made.wait(timedelta(hours=5))
    assert not events(made, record.WordDrafted, record.WordOverdue)
    assert len(own_words(made)) > 1
    assert all(word.overdue is None for word in made.incident.words)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.integers(1, 400)
        | st.builds(
            acts.Update,
            by=st.sampled_from(["ana", "cara"]),
            audience=st.sampled_from(AUDIENCES),
            known=st.just("we look"),
        )
        | st.builds(
            acts.Declare, by=st.just("ana"), severity=st.sampled_from(Severity), reason=st.just("so it is")
        ),
        max_size=12,
    )
)
def test_at_every_moment_a_promise_is_kept_ahead_or_on_the_record(calls: list[Any]) -> None:
    made = world(cadence_at={Severity.SEV1: 5 * MINUTE, Severity.SEV4: timedelta(hours=4)})
    for call in calls:
        if isinstance(call, int):
            made.wait(call * MINUTE)
        else:
            made.attempt(call)
        for promise in cadence.promises(made.incident):
            late = made.incident.late_word(promise.audience)
            assert (promise.due > made.now) != bool(late)
            assert timedelta() < promise.lead < promise.due - promise.made
            draft = made.incident.draft(promise.audience)
            assert draft or promise.due - promise.lead > made.now
            assert draft is None or draft.due <= promise.due or late
        assert next_wake(made.incident) > made.now
    assert fold(tuple(made.record)) == made.incident
    keys = [each.key for each in made.incident.outbox]
    assert len(set(keys)) == len(keys)
