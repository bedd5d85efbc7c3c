"""The severity: weighed from what people say, declared by the captain, and followed by words, clock and paging."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation import acts, record
from firestation.board import Message
from firestation.cadence import next_word
from firestation.clock import Milestone
from firestation.due import next_wake
from firestation.firebreak import Lease
from firestation.fold import fold
from firestation.picture import picture, waiting_for
from firestation.postmortem import draft
from firestation.severity import AXES, WORDS, Assessment, Axes, Severity, propose
from firestation.state import Incident
from tests.property.worlds import GRAVER, START, World, assessments, more_at_sev1

GRADES = st.integers(0, 3)
AXES_OF_A_PAGE = st.builds(Axes, harm=GRADES, spread=GRADES, reversibility=GRADES, momentum=GRADES)
SAID = st.dictionaries(
    st.sampled_from(AXES),
    st.builds(Assessment, grade=GRADES, by=st.just("ana"), reason=st.just("seen"), at=st.just(START)),
)
MINUTE = timedelta(minutes=1)


def world(**changes: Any) -> World:
    return World(people=more_at_sev1(), **{**GRAVER, **changes})


def taken(**changes: Any) -> World:
    """An incident that ana has taken."""
    made = world(**changes)
    assert made.attempt(acts.Acknowledge(by="ana")) is None
    return made


def declared(severity: Severity, **changes: Any) -> World:
    made = taken(**changes)
    assert made.attempt(acts.Declare(by="ana", severity=severity, reason="it looks so")) is None
    return made


def proposed(made: World) -> Severity:
    return made.incident.proposal.severity


def sent(incident: Incident, step: str) -> list[Message]:
    """What the pager is asked to send of this kind."""
    ours = (each for each in incident.outbox if each.channel == "pager")
    return [each.message for each in ours if each.key.split("/")[-2].rpartition("-")[0] == step]


# The proposal ---------------------------------------------------------------------------------------------------


@given(AXES_OF_A_PAGE, SAID, st.sampled_from(AXES), GRADES)
def test_the_proposal_never_falls_when_an_axis_rises(axes: Axes, said: Any, axis: Any, grade: int) -> None:
    now = said[axis].grade if axis in said else getattr(axes, axis)
    higher = max(now, grade)
    raised = {**said, axis: Assessment(grade=higher, by="ben", reason="more of it", at=START)}
    before, after = propose(axes, said), propose(axes, raised)
    assert not before.severity.graver_than(after.severity)
    assert f"{axis} {higher}: {WORDS[axis][higher]} (ben: more of it)" in after.reasons
    assert len(after.reasons) == len(AXES)


def test_what_people_say_stands_in_place_of_the_runbook_and_is_told_with_their_names() -> None:
    made = world()
    assert proposed(made) is Severity.SEV2
    assert made.attempt(acts.Assess(by="cara", harm=3, reason="a customer was hurt")) is None
    assert proposed(made) is Severity.SEV1
    assert "harm 3: people are in danger (cara: a customer was hurt)" in made.incident.proposal.reasons
    assert made.attempt(acts.Assess(by="ben", harm=2, momentum=0, reason="nobody was")) is None
    assert proposed(made) is Severity.SEV2
    assert made.incident.assessed["harm"].by == "ben"
    assert made.attempt(acts.Switch(by="ana", to="other", reason="x")) is not None


def test_an_auditor_does_not_say_how_bad_it_is() -> None:
    refusal = world().attempt(acts.Assess(by="dan", harm=3, reason="it looks bad"))
    assert refusal is not None
    assert "an auditor reads" in refusal.missing


def test_an_assessment_says_something() -> None:
    with pytest.raises(ValueError, match="no axis is given; give at least one of harm, spread"):
        acts.Assess(by="ana", reason="I have a feeling")


# Declared, raised, lowered, kept ---------------------------------------------------------------------------------


def test_every_declaration_is_kept_with_who_and_why() -> None:
    made = declared(Severity.SEV2)
    for severity, reason in ((Severity.SEV1, "it spreads"), (Severity.SEV3, "it was one tenant")):
        assert made.attempt(acts.Declare(by="ana", severity=severity, reason=reason)) is None
    history = [(each.verb, each.was, each.now, each.reason) for each in made.incident.declarations]
    assert history == [
        ("declares", None, Severity.SEV2, "it looks so"),
        ("raises to", Severity.SEV2, Severity.SEV1, "it spreads"),
        ("lowers to", Severity.SEV1, Severity.SEV3, "it was one tenant"),
    ]
    told = [each.text for each in picture(made.incident, tuple(made.record)).timeline]
    assert "ana declares sev2: it looks so" in told
    assert "ana raises to sev1: it spreads" in told
    assert "ana lowers to sev3: it was one tenant" in told
    assert "ana lowers to sev3: it was one tenant" in draft(made.incident, tuple(made.record))


def test_the_captain_is_told_once_when_more_is_proposed_than_declared_and_may_say_why_not() -> None:
    made = declared(Severity.SEV2)
    again = acts.Declare(by="ana", severity=Severity.SEV2, reason="one tenant only")
    assert made.attempt(again) is not None, "nothing else is proposed"
    made.wait(MINUTE)
    for _ in range(3):
        assert made.attempt(acts.Assess(by="ben", spread=3, momentum=3, reason="all tenants")) is None
    (told,) = sent(made.incident, "graver")
    assert told.to == "ana@example.org"
    assert "sev1 is proposed, and sev2 is declared" in told.title
    assert "say why not: firestation declare refund-agent-1a2b3c4d sev1" in told.text
    assert "all tenants" in told.text
    waits = waiting_for(made.incident)[-1]
    assert waits.what == "sev1 is proposed since 03:01:00 UTC, declared is sev2: raise it or say why not"
    assert made.attempt(again) is None
    assert made.incident.declarations[-1].verb == "keeps"
    assert not made.incident.in_doubt
    assert made.attempt(again) is not None, "it is said already"
    for momentum in (0, 3):  # to this ana has answered
        assert made.attempt(acts.Assess(by="ben", momentum=momentum, reason="to and fro")) is None
    assert len(sent(made.incident, "graver")) == 1


def test_a_milder_proposal_is_shown_and_wakes_nobody() -> None:
    made = declared(Severity.SEV2)
    before = len(made.incident.outbox)
    made.attempt(acts.Assess(by="ben", harm=0, spread=0, momentum=0, reason="a test tenant"))
    assert "lower it or say why not" in waiting_for(made.incident)[-1].what
    assert len(made.incident.outbox) == before


def test_a_declaration_against_the_proposal_has_given_its_reason() -> None:
    assert not declared(Severity.SEV4).incident.in_doubt


def test_an_older_incident_goes_on_as_it_began() -> None:
    made = World(people=more_at_sev1(), edition=2, **GRAVER)
    made.attempt(acts.Acknowledge(by="ana"))
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV2, reason="it looks so"))
    made.attempt(acts.Update(by="ana", known="we look"))
    promised, due = next_word(made.incident), [each.due for each in made.incident.deadlines]
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="it spreads"))
    assert next_word(made.incident) == promised
    assert [each.due for each in made.incident.deadlines] == due
    assert not sent(made.incident, "raised")


# What follows -----------------------------------------------------------------------------------------------------


def test_a_raised_severity_brings_the_next_word_nearer_and_a_lowered_one_keeps_what_was_promised() -> None:
    made = declared(Severity.SEV2)
    made.attempt(acts.Update(by="ana", known="we look"))
    assert next_word(made.incident) == made.now + timedelta(minutes=30)
    made.wait(4 * MINUTE)
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="it spreads"))
    soon = made.now + 6 * MINUTE
    assert next_word(made.incident) == soon == picture(made.incident, ()).next_word
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV4, reason="it was a test"))
    assert next_word(made.incident) == made.now + 26 * MINUTE, "as it was promised"
    made.wait(20 * MINUTE)
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="it was none"))
    assert next_word(made.incident) == made.now + 2 * MINUTE, "a fifth of the new cadence is left for it"
    (draft,) = made.incident.drafts
    assert (draft.at, draft.due) == (made.now, made.now + 2 * MINUTE)
    assert "severity sev1, raised from sev4 by ana (it was none)" in draft.known
    assert not made.incident.late_words, "whoever raises it has broken no promise"


def test_deadlines_follow_and_a_deadline_tightened_into_the_past_is_missed_at_that_moment() -> None:
    made = declared(Severity.SEV2)
    assert made.incident.deadline(Milestone.STAFFED).due == START + 20 * MINUTE
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV4, reason="a test"))
    assert made.incident.deadline(Milestone.STAFFED).due == START + 40 * MINUTE
    made.wait(6 * MINUTE)
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="it spreads"))
    staffed = made.incident.deadline(Milestone.STAFFED)
    assert (staffed.due, staffed.missed) == (START + 5 * MINUTE, True)
    missed = [each for each in made.record if isinstance(each, record.Missed)]
    assert {Milestone.STAFFED, Milestone.FIRST_UPDATE} <= {
        each.milestone for each in missed if each.at == made.now
    }
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV4, reason="a test after all"))
    assert made.incident.deadline(Milestone.STAFFED) == staffed, "what was missed stays missed"


def test_the_clock_of_the_proposed_severity_counts_from_the_opening() -> None:
    grave = world(severity=Axes(harm=3, spread=3, reversibility=3, momentum=3))
    assert grave.incident.deadline(Milestone.STAFFED).due == START + 5 * MINUTE
    assert grave.incident.ranks == ("ben", "eve", "ana")
    assert world().incident.ranks == ("ana", "ben")


def test_who_is_paged_follows_the_weight() -> None:
    made = world()
    made.attempt(acts.Assess(by="cara", spread=3, reason="all tenants"))
    for _ in range(3):
        made.wait(2 * MINUTE)
    paged = [each.person for each in made.record if isinstance(each, record.Paged)]
    assert paged == ["ana", "eve", "ana", "ben"]
    (told,) = sent(made.incident, "raised")
    assert (told.purpose, told.to) == ("page", "eve@example.org")
    assert "firestation ack" in told.text


def test_whoever_is_only_paged_at_the_graver_severity_is_told_at_once_and_once() -> None:
    made = declared(Severity.SEV2)
    assert not sent(made.incident, "raised")
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="it spreads"))
    (told,) = sent(made.incident, "raised")
    assert (told.purpose, told.to) == ("escalation", "eve@example.org")
    assert "ana raises to sev1: it spreads" in told.text
    assert "ana is the captain" in told.text
    assert "firestation ack" not in told.text
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV3, reason="it does not"))
    assert len(sent(made.incident, "raised")) == 1


def test_the_first_declaration_tells_them_too_when_it_is_graver_than_was_proposed() -> None:
    (told,) = sent(declared(Severity.SEV1).incident, "raised")
    assert "ana declares sev1: it looks so" in told.text


def test_a_move_that_was_pre_authorized_waits_for_a_word_once_the_weight_is_another_one() -> None:
    """Nobody has declared, so that what is proposed is what it weighs."""
    for raised, covered in ((acts.Assess(by="ben", harm=0, spread=0, reason="a test"), False),
                            (acts.Assess(by="ben", spread=3, reason="all tenants"), True)):  # fmt: skip
        made = world()
        made.seal()
        (tool,) = (each for each in made.incident.firebreaks if each.action.lever == "tool")
        assert tool.state is Lease.AUTHORIZED
        assert made.attempt(raised) is None
        found = made.incident.firebreak(tool.digest)
        assert found is not None
        assert found.state is (Lease.AUTHORIZED if covered else Lease.PROPOSED)
        assert made.work("tool") is covered
        assert (made.levers["tool"] == "disabled") is covered


# Whatever people say and do ---------------------------------------------------------------------------------------


TEXT = st.just("it looks so")
CALLS = st.one_of(
    assessments(st.sampled_from(["ana", "ben", "cara"]), TEXT),
    st.builds(acts.Declare, by=st.just("ana"), severity=st.sampled_from(Severity), reason=TEXT),
    st.builds(acts.Switch, by=st.just("ana"), to=st.sampled_from(["other", "stale-policy"]), reason=TEXT),
    st.builds(acts.Update, by=st.just("ana"), known=TEXT),
    st.builds(acts.Acknowledge, by=st.just("ben"), role=st.just("scribe")),
    st.integers(1, 15),
)


@settings(deadline=None)
@given(st.lists(CALLS, max_size=14), st.booleans())
def test_nothing_that_was_promised_or_missed_is_ever_loosened(calls: list[Any], answered: bool) -> None:
    made = taken() if answered else world()
    for call in calls:
        before = made.incident
        if isinstance(call, int):
            made.wait(call * MINUTE)
        else:
            made.attempt(call)
        check(before, made)
    keys = [each.key for each in made.incident.outbox]
    assert len(set(keys)) == len(keys)
    assert fold(tuple(made.record)) == made.incident
    verbs = [each.verb for each in made.incident.declarations]
    assert verbs[:1] in ([], ["declares"])
    assert all(was.now is now.was for was, now in pairwise(made.incident.declarations))
    assert len(sent(made.incident, "graver")) <= len(made.incident.weighings)
    raises = sum(each.verb in {"raises to", "declares"} for each in made.incident.declarations)
    assert len(sent(made.incident, "raised")) <= raises + len(made.incident.weighings)


def check(before: Incident, made: World) -> None:
    now = made.incident
    last = now.promise("internal")
    if last:
        assert last.next_due is not None
        assert next_word(now) <= last.next_due, "never later than promised"
        assert next_word(now) <= max(made.now, last.at + now.cadence) + now.cadence / 5
    assert next_wake(now) > made.now, "everything that is due has happened"
    for was, each in zip(before.deadlines, now.deadlines, strict=True):
        if was.missed:
            assert (each.missed, each.due) == (True, was.due)
        if was.met_at:
            assert (each.met_at, each.due) == (was.met_at, was.due)
        assert each.missed or each.met_at or each.due > made.now
