"""How sure some runs make one: the exact bound of Clopper and Pearson, one-sided."""

from math import comb

STEPS = 60
"""Halvings of the interval from 0 to 1, which leave less than a double can tell."""


def lower_bound(held: int, of: int, level: float) -> float:
    """With `level` confidence, the true rate is at least this when `held` of `of` independent runs held.

    It is the rate at which so many or more would hold with probability 1 - `level`. Raises `ValueError` when `held` is
    not within 0 and `of`, or `level` not between 0 and 1.
    """
    if not 0 <= held <= of or not 0 < level < 1:
        msg = f"{held} of {of} at {level} is no result; give 0 <= held <= of and 0 < level < 1"
        raise ValueError(msg)
    if held == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _at_least(held, of, middle) < 1 - level:
            low = middle
        else:
            high = middle
    return low


def _at_least(held: int, of: int, rate: float) -> float:
    """The probability that `held` or more of `of` runs hold, each at this rate."""
    return sum(comb(of, each) * rate**each * (1 - rate) ** (of - each) for each in range(held, of + 1))
