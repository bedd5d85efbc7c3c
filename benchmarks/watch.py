"""The watch on simulated streams: how often it rings falsely, and how long a change takes to be seen.

Quiet streams keep the promise exactly, which is the hardest case: whatever is better rings more seldom. They are of
outcomes that know nothing of each other, and of some that go wrong together, which no rate is stated for unless the
detector is told. Beside it stands what watches often do, a z-test of each window that nobody corrects for looking; and
the best that could be had: a CUSUM that is told the drop before it comes, and whose threshold was found on this stream.
"""

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist, fmean, stdev

from firestation.watch.baseline import Hour
from firestation.watch.betting import Bets, log_factor, log_factors, spread_factors
from firestation.watch.detector import Detector

SEED = 20261126
PROMISE, MATTERS = 0.95, 0.05
OUTCOMES = 50
EVERY = timedelta(hours=1)
DAYS, QUIET_RUNS = 1000, 50
DROPS, DROP_RUNS = (0.02, 0.05, 0.10), 400
CUSUM_THRESHOLDS = {0.02: 7.69, 0.05: 8.31, 0.10: 8.30}
"""Found by bisection on streams of 9,000,000 windows; its false alarms are counted here again."""

CLUSTERED_RUNS, CORRELATION = 15, 0.02
COST, COST_MATTERS, COST_MOST, COST_SPREAD = 400.0, 100.0, 8000.0, 0.6
COSTS, COST_RUNS, COST_WINDOWS = (450.0, 500.0, 800.0), 60, 700
HOUR_OUTCOMES, HOUR_MEAN, HOUR_MATTERS, HOUR_RUNS, HOUR_DAYS, LEARNED_DAYS = 2000, 0.9, 0.1, 40, 100, 7
DAY_NOISES = (0.0, 0.01, 0.02, 0.03)
BEFORE = 48
LONGEST = 5000
NAIVE_Z = NormalDist().inv_cdf(0.999)
SURE = NormalDist().inv_cdf(0.975)
EVERY_1000_DAYS, EVERY_100_DAYS = timedelta(days=1000), timedelta(days=100)

Factors = tuple[float, ...]
Detect = Callable[[Iterable[float]], Iterator[bool]]


@dataclass(frozen=True)
class Mean:
    """A mean over runs, and half of its 95 % confidence interval."""

    value: float
    half: float

    def __str__(self) -> str:
        """As in the table."""
        return f"{self.value:.2f} ± {self.half:.2f}"


def mean_of(values: list[float]) -> Mean:
    """The mean and its interval, by the normal distribution."""
    return Mean(fmean(values), SURE * stdev(values) / math.sqrt(len(values)))


def watching(false_alarms: timedelta) -> Detector:
    """The detector under test."""
    return Detector.model_validate(
        {
            "id": "bench",
            "title": "Bench",
            "check": "bench",
            "at_least": PROMISE,
            "matters": MATTERS,
            "every": EVERY,
            "false_alarms": false_alarms,
            "rings": {"name": "Bench"},
        }
    )


# Streams: the good ones of each window ---------------------------------------------------------------------


def independent(rate: float, chance: random.Random, count: int, outcomes: int = OUTCOMES) -> list[int]:
    """Outcomes that are good with this rate, whatever the others are."""
    weights = [
        math.comb(outcomes, good) * rate**good * (1 - rate) ** (outcomes - good)
        for good in range(outcomes + 1)
    ]
    return chance.choices(range(outcomes + 1), weights, k=count)


def clustered(rate: float, chance: random.Random, count: int) -> Iterator[int]:
    """The same rate on average, and another one in each window: outcomes of one are correlated (beta-binomial)."""
    total = 1 / CORRELATION - 1
    for _ in range(count):
        here = chance.betavariate(rate * total, (1 - rate) * total)
        yield sum(chance.random() < here for _ in range(OUTCOMES))


# Detectors: whether each window rings ----------------------------------------------------------------------


def ringing(threshold: float, factors: Iterable[Factors]) -> Iterator[bool]:
    """The watch itself."""
    bets = Bets()
    for each in factors:
        bets = bets.after(each)
        rings = bets.log_m is not None and bets.log_m >= threshold
        bets = Bets() if rings else bets
        yield rings


def watch(false_alarms: timedelta, together: int = 1) -> Detect:
    """The watch, told that so many outcomes go wrong together."""
    each = {
        good: tuple(found / together for found in log_factors(PROMISE, MATTERS, OUTCOMES, good))
        for good in range(OUTCOMES + 1)
    }
    threshold = watching(false_alarms).log_threshold
    return lambda goods: ringing(threshold, (each[round(good)] for good in goods))


def z_test(goods: Iterable[float]) -> Iterator[bool]:
    """Each window by itself, at one false alarm in a thousand windows."""
    lowest = OUTCOMES * PROMISE - NAIVE_Z * math.sqrt(OUTCOMES * PROMISE * (1 - PROMISE))
    return (good < lowest for good in goods)


def cusum(drop: float) -> Detect:
    """Page's, of the likelihood ratio of just this drop."""

    def rings(goods: Iterable[float]) -> Iterator[bool]:
        come = 0.0
        for good in goods:
            come = max(come, 0.0) + log_factor(PROMISE, PROMISE - drop, OUTCOMES, good)
            yield come >= CUSUM_THRESHOLDS[drop]
            come = 0.0 if come >= CUSUM_THRESHOLDS[drop] else come

    return rings


def delay(rings: Iterator[bool]) -> float:
    """Windows from the change to the alarm. One in the quiet windows before was false, and is not it."""
    for number, rung in enumerate(rings, start=1):
        if rung and number > BEFORE:
            return number - BEFORE
    return LONGEST


# Tables ----------------------------------------------------------------------------------------------------


def quiet(chance: random.Random) -> None:
    """False alarms, of outcomes that know nothing of each other and of others."""
    count = round(timedelta(days=DAYS) / EVERY)
    print(
        f"\nFalse alarms in {DAYS:,} quiet days ({QUIET_RUNS} runs, {CLUSTERED_RUNS} of the clustered ones):\n"
    )
    print("| outcomes | detector | stated at most | seen |\n|---|---|---:|---:|")
    alone = [independent(PROMISE, chance, count) for _ in range(QUIET_RUNS)]
    grouped = [list(clustered(PROMISE, chance, count)) for _ in range(CLUSTERED_RUNS)]
    correlated = f"correlated by {CORRELATION} within a window"
    rows: list[tuple[str, list[list[int]], str, str, Detect]] = [
        ("independent", alone, "the watch, one in 100 days", "10", watch(EVERY_100_DAYS)),
        ("independent", alone, "the watch, one in 1,000 days", "1", watch(EVERY_1000_DAYS)),
        ("independent", alone, "a z-test of each window", "", z_test),
        *(("independent", alone, f"a CUSUM told {100 * drop:.0f} points", "", cusum(drop)) for drop in DROPS),
        (correlated, grouped, "the watch, one in 1,000 days", "none", watch(EVERY_1000_DAYS)),
        (correlated, grouped, "the same, `together: 5`", "none", watch(EVERY_1000_DAYS, 5)),
        (correlated, grouped, f"the same, `together: {OUTCOMES}`", "1", watch(EVERY_1000_DAYS, OUTCOMES)),
    ]
    for stream, runs, name, stated, detect in rows:
        seen = mean_of([float(sum(detect(goods))) for goods in runs])
        print(f"| {stream} | {name} | {stated} | {seen} |", flush=True)


def drops(chance: random.Random) -> None:
    """How long a drop takes to be seen."""
    print(f"\nWindows from a drop to the alarm, {DROP_RUNS} runs a row, each after {BEFORE} quiet windows:\n")
    head = ("one in 100 days", "one in 1,000 days", "`together: 5`", "the best CUSUM that is told the drop")
    print(f"| the rate falls by | {' | '.join(head)} |\n|---|---:|---:|---:|---:|")
    for drop in DROPS:
        detectors = (watch(EVERY_100_DAYS), watch(EVERY_1000_DAYS), watch(EVERY_1000_DAYS, 5), cusum(drop))
        found: list[list[float]] = [[] for _ in detectors]
        for _ in range(DROP_RUNS):
            goods = independent(PROMISE, chance, BEFORE) + independent(PROMISE - drop, chance, LONGEST)
            for seen, detect in zip(found, detectors, strict=True):
                seen.append(delay(detect(goods)))
        cells = " | ".join(str(mean_of(seen)) for seen in found)
        print(f"| {100 * drop:.0f} points | {cells} |", flush=True)


def costs(chance: random.Random) -> None:
    """How long a rise in tokens takes to be seen, with and without their squares."""
    sigma = math.sqrt(math.log(1 + COST_SPREAD**2))
    promise, matters = 1 - COST / COST_MOST, COST_MATTERS / COST_MOST
    threshold = watching(EVERY_1000_DAYS).log_threshold

    def window(mean: float) -> list[float]:
        middle = math.log(mean) - sigma**2 / 2
        return [1 - chance.lognormvariate(middle, sigma) / COST_MOST for _ in range(OUTCOMES)]

    print(
        f"\nWindows from a rise of tokens to the alarm, {COST_RUNS} runs a row; one in 1,000 days, at most {COST:.0f},"
    )
    print(
        f"{COST_MATTERS:.0f} matter, {COST_MOST:.0f} at most, lognormal with a spread of {COST_SPREAD:.0%}:\n"
    )
    print("| the mean rises to | by the sum alone | with the squares |\n|---|---:|---:|")
    for mean in COSTS:
        sums, spreads = list[float](), list[float]()
        for _ in range(COST_RUNS):
            windows = [window(COST if number < BEFORE else mean) for number in range(BEFORE + COST_WINDOWS)]
            by_sum = (log_factors(promise, matters, OUTCOMES, sum(each)) for each in windows)
            sums.append(delay(ringing(threshold, by_sum)))
            by_spread = (
                spread_factors(promise, OUTCOMES, sum(each), sum(value**2 for value in each))
                for each in windows
            )
            spreads.append(delay(ringing(threshold, by_spread)))
        print(f"| {mean:.0f} | {mean_of(sums)} | {mean_of(spreads)} |", flush=True)


def seasons(chance: random.Random) -> None:
    """False alarms of `same-hour`, where two days are not alike."""
    print(
        f"\nFalse alarms of `same-hour` in 1,000 days, {HOUR_MATTERS:.0%} matter, {HOUR_OUTCOMES:,} outcomes an hour,"
    )
    print(
        f"{LEARNED_DAYS} days learned; the hour's rate differs from day to day by so much (standard deviation):\n"
    )
    print("| days differ by | seen, one in 1,000 days | without the half of what matters |\n|---|---:|---:|")
    threshold = watching(EVERY_1000_DAYS).log_threshold
    for noise in DAY_NOISES:
        spread = math.sqrt(noise**2 + HOUR_MEAN * (1 - HOUR_MEAN) / HOUR_OUTCOMES)
        with_half, without = list[float](), list[float]()
        for _ in range(HOUR_RUNS):
            windows = [chance.gauss(HOUR_MEAN, spread) for _ in range(24 * (LEARNED_DAYS + HOUR_DAYS))]
            learned, judged = windows[: 24 * LEARNED_DAYS], windows[24 * LEARNED_DAYS :]
            n = HOUR_OUTCOMES * LEARNED_DAYS
            hours = [Hour(n=n, good=HOUR_OUTCOMES * sum(learned[hour::24])) for hour in range(24)]
            for matters, alarms in ((HOUR_MATTERS, with_half), (0.0, without)):
                promises = [hour.promise(matters) for hour in hours]
                factors = (
                    log_factors(
                        promises[number % 24], HOUR_MATTERS, HOUR_OUTCOMES, HOUR_OUTCOMES * min(rate, 1.0)
                    )
                    for number, rate in enumerate(judged)
                )
                alarms.append(sum(ringing(threshold, factors)) * 1000 / HOUR_DAYS)
        print(f"| {100 * noise:.0f} points | {mean_of(with_half)} | {mean_of(without)} |", flush=True)


def main() -> None:
    """Simulate and print Markdown tables."""
    began, chance = time.perf_counter(), random.Random(SEED)
    print(
        f"Promise {PROMISE:.0%}, {OUTCOMES} outcomes a window, a window every hour, a drop of "
        f"{MATTERS:.0%} matters; seed {SEED}. A mean has its 95 % confidence interval."
    )
    for table in (quiet, drops, costs, seasons):
        table(chance)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
