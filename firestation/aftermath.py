"""What people are left with after a fire: the tasks, with their owners and days, and what follows them up."""

from collections.abc import Iterator
from datetime import timedelta

from firestation import proofs, seconding
from firestation.after_action import Attestation, Task, TaskKind
from firestation.follow_up import Course, Handed, LockWaiver, TaskCourse
from firestation.model import show_duration
from firestation.state import Incident

LOOK_AGAIN = "look-again"
"""The task by which an attested process is looked at again."""


def tasks(incident: Incident) -> Iterator[Task]:
    """The postmortem, the lock, and what the runbook asks for besides. Days are counted from the recovery."""
    runbook = incident.brief.runbook
    text = f"{runbook.title}. Opened by the incident {incident.id}."

    def task(kind: TaskKind, title: str, text: str, name: str | None = None) -> Task:
        return Task(incident=incident.id, kind=kind, title=title, text=text, name=name)

    def owned(task: Task, owner: str | None, within: timedelta) -> Task:
        if not incident.since(4):
            return task
        since = incident.restored_at or incident.now
        return task.changed(owner=owner or _captain(incident), due=since + within)

    paper, lock = runbook.postmortem, runbook.lock
    yield owned(task("postmortem", f"Postmortem of {incident.id}", text), paper.owner, paper.within)
    yield owned(task("eval-lock", f"Lock: {lock.title}"[:300], text), lock.owner, lock.within)
    for each in runbook.after_action:
        whose = f"{text} {each.owner} owns it, within {show_duration(each.within)}."
        yield owned(task("follow-up", each.title, whose, each.id), each.owner, each.within)


def _captain(incident: Incident) -> str:
    return incident.captain or incident.ranks[0]


def course(incident: Incident) -> Course:
    """The course of the tasks as it begins: what each is, where it stands, and whom it takes to hear of it."""
    brief = incident.brief
    people = tuple(each.changed(signers=()) for each in brief.roster.people)
    return Course(
        incident=incident.id,
        mark=incident.mark,
        system=brief.system.system,
        title=brief.system.title,
        tracker=brief.system.trackers[0],
        channels=tuple(each for each in brief.system.channels if each.audience != "public"),
        roster=brief.roster.changed(people=people, escalation=incident.ranks, escalation_at={}),
        opened_at=incident.now,
        captain=_captain(incident),
        tasks=tuple(TaskCourse(task=each) for each in tasks(incident)),
    ).told(handed(incident))


def handed(incident: Incident) -> Handed:
    """What the incident tells whoever follows its tasks: what they are now, their tickets, and how it ended.

    Until it has recovered (once more) no task has a day.
    """
    waiver = incident.lock_waiver
    stands = seconding.good(incident, incident.ended_at or incident.now)
    kept = set(LockWaiver.model_fields)
    return Handed(
        tickets=incident.tickets,
        captain=_captain(incident),
        ended=incident.ended,
        waiver=LockWaiver(**waiver.model_dump(include=kept)) if waiver and waiver.until else None,
        lock_proved=proofs.stands(incident) or isinstance(stands, Attestation),
        tasks=tuple(tasks(incident)) if incident.restored_at else (),
        more=(_look_again(incident, stands),)
        if isinstance(stands, Attestation) and incident.ended == "closed"
        else (),
    )


def _look_again(incident: Incident, said: Attestation) -> Task:
    """An attested process is looked at again on its day: whether people still do it so."""
    text = f"{said.by} and {said.seconded_by} stand for it: {said.change} ({said.reference}). Is it still done so?"
    return Task(
        incident=incident.id,
        kind="follow-up",
        title=f"Look again at the process: {incident.brief.runbook.lock.title}"[:300],
        text=text[:4000],
        name=LOOK_AGAIN,
        owner=said.by,
        due=said.verify_by,
    )


def leaves_work(incident: Incident) -> bool:
    """Whether anything is left to people when it ends. A drill leaves nothing: nobody is reminded of it for weeks."""
    return incident.since(4) and incident.brief.drill is None


def unopened(incident: Incident) -> tuple[Task, ...]:
    """The tasks that have no ticket yet. Those of a drill get none: a tracker is for work that has to be done."""
    if incident.brief.drill:
        return ()
    there = {(each.kind, each.name) for each in incident.tickets}
    return tuple(each for each in tasks(incident) if (each.kind, each.name) not in there)


def asked_for(incident: Incident) -> bool:
    """Whether each of its tasks was put to a tracker, or could not be."""
    return "task" in incident.trouble or not unopened(incident)


def is_left(incident: Incident) -> bool:
    """Whether its tasks were put to a tracker, or would have been before it was closed: somebody follows them up."""
    put = incident.tickets or incident.postmortem or "task" in incident.trouble
    return leaves_work(incident) and (bool(put) or incident.ended == "closed")
