"""The watch's statistics keep what their theorems promise: counted out exactly where that can be done."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firestation.watch.baseline import Hour
from firestation.watch.betting import Bets, bets, log_factor, surely_at_least
from firestation.watch.course import Course, Heard, fresh, look
from firestation.watch.detector import Detector
from firestation.watch.sample import Sample
from firestation.watch.view import view

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
DIGEST = "0" * 64
PROMISES = st.floats(0.05, 0.995)


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


# The statistics ------------------------------------------------------------------------------------------


def expected_factor(promise: float, other: float, rate: float, n: int) -> float:
    """The mean of L over all outcomes of n trials, each good with this rate."""
    return sum(
        math.comb(n, k) * rate**k * (1 - rate) ** (n - k) * math.exp(log_factor(promise, other, n, k))
        for k in range(n + 1)
    )


@given(promise=PROMISES, share=st.floats(0.01, 0.9), n=st.integers(1, 30))
def test_a_bet_is_fair_when_the_promise_is_just_kept(promise: float, share: float, n: int) -> None:
    for other in bets(promise, share * promise):
        assert math.isclose(expected_factor(promise, other, promise, n), 1.0, rel_tol=1e-9)


@given(promise=PROMISES, share=st.floats(0.01, 0.9), better=st.floats(0, 1), n=st.integers(1, 30))
def test_a_bet_loses_when_the_promise_is_more_than_kept(
    promise: float, share: float, better: float, n: int
) -> None:
    rate = promise + better * (1 - promise)
    for other in bets(promise, share * promise):
        assert expected_factor(promise, other, rate, n) <= 1 + 1e-9


@given(
    promise=PROMISES,
    share=st.floats(0.01, 0.9),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
)
def test_a_bet_on_values_is_no_better_than_fair(
    promise: float, share: float, low: float, high: float
) -> None:
    """Outcomes between 0 and 1: any two values below and above the promise, mixed so that it is just kept."""
    below, above = low * promise, promise + high * (1 - promise)
    if above - below < 1e-6:
        return
    weight = (promise - below) / (above - below)
    for other in bets(promise, share * promise):
        mean = (1 - weight) * math.exp(log_factor(promise, other, 1, below))
        mean += weight * math.exp(log_factor(promise, other, 1, above))
        assert mean <= 1 + 1e-9


@pytest.mark.parametrize("promise", [0.5, 0.9, 0.98])
def test_the_detector_gains_one_a_window_on_average_and_no_more(promise: float) -> None:
    """M(t) - t is a martingale under the null, so it comes to N after N windows on average. All of 3^6 ways."""
    ways = {k: math.comb(2, k) * promise**k * (1 - promise) ** (2 - k) for k in range(3)}
    for windows in (1, 3, 6):
        mean = 0.0
        for way in product(ways, repeat=windows):
            state = Bets()
            for good in way:
                state = state.after(promise, 0.05, 2, good)
            assert state.log_m is not None
            mean += math.prod(ways[k] for k in way) * math.exp(state.log_m)
        assert math.isclose(mean, windows, rel_tol=1e-9)


@pytest.mark.parametrize(("promise", "threshold"), [(0.7, 3.0), (0.7, 6.0), (0.9, 6.0)])
def test_a_false_alarm_is_as_rare_as_is_stated(promise: float, threshold: float) -> None:
    """The mean time to the first alarm of a stream that just keeps the promise, of which 13 windows are counted out.

    Whoever has not rung by then counts as if they rang there, so the true mean is more.
    """
    alive, mean = {(Bets().logs): 1.0}, 0.0
    for _ in range(13):
        mean += sum(alive.values())
        after: dict[tuple[float, ...], float] = {}
        for logs, chance in alive.items():
            for good, rate in ((1, promise), (0, 1 - promise)):
                state = Bets(logs=logs).after(promise, 0.2, 1, good)
                assert state.log_m is not None
                if state.log_m < math.log(threshold):
                    after[state.logs] = after.get(state.logs, 0.0) + chance * rate
        alive = after
    assert mean >= threshold


@given(n=st.integers(1, 12), rate=st.floats(0.02, 0.98))
def test_what_is_surely_kept_is_kept(n: int, rate: float) -> None:
    """Counted out: the bound that is learned is above the truth with a probability of alpha at most."""
    alpha = 0.05
    wrong = sum(
        math.comb(n, k) * rate**k * (1 - rate) ** (n - k)
        for k in range(n + 1)
        if surely_at_least(n, k, alpha) > rate
    )
    assert wrong <= alpha


@given(n=st.integers(0, 10**6), share=st.floats(0, 1))
def test_what_is_surely_kept_is_less_than_what_was_seen(n: int, share: float) -> None:
    total = n * share
    bound = surely_at_least(n, total, 0.01)
    assert 0 <= bound <= (total / n if n else 0)
    assert Hour().promise() == 0


# The course ----------------------------------------------------------------------------------------------


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
