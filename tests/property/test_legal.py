"""Legal clocks: whatever is started, withdrawn and informed in any order, each reminder comes once and in its time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation import acts, record
from firestation.due import next_wake
from firestation.errors import Refused
from firestation.fold import fold
from firestation.legal import Legal, LegalClock, clocks
from firestation.legal_course import breaches, owners
from firestation.picture import picture, waiting_for
from firestation.postmortem import draft
from firestation.severity import Severity
from firestation.timeline import tell
from tests.property.worlds import CATEGORIES, CLOCKS, LAW, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def world(legal: Legal = LAW, **changes: Any) -> World:
    """An incident that ana has taken, with nothing in it but the clocks."""
    quiet = World(legal=legal, firebreaks=(), manual=(), cadence=timedelta(days=40), **changes)
    quiet.attempt(acts.Acknowledge(by="ana"))
    return quiet


def sleep(town: World, span: timedelta) -> None:
    """Let time pass as the workflow does: awake at each moment that `next_wake` names, and at no other."""
    until = town.now + span
    while (moment := next_wake(town.incident)) <= until:
        assert moment > town.now, "the engine would spin"
        town.now = moment
        town.settle()
    town.now = until


def happened(town: World, kind: type[Any]) -> list[Any]:
    return [event for event in town.record if isinstance(event, kind)]


# Exactly the reminders that are due ------------------------------------------------------------------------


class Life(NamedTuple):
    """One run of one clock, told a second time and naively: when it began, counted from when, and when it stopped."""

    clock: LegalClock
    cause: str
    began: datetime
    since: datetime
    stopped: datetime

    def moments(self) -> Iterator[tuple[str, datetime]]:
        """What has to be on the record, and when."""
        due = self.since + self.clock.within
        yield "reminded", self.began
        for span in self.clock.remind or [self.clock.within / share for share in (2, 4, 8)]:
            if due - span > self.began:
                yield "reminded", due - span
        late = max(due, self.began)
        yield "overdue", late
        for days in [*range(1, 8), *range(14, 400, 7)]:
            yield "reminded", late + days * DAY

    def told(self) -> list[tuple[str, str, str, datetime]]:
        return [(self.clock.id, self.cause, what, at) for what, at in self.moments() if at <= self.stopped]


MOVES = st.lists(
    st.one_of(
        st.tuples(
            st.just("sleep"), st.integers(1, 24 * 60 * 20).map(lambda minutes: timedelta(minutes=minutes))
        ),
        st.tuples(
            st.just("categorize"),
            st.sampled_from(CATEGORIES),
            st.sampled_from([None, timedelta(), HOUR, 3 * DAY, 20 * DAY, -HOUR]),
        ),
        st.tuples(st.just("withdraw"), st.sampled_from((*CATEGORIES, "sev1"))),
        st.tuples(st.just("inform"), st.sampled_from(CLOCKS), st.sampled_from([None, HOUR, 30 * DAY, -HOUR])),
        st.tuples(st.just("declare"), st.sampled_from(Severity)),
    ),
    max_size=14,
)


def act_of(move: tuple[Any, ...], now: datetime) -> acts.Act:
    match move:
        case "categorize", category, ago:
            aware = None if ago is None else now - ago
            return acts.Categorize(by="ana", category=category, reason="it is so", aware_at=aware)
        case "withdraw", category:
            return acts.Withdraw(by="ana", category=category, reason="it is not so")
        case "inform", clock, ago:
            at = None if ago is None else now - ago
            return acts.Inform(by="cara", clock=clock, reference="4711", at=at)
        case _:
            return acts.Declare(by="ana", severity=move[1], reason="it is as bad as that")


def lived(town: World, moves: list[tuple[Any, ...]]) -> list[Life]:
    """Live it, and tell from the accepted acts alone which clocks ran from when to when."""
    running: dict[tuple[str, str], Life] = {}
    standing: set[tuple[str, str]] = set()
    over: list[Life] = []
    known = {each.id: each for each in clocks(LAW)}
    for move in moves:
        if move[0] == "sleep":
            sleep(town, move[1])
            continue
        act = act_of(move, town.now)
        if town.attempt(act) is not None:
            continue
        cause = getattr(act, "category", None) or getattr(act, "severity", None)
        if isinstance(act, acts.Categorize | acts.Declare):
            since = getattr(act, "aware_at", None) or town.now
            for clock in known.values():
                key = (clock.id, str(cause))
                if cause in (*clock.categories, *clock.severities) and key not in standing:
                    running[key] = Life(clock, str(cause), town.now, since, town.now)
                    standing.add(key)
            continue
        ends = [key for key in running if cause == key[1] or getattr(act, "clock", None) == key[0]]
        over += [running.pop(key)._replace(stopped=town.now) for key in ends]
        if isinstance(act, acts.Withdraw):
            standing -= {key for key in standing if key[1] == act.category}
    return [*over, *(each._replace(stopped=town.now) for each in running.values())]


@settings(deadline=None, max_examples=150)
@given(MOVES)
def test_exactly_the_reminders_that_are_due_and_no_end_passes_unrecorded(
    moves: list[tuple[Any, ...]],
) -> None:
    town = world()
    lives = lived(town, moves)
    found = sorted(
        (event.clock, event.cause, event.kind, event.at)
        for event in town.record
        if isinstance(event, record.Reminded | record.Overdue)
    )
    assert found == sorted(each for life in lives for each in life.told())
    assert fold(tuple(town.record)) == town.incident
    keys = [parcel.key for parcel in town.incident.outbox]
    assert len(set(keys)) == len(keys)
    assert max(map(len, keys), default=0) <= 300
    assert picture(town.incident, tuple(town.record)).model_dump_json()
    assert draft(town.incident, tuple(town.record))


@settings(deadline=None)
@given(MOVES, st.lists(st.integers(1, 60 * 24 * 9), min_size=1, max_size=6))
def test_a_worker_that_was_away_records_the_end_when_it_is_back(
    moves: list[tuple[Any, ...]], gaps: list[int]
) -> None:
    """Without being woken in between: what was due is on the record at the first look, once."""
    town = world()
    for move in moves:
        if move[0] == "sleep":
            town.wait(move[1])
        else:
            town.attempt(act_of(move, town.now))
    for minutes in gaps:
        town.wait(timedelta(minutes=minutes))
    for run in town.incident.legal:
        stopped = run.informed.recorded_at if run.informed else run.withdrawn_at or town.now
        assert (run.overdue_at is not None) == (run.due <= stopped), run
        assert run.overdue_at is None or run.overdue_at >= run.due
    for run in town.incident.counting:
        assert run.next_moment > town.now
    assert len(happened(town, record.Reminded)) == sum(run.reminded for run in town.incident.legal)
    keys = [parcel.key for parcel in town.incident.outbox]
    assert len(set(keys)) == len(keys), "no reminder of a run is sent twice"


def test_weeks_of_silence_do_not_fill_the_record() -> None:
    town = world()
    town.attempt(acts.Categorize(by="ana", category="outage", reason="it stands still"))
    town.attempt(
        acts.Declare(by="ana", severity=Severity.SEV3, reason="it hurts")
    )  # else people are paged all year
    sleep(town, 365 * DAY)
    assert len(happened(town, record.Overdue)) == 1
    assert len(happened(town, record.Reminded)) == 3 + 7 + (365 - 8) // 7


# Who is told, and what ------------------------------------------------------------------------------------


def started(category: str = "serious-incident", **fields: Any) -> World:
    town = world()
    refusal = town.attempt(acts.Categorize(by="ana", category=category, reason="harm", **fields))
    assert refusal is None, refusal
    return town


def paged(town: World) -> list[tuple[str | None, str]]:
    told = [parcel.message for parcel in town.incident.outbox if "/legal-" in parcel.key]
    return [(message.to, message.title) for message in told]


def test_whoever_holds_the_role_is_told_that_it_runs_that_it_ends_and_that_it_is_over() -> None:
    town = started()
    sleep(town, 16 * DAY)
    name = town.incident.id
    assert paged(town) == [
        ("cara@example.org", f"{name}: the legal clock eu-ai-act-73-2 has started: 15d left"),
        ("cara@example.org", f"{name}: the legal clock eu-ai-act-73-2 runs: 7d left"),
        ("cara@example.org", f"{name}: the legal clock eu-ai-act-73-2 runs: 3d left"),
        ("cara@example.org", f"{name}: the legal clock eu-ai-act-73-2 runs: 1d left"),
        (
            "cara@example.org",
            f"{name}: the legal clock eu-ai-act-73-2 is OVERDUE: the authority was not informed in time",
        ),
        ("cara@example.org", f"{name}: the legal clock eu-ai-act-73-2 runs: OVERDUE by 1d"),
    ]
    text = next(p.message.text for p in town.incident.outbox if "/legal-" in p.key)
    assert "Art. 73(2)" in text
    assert f"firestation inform {name} eu-ai-act-73-2 --reference" in text


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        ("captain", ("ana",)),
        ("comms", ("cara",)),
        ("ben", ("ben",)),
        ("nobody-here", ("ana",)),
        ("approver", ("ana", "ben")),
        ("scribe", ("ana",)),
        ("investigator", ("ana",)),
    ],
)
def test_a_clock_always_finds_somebody(owner: str, told: tuple[str, ...]) -> None:
    town = world(Legal(owner=owner))
    town.attempt(acts.Categorize(by="ana", category="serious-incident", reason="harm"))
    assert owners(town.incident, town.incident.legal[0]) == told


def test_a_severity_starts_a_clock_of_ones_own_and_a_milder_one_does_not_stop_it() -> None:
    town = world()
    town.attempt(acts.Declare(by="ana", severity=Severity.SEV2, reason="bad"))
    assert not happened(town, record.Reminded)
    town.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="worse"))
    town.attempt(acts.Declare(by="ana", severity=Severity.SEV3, reason="better"))
    (run,) = town.incident.counting
    assert (run.clock.id, run.cause, run.due - run.since) == ("supervisor", "sev1", 4 * HOUR)
    assert any("supervisor for sev1 has started" in tell(event) for event in town.record)
    town.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="worse again"))
    assert len(town.incident.legal) == 1
    assert town.attempt(acts.Withdraw(by="ana", category="sev1", reason="it never was")) is None
    assert [run.running for run in town.incident.legal] == [False]


def test_what_was_known_before_counts_from_then() -> None:
    town = world()
    town.wait(2 * DAY)
    aware = town.now - 71 * HOUR
    town.attempt(acts.Categorize(by="ana", category="personal-data-breach", reason="names", aware_at=aware))
    (run,) = town.incident.counting
    assert run.due == town.now + HOUR
    (waits,) = [each for each in waiting_for(town.incident) if "Art. 33(1)" in each.what]
    assert (waits.who, waits.due) == ("cara", run.due)
    assert waits.command == f"firestation inform {town.incident.id} gdpr-33 --reference '...'"


# Refusals, with words ------------------------------------------------------------------------------------


INFORM = acts.Inform(by="cara", clock="gdpr-33", reference="4711")
REFUSED: list[tuple[str, acts.Act, int, str]] = [
    (
        "an unknown category",
        acts.Categorize(by="ana", category="bad-weather", reason="x"),
        0,
        "there are clocks for serious-incident, widespread-infringement, critical-infrastructure",
    ),
    (
        "a severity",
        acts.Categorize(by="ana", category="sev1", reason="x"),
        0,
        "firestation declare",
    ),
    ("twice", acts.Categorize(by="ana", category="personal-data-breach", reason="x"), 0, "already"),
    ("not the captain", acts.Categorize(by="ben", category="outage", reason="x"), 2, "captain's word"),
    ("withdraw by another", acts.Withdraw(by="ben", category="personal-data-breach", reason="x"), 2, "ana"),
    (
        "withdraw what is not",
        acts.Withdraw(by="ana", category="outage", reason="x"),
        0,
        "there is personal-data-breach",
    ),
    ("an unknown clock", INFORM.changed(clock="hipaa"), 0, "there is eu-ai-act-73-2"),
    ("not started", INFORM.changed(clock="supervisor"), 0, "was not started; there runs gdpr-33"),
    ("nobody who may", INFORM.changed(by="dan"), 0, "neither the captain, nor comms, nor the owner"),
    ("nobody who may either", INFORM.changed(by="ben"), 0, "the owner of gdpr-33 (comms)"),
    ("a stranger", INFORM.changed(by="eve"), 0, "not on the roster"),
    ("dismiss", acts.Dismiss(by="ana", reason="x"), 0, "firestation inform"),
    ("merge", acts.Merge(by="ana", into="other", reason="x"), 0, "firestation withdraw"),
    ("close", acts.Close(by="ana"), 0, "1 legal clock still runs down: gdpr-33"),
    (
        "a credential as reference",
        INFORM.changed(reference="ghp_" + "a1B2" * 9),
        11,
        "credential",
    ),
]


@pytest.mark.parametrize(
    ("act", "rule", "missing"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_refused_and_why(act: acts.Act, rule: int, missing: str) -> None:
    town = started("personal-data-breach")
    refusal = town.attempt(act)
    assert refusal is not None
    assert (refusal.rule, missing in refusal.missing) == (rule, True), refusal
    assert len(town.incident.counting) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda at: acts.Categorize(by="ana", category="outage", reason="x", aware_at=at),
        lambda at: INFORM.changed(at=at),
    ],
)
def test_a_time_is_not_in_the_future(act: Any) -> None:
    town = started("personal-data-breach")
    town.wait(DAY)
    town.now += 3 * HOUR  # nothing has happened since, and the time that is given is compared with now
    refusal = town.attempt(act(town.now + HOUR))
    assert refusal is not None
    assert "is in the future" in refusal.missing
    assert town.attempt(act(town.now - HOUR)) is None


def test_informed_at_by_reference_stands_and_is_said_once() -> None:
    town = started("personal-data-breach")
    town.wait(DAY)
    at = town.now - HOUR
    assert town.attempt(INFORM.changed(at=at, authority="the DPA of Berlin")) is None
    (run,) = town.incident.legal
    assert run.informed is not None
    told = run.informed
    assert (told.at, told.by, told.reference, told.authority) == (at, "cara", "4711", "the DPA of Berlin")
    again = town.attempt(INFORM)
    assert again is not None
    assert "cara has recorded already that the DPA of Berlin was informed: 4711" in again.missing
    assert town.attempt(acts.Dismiss(by="ana", reason="it is over")) is None
    assert list(breaches(town.incident)) == []


def test_what_was_withdrawn_stands_on_the_record_for_ever_and_may_start_again() -> None:
    town = started("personal-data-breach")
    assert town.attempt(acts.Withdraw(by="ana", category="personal-data-breach", reason="test data")) is None
    refusal = town.attempt(INFORM)
    assert refusal is not None
    assert "was stopped when ana withdrew personal-data-breach" in refusal.missing
    assert "withdrawn by ana: test data" in next(breaches(town.incident))
    assert town.attempt(acts.Categorize(by="ana", category="personal-data-breach", reason="real")) is None
    assert [each.running for each in town.incident.legal] == [False, True]
    assert "test data" in draft(town.incident, tuple(town.record))


def test_an_incident_of_before_has_no_clocks_and_says_so() -> None:
    town = world()
    brief = town.incident.brief.changed(clocks=())
    town.incident = town.incident.changed(brief=brief)
    refusal = town.attempt(acts.Categorize(by="ana", category="serious-incident", reason="x"))
    assert refusal is not None
    assert "there are clocks for nothing" in refusal.missing
    assert "clocks" not in brief.model_dump(mode="json")


# Do not alter before informing -----------------------------------------------------------------------------


def burning(legal: Legal = LAW) -> World:
    """An incident with a decision to take."""
    town = World(legal=legal)
    town.attempt(acts.Acknowledge(by="ana"))
    town.baseline()
    town.seal()
    return town


def test_the_plan_says_not_to_alter_before_informing_and_blocks_nobody() -> None:
    town = burning()
    seen = picture(town.incident, tuple(town.record))
    assert [plan.law for plan in seen.plans] == [()]
    town.attempt(acts.Categorize(by="ana", category="serious-incident", reason="harm"))
    (plan,) = picture(town.incident, tuple(town.record)).plans
    (words,) = plan.law
    assert (
        "do not alter before informing applies (Regulation (EU) 2024/1689 (EU AI Act), Art. 73(6))" in words
    )
    assert "not informed yet: the market surveillance authority" in words
    assert f"what was frozen: manifest {'b' * 12}" in words
    for name in ("ana", "ben"):
        assert town.attempt(acts.Approve(by=name, action=plan.digest)) is None
    assert town.work("reranker")
    told = [moment.text for moment in picture(town.incident, tuple(town.record)).timeline]
    in_sight = "(in sight: do not alter before informing, eu-ai-act-73-2 not informed)"
    assert f"ana approves {plan.digest[:12]} {in_sight}" in told
    assert any(text.startswith("move reranker") and text.endswith(in_sight) for text in told)
    assert any("move of reranker on the word of captain before" in each for each in breaches(town.incident))


def test_a_decision_request_says_it_first() -> None:
    town = World(legal=LAW)
    town.attempt(acts.Acknowledge(by="ana"))
    town.attempt(acts.Categorize(by="ana", category="serious-incident", reason="harm"))
    town.baseline()
    town.seal()
    asked = [p.message.text for p in town.incident.outbox if p.message.purpose == "decision"]
    assert asked
    assert all(text.startswith("do not alter before informing applies") for text in asked)


@pytest.mark.parametrize(
    ("legal", "category", "informed"),
    [
        (Legal(), "serious-incident", False),
        (LAW, "personal-data-breach", False),
        (LAW, "serious-incident", True),
    ],
    ids=["a system that may be altered", "a law that does not ask for it", "the authority is informed"],
)
def test_the_plan_says_nothing_where_it_does_not_apply(legal: Legal, category: str, informed: bool) -> None:
    town = burning(legal)
    town.attempt(acts.Categorize(by="ana", category=category, reason="harm"))
    if informed:
        assert town.attempt(INFORM.changed(by="ana", clock="eu-ai-act-73-2")) is None
    (plan,) = picture(town.incident, tuple(town.record)).plans
    assert plan.law == ()
    town.attempt(acts.Approve(by="ana", action=plan.digest))
    assert town.incident.altering == ()


def test_the_end_waits_for_the_clocks_and_then_comes() -> None:
    town = started()
    refusals = [town.attempt(acts.Dismiss(by="ana", reason="no fire")) for _ in range(2)]
    assert all(isinstance(each, Refused) for each in refusals)
    town.attempt(acts.Withdraw(by="ana", category="serious-incident", reason="nobody came to harm"))
    assert town.attempt(acts.Dismiss(by="ana", reason="no fire")) is None
    before = len(town.record)
    sleep(town, 30 * DAY)
    assert len(town.record) == before
