"""The statistics of the watch: an e-detector, which may look as often as it likes.

*The null* says that the promise is kept: whatever came before, the next outcome X in [0, 1] has a mean of at least p.
For any q < p the number

    L = (q/p)^X ((1-q)/(1-p))^(1-X)

has a mean of at most 1 then: a^x b^(1-x) <= x a + (1-x) b (means of numbers, weighted), and the mean of the right side
is 1 when that of X is p, and less when it is more. For outcomes that are 0 or 1 it is the likelihood ratio. So the
product over outcomes is an e-process, and needs their number and their sum only (Waudby-Smith and Ramdas, "Estimating
means of bounded random variables by betting", JRSS B 2024).

The e-detector of Shiryaev and Roberts begins a bet in each window and adds what all have come to:

    M(t) = (1 + M(t-1)) L(t),   M(0) = 0

Under the null M(t) - t is a supermartingale; so if it rings when M >= N, it looks N windows on average or more before a
false alarm (Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2024, Theorem 2.4). Nothing is asked of N, of the number of
outcomes in a window, or of their independence. The mean of several detectors is one too: so it bets on several q.
"""

import math

from firestation.model import Model

BETS = (0.5, 1.0, 2.0, 4.0)
"""It bets on so many times the smallest change that matters, with equal stakes; the first is a smaller one."""

LOWEST = 0.02
"""No bet is on less than this share of the promise: one on nothing is lost for ever by the first good outcome."""

SOFT = 30.0
"""Beyond this, log(1 + e^x) is x in a float's precision."""

HALVINGS = 60
"""So often an interval is halved until its two ends are one float."""


def bets(promise: float, matters: float) -> tuple[float, ...]:
    """The rates that it bets on, below the promise."""
    return tuple(max(promise - times * matters, promise * LOWEST) for times in BETS)


def log_factor(promise: float, other: float, n: int, good: float) -> float:
    """The logarithm of L, for `n` outcomes whose sum is `good`."""
    worse = n - good
    return good * math.log(other / promise) + worse * math.log((1 - other) / (1 - promise))


class Bets(Model):
    """How far the bets have come: log(1 + M) of each, so that none is log(0); `log_m` is that of their mean."""

    logs: tuple[float, ...] = (0.0,) * len(BETS)
    log_m: float | None = None

    def after(self, promise: float, matters: float, n: int, good: float) -> "Bets":
        """One window further."""
        each = [
            log + log_factor(promise, other, n, good)
            for log, other in zip(self.logs, bets(promise, matters), strict=True)
        ]
        highest = max(each)
        total = highest + math.log(sum(math.exp(log - highest) for log in each))
        return Bets(logs=tuple(_log_one_more(log) for log in each), log_m=total - math.log(len(each)))


def _log_one_more(log: float) -> float:
    """log(1 + M) of log(M)."""
    return log if log > SOFT else math.log1p(math.exp(log))


def surely_at_least(n: int, total: float, alpha: float) -> float:
    """The highest rate that the mean of `n` outcomes with this sum is surely not below; 0 when nothing is sure.

    That it is wrong, ever, however often one looks, has a probability of `alpha` at most: Ville's inequality for the
    uniform mixture of the bets above (Robbins, "Statistical methods related to the law of the iterated logarithm",
    1970).
    """
    if n == 0 or total <= 0:
        return 0.0
    beta = math.lgamma(total + 1) + math.lgamma(n - total + 1) - math.lgamma(n + 2)
    low, high = 0.0, total / n
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle <= low:
            break
        kept = total * math.log(middle) + (n - total) * math.log1p(-middle)
        low, high = (middle, high) if beta - kept >= -math.log(alpha) else (low, middle)
    return low
