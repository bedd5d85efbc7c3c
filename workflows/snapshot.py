"""Snapshot before you mutate: freeze every source, read every lever, measure every check, seal."""

import asyncio
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record
from firestation.evidence import Collected, Gap, LeverState, Scope, Sealed, Snapshot
from firestation.firebreak import Reading
from firestation.orders import CollectOrder, MeasureOrder, ReadOrder, SealOrder
from firestation.system import CheckFitting, LeverFitting, SourceFitting
from workflows.house import House, why

LOOK_BACK = timedelta(minutes=15)
SEAL_AGAIN_SECONDS = 30.0


async def freeze_the_scene(house: House) -> None:
    """Start at once, for it only reads; wait for nobody. A seal that fails is tried again until it stands."""
    system = house.incident.brief.system
    while house.incident.sealed is None and not house.leaving:
        everything = asyncio.gather(
            asyncio.gather(*(_collect(house, source) for source in system.sources)),
            asyncio.gather(*(read_lever(house, lever) for lever in system.levers)),
            asyncio.gather(*(_measure(house, check) for check in recovery_checks(house))),
        )
        found = await house.whilst(lambda: True, everything)
        if found is not None:
            await _seal(house, tuple(found[0]), tuple(found[1]))


def recovery_checks(house: House) -> tuple[CheckFitting, ...]:
    """The checks that recovery will be measured by."""
    system, plan = house.incident.brief.system, house.incident.brief.runbook.recovery
    return tuple(check for check in system.checks if check.id in plan.checks)


async def read_lever(
    house: House, lever: LeverFitting, purpose: Literal["snapshot", "waived"] = "snapshot"
) -> LeverState:
    """Where a lever stands; no position when it cannot be read."""
    order = ReadOrder(lever=lever, purpose=purpose)
    try:
        return await house.do("read_lever", order, LeverState, f"read {lever.title}")
    except ActivityError:
        return LeverState(lever=lever.id, position=None, read_at=workflow.now())


async def _collect(house: House, source: SourceFitting) -> Collected:
    alarms = [rung.alarm for rung in house.incident.rung]
    scope = Scope(
        incident=house.incident.id,
        request_ids=tuple(dict.fromkeys(name for alarm in alarms for name in alarm.request_ids)),
        since=min(alarm.started_at for alarm in alarms) - LOOK_BACK,
        until=workflow.now(),
    )
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


async def _seal(house: House, collected: tuple[Collected, ...], levers: tuple[LeverState, ...]) -> None:
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
    )
    try:
        sealed = await house.do("seal", SealOrder(snapshot=snapshot), Sealed, "seal the manifest")
        house.happen(record.SealedUp(at=workflow.now(), sealed=sealed))
    except ActivityError as error:
        house.happen(record.NotSealed(at=workflow.now(), detail=why(error)))
        await house.until_or_after(lambda: False, SEAL_AGAIN_SECONDS)
