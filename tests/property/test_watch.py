"""The course of a detector: what it makes of what it hears, whatever that is, and when it rings."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firestation.system import CheckFitting
from firestation.watch.course import Course, Heard, fresh, look, owed_in, put_back
from firestation.watch.detector import Detector
from firestation.watch.sample import Sample
from firestation.watch.view import view
from workflows.watch import WatchStart

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
DIGEST = "0" * 64


def detector(**changes: object) -> Detector:
    fields: dict[str, object] = {
        "id": "golden",
        "title": "Golden eval",
        "check": "golden",
        "at_least": 0.95,
        "matters": 0.05,
        "every": "5m",
        "rings": {"name": "GoldenFails", "labels": {"pattern": "reranker-regression"}},
    }
    return Detector.model_validate(fields | changes)


def heard(n: int, good: float, **more: object) -> Heard:
    return Heard(sample=Sample.model_validate({"n": n, "good": good, **more}), said="as the test wants it")


NOTHING = Heard(said="inconclusive: no answer")


def walked(watch: Detector, *looks: Heard) -> Iterator[Course]:
    """The course after each look."""
    course, now = fresh(watch, DIGEST, "refund-agent", NOW), NOW
    for each in looks:
        course = look(course, watch, each, now)
        yield course
        now += watch.every


def last(watch: Detector, *looks: Heard) -> Course:
    return list(walked(watch, *looks))[-1]


def test_it_rings_with_its_evidence_and_once_a_while() -> None:
    watch = detector(every="5m", again="30m")
    looks = [heard(20, 19)] * 5 + [heard(20, 12, request_ids=["ev-1", "ev-2"])] * 12
    courses = list(walked(watch, *looks))
    first = next(index for index, course in enumerate(courses) if course.owed)
    assert first >= 5
    (alarm,) = courses[first].owed
    assert (alarm.name, alarm.system, alarm.status) == ("GoldenFails", "refund-agent", "firing")
    assert alarm.started_at == NOW + 4 * watch.every  # when the first bad window began
    assert alarm.request_ids == ("ev-1", "ev-2")
    assert alarm.labels == {"pattern": "reranker-regression", "detector": "golden", "watch": "fire"}
    assert float(alarm.annotations["e_value"]) >= watch.threshold
    assert alarm.annotations["n"] == str(20 * (first - 4))
    rung = [course.rang_at for course in courses if course.rang_at]
    assert len(set(rung)) == 2
    assert rung[-1] - rung[0] >= watch.again
    assert len({alarm.key for alarm in courses[-1].owed}) == 2


@given(good=st.lists(st.integers(19, 20), min_size=1, max_size=60))
def test_a_promise_that_is_kept_rings_nobody(good: list[int]) -> None:
    assert last(detector(), *(heard(20, each) for each in good)).owed == ()


def test_few_outcomes_ring_nobody_however_bad_they_are() -> None:
    courses = list(walked(detector(minimum=40), *[heard(10, 0)] * 4))
    assert [bool(course.owed) for course in courses] == [False, False, False, True]


def test_a_window_is_counted_once() -> None:
    watch = detector()
    once = last(watch, heard(20, 18))
    assert look(once, watch, heard(20, 18), once.until) == once
    same = list(walked(watch, heard(20, 18, key="run-7"), heard(20, 18, key="run-7")))
    assert same[0].bets == same[1].bets
    assert same[1].heard_at == same[0].heard_at  # an eval that runs no more is silent
    assert last(watch, heard(20, 18, key="run-7"), heard(20, 18, key="run-8")).bets != same[0].bets


def test_silence_is_an_alarm_of_its_own_and_ends_with_the_first_word() -> None:
    watch = detector(talks_every="15m", again="1h")
    courses = list(walked(watch, heard(20, 20), *[NOTHING] * 16, heard(20, 20)))
    rung = [course.silent_at for course in courses]
    assert rung[:3] == [None] * 3
    assert rung[3] == NOW + timedelta(minutes=15)
    alarms = courses[-2].owed
    assert [(each.name, each.labels["watch"]) for each in alarms] == [("WatchSilent", "silence")] * 2
    assert alarms[0].started_at == NOW
    assert "no answer" in alarms[0].summary
    assert rung[-1] is None
    assert courses[-1].bets.log_m is not None


def test_two_days_that_differ_by_less_than_half_of_what_matters_ring_nobody() -> None:
    """Ten thousand outcomes an hour know the hour to a tenth of a point; the days differ by two."""
    watch = detector(at_least="same-hour", matters=0.05, every="1h", false_alarms="1000d", learn="7d")
    days = [0.90, 0.92, 0.91, 0.88, 0.93, 0.91, 0.88]
    usual = [heard(10_000, 10_000 * days[index // 24 % 7]) for index in range(24 * 28)]
    assert last(watch, *usual).owed == ()
    (alarm, *_) = last(watch, *usual, *[heard(10_000, 8_000)] * 3).owed
    assert alarm.started_at == NOW + (len(usual) - 1) * watch.every


def test_values_that_lie_close_together_are_soon_sure() -> None:
    """A quarter more tokens per answer: of a sum alone nobody could tell it from one answer in fifty that ran away."""
    watch = detector(at_least=None, at_most=400, matters=100, most=8000)
    quiet = [heard(50, 50 * 390, squares=50 * 390**2 * 1.3)] * 100
    burning = [heard(50, 50 * 500, squares=50 * 500**2 * 1.3)] * 12
    assert last(watch, *quiet).owed == ()
    assert last(watch, *quiet, *burning).owed
    only_sums = [
        Heard(sample=each.sample and each.sample.changed(squares=None), said="-") for each in burning
    ]
    assert last(watch, *quiet, *only_sums).owed == ()


def test_one_answer_that_costs_a_thousand_times_as_much_rings_nobody() -> None:
    """It is worth more than `most`, which a sum alone cannot bear: fifty windows later the mean is kept."""
    watch = detector(at_least=None, at_most=400, matters=100, most=8000)
    answer = 400_000
    spike = heard(50, 49 * 390 + answer, squares=49 * 390**2 * 1.3 + answer**2)
    assert last(watch, *[heard(50, 50 * 380, squares=50 * 380**2 * 1.3)] * 20, spike).owed == ()


def test_one_cause_that_fails_many_at_once_is_one() -> None:
    quiet, hiccup = [heard(50, 49)] * 20, heard(50, 30)
    assert last(detector(), *quiet, hiccup).owed
    assert last(detector(together=50), *quiet, hiccup).owed == ()
    assert last(detector(together=50), *quiet, *[hiccup] * 40).owed, "all day long it is a fire"


def test_more_good_ones_than_were_looked_at_are_no_outcome() -> None:
    """A check whose two numbers are swapped would find everything good for ever."""
    watch = detector()
    courses = list(walked(watch, heard(20, 20), *[heard(18, 20)] * 4))
    assert courses[-1].bets == courses[0].bets
    (alarm,) = courses[-1].owed
    assert (alarm.name, "20 of 18 cannot be" in alarm.summary) == ("WatchSilent", True)
    refusals = detector(at_least=None, at_most=0.1)
    assert last(refusals, *[heard(18, 20)] * 4).owed, "more refusals than requests are a fire"


@pytest.mark.parametrize("squares", [399.0, 0.0])
def test_squares_that_no_values_have_are_refused(squares: float) -> None:
    with pytest.raises(ValidationError, match="square each, then add"):
        Sample(n=4, good=40, squares=squares)
    assert Sample(n=4, good=40, squares=400).squares == 400


def test_a_clock_that_was_put_back_makes_nobody_deaf() -> None:
    """A server whose clock was a day ahead for one look; it looks on, and rings, by the right clock."""
    watch = detector()
    quiet = last(watch, *[heard(20, 20)] * 10)
    ahead = look(quiet, watch, heard(20, 10), quiet.until + timedelta(days=1))
    now = quiet.until + watch.every
    assert look(ahead, watch, heard(20, 8), now) == ahead, "else it is deaf"
    course = put_back(ahead, watch, now)
    for index in range(12):
        course = look(course, watch, heard(20, 8), now + index * watch.every)
    assert course.until == now + 11 * watch.every
    assert course.owed[-1].started_at < course.until
    assert put_back(quiet, watch, quiet.until - timedelta(seconds=59)) == quiet, "two clocks differ a little"


def test_an_eval_of_once_a_day_is_heard_as_often_as_it_is_looked_for() -> None:
    """The rate is of time: so an eval that comes with each 288th look is not 288 times as slow to be believed."""
    looks = 24 * 12

    def days_until(talks_every: str) -> int:
        watch = detector(talks_every=talks_every)
        evals = [heard(200, 196 if day < 20 else 182, key=f"run-{day}") for day in range(30)]
        courses = list(walked(watch, *(each for each in evals for _ in range(looks))))
        fires = ([alarm for alarm in course.owed if alarm.name == "GoldenFails"] for course in courses)
        return next(index for index, found in enumerate(fires) if found) // looks - 20

    assert days_until("30h") == 2
    assert days_until("5m") > 2, "the days between are silence, and no time that it may stake"


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"title": "Golden", "rings": {"name": "Other"}, "false_alarms": "10d", "again": "2h"}, True),
        ({"minimum": 3, "talks_every": "1h"}, True),
        ({"at_least": 0.9}, False),
        ({"matters": 0.04}, False),
        ({"every": "1m"}, False),
        ({"together": 2}, False),
        ({"learn": "8d"}, False),
    ],
)
def test_what_it_is_called_and_how_it_rings_may_be_changed_meanwhile(
    changes: dict[str, object], same: bool
) -> None:
    check = CheckFitting(id="golden", title="Golden", driver="memory")
    start = WatchStart(system="refund-agent", detector=detector(), check=check)
    other = start.changed(detector=detector(**changes), check=check.changed(title="Gold"))
    assert (start.definition() == other.definition()) == same
    assert start.definition() != start.changed(check=check.changed(driver="http")).definition()


def test_what_is_owed_is_read_where_nothing_else_can_be() -> None:
    course = last(detector(), *[heard(20, 3)] * 5)
    assert course.owed
    later = course.model_dump(mode="json") | {"of-a-later-version": 1}
    assert owed_in(later) == course.owed
    assert owed_in({"owed": [{"key": "nonsense"}, *later["owed"]]}) == course.owed
    assert owed_in("nonsense") == owed_in({"owed": 7}) == ()


def test_a_detector_keeps_its_digest() -> None:
    """Else every upgrade would make each detector forget what it knows, and a week of learning."""
    assert detector().sha256() == "7629372e196f072ff3c012e18633b81ee4f4587a1db0a2800628bd4c3a476525"


def test_a_sample_of_nothing_is_silence() -> None:
    assert last(detector(), *[heard(0, 0)] * 5).silent_at


def test_a_detector_without_a_promise_only_hears() -> None:
    watch = detector(at_least=None, matters=None)
    assert last(watch, *[heard(20, 0)] * 9).owed == ()
    assert last(watch, *[NOTHING] * 9).owed != ()


def test_what_must_not_rise_rings_when_it_does() -> None:
    watch = detector(at_least=None, at_most=400, matters=100, most=8000)
    assert last(watch, *[heard(50, 50 * 390)] * 100).owed == ()
    (alarm,) = last(watch, *[heard(50, 50 * 3900)] * 3).owed
    assert "3900 over" in alarm.summary
    assert "at most 400 is promised" in alarm.summary


def test_the_night_is_compared_with_the_night() -> None:
    """Each hour has its own rate; the same bad rate at noon is a fire, in the small hours it is not."""
    watch = detector(at_least="same-hour", matters=0.1, every="1h", false_alarms="100d", learn="7d")

    def usual(hour: int) -> Heard:
        return heard(200, 120 if hour < 12 else 190)

    hours = [(NOW + timedelta(hours=index - 1)).hour for index in range(24 * 9)]
    quiet = [usual(hour) for hour in hours]
    courses = list(walked(watch, *quiet))
    assert courses[24].learning
    assert not courses[-1].learning
    assert courses[-1].owed == ()
    noon = next(index for index in range(24 * 8, 24 * 9) if hours[index] == 12)
    burning = [heard(200, 120) if index >= noon else each for index, each in enumerate(quiet)]
    alarm, *_ = last(watch, *burning[: noon + 3]).owed
    assert alarm.started_at.hour == 12
    assert "at this hour is promised" in alarm.summary


def test_a_window_over_many_hours_is_not_compared_with_one_of_them() -> None:
    """Nobody looked from the small hours until noon: what was counted then is of all these hours."""
    watch = detector(at_least="same-hour", matters=0.1, every="1h", false_alarms="100d", learn="7d")

    def rate(hour: int) -> int:
        return 190 if hour < 12 else 120

    course, now = fresh(watch, DIGEST, "refund-agent", NOW), NOW
    for _ in range(24 * 9):
        course = look(course, watch, heard(200, rate((now - watch.every).hour)), now)
        now += watch.every
    assert not course.learning
    learned = course.hours
    away = now + timedelta(hours=20)
    hours = [(now + timedelta(hours=each) - watch.every).hour for each in range(21)]
    after = look(course, watch, heard(200 * 21, sum(map(rate, hours))), away)
    assert (after.owed, after.hours) == ((), learned)
    burning = look(course, watch, heard(200 * 21, 20 * 21), away)
    assert burning.owed, "a fire is a fire at every hour"


@given(
    looks=st.lists(
        st.one_of(
            st.just(NOTHING),
            st.builds(heard, n=st.just(20), good=st.integers(0, 20)),
            st.builds(heard, n=st.just(0), good=st.just(0)),
        ),
        max_size=30,
    ),
    same_hour=st.booleans(),
)
def test_a_course_survives_its_own_words_and_can_be_shown(looks: list[Heard], same_hour: bool) -> None:
    watch = detector(at_least="same-hour", learn="20m") if same_hour else detector()
    for course in walked(watch, *looks):
        assert Course.model_validate_json(course.model_dump_json()) == course
        seen = view("refund-agent", watch, course, course.until)
        assert 0 <= seen.near <= 1
        assert not seen.late
        assert len({alarm.key for alarm in course.owed}) == len(course.owed)


def test_nobody_looks_any_more_is_said() -> None:
    watch, course = detector(), last(detector(), heard(20, 20))
    assert view("refund-agent", watch, course, course.until + timedelta(minutes=16)).late
    assert view("refund-agent", watch, None, NOW).standing == "waits"
    long_ago = NOW - timedelta(minutes=16)
    assert view("refund-agent", watch, None, NOW, made=long_ago).late, "it has never looked, and should have"
    assert not view("refund-agent", watch, None, NOW, made=NOW).late
    assert view("refund-agent", watch, course, NOW).standing == "quiet"
    assert view("refund-agent", watch, course.changed(last=None), NOW).standing == "waits", (
        "it heard nothing yet"
    )


# The system file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"at_most": 0.1}, "at_most", "a detector for each"),
        ({"at_least": None}, "matters", "nothing is promised"),
        ({"matters": None}, "matters", "it is missing"),
        ({"at_least": 1}, "at_least", "promise less, such as 0.99"),
        ({"matters": 0.96}, "matters", "write less"),
        ({"at_least": None, "at_most": 0.98, "matters": 0.05}, "matters", "write less"),
        ({"false_alarms": "30m"}, "false_alarms", "10 times that"),
        ({"talks_every": "1m"}, "talks_every", "every 5m only"),
        ({"at_least": "last-week"}, "at_least", ""),
    ],
)
def test_a_detector_that_cannot_watch_is_refused(changes: dict[str, object], field: str, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        detector(**changes)
    (error, *_) = refused.value.errors()
    at = error.get("ctx", {}).get("at") or error["loc"]
    assert at[0] == field
    assert says in error["msg"]


def test_good_outcomes_of_none_are_refused() -> None:
    with pytest.raises(ValidationError, match="of no outcome at all"):
        Sample(n=0, good=1)
