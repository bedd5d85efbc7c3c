"""Following up the tasks of an incident: (what is known, now) -> what is due now. Pure, for weeks.

The day of a reminder begins at `MORNING`, so that nobody is woken: whatever is due is said then, once a day for each
task and kind. A tracker is asked every morning, and every hour in the last 24 hours before a task is due.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple

from pydantic import Field

from firestation.after_action import Task, TaskKind, Ticket, TicketState
from firestation.authority import Roster
from firestation.clock import NEVER
from firestation.credentials import holds_credential
from firestation.model import Id, Line, Model, Text, Time
from firestation.system import ChannelFitting, TrackerFitting

MORNING = time(9, tzinfo=UTC)
"""When a day of reminders begins."""

DAY, HOUR, WEEK = timedelta(days=1), timedelta(hours=1), timedelta(weeks=1)
BEFORE = timedelta(days=3)
"""So long before it is due the owner is reminded for the first time."""

MOST_NOTES = 40
"""So many of the last things that happened are kept; all of them are in the history."""

OWN_TASKS = frozenset({"postmortem", "eval-lock"})

Kind = Literal["soon", "today", "late", "escalated", "gone", "unread", "waiver", "dropped"]
TASK_KINDS: tuple[Kind, ...] = ("soon", "today", "late", "escalated", "gone", "unread")


class Told(Model):
    """When a kind of reminder went out last, and how often one has. `reached`: whether somebody had the last."""

    on: date
    times: int = 0
    reached: bool = True


class Done(Model):
    """How a task came to its end: by the tracker, by a person's word, or because there was no fire after all."""

    at: Time
    how: Literal["tracker", "person", "dropped"]
    by: Line | None = None
    reason: Text


class TaskCourse(Model):
    """One task and what is known of it. `trouble`: why its tracker could not be read when it was last asked.

    `asked`: whether the tracker can be asked at all.
    """

    task: Task
    ticket: Ticket | None = None
    asked: bool = True
    looked_at: Time | None = None
    seen: TicketState | None = None
    gone_since: Time | None = None
    trouble: Text | None = None
    trouble_since: Time | None = None
    told: dict[Kind, Told] = {}
    done: Done | None = None

    @property
    def name(self) -> str:
        """What people call it: `postmortem`, `eval-lock`, or the id that it has in the runbook."""
        name = self.task.name or self.task.kind
        return f"task-{name}"[:63] if self.task.name in OWN_TASKS else name

    @property
    def key(self) -> tuple[TaskKind, str | None]:
        """What tells it from the other tasks of its incident, and so its ticket."""
        return self.task.kind, self.task.name

    @property
    def due(self) -> datetime:
        """When it has to be done."""
        return self.task.due or NEVER

    def late(self, now: datetime) -> bool:
        """Whether its time is over and it is not known to be done."""
        return self.done is None and now >= self.due


class LockWaiver(Model):
    """The lock was waived until a date: by whom, and by whom besides."""

    by: Id
    seconded_by: Id | None = None
    reason: Text
    until: Time


class Note(Model):
    """Something that happened while the tasks were followed."""

    at: Time
    text: Text


class Handed(Model):
    """What the incident hands over: the tickets, who is captain, and in the end how it ended.

    `lock_proved`: a proof, or the word of two people for a process, stands for the lock. `tasks`: as they are now, with
    those that another runbook has added. `more`: what else is left to people, of which no tracker knows.
    """

    tickets: tuple[Ticket, ...]
    captain: Id
    ended: Literal["closed", "dismissed", "merged"] | None = None
    waiver: LockWaiver | None = None
    lock_proved: bool = False
    tasks: tuple[Task, ...] = Field(default=(), exclude_if=lambda value: not value)
    more: tuple[Task, ...] = Field(default=(), exclude_if=lambda value: not value)


class Finish(Model):
    """A person says that a task is done: the tracker cannot tell, or not yet."""

    by: Id
    task: Id
    reason: Text


class Course(Model):
    """Everything that is known of the tasks of one incident. It has the same size in every week."""

    incident: Id
    mark: Line
    system: Id
    title: Line
    tracker: TrackerFitting
    channels: tuple[ChannelFitting, ...]
    roster: Roster
    opened_at: Time
    captain: Id
    tasks: tuple[TaskCourse, ...] = Field(min_length=1)
    ended: Literal["closed", "dismissed", "merged"] | None = None
    waiver: LockWaiver | None = None
    waiver_told: Told | None = None
    lock_proved: bool = False
    notes: tuple[Note, ...] = ()

    def named(self, name: str) -> TaskCourse | None:
        """The task of this name."""
        return next((each for each in self.tasks if each.name == name), None)

    @property
    def open(self) -> tuple[TaskCourse, ...]:
        """The tasks that are not done."""
        return tuple(each for each in self.tasks if each.done is None)

    @property
    def waived(self) -> LockWaiver | None:
        """The waiver that still stands for a lock: neither is it proved, nor its task done."""
        locked = self.lock_proved or any(each.task.kind == "eval-lock" and each.done for each in self.tasks)
        return None if locked else self.waiver

    @property
    def over(self) -> bool:
        """Whether nothing is left: the incident has ended, all is done, and no waiver is left."""
        return self.ended is not None and not self.open and self.waived is None

    def noted(self, at: datetime, text: str) -> "Course":
        """The same, and a note of this."""
        return self.changed(notes=(*self.notes, Note(at=at, text=text[:4000]))[-MOST_NOTES:])

    def kept(self, task: TaskCourse) -> "Course":
        """The same, with this task as it is now."""
        return self.changed(tasks=tuple(task if each.name == task.name else each for each in self.tasks))

    def told(self, news: Handed) -> "Course":
        """What the incident handed over. After its end only one thing may be new: that the lock is proved."""
        if self.ended:
            proved = news.lock_proved and not self.lock_proved
            return self.changed(lock_proved=True) if proved else self
        tickets = {(each.kind, each.name): each for each in news.tickets}
        latest = {(each.kind, each.name): each for each in news.tasks}
        given = {name: getattr(news, name) for name in ("captain", "ended", "waiver", "lock_proved")}
        known = {each.name for each in self.tasks}
        more = [TaskCourse(task=each) for each in news.tasks]
        more += [TaskCourse(task=each, asked=False) for each in news.more]
        tasks = [
            each.changed(
                task=each.task if each.done else latest.get(each.key, each.task),
                ticket=each.ticket or tickets.get(each.key),
            )
            for each in (*self.tasks, *(each for each in more if each.name not in known))
        ]
        return self.changed(tasks=tuple(tasks), **given)


# What is due -------------------------------------------------------------------------------------------------


class Look(NamedTuple):
    """Ask the tracker what became of this task."""

    task: TaskCourse


class Tell(NamedTuple):
    """Remind these people of a task, or of the waiver when `task` is None. `day` makes it the only one of its kind.

    `people`: persons of the station, or what else the owner is; each is told once a day for each kind.
    """

    kind: Kind
    day: date
    people: tuple[str, ...]
    task: TaskCourse | None = None

    @property
    def step(self) -> str:
        """What makes its idempotency key."""
        return f"after-{self.kind}-{self.task.name if self.task else 'lock'}-{self.day:%Y%m%d}"


def day_of(now: datetime) -> date:
    """The day of reminders that a moment belongs to: from morning to morning."""
    today = now.astimezone(UTC)
    return today.date() if today.timetz() >= MORNING else today.date() - DAY


def morning(day: date) -> datetime:
    """When this day of reminders begins."""
    return datetime.combine(day, MORNING)


def due_now(course: Course, now: datetime) -> tuple[Look | Tell, ...]:
    """What is to be done by now. Trackers are asked first: nobody is reminded of what is done."""
    if course.over:
        return ()
    looks = tuple(Look(each) for each in course.open if next_look(course, each) <= now)
    return looks or tuple(_tells(course, now))


def next_look(course: Course, task: TaskCourse) -> datetime:
    """When the tracker is asked about this task: every morning, every hour on its last day; never without a ticket."""
    if task.done or task.ticket is None or not task.asked:
        return NEVER
    last = task.looked_at or course.opened_at
    each_morning = morning(day_of(last) + DAY)
    if task.task.due is None or last >= task.due:
        return each_morning
    return min(each_morning, max(task.due - DAY, last + HOUR))


def next_wake(course: Course, now: datetime) -> datetime:
    """When something is due next; `NEVER` when only the incident's end, or nothing, is waited for."""
    if course.over:
        return NEVER
    if due_now(course, now):
        return now
    found = [next_look(course, each) for each in course.open]
    found += [each.due for each in course.open if each.due > now]  # that it is late is seen at once
    if course.open:
        found.append(morning(day_of(now) + DAY))
    if course.waived:
        found.append(morning(_waiver_day(course, course.waived)))
    return min(found, default=NEVER)


def _tells(course: Course, now: datetime) -> Iterator[Tell]:
    today = day_of(now)
    for task in course.open if course.ended not in {"dismissed", "merged"} else ():
        for kind in TASK_KINDS:
            last = task.told.get(kind)
            if (last is None or last.on < today) and _is_due(course, task, kind, today):
                yield Tell(kind, today, _whom(course, task, kind), task)
    if course.ended in {"dismissed", "merged"}:
        yield from (Tell("dropped", today, (), each) for each in course.open)
    if course.waived and today >= _waiver_day(course, course.waived):
        waiver = course.waived
        people = (waiver.by, waiver.seconded_by) if waiver.seconded_by else (waiver.by,)
        yield Tell("waiver", today, tuple(dict.fromkeys(people)))


def _is_due(course: Course, task: TaskCourse, kind: Kind, today: date) -> bool:
    """Whether it is the day for this kind, unless one went out today."""
    last = task.told.get(kind)
    if kind in {"gone", "unread"}:
        since = task.gone_since if kind == "gone" else task.trouble_since
        return since is not None and today > day_of(since) and (last is None or _again(last, today))
    if task.task.due is None:
        return False
    due, begun = day_of(task.task.due), today > day_of(course.opened_at)
    unsaid = begun and (last is None or not last.reached)
    match kind:
        case "soon":
            return unsaid and due - BEFORE <= today < due
        case "today":
            return unsaid and today == due
        case "late":
            return today > due
        case _:
            climbing = last is None or last.times < len(ladder(course, task)) or _again(last, today)
            return today > due + DAY and climbing


def _again(last: Told, today: date) -> bool:
    """Whether it is time to say the same once more: after a week, or the next day when it reached nobody."""
    return today >= last.on + (WEEK if last.reached else DAY)


def _waiver_day(course: Course, waiver: LockWaiver) -> date:
    """The next day on which those who waived the lock are reminded: on its date, and every week from then on."""
    last = course.waiver_told
    if last is None:
        return waiver.until.date()
    return last.on + (WEEK if last.reached else DAY)


def ladder(course: Course, task: TaskCourse) -> tuple[str, ...]:
    """Who hears of a late task besides its owner, one a day: the captain of then, then up the escalation."""
    others = dict.fromkeys((course.captain, *course.roster.escalation))
    return tuple(each for each in others if each != task.task.owner) or (course.captain,)


def _whom(course: Course, task: TaskCourse, kind: Kind) -> tuple[str, ...]:
    owner = task.task.owner or course.captain
    if kind == "escalated":
        rungs, last = ladder(course, task), task.told.get(kind)
        return (rungs[(last.times if last else 0) % len(rungs)],)
    if kind in {"gone", "unread"}:
        return tuple(dict.fromkeys((owner, course.captain)))
    return (owner,)


# What came of it ---------------------------------------------------------------------------------------------


def looked(course: Course, name: str, seen: TicketState | None, now: datetime) -> Course:
    """The tracker answered. None: it is one that cannot be asked, so a person's word is waited for."""
    task = course.named(name)
    if task is None or task.done:
        return course
    task = task.changed(looked_at=now, trouble=None, trouble_since=None, asked=seen is not None)
    if seen is None:
        return course.kept(task)
    since = (task.gone_since or now) if seen.state == "gone" else None
    news = task.seen is None or task.seen.state != seen.state
    task = task.changed(seen=seen, gone_since=since)
    if seen.state == "done":
        task = task.changed(done=Done(at=now, how="tracker", by=seen.assignee, reason=seen.detail))
    course = course.kept(task)
    return course.noted(now, f"{name}: the tracker says {seen.state}: {seen.detail}") if news else course


def not_read(course: Course, name: str, why: str, now: datetime) -> Course:
    """The tracker could not be read. That is no answer: the task stays as it was, and somebody is told."""
    task = course.named(name)
    if task is None or task.done:
        return course
    if task.trouble is None:
        course = course.noted(now, f"{name}: the tracker could not be read: {why}")
    task = task.changed(looked_at=now, trouble=why[:4000], trouble_since=task.trouble_since or now)
    return course.kept(task)


def reminded(course: Course, tell: Tell, failures: tuple[str, ...], reached: int, now: datetime) -> Course:
    """A reminder went out in `reached` ways; `failures` are those in which it did not."""
    ok = reached > 0 or not tell.people
    name = tell.task.name if tell.task else "the lock's waiver"
    whom = ", ".join(tell.people) or "the ticket"
    word = f"{name}: {tell.kind}: {whom} told" if ok else f"{name}: {tell.kind}: {whom} could not be told"
    course = course.noted(now, word + "".join(f"; {each}" for each in failures))
    if tell.task is None:
        return course.changed(waiver_told=_once_more(course.waiver_told, tell.day, ok=ok))
    task = course.named(tell.task.name)
    if task is None:
        return course
    if tell.kind == "dropped":
        text = f"the incident was {course.ended}, so nothing is left to do"
        task = task.changed(done=task.done or Done(at=now, how="dropped", reason=text))
    told = {**task.told, tell.kind: _once_more(task.told.get(tell.kind), tell.day, ok=ok)}
    return course.kept(task.changed(told=told))


def _once_more(last: Told | None, day: date, *, ok: bool) -> Told:
    return Told(on=day, times=(last.times if last else 0) + 1, reached=ok)


def secret_in(finish: Finish) -> str | None:
    """Why this word must not even stand in a history, or None."""
    if holds_credential(finish):
        return "the text holds a credential; refer to it by name and revoke it, since it was sent"
    return None


def cannot_finish(course: Course, finish: Finish) -> str | None:
    """Why this word is not taken, or None."""
    secret = secret_in(finish)
    if secret:
        return secret
    person = course.roster.person(finish.by)
    if person is None:
        return f"{finish.by} is not one of the people of the station {course.roster.station}"
    if person.only_reads:
        return "an auditor reads and does not write"
    task = course.named(finish.task)
    if task is None:
        return f"there is no task {finish.task!r}; there is {', '.join(each.name for each in course.tasks)}"
    if task.done and (task.done.by, task.done.reason) != (finish.by, finish.reason):
        return f"{finish.task} is done already: {task.done.reason}"
    return None


def finished(course: Course, finish: Finish, now: datetime) -> Course:
    """A person's word, which `cannot_finish` lets pass. The same word again changes nothing."""
    task = course.named(finish.task)
    if task is None or task.done:
        return course
    done = Done(at=now, how="person", by=finish.by, reason=finish.reason)
    course = course.kept(task.changed(done=done))
    return course.noted(now, f"{finish.task}: done by the word of {finish.by}: {finish.reason}")
