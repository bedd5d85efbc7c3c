"""The statistics of the watch: an e-detector, which may look as often as it likes.

*The null* says that the promise is kept: whatever came before, the next outcome X in [0, 1] has a mean of at least p.
For any q < p the number

    L = (q/p)^X ((1-q)/(1-p))^(1-X)

has a mean of at most 1 then: a^x b^(1-x) <= x a + (1-x) b (means of numbers, weighted), and the mean of the right side
is 1 when that of X is p, and less when it is more. For outcomes that are 0 or 1 it is the likelihood ratio. So the
product over outcomes is an e-process, and needs their number and their sum only (Waudby-Smith and Ramdas, "Estimating
means of bounded random variables by betting", JRSS B 2024).

Where the sum of their squares is known too, it bets on the spread instead: with z = (p - X) / (1 - p), which is not
below -1, and any l between 0 and 1,

    L = exp(l z + (l + log(1 - l)) z^2) <= 1 + l z

(Fan, Grama and Liu, "Exponential inequalities for martingales with applications", EJP 2015, (4.11)), and the mean of
the right side is at most 1 under the null. So values that lie close together say much more than a sum of them alone
can, which must fear the worst: that each is 0 or 1. Nothing is asked there of how far an outcome is *below* 0.

Outcomes that go wrong together, such as the requests that one hiccup fails, say less than they are many. If they come
in groups of c at most, and the null holds of each outcome given all earlier *groups*, then L^(1/c) of all is an
e-process, whatever happens within a group: by Hoelder's inequality the mean of a product of c-th roots is at most
the product of the c-th roots of the means.

The e-detector of Shiryaev and Roberts begins a bet in each window and adds what all have come to:

    M(t) = (1 + M(t-1)) L(t),   M(0) = 0

Under the null M(t) - t is a supermartingale; so if it rings when M >= N, it is N windows on average or more before a
false alarm (Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2024, Theorem 2.4). Where outcomes come in some windows
only, it begins as many bets as windows had gone by when the last ones came, which is known before these are: so N is
of all windows, and a daily eval need not wait for N evals. Nothing is asked of N, or of the number of outcomes in a
window; of their independence what the null says. The mean of several detectors is one too: so it makes several bets.
"""

import math

from firestation.model import Model

BETS = (0.5, 1.0, 2.0, 4.0)
"""It bets on so many times the smallest change that matters, with equal stakes; the first is a smaller one."""

FRACTIONS = (0.6, 0.25, 0.08, 0.02)
"""The l of the bets on values whose spread is known: great ones for small spreads, small ones for long tails."""

LOWEST = 0.02
"""No bet is on less than this share of the promise: one on nothing is lost for ever by the first good outcome."""

SOFT = 30.0
"""Beyond this, log(1 + e^x) is x in a float's precision."""

HALVINGS = 60
"""So often an interval is halved until its two ends are one float."""


def bets(promise: float, matters: float) -> tuple[float, ...]:
    """The rates that it bets on, below the promise."""
    return tuple(max(promise - times * matters, promise * LOWEST) for times in BETS)


def log_factor(promise: float, other: float, n: float, good: float) -> float:
    """The logarithm of L, for `n` outcomes whose sum is `good`."""
    worse = n - good
    return good * math.log(other / promise) + worse * math.log((1 - other) / (1 - promise))


def log_factors(promise: float, matters: float, n: float, good: float) -> tuple[float, ...]:
    """The logarithm of L for each bet on a rate."""
    return tuple(log_factor(promise, other, n, good) for other in bets(promise, matters))


def spread_factors(promise: float, n: float, good: float, squares: float) -> tuple[float, ...]:
    """The logarithm of L for each bet on values, of whose squares the sum is known as well."""
    worse = (n * promise - good) / (1 - promise)
    spread = max(n * promise**2 - 2 * promise * good + squares, 0.0) / (1 - promise) ** 2
    return tuple(each * worse + (each + math.log1p(-each)) * spread for each in FRACTIONS)


class Bets(Model):
    """How far the bets have come: log(M and what is staked next) of each; `log_m` is that of their mean M."""

    logs: tuple[float, ...] = (0.0,) * len(BETS)
    log_m: float | None = None

    def after(self, factors: tuple[float, ...], gone: float = 1.0) -> "Bets":
        """One sample further, after so many windows. `factors` is what each bet has won: the logarithm of its L."""
        each = [log + factor for log, factor in zip(self.logs, factors, strict=True)]
        highest = max(each)
        total = highest + math.log(sum(math.exp(log - highest) for log in each))
        return Bets(logs=tuple(_log_more(log, gone) for log in each), log_m=total - math.log(len(each)))


def _log_more(log: float, gone: float) -> float:
    """log(M + gone) of log(M)."""
    return math.log(gone) + _log_one_more(log - math.log(gone))


def _log_one_more(log: float) -> float:
    """log(1 + M) of log(M)."""
    return log if log > SOFT else math.log1p(math.exp(log))


def surely_at_least(n: float, total: float, alpha: float) -> float:
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
