"""What people are left with: whose it is and until when, and what older incidents go on without."""

from datetime import timedelta

from firestation.after_action import Attestation, Ticket
from firestation.aftermath import LOOK_AGAIN, course, handed, is_left, tasks
from firestation.fold import begin
from firestation.follow_up import Finish, finished
from firestation.lock_plan import LOCK_WITHIN, LockPlan
from firestation.record import Opened
from firestation.runbook import FollowUp, PostmortemPlan
from firestation.state import Incident, Waiver
from tests.property.worlds import START, brief

REVIEW = FollowUp(id="postmortem", title="Review it", owner="search team", within=timedelta(days=9))


def incident(edition: int = 4, **changes: object) -> Incident:
    found = brief()
    runbook = found.runbook.changed(after_action=(REVIEW,), **changes)
    begun = begin(Opened(at=START, brief=found.changed(runbook=runbook, edition=edition), run="0198b7d2"))
    return begun.changed(restored_at=START + timedelta(hours=2))


def test_each_task_has_an_owner_and_a_day_counted_from_the_recovery() -> None:
    since = START + timedelta(hours=2)
    assert [(each.kind, each.owner, each.due) for each in tasks(incident())] == [
        ("postmortem", "ana", since + timedelta(days=5)),
        ("eval-lock", "ana", since + timedelta(days=14)),
        ("follow-up", "search team", since + timedelta(days=9)),
    ]


def test_the_runbook_says_whose_they_are_and_the_captain_has_the_rest() -> None:
    lock = brief().runbook.lock.changed(owner="eval team", within=timedelta(days=2))
    paper = PostmortemPlan(within=timedelta(days=1))
    found = incident(lock=lock, postmortem=paper).changed(captain="ben")
    since = START + timedelta(hours=2)
    assert [(each.owner, each.due) for each in tasks(found)][:2] == [
        ("ben", since + timedelta(days=1)),
        ("eval team", since + timedelta(days=2)),
    ]


def test_what_began_before_goes_on_without() -> None:
    found = incident(edition=3)
    assert {(each.owner, each.due) for each in tasks(found)} == {(None, None)}
    assert not is_left(found.changed(trouble={"task": "no answer"}))
    assert is_left(incident().changed(trouble={"task": "no answer"}))


def test_a_runbook_that_says_nothing_new_has_the_digest_that_it_had() -> None:
    written = brief().runbook.model_dump(mode="json")
    assert "postmortem" not in written
    assert not {"owner", "within"} & set(written["lock"])
    other = brief().runbook.lock.changed(within=LOCK_WITHIN + timedelta(days=1))
    assert "within" in other.model_dump(mode="json")


def test_every_task_has_a_name_of_its_own_and_nobody_s_key_goes_along() -> None:
    found = course(incident())
    assert [each.name for each in found.tasks] == ["postmortem", "eval-lock", "task-postmortem"]
    assert not any(person.signers for person in found.roster.people)
    assert {each.audience for each in found.channels} == {"pager", "internal"}
    assert handed(incident()).ended is None


def test_a_process_that_two_people_stand_for_is_looked_at_again_on_its_day() -> None:
    said = Attestation(
        by="ana", change="two sign", reference="4.2", verify_by=START + timedelta(days=90), at=START
    )
    process = LockPlan(title="Two people sign", kind="process")
    alone = incident(lock=process).changed(attestations=(said,), ended="closed", ended_at=START)
    assert not handed(alone).lock_proved
    assert handed(alone).more == ()
    both = alone.changed(attestations=(said.changed(seconded_by="ben", seconded_at=START),))
    assert handed(both).lock_proved
    assert handed(both.changed(ended="dismissed")).more == ()
    (task,) = handed(both).more
    assert (task.name, task.owner, task.due) == (LOOK_AGAIN, "ana", said.verify_by)
    followed = course(incident()).told(handed(both))
    last = followed.tasks[-1]
    assert (last.name, last.ticket, last.asked) == (LOOK_AGAIN, None, False)
    assert not followed.over
    assert followed.told(handed(both)) == followed, "told twice it is there once"


def test_who_waived_is_reminded_though_people_stood_for_a_process_whose_day_had_come() -> None:
    said = Attestation(
        by="ana",
        change="two sign",
        reference="4.2",
        verify_by=START + timedelta(days=9),
        at=START,
        seconded_by="ben",
        seconded_at=START,
    )
    until, closed = START + timedelta(days=60), START + timedelta(days=30)
    waiver = Waiver(what="lock", by="ana", reason="not yet", until=until, at=closed, seconded_by="ben")
    process = LockPlan(title="Two people sign", kind="process")
    found = incident(lock=process).changed(
        attestations=(said,), waivers=(waiver,), ended="closed", ended_at=closed
    )
    assert not handed(found).lock_proved
    assert course(found).waived
    assert handed(found).more == ()


def test_a_new_captain_owns_what_has_no_other_owner_and_is_not_done() -> None:
    found = course(incident())
    found = finished(found, Finish(by="ana", task="postmortem", reason="it is written"), START)
    later = found.told(handed(incident().changed(captain="ben")))
    assert later.captain == "ben"
    assert [each.task.owner for each in later.tasks] == ["ana", "ben", "search team"]


def test_the_tasks_of_another_runbook_come_with_their_tickets_and_have_no_day_before_its_recovery() -> None:
    first = incident()
    other = first.brief.runbook.changed(runbook="cost", after_action=(REVIEW.changed(id="budget"),))
    ticket = Ticket(kind="follow-up", tracker="tasks", reference="task 9", name="budget")
    switched = first.changed(brief=first.brief.changed(runbook=other), restored_at=None)
    assert handed(switched).tasks == ()
    assert course(first).told(handed(switched)) == course(first)
    restored = switched.changed(restored_at=START + timedelta(hours=5), tickets=(ticket,))
    followed = course(first).told(handed(restored))
    assert [each.name for each in followed.tasks] == ["postmortem", "eval-lock", "task-postmortem", "budget"]
    assert (followed.tasks[-1].ticket, followed.tasks[-1].asked) == (ticket, True)
    assert followed.told(handed(restored)) == followed, "told twice it is there once"


def test_what_was_closed_before_any_task_was_opened_is_left_to_somebody() -> None:
    assert not is_left(incident())
    assert is_left(incident().changed(ended="closed"))
    assert not is_left(incident().changed(ended="dismissed"))
    assert not is_left(incident(edition=3).changed(ended="closed"))
