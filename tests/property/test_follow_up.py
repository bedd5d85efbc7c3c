"""Whatever trackers, people and outages do over weeks: reminders are calm, never doubled, never left out."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firestation.after_action import Task, Ticket, TicketState
from firestation.clock import NEVER
from firestation.follow_up import (
    DAY,
    HOUR,
    MORNING,
    MOST_NOTES,
    Course,
    Finish,
    Handed,
    Kind,
    LockWaiver,
    Look,
    TaskCourse,
    Tell,
    cannot_finish,
    day_of,
    due_now,
    finished,
    ladder,
    looked,
    morning,
    next_wake,
    not_read,
    reminded,
)
from firestation.follow_words import follow_picture, sheets, ticket_word
from tests.property.worlds import roster, system

START = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
STATES = ("open", "open", "done", "gone", "unreachable", "cannot be asked")
NAMES = ("postmortem", "eval-lock", "index-review")
KINDS = {"postmortem": "postmortem", "eval-lock": "eval-lock"}
SPANS = st.timedeltas(timedelta(minutes=5), timedelta(days=20))
SOON = st.timedeltas(timedelta(minutes=5), timedelta(days=6))
ENDS = st.sampled_from(["closed", "closed", "closed", "dismissed", "merged"])


def course(
    *, within: tuple[timedelta, ...], owners: tuple[str, ...] = ("ana", "ben", "search team")
) -> Course:
    def task(index: int, name: str) -> TaskCourse:
        kind = KINDS.get(name, "follow-up")
        return TaskCourse(
            task=Task.model_validate(
                {
                    "incident": "refund-agent-1a2b3c4d",
                    "kind": kind,
                    "title": name.capitalize(),
                    "text": "to be done",
                    "name": name if kind == "follow-up" else None,
                    "owner": owners[index],
                    "due": START + within[index],
                }
            ),
            ticket=Ticket(kind=kind, tracker="tasks", reference=f"task {index}"),  # type: ignore[arg-type]
        )

    fitted = system()
    return Course(
        incident="refund-agent-1a2b3c4d",
        mark="0198b7d2-0000-7000-8000-000000000001",
        system=fitted.system,
        title=fitted.title,
        tracker=fitted.trackers[0],
        channels=fitted.channels[:2],
        roster=roster(),
        opened_at=START,
        captain="ana",
        tasks=tuple(task(index, name) for index, name in enumerate(NAMES)),
    )


class Weeks(RuleBasedStateMachine):
    """The workflow's loop, with time, trackers and people played by Hypothesis."""

    @initialize(within=st.tuples(SOON, SOON, SOON), deaf=st.booleans())
    def open(self, within: tuple[timedelta, ...], deaf: bool) -> None:
        self.course = course(within=within)
        self.now = START
        self.deaf = deaf  # nobody can be reached
        self.tracker = dict.fromkeys(NAMES, "open")
        self.said: list[tuple[datetime, Tell]] = []
        self.keys: set[str] = set()
        self.up_since = START

    @rule(name=st.sampled_from(NAMES), state=st.sampled_from(STATES))
    def the_tracker_changes(self, name: str, state: str) -> None:
        self.tracker[name] = state

    @rule(name=st.sampled_from((*NAMES, "no-such")), by=st.sampled_from(("ana", "dan", "nobody")))
    def somebody_says_that_it_is_done(self, name: str, by: str) -> None:
        word = Finish(by=by, task=name, reason="it is done")
        refused = cannot_finish(self.course, word)
        if by == "nobody" or name == "no-such":
            assert refused
        if refused is None:
            self.course = finished(self.course, word, self.now)
            assert finished(self.course, word, self.now) is self.course

    @rule(how=ENDS, waived=st.none() | SPANS, proved=st.booleans(), second=st.sampled_from((None, "ben")))
    def the_incident_ends(self, how: str, waived: timedelta | None, proved: bool, second: str | None) -> None:
        waiver = (
            LockWaiver(by="ana", seconded_by=second, reason="no time", until=self.now + waived)
            if waived
            else None
        )
        news = Handed.model_validate(
            {"tickets": (), "captain": "ben", "ended": how, "waiver": waiver, "lock_proved": proved}
        )
        before = self.course
        self.course = self.course.told(news)
        if before.ended:
            assert self.course == before.changed(lock_proved=before.lock_proved or proved)

    @rule(hours=st.integers(1, 150), down=st.booleans())
    def time_goes_by(self, hours: int, down: bool) -> None:
        """Until then the workflow wakes as it wants to; or no worker is up, and it does so afterwards."""
        end = self.now + hours * HOUR
        if down:
            self.now = self.up_since = end
        self.work()
        while (wake := next_wake(self.course, self.now)) <= end:
            assert wake > self.now or due_now(self.course, self.now)
            self.now = max(self.now, wake)
            self.work()
        self.now = max(self.now, end)

    @rule()
    def reaching_people_changes(self) -> None:
        self.deaf = not self.deaf

    def work(self) -> None:
        """Do all that is due now. It comes to an end."""
        for _ in range(20):
            jobs = due_now(self.course, self.now)
            if not jobs:
                return
            for job in jobs:
                if isinstance(job, Look):
                    self.look(job.task.name)
                else:
                    self.tell(job)
        raise AssertionError(due_now(self.course, self.now))

    def look(self, name: str) -> None:
        state = self.tracker[name]
        if state == "unreachable":
            self.course = not_read(self.course, name, "no answer", self.now)
            return
        known = {"open", "done", "gone"}
        seen = TicketState.model_validate({"state": state, "detail": state}) if state in known else None
        self.course = looked(self.course, name, seen, self.now)

    def tell(self, tell: Tell) -> None:
        for sheet in sheets(self.course, tell, self.now):
            assert sheet.key not in self.keys
            assert sheet.channel.audience != "public"
            assert sheet.message.purpose == "reminder"
            self.keys.add(sheet.key)
        word = ticket_word(self.course, tell, self.now)
        if word:
            assert word[1] not in self.keys
            self.keys.add(word[1])
        if tell.task and tell.kind != "dropped" and tell.task.asked:
            assert self.tracker[tell.task.name] != "done"  # it was asked just now
        self.said.append((self.now, tell))
        self.course = reminded(self.course, tell, (), 0 if self.deaf else len(tell.people), self.now)

    @invariant()
    def never_two_of_a_kind_for_a_task_on_a_day(self) -> None:
        said = [(tell.kind, tell.task and tell.task.name, day_of(at)) for at, tell in self.said]
        assert len(said) == len(set(said))

    @invariant()
    def nobody_is_reminded_of_what_is_done(self) -> None:
        for at, tell in self.said:
            done = self.course.named(tell.task.name).done if tell.task else None  # type: ignore[union-attr]
            assert done is None or at <= done.at

    @precondition(lambda self: self.course.ended not in {"dismissed", "merged"})
    @invariant()
    def never_silent_when_late(self) -> None:
        """On every morning after the due one its owner is told, and from the second on somebody besides."""
        for task in self.course.open:
            day = day_of(task.due) + DAY
            while day <= day_of(self.now):
                up = morning(day) >= self.up_since  # or nobody was there to say it
                told = [tell for at, tell in self.said if day_of(at) == day and tell.task]
                kinds = {tell.kind for tell in told if tell.task and tell.task.name == task.name}
                assert "late" in kinds or not up or morning(day) < START or self.now == morning(day)
                day += DAY

    @invariant()
    def it_ends_exactly_when_nothing_is_left(self) -> None:
        course = self.course
        left = any(each.done is None for each in course.tasks)
        lock = next(each for each in course.tasks if each.name == "eval-lock")
        waived = course.waiver is not None and not course.lock_proved and lock.done is None
        assert course.over == (course.ended is not None and not left and not waived)
        if course.over:
            assert next_wake(course, self.now) == NEVER
            assert due_now(course, self.now) == ()

    @invariant()
    def it_does_not_grow(self) -> None:
        assert len(self.course.notes) <= MOST_NOTES
        assert all(set(each.told) <= set(Kind.__args__) for each in self.course.tasks)  # type: ignore[attr-defined]
        assert Course.model_validate_json(self.course.model_dump_json()) == self.course
        assert follow_picture(self.course, self.now).over == self.course.over


Weeks.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestWeeks = Weeks.TestCase


@given(within=SPANS)
@settings(max_examples=40, deadline=None)
def test_whoever_is_up_reminds_before_on_the_day_and_when_late(within: timedelta) -> None:
    """A task that nobody does, for six weeks: each kind on its own morning, and up the whole escalation."""
    now, seen = START, course(within=(within,) * 3)
    said: list[tuple[datetime, Tell]] = []
    while now < START + timedelta(weeks=6):
        for job in due_now(seen, now):
            if isinstance(job, Look):
                seen = looked(seen, job.task.name, TicketState(state="open", detail="open"), now)
            else:
                said.append((now, job))
                seen = reminded(seen, job, (), 1, now)
        now = max(now, next_wake(seen, now))
    mine = [(at, tell) for at, tell in said if tell.task and tell.task.name == "postmortem"]
    assert all(at.timetz() == MORNING for at, _ in said)
    due = START + within
    days = {kind: [tell.day for _, tell in mine if tell.kind == kind] for kind in ("soon", "today", "late")}
    assert len(days["soon"]) == (day_of(due) > day_of(START) + DAY)
    assert days["today"] == [day_of(due)] * (day_of(due) > day_of(START))
    assert days["late"][0] == day_of(due) + DAY
    assert days["late"] == [days["late"][0] + index * DAY for index in range(len(days["late"]))]
    climbed = [tell.people[0] for _, tell in mine if tell.kind == "escalated"]
    task = seen.named("postmortem")
    assert task is not None
    assert climbed[: len(ladder(seen, task))] == list(ladder(seen, task))


def test_the_waiver_is_put_before_both_on_its_date_and_every_week() -> None:
    seen = course(within=(timedelta(days=300),) * 3)
    until = START + timedelta(days=10, hours=12)
    waiver = LockWaiver(by="ana", seconded_by="ben", reason="no time", until=until)
    seen = seen.told(Handed(tickets=(), captain="ana", ended="closed", waiver=waiver))
    now, said = START, list[tuple[datetime, tuple[str, ...]]]()
    while now < START + timedelta(days=30):
        for job in due_now(seen, now):
            if isinstance(job, Look):
                seen = looked(seen, job.task.name, TicketState(state="open", detail="open"), now)
            else:
                said.append((now, job.people))
                seen = reminded(seen, job, (), 2, now)
        now = max(now, next_wake(seen, now))
    first = morning(until.date())
    assert said == [(first + week * timedelta(weeks=1), ("ana", "ben")) for week in range(3)]
    done = finished(seen, Finish(by="ana", task="eval-lock", reason="it runs in CI"), now)
    assert done.waived is None
    assert not any(isinstance(job, Tell) and job.kind == "waiver" for job in due_now(done, now + 30 * DAY))
