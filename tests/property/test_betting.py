"""The watch's statistics keep what their theorems promise: counted out exactly where that can be done."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.watch.baseline import Hour
from firestation.watch.betting import (
    FRACTIONS,
    Bets,
    bets,
    log_factor,
    log_factors,
    spread_factors,
    surely_at_least,
)

PROMISES = st.floats(0.05, 0.995)


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


@given(promise=PROMISES, low=st.floats(0, 1), high=st.floats(0, 1), longer=st.floats(1, 50))
def test_a_bet_on_the_spread_is_no_better_than_fair(
    promise: float, low: float, high: float, longer: float
) -> None:
    """Any two values, mixed so that the promise is just kept; the lower one may be far below 0, as tokens may be."""
    below, above = promise - longer * (promise - low * promise), promise + high * (1 - promise)
    if above - below < 1e-6:
        return
    weight = (promise - below) / (above - below)
    mean = [0.0] * len(FRACTIONS)
    for chance, value in ((weight, above), (1 - weight, below)):
        for index, factor in enumerate(spread_factors(promise, 1, value, value**2)):
            mean[index] += chance * math.exp(factor)
    assert max(mean) <= 1 + 1e-9


@pytest.mark.parametrize(("together", "fair"), [(5, True), (4, False), (1, False)])
def test_outcomes_that_go_wrong_together_are_fair_as_one(together: int, fair: bool) -> None:
    """Five that are all good or all bad, as often as is promised: the fifth root is fair, and nothing less is."""
    good, bad = (log_factors(0.95, 0.05, 5, each) for each in (5, 0))
    for won, lost in zip(good, bad, strict=True):
        mean = 0.95 * math.exp(won / together) + 0.05 * math.exp(lost / together)
        assert (mean <= 1 + 1e-9) == fair


@pytest.mark.parametrize("promise", [0.5, 0.9, 0.98])
def test_the_detector_gains_one_a_window_on_average_and_no_more(promise: float) -> None:
    """M(t) - t is a martingale under the null, so it comes to N after N windows on average. All of 3^6 ways."""
    ways = {k: math.comb(2, k) * promise**k * (1 - promise) ** (2 - k) for k in range(3)}
    for windows in (1, 3, 6):
        mean = 0.0
        for way in product(ways, repeat=windows):
            state = Bets()
            for good in way:
                state = state.after(log_factors(promise, 0.05, 2, good))
            assert state.log_m is not None
            mean += math.prod(ways[k] for k in way) * math.exp(state.log_m)
        assert math.isclose(mean, windows, rel_tol=1e-9)


@pytest.mark.parametrize("gone", [(1.0, 1.0, 1.0), (5.0, 0.25, 3.0)])
def test_it_gains_one_for_each_window_gone_by_and_no_more(gone: tuple[float, ...]) -> None:
    """Of outcomes that come now and then, or of a look out of turn: what was staked is what comes back on average."""
    mean = 0.0
    for way in product((0, 1), repeat=len(gone)):
        state = Bets()
        for good, windows in zip(way, gone, strict=True):
            state = state.after(log_factors(0.9, 0.05, 1, good), windows)
        assert state.log_m is not None
        mean += math.prod(0.9 if good else 0.1 for good in way) * math.exp(state.log_m)
    assert math.isclose(mean, 1 + sum(gone[:-1]), rel_tol=1e-9)


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
                state = Bets(logs=logs).after(log_factors(promise, 0.2, 1, good))
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
    assert Hour().promise(0.1) == 0


@given(n=st.integers(1, 10**9), share=st.floats(0, 1), matters=st.floats(0.001, 0.5))
def test_an_hour_promises_less_than_was_seen_by_half_of_what_matters(
    n: int, share: float, matters: float
) -> None:
    """However much was seen: no two days are alike."""
    hour = Hour(n=n, good=n * share)
    assert 0 <= hour.promise(matters) <= max(share - matters / 2, share / 2) + 1e-12
    assert hour.promise(matters, 50) <= hour.promise(matters) + 1e-12
