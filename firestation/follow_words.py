"""What is said of a task that is followed up: to its people, calmly, and on its ticket."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from firestation.board import Message
from firestation.clock import NEVER
from firestation.firebreak import effect_key
from firestation.follow_up import Course, Kind, TaskCourse, Tell, next_look, next_wake
from firestation.model import Id, Line, Model, Text, Time, show_duration
from firestation.state import as_channel
from firestation.system import ChannelFitting

LONGEST_TITLE = 300


class Sheet(NamedTuple):
    """One message, by one way, to one person."""

    person: str
    channel: ChannelFitting
    message: Message
    key: str


def sheets(course: Course, tell: Tell, now: datetime) -> Iterator[Sheet]:
    """The reminder, by every way in which the station reaches each of its people, else by the system's channels.

    An owner who is none of the station's people is a team: they read it where everybody inside does.
    """
    for person in tell.people:
        message = Message(
            incident=course.incident,
            purpose="reminder",
            title=_title(course, tell, now)[:LONGEST_TITLE],
            text=f"{_addressed(course, person)}{_text(course, tell, now)}"[:4000],
        )
        for way, channel, to in _ways(course, person):
            key = effect_key(course.incident, course.mark, f"{tell.step}/{way}")
            yield Sheet(person, channel, message.changed(to=to), key)


def _ways(course: Course, person: str) -> Iterator[tuple[str, ChannelFitting, str | None]]:
    known = course.roster.person(person)
    ways = course.roster.ways(person) if known else ()
    for way in ways:
        yield f"{person}/{way.id}", as_channel(way.pager), way.to
    if ways:
        return
    mine = [each for each in course.channels if each.audience == ("pager" if known else "internal")]
    others = [each for each in course.channels if each not in mine]
    for channel in mine or others:
        to = known.address if known and channel.audience == "pager" else None
        yield f"{_slug(person)}/{channel.id}", channel, to


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())[:60]


def _addressed(course: Course, person: str) -> str:
    return "" if course.roster.person(person) else f"For {person}. "


def ticket_word(course: Course, tell: Tell, now: datetime) -> tuple[str, str] | None:
    """What the ticket is told, and its key; None where there is none to tell, or it is not for a ticket."""
    task = tell.task
    if task is None or task.ticket is None or task.gone_since or tell.kind == "unread":
        return None
    whom = f" Told: {', '.join(tell.people)}." if tell.people else ""
    text = f"Firestation, {course.incident}: {_title(course, tell, now)}.{whom}"
    return text[:4000], effect_key(course.incident, course.mark, f"{tell.step}/ticket")


def _title(course: Course, tell: Tell, now: datetime) -> str:
    task = tell.task
    if task is None:
        waiver = course.waiver
        over = "runs out" if waiver and now < waiver.until else "has run out"
        return f"{course.incident}: the waiver of the lock {over}, and there is no lock"
    what = f"{course.incident}: {task.task.title}"
    match tell.kind:
        case "soon" | "today":
            return f"{what} is due {_on(task.due)} (in {show_duration(task.due - now)})"
        case "late" | "escalated":
            return f"{what} is late by {show_duration(now - task.due)}"
        case "gone":
            return f"{what}: its ticket is gone, and nobody said that it is done"
        case "unread":
            return f"{what}: its tracker cannot be read, so nobody knows whether it is done"
        case _:
            return f"{what}: the incident was {course.ended}, so nothing is left to do"


def _text(course: Course, tell: Tell, now: datetime) -> str:
    task = tell.task
    if task is None:
        return _of_waiver(course)
    lines = [
        f"{task.task.text}",
        f"Owner: {task.task.owner or course.captain}. Due: {_on(task.due)}. Ticket: {_ticket(task)}.",
    ]
    if tell.kind == "escalated":
        lines.insert(
            0, f"You are told because it is late and {course.captain} was the captain of the incident."
        )
    if task.gone_since and tell.kind != "gone":
        lines.append(f"The tracker has not had the ticket since {_on(task.gone_since)}.")
    if task.trouble:
        since = _on(task.trouble_since or now)
        lines.append(f"The tracker could not be read since {since}: {task.trouble[:500]}")
    lines.append(f"When it is done, close the ticket, or: {command(course, task)}")
    return "\n".join(lines)


def _of_waiver(course: Course) -> str:
    waiver = course.waiver
    if waiver is None:
        return "The lock was waived."
    besides = f" and {waiver.seconded_by}" if waiver.seconded_by else ""
    lock = next((each for each in course.tasks if each.task.kind == "eval-lock"), None)
    how = f"\nWhen the lock is made: {command(course, lock)}" if lock else ""
    return (
        f"{waiver.by}{besides} waived the lock of {course.incident} until {_on(waiver.until)}: "
        f"{waiver.reason[:2000]}\nUntil there is one, nothing keeps this from coming back.{how}"
    )


def _ticket(task: TaskCourse) -> str:
    if task.ticket:
        return task.ticket.reference
    return "none, for no tracker has taken the task" if task.asked else "none"


def _on(moment: datetime) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M} UTC" if moment < NEVER else "at no time"


def command(course: Course, task: TaskCourse) -> str:
    """What a person types when it is done."""
    return f"firestation finish {course.incident} {task.name} --reason '...'"


# The picture -------------------------------------------------------------------------------------------------


class TaskView(Model):
    """One task as people look at it. `state`: open, late, done or dropped, and what keeps us from knowing."""

    task: Id
    title: Line
    owner: Line
    due: Time | None
    late_since: Time | None
    state: Line
    ticket: Line | None
    tracker: Id
    done_at: Time | None
    done_by: Line | None
    said: Text | None
    next_look: Time | None
    reminded: dict[Kind, int]
    command: Line | None


class FollowPicture(Model):
    """Everything that is known of the tasks of one incident, and what is waited for."""

    incident: Id
    mark: Line
    system: Id
    title: Line
    captain: Id
    ended: Line | None
    opened_at: Time
    as_of: Time
    over: bool
    tasks: tuple[TaskView, ...]
    waived_until: Time | None
    waived_by: tuple[Id, ...]
    waits_for: Line
    next: Time | None
    notes: tuple[tuple[Time, Text], ...]


def follow_picture(course: Course, now: datetime) -> FollowPicture:
    """The picture, the open tasks first, the earliest due first."""
    ranked = sorted(course.tasks, key=lambda each: (each.done is not None, each.due, each.name))
    wake, waiver = next_wake(course, now), course.waived
    who = (waiver.by, *((waiver.seconded_by,) if waiver.seconded_by else ())) if waiver else ()
    return FollowPicture(
        incident=course.incident,
        mark=course.mark,
        system=course.system,
        title=course.title,
        captain=course.captain,
        ended=course.ended,
        opened_at=course.opened_at,
        as_of=now,
        over=course.over,
        tasks=tuple(_view(course, each, now) for each in ranked),
        waived_until=waiver.until if waiver else None,
        waived_by=who,
        waits_for=waits_for(course, now)[:300],
        next=None if wake == NEVER else wake,
        notes=tuple((each.at, each.text) for each in course.notes),
    )


def _view(course: Course, task: TaskCourse, now: datetime) -> TaskView:
    look = next_look(course, task)
    done, said = task.done, task.seen.detail if task.seen else None
    return TaskView(
        task=task.name,
        title=task.task.title,
        owner=task.task.owner or course.captain,
        due=task.task.due,
        late_since=task.task.due if task.late(now) else None,
        state=state(task, now),
        ticket=task.ticket.reference if task.ticket else None,
        tracker=course.tracker.id,
        done_at=done.at if done else None,
        done_by=done.by if done else None,
        said=done.reason if done else task.trouble or said,
        next_look=None if look == NEVER else look,
        reminded={kind: told.times for kind, told in task.told.items()},
        command=None if done else command(course, task),
    )


def state(task: TaskCourse, now: datetime) -> str:
    """How a task stands, in words: late comes with why nobody knows better."""
    if task.done:
        return "dropped" if task.done.how == "dropped" else "done"
    words = ["late" if task.late(now) else "open"]
    if task.gone_since:
        words.append("its ticket is gone")
    elif task.trouble:
        words.append("its tracker cannot be read")
    elif task.ticket is None:
        words.append("it has no ticket")
    elif not task.asked:
        words.append("its tracker cannot be asked")
    return ", ".join(words)


def waits_for(course: Course, now: datetime) -> str:
    """What is waited for, in a line."""
    late = [each.name for each in course.open if each.late(now)]
    open_ = [each.name for each in course.open if not each.late(now)]
    parts = [f"{', '.join(late)} (late)"] if late else []
    parts += [", ".join(open_)] if open_ else []
    if course.waived:
        parts.append(f"a lock, waived until {course.waived.until:%Y-%m-%d}")
    if not parts:
        return "nothing" if course.over else "the incident's end"
    return "; ".join(parts)
