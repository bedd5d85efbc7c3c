"""Checks: measure once, or soak until the product has kept its promise for long enough."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from temporalio import activity

from activities.failures import as_failures, beating
from firestation.after_action import SoakReport
from firestation.firebreak import Reading
from firestation.orders import MeasureOrder, SoakOrder
from firestation.ports import Bench, Check, Window


class CheckActivities:
    """Measures. It never changes anything."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @activity.defn(name="measure")
    async def measure(self, order: MeasureOrder) -> Reading:
        """One reading of one check."""
        async with beating():
            with as_failures():
                check = self.bench.check(order.check)
                until = order.until or datetime.now(UTC)
                return await check.measure(Window(since=order.since, until=until))

    @activity.defn(name="soak")
    async def soak(self, order: SoakOrder) -> SoakReport:
        """Measure all checks until they have held for the whole soak, or have kept failing for the patience.

        One attempt, one soak: after a worker's death nobody measured for a while, so the soak begins anew.
        """
        async with beating():
            with as_failures():
                checks = {each.id: self.bench.check(each) for each in order.checks}
                return await _soak(checks, order)


@dataclass
class _Watch:
    """The readings since the checks last began to hold."""

    since: datetime
    last: datetime
    readings: int = 0
    widest_hole_s: float = 0.0
    trouble: str = "no reading yet"
    failing_since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def note(self, at: datetime, bad: list[Reading]) -> None:
        if bad:
            self.since, self.readings, self.widest_hole_s = at, 0, 0.0
            self.trouble = "; ".join(f"{each.check} {each.verdict}: {each.detail}" for each in bad)[:4000]
            self.last = at
            return
        self.widest_hole_s = (
            max(self.widest_hole_s, (at - self.last).total_seconds()) if self.readings else 0.0
        )
        self.since = self.since if self.readings else at
        self.readings, self.last, self.failing_since = self.readings + 1, at, at


async def _soak(checks: dict[str, Check], order: SoakOrder) -> SoakReport:
    began = datetime.now(UTC)
    watch = _Watch(since=began, last=began, failing_since=began)
    while True:
        asked = datetime.now(UTC)
        readings = await asyncio.gather(
            *(check.measure(Window(since=asked - order.every, until=asked)) for check in checks.values())
        )
        now = datetime.now(UTC)
        watch.note(now, [reading for reading in readings if reading.verdict != "passed"])
        held = watch.readings > 1 and now - watch.since >= order.soak
        if held or now - watch.failing_since >= order.patience:
            return SoakReport(
                held=held,
                since=watch.since,
                until=now,
                readings=watch.readings,
                widest_hole_s=watch.widest_hole_s,
                checks=tuple(checks),
                detail=f"{watch.readings} readings of each check, all passed" if held else watch.trouble,
            )
        await asyncio.sleep(order.every.total_seconds())
