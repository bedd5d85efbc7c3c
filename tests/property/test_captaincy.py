"""The captaincy told straight: whose word counts, who is silent, what is put to whom."""

from datetime import timedelta
from typing import Any

import pytest

from firestation import acts, record
from firestation.authority import Role
from firestation.firebreak import Lease
from firestation.quorum import quorum
from firestation.record import EDITION
from firestation.severity import Axes, Severity
from firestation.steps import Absence, ManualStep
from tests.property.worlds import World, runbook

TOOL, RERANKER = runbook().firebreaks
ASKED = TOOL.changed(preauthorized=())
LONG = "q" * 3950


def taken(by: str = "ana", **changes: Any) -> World:
    """An incident that somebody has taken and declared, its evidence sealed."""
    world = World(**changes)
    world.baseline()
    world.seal()
    assert world.attempt(acts.Acknowledge(by=by)) is None
    assert world.attempt(acts.Declare(by=by, severity=Severity.SEV2, reason="wrong refunds leave")) is None
    return world


def state(world: World) -> Lease:
    """How the latest firebreak stands."""
    return world.incident.firebreaks[-1].state


def captain(world: World) -> str | None:
    return world.incident.captain


def titles(world: World, to: str) -> list[str]:
    """The titles of what waits to be sent to this person."""
    return [each.message.title for each in world.incident.outbox if each.message.to == f"{to}@example.org"]


def without_approvers(world: World) -> None:
    """Nobody but captains."""
    brief = world.incident.brief
    people = tuple(
        each.changed(roles=tuple(role for role in each.roles if role is not Role.APPROVER) or (Role.SCRIBE,))
        for each in brief.roster.people
    )
    world.incident = world.incident.changed(brief=brief.changed(roster=brief.roster.changed(people=people)))


def test_the_word_of_a_captain_of_before_is_no_second_persons() -> None:
    world = taken(firebreaks=(ASKED.changed(approvals=2),))
    without_approvers(world)
    (pending,) = world.incident.pending
    assert world.attempt(acts.Approve(by="ana", action=pending.digest)) is None
    assert world.attempt(acts.Renounce(by="ana", reason="I must leave")) is None
    assert world.attempt(acts.Acknowledge(by="ben")) is None
    assert world.attempt(acts.Approve(by="ben", action=pending.digest)) is None
    (still,) = world.incident.pending
    found = quorum(world.incident, still)
    assert (found.given, found.missing) == (("ben",), 1)
    assert "somebody with the role approver, and there is nobody" in found.words()


def test_an_approvers_word_is_not_enough_without_the_captains() -> None:
    world = taken(firebreaks=(ASKED.changed(approvals=2),))
    (pending,) = world.incident.pending
    assert world.attempt(acts.Approve(by="ben", action=pending.digest)) is None
    assert world.attempt(acts.Renounce(by="ana", reason="I must leave")) is None
    found = quorum(world.incident, world.incident.pending[0])
    assert found.words() == "1 more approval needed: a captain, and there is none"


def test_an_assessment_takes_a_word_written_beforehand_away_and_never_adds_one() -> None:
    mild = Axes(harm=1, spread=1, reversibility=1, momentum=0)  # sev3, where nothing is pre-authorized
    world = World(firebreaks=(TOOL,), severity=mild)
    assert world.attempt(acts.Assess(by="cara", harm=3, spread=3, reversibility=3, reason="bad")) is None
    assert world.incident.weight is Severity.SEV1
    world.baseline()
    world.seal()
    assert state(world) is Lease.PROPOSED, "nobody who is captain has said how bad it is"
    grave = World(firebreaks=(TOOL,))
    grave.baseline()
    grave.attempt(acts.Acknowledge(by="ana"))
    grave.seal()
    assert state(grave) is Lease.AUTHORIZED
    assert grave.attempt(acts.Assess(by="cara", harm=0, spread=1, reversibility=1, reason="fine")) is None
    assert state(grave) is Lease.PROPOSED
    assert any("move tool from enabled to disabled?" in title for title in titles(grave, "ana"))


def test_an_absence_policy_that_acts_is_not_called_up_by_an_assessment() -> None:
    absence = Absence(undecided="apply", severities=(Severity.SEV1,))
    world = World(firebreaks=(ASKED.changed(absence=absence),))
    world.baseline()
    world.seal()
    assert world.attempt(acts.Assess(by="cara", harm=3, spread=3, reversibility=3, reason="bad")) is None
    world.wait(timedelta(minutes=13))
    assert state(world) is Lease.LAPSED


def test_a_captain_who_is_heard_late_is_not_silent() -> None:
    """The worker was away: what the captain said meanwhile is heard together with what time has made due."""
    world = taken(firebreaks=(ASKED.changed(decide_within=timedelta(hours=9)),))
    world.wait(timedelta(minutes=16))
    assert world.incident.silence_asked_at is not None
    world.now += timedelta(minutes=60)
    (pending,) = world.incident.pending
    assert world.attempt(acts.Approve(by="ana", action=pending.digest)) is None
    assert captain(world) == "ana"


def test_whoever_answers_the_question_is_not_relieved() -> None:
    world = taken(firebreaks=(ASKED.changed(decide_within=timedelta(hours=9)),))
    world.wait(timedelta(minutes=16))
    assert "are you there?" in titles(world, "ana")[-1]
    assert world.attempt(acts.Acknowledge(by="ana")) is None
    world.wait(timedelta(minutes=14))
    assert captain(world) == "ana"
    world.wait(timedelta(minutes=2))  # silent again: asked once more, and in the end relieved
    assert sum("are you there?" in title for title in titles(world, "ana")) == 2
    world.wait(timedelta(minutes=16))
    assert captain(world) is None
    assert world.incident.tenures[-1].left == "was relieved of it"
    kinds = [each.kind for each in world.record]
    assert kinds[kinds.index("relieved") + 1] == "paged"


def test_after_stop_nobody_is_relieved_for_a_step_that_is_asked_for_no_more() -> None:
    step = ManualStep(id="call", title="Call the bank", do="Call it", confirmed_by=Role.CAPTAIN)
    world = taken(firebreaks=(), manual=(step,))
    assert "call" in world.incident.duties
    assert world.attempt(acts.Stop(by="ana", reason="worse")) is None
    world.wait(timedelta(hours=5))
    assert captain(world) == "ana"


def test_what_waits_is_put_to_the_new_captain_once() -> None:
    step = ManualStep(id="call", title="Call the bank", do="Call it", confirmed_by=Role.CAPTAIN)
    world = taken(firebreaks=(ASKED,), manual=(step,))
    world.deliver()
    assert world.attempt(acts.Handover(by="ana", to="ben")) is None
    assert world.attempt(acts.Accept(by="ben")) is None
    told = titles(world, "ben")
    assert sum("move tool from enabled to disabled?" in title for title in told) == 1
    assert sum("Call the bank" in title for title in told) == 1
    assert world.attempt(acts.Acknowledge(by="ana", role=Role.SCRIBE)) is None  # in the same moment
    assert titles(world, "ben") == told


def test_whoever_does_not_take_it_is_not_told_that_it_is_theirs() -> None:
    world = taken()
    assert world.attempt(acts.Handover(by="ana", to="ben")) is None
    assert world.attempt(acts.Renounce(by="ana", reason="I must leave")) is None
    assert world.attempt(acts.Decline(by="ben", reason="no")) is None
    assert "There is no captain" in world.incident.outbox[-1].message.text


def test_words_as_long_as_people_write_them_stop_nothing() -> None:
    world = taken()
    long = acts.Update(by="cara", known="k" * 3000, unknown="u" * 3000, doing="d" * 3000)
    assert world.attempt(acts.Note(by="ana", text=LONG, standing="fact")) is None
    assert world.attempt(long) is None
    for _ in range(3):
        world.wait(timedelta(hours=2))
    assert all(len(each.message.text) <= 4000 for each in world.incident.outbox)
    refusal = world.attempt(acts.Establish(by="ana", entry=99_999, reason=LONG))
    assert refusal is not None
    assert "numbered from 1 to 1" in refusal.missing


@pytest.mark.parametrize(("edition", "accepted"), [(2, True), (EDITION, False)])
def test_roles_that_nobody_held_before_are_held_since_this_edition(edition: int, accepted: bool) -> None:
    world = World(edition=edition)
    assert world.attempt(acts.Acknowledge(by="cara", role=Role.COMMS)) is None
    assert (world.attempt(acts.Acknowledge(by="cara", role=Role.COMMS)) is None) == accepted


def test_the_absence_policy_may_act_twice_in_one_incident() -> None:
    """Taken back by a graver severity, and lapsed again: the second word has a key of its own."""
    absence = Absence(undecided="apply", severities=(Severity.SEV2,))
    world = taken(firebreaks=(ASKED.changed(absence=absence),))
    world.wait(timedelta(minutes=13))
    assert state(world) is Lease.AUTHORIZED
    world.deliver()
    for severity in (Severity.SEV1, Severity.SEV2):
        assert world.attempt(acts.Declare(by="ana", severity=severity, reason="seen anew")) is None
    world.wait(timedelta(minutes=13))
    world.deliver()
    lapses = [each for each in world.record if isinstance(each, record.Lapsed)]
    assert [each.then for each in lapses] == ["apply", "apply"]


def test_whoever_left_is_paged_last_and_the_ladder_begins_anew() -> None:
    world = World()
    world.wait(timedelta(minutes=40))  # two rounds and more: the pages come slowly
    assert world.attempt(acts.Acknowledge(by="ana")) is None
    before = len(world.record)
    assert world.attempt(acts.Renounce(by="ana", reason="I must leave")) is None
    for _ in range(3):
        world.wait(timedelta(minutes=2))
    pages = [
        (each.at - world.now, each.person) for each in world.record[before:] if isinstance(each, record.Paged)
    ]
    assert [person for _, person in pages] == ["ben", "ana", "ben", "ana"]
    assert [span / timedelta(minutes=1) for span, _ in pages] == [-6, -4, -2, 0]


def test_nobody_was_informed_before_anybody_knew() -> None:
    world = taken()
    assert world.attempt(acts.Categorize(by="ana", category="personal-data-breach", reason="names")) is None
    early = acts.Inform(by="ana", clock="gdpr-33", reference="case 1", at=world.now - timedelta(days=900))
    refusal = world.attempt(early)
    assert refusal is not None
    assert "before somebody became aware of it" in refusal.missing
