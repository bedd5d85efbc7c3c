"""The watch on simulated streams: how often it rings falsely, and how long a drop takes to be seen.

Quiet streams keep the promise exactly, which is the hardest case: whatever is better rings more seldom. Beside it, what
watches often do: a z-test of each window at one false alarm in a thousand windows, which nobody corrects for looking.
"""

import math
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist, fmean, stdev

from firestation.watch.betting import Bets
from firestation.watch.detector import Detector

SEED = 20261126
PROMISE, MATTERS = 0.95, 0.05
OUTCOMES = 50
EVERY = timedelta(hours=1)
DAYS, QUIET_RUNS = 1000, 50
DROPS, DROP_RUNS = (0.02, 0.05, 0.10), 400
BEFORE = 48
LONGEST = 5000
NAIVE_Z = NormalDist().inv_cdf(0.999)
SURE = NormalDist().inv_cdf(0.975)
EVERY_1000_DAYS, EVERY_100_DAYS = timedelta(days=1000), timedelta(days=100)


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


class Stream:
    """Windows of outcomes that are good with some rate; the same rate again is drawn from one table."""

    def __init__(self, rate: float, chance: random.Random) -> None:
        weights = [
            math.comb(OUTCOMES, good) * rate**good * (1 - rate) ** (OUTCOMES - good)
            for good in range(OUTCOMES + 1)
        ]
        self.chance, self.weights = chance, weights

    def windows(self, count: int) -> list[int]:
        """The good ones of each window."""
        return self.chance.choices(range(OUTCOMES + 1), self.weights, k=count)


def quiet_alarms(detector: Detector, chance: random.Random) -> tuple[float, float]:
    """Alarms in the quiet days of one run: the watch's, and the z-test's."""
    bets, rung, naive = Bets(), 0, 0
    lowest = OUTCOMES * PROMISE - NAIVE_Z * math.sqrt(OUTCOMES * PROMISE * (1 - PROMISE))
    for good in Stream(PROMISE, chance).windows(round(timedelta(days=DAYS) / EVERY)):
        bets = bets.after(PROMISE, MATTERS, OUTCOMES, good)
        naive += good < lowest
        if bets.log_m is not None and bets.log_m >= detector.log_threshold:
            bets, rung = Bets(), rung + 1
    return rung, naive


def delay(detector: Detector, drop: float, chance: random.Random) -> float:
    """Windows from the drop to the alarm, after some quiet ones."""
    bets = Bets()
    for good in Stream(PROMISE, chance).windows(BEFORE):
        bets = bets.after(PROMISE, MATTERS, OUTCOMES, good)
    for number, good in enumerate(Stream(PROMISE - drop, chance).windows(LONGEST), start=1):
        bets = bets.after(PROMISE, MATTERS, OUTCOMES, good)
        if bets.log_m is not None and bets.log_m >= detector.log_threshold:
            return number
    return LONGEST


def main() -> None:
    """Simulate and print two Markdown tables."""
    began, chance = time.perf_counter(), random.Random(SEED)
    print(
        f"Promise {PROMISE:.0%}, {OUTCOMES} outcomes a window, a window every hour, a drop of "
        f"{MATTERS:.0%} matters; seed {SEED}. A mean has its 95 % confidence interval."
    )
    print(f"\n{QUIET_RUNS} runs of {DAYS} quiet days, {QUIET_RUNS * DAYS * 24:,} windows a row:\n")
    print(
        "| stated: one false alarm in | at most, per 1,000 days | seen, per 1,000 days | an uncorrected z-test |"
    )
    print("|---|---:|---:|---:|")
    detectors = {"100 days": watching(EVERY_100_DAYS), "1,000 days": watching(EVERY_1000_DAYS)}
    for stated, detector in detectors.items():
        runs = [quiet_alarms(detector, chance) for _ in range(QUIET_RUNS)]
        ours, naive = (mean_of([float(run[index]) for run in runs]) for index in range(2))
        most = timedelta(days=1000) / detector.false_alarms
        print(f"| {stated} | {most:.0f} | {ours} | {naive} |", flush=True)
    print(
        f"\n{DROP_RUNS} runs a row, each after {BEFORE} quiet windows; the delay from the drop to the alarm:\n"
    )
    print("| the rate falls by | stated | windows | outcomes |\n|---|---|---:|---:|")
    for drop in DROPS:
        for stated, detector in detectors.items():
            seen = mean_of([delay(detector, drop, chance) for _ in range(DROP_RUNS)])
            print(
                f"| {100 * drop:.0f} points | {stated} | {seen} | {OUTCOMES * seen.value:.0f} |", flush=True
            )
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
