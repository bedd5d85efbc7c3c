"""A storm, made small: what rings again and again becomes one alarm with a tally, told at growing intervals. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from firestation.alarm import MOST_KINDS, Alarm, Status, Tally
from firestation.model import Model
from firestation.state import FLAPS

OTHERS = ""
"""The place of all alarms beyond the most that are kept one by one."""

NEWS_FIRST = timedelta(seconds=0.25)
NEWS_MOST = timedelta(seconds=30)
"""What is new is told at once, then a little later each time, and never later than this."""

MOST_DOUBLINGS = 20
"""Repeats are told after the first interval, then after twice as long, and so on: 30 s becomes ten minutes."""

CALM = timedelta(minutes=10)
"""After so long in which nothing rang the next word is told as if it were the first."""

SMALL = 5_000
"""So many bytes of repeats may be told that often; of more the longest interval is longer in proportion."""

MUCH = 700_000
"""When a run was told so many bytes, nothing is news to it, and each word waits for the longest pause of its size at
once: what it has on its record it must be able to hand on."""


class Heap(Model):
    """One alarm as it rang last, and how often it rang since it was told last. Of others it is the first one."""

    alarm: Alarm
    tally: Tally

    @property
    def fired(self) -> bool:
        """Whether it was ever more than an all-clear."""
        return "firing" in {self.alarm.status, self.tally.began} or self.tally.changes > 0

    @property
    def alone(self) -> Self:
        """As what opens an incident: of which one alarm at least is kept by itself, if it is a sample of others."""
        return self.changed(tally=self.tally.changed(others=False))


def place(alarm: Alarm, taken: Collection[str]) -> str:
    """On which heap an alarm goes, where there are these already."""
    return among(f"{alarm.source}/{alarm.key}", taken)


def among(where: str, taken: Collection[str]) -> str:
    """This place, or that of the others where there are enough."""
    return where if where in taken or len(set(taken) - {OTHERS}) < MOST_KINDS else OTHERS


def fewer(heaps: Mapping[str, Heap], known: Collection[str]) -> tuple[Heap, ...]:
    """The heaps for a run that knows these places: beyond the most that is kept one by one they are told as one."""
    found, taken = dict[str, Heap](), set(known)
    for where, heap in heaps.items():
        to = among(where, taken)
        taken.add(to)
        if to == OTHERS:
            before = found.get(OTHERS)
            tally = together(before.tally, heap.tally) if before else heap.tally
            heap = (before or heap).changed(tally=tally.changed(others=True, changes=0))  # noqa: PLW2901
        found[to] = heap
    return tuple(found.values())


def pile(heap: Heap | None, alarm: Alarm, at: datetime, *, others: bool = False) -> Heap:
    """The heap with this alarm on it."""
    if heap is None:
        return Heap(
            alarm=alarm, tally=Tally(times=1, first_at=at, last_at=at, began=alarm.status, others=others)
        )
    before = heap.tally
    turned = not others and heap.alarm.status != alarm.status
    tally = before.changed(
        times=before.times + 1,
        first_at=min(before.first_at, at),
        last_at=max(before.last_at, at),
        changes=before.changes + turned,
    )
    if others:  # a fire among them is no all-clear
        fire = alarm.status == "firing" and not heap.fired
        return Heap(alarm=alarm if fire else heap.alarm, tally=tally)
    return Heap(alarm=alarm.again(heap.alarm), tally=tally)


def together(one: Tally, other: Tally) -> Tally:
    """Two tallies of one alarm as one, the earlier first."""
    return one.changed(
        times=one.times + other.times,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
        changes=one.changes + other.changes,
    )


@dataclass(frozen=True)
class Pace:
    """What one run of an incident was told by one gateway, and how often: it decides when the next word is due.

    `told` is the last status of each alarm, `turns` how often it changed. `size` are the bytes of what was told last,
    `total` those of all. Seconds are of a monotonic clock.
    """

    run: str | None = None
    told: Mapping[str, Status] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)
    news: int = 0
    repeats: int = 0
    last: float = float("-inf")
    size: int = 0
    total: int = 0

    def is_news(self, heaps: Mapping[str, Heap]) -> bool:
        """Whether something among these was not told: another alarm, or another status of one that does not flap."""
        if self.total > MUCH:
            return False
        places = ((among(where, self.told), heap) for where, heap in heaps.items())
        return any(
            where not in self.told
            or (self.told[where] != heap.alarm.status and self.turns.get(where, 0) < FLAPS)
            for where, heap in places
            if where != OTHERS or OTHERS not in self.told
        )

    def due(self, heaps: Mapping[str, Heap], now: float, first: timedelta) -> float:
        """When these are to be told. `first` is the interval of the first repeats."""
        calm = self.is_calm(now, first)
        if self.is_news(heaps):
            doublings = 0 if calm else self.news
            wait = min(NEWS_FIRST * (2 ** (doublings - 1)), NEWS_MOST) if doublings else timedelta()
        else:
            wait = first if calm else self._pause(first)
        return max(self.last, 0.0) + wait.total_seconds() if self.told else now

    def after(self, heaps: Mapping[str, Heap], now: float, run: str | None, first: timedelta) -> "Pace":
        """The pace once these were told to this run."""
        mine = self if run == self.run else Pace(run=run)
        calm = mine.is_calm(now, first)
        news = mine.is_news(heaps)
        told, turns = dict(mine.told), dict(mine.turns)
        for each, heap in heaps.items():
            where = among(each, told)
            before = told.get(where, heap.tally.began)
            turned = heap.tally.changes + (before != heap.tally.began)
            turns[where] = turns.get(where, 0) + turned
            told[where] = heap.alarm.status
        size = sum(len(heap.model_dump_json()) for heap in fewer(heaps, mine.told))
        return Pace(
            run=run,
            told=told,
            turns=turns,
            news=(0 if calm else mine.news) + news,
            repeats=(0 if calm else mine.repeats) + (not news),
            last=now,
            size=size,
            total=mine.total + size,
        )

    def is_calm(self, now: float, first: timedelta) -> bool:
        """Whether nothing rang for long: else it would have been told when its pause was over."""
        return now - self.last > (self._pause(first) + CALM).total_seconds()

    def _pause(self, first: timedelta) -> timedelta:
        """How long repeats gather now."""
        longest: timedelta = first * MOST_DOUBLINGS * max(1.0, self.size / SMALL)
        doubled: timedelta = first * 2 ** min(self.repeats, 16)
        return longest if self.total > MUCH else min(doubled, longest)
