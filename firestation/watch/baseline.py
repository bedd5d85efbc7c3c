"""What an hour of the day is like, learned from the first days: seasons are no fires."""

from typing import Self

from firestation.model import Model
from firestation.watch.betting import surely_at_least

HOURS = 24
DOUBT = 0.01
"""The probability that of any hour more is believed than is true, all hours together."""


class Hour(Model):
    """What was counted in one hour of the day while it was learned; `good` in the scale of the statistics."""

    n: int = 0
    good: float = 0.0

    def more(self, n: int, good: float) -> Self:
        """With one window more."""
        return self.changed(n=self.n + n, good=self.good + good)

    def promise(self, matters: float, together: int = 1) -> float:
        """What is surely kept in this hour: less than its mean, the more so the less was seen.

        And less than it by half of what matters at least: nobody has promised that two days are alike, and of many
        outcomes the smallest difference between them would be as sure as a fire.
        """
        if self.n == 0:
            return 0.0
        surely = surely_at_least(self.n / together, self.good / together, DOUBT / HOURS)
        mean = self.good / self.n
        return min(surely, mean - min(matters, mean) / 2)


EMPTY = (Hour(),) * HOURS


def with_more(hours: tuple[Hour, ...], hour: int, n: int, good: float) -> tuple[Hour, ...]:
    """The hours with one window more in this one."""
    return tuple(each.more(n, good) if index == hour else each for index, each in enumerate(hours))
