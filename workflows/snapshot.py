"""Snapshot before you mutate: freeze every source, read every lever, measure every check, seal."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record
from firestation.evidence import LOOK_BACK, Collected, Gap, LeverState, Sealed, Snapshot, in_scope
from firestation.firebreak import Reading
from firestation.orders import CollectOrder, MeasureOrder, ReadOrder, SealOrder
from firestation.system import CheckFitting, SourceFitting
from workflows.house import House, why

SEAL_AGAIN_SECONDS = 30.0
USEFUL_SECONDS = 10.0
"""How long the manifest waits for slow sources once every lever is read."""

SUPPLEMENTS = "late sources are sealed in a supplement"
"""The patch: incidents that were opened before it wait for every source."""


async def freeze_the_scene(house: House) -> None:
    """Start at once, for it only reads; wait for nobody. A seal that fails is tried again until it stands.

    A source that is slow holds nobody: what it gives is sealed later, in a supplement.
    """
    reading: dict[str, asyncio.Task[Collected]] = {}
    while house.incident.sealed is None and not house.leaving:
        await _first_seal(house, reading)
        if house.incident.sealed is None:  # read it all again, for it has become old
            reading = {name: task for name, task in reading.items() if not task.done()}
    while house.incident.late and not house.leaving:
        await _supplement(house, reading)
    for task in reading.values():
        task.cancel()
    await asyncio.gather(*reading.values(), return_exceptions=True)


async def _first_seal(house: House, reading: dict[str, asyncio.Task[Collected]]) -> None:
    """Seal what there is once every lever is read and the sources have had their time."""
    system = house.incident.brief.system
    for source in system.sources:
        if source.id not in reading:
            reading[source.id] = asyncio.ensure_future(_collect(house, source))
    found = await house.whilst(
        lambda: True,
        asyncio.gather(
            asyncio.gather(*(read_lever(house, ReadOrder(lever=lever)) for lever in system.levers)),
            asyncio.gather(*(_measure(house, check) for check in recovery_checks(house))),
        ),
    )
    if found is None:
        return

    def all_read() -> bool:
        return all(task.done() for task in reading.values())

    if not all_read() and workflow.patched(SUPPLEMENTS):
        await house.until_or_after(all_read, USEFUL_SECONDS)
    else:
        await house.until(all_read)
    if house.leaving:
        return
    collected = tuple(
        reading[source.id].result() if reading[source.id].done() else _late(source)
        for source in system.sources
    )
    late = tuple(name for name, task in reading.items() if not task.done())
    await _seal(house, collected, tuple(found[0]), late=late)


async def _supplement(house: House, reading: dict[str, asyncio.Task[Collected]]) -> None:
    """Seal what came late; after a page was turned it is read again."""
    assert house.incident.sealed
    for name in house.incident.late:
        source = house.incident.brief.system.source(name)
        if source and name not in reading:
            reading[name] = asyncio.ensure_future(_collect(house, source))
    wanted = [reading[name] for name in house.incident.late]
    await house.until(lambda: all(task.done() for task in wanted))
    if not house.leaving:
        collected = tuple(task.result() for task in wanted)
        await _seal(house, collected, (), supplements=house.incident.sealed.manifest)


def recovery_checks(house: House) -> tuple[CheckFitting, ...]:
    """The checks that recovery will be measured by."""
    system, plan = house.incident.brief.system, house.incident.brief.runbook.recovery
    return tuple(check for check in system.checks if check.id in plan.checks)


async def read_lever(house: House, order: ReadOrder) -> LeverState:
    """Where a lever stands; no position when it cannot be read."""
    try:
        return await house.do("read_lever", order, LeverState, f"read {order.lever.title}")
    except ActivityError:
        return LeverState(lever=order.lever.id, position=None, read_at=workflow.now())


async def _collect(house: House, source: SourceFitting) -> Collected:
    alarms = [rung.alarm for rung in house.incident.rung]
    scope = in_scope(house.incident.id, alarms, workflow.now())
    try:
        return await house.do(
            "collect", CollectOrder(source=source, scope=scope), Collected, f"freeze {source.title}"
        )
    except ActivityError as error:
        gaps = tuple(
            Gap(item=item, reason="unreachable", detail=why(error), source=source.id)
            for item in source.provides
        )
        return Collected(source=source.id, gaps=gaps)


async def _measure(house: House, check: CheckFitting) -> None:
    """How it stood before anything was moved: recovery can only be seen against it."""
    order = MeasureOrder(check=check, since=house.incident.opened_at - LOOK_BACK)
    try:
        reading = await house.do("measure", order, Reading, f"measure {check.title} before any move")
    except ActivityError as error:
        reading = Reading(check=check.id, verdict="inconclusive", detail=why(error), at=workflow.now())
    house.happen(record.Measured(at=workflow.now(), reading=reading))


def _late(source: SourceFitting) -> Collected:
    detail = f"{source.title} was still being read; a supplement follows"
    gaps = tuple(Gap(item=item, reason="late", detail=detail, source=source.id) for item in source.provides)
    return Collected(source=source.id, gaps=gaps)


async def _seal(
    house: House,
    collected: tuple[Collected, ...],
    levers: tuple[LeverState, ...],
    *,
    late: tuple[str, ...] = (),
    supplements: str | None = None,
) -> None:
    incident, brief = house.incident, house.incident.brief
    snapshot = Snapshot(
        incident=incident.id,
        run=incident.run,
        system=brief.system.system,
        system_digest=brief.system.sha256(),
        runbook=brief.runbook.runbook,
        runbook_digest=brief.runbook.sha256(),
        collected=collected,
        levers=levers,
        late=late,
        supplements=supplements,
    )
    event = record.Supplemented if supplements else record.SealedUp
    what = "seal the supplement" if supplements else "seal the manifest"
    try:
        sealed = await house.do("seal", SealOrder(snapshot=snapshot), Sealed, what)
        house.happen(event(at=workflow.now(), sealed=sealed))
    except ActivityError as error:
        house.happen(record.NotSealed(at=workflow.now(), detail=why(error)))
        await house.until_or_after(lambda: False, SEAL_AGAIN_SECONDS)
