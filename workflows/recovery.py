"""Recovery is measured: soak whenever nothing else is under way; any lever that moves later starts it again."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record
from firestation.after_action import SoakReport
from firestation.errors import Refused
from firestation.incident import awaits_soak
from firestation.orders import SoakOrder
from workflows.house import House, why
from workflows.snapshot import recovery_checks

MOST_DOUBLINGS = 10
LONGEST_PATIENCE = timedelta(days=1)


async def prove_recovery(house: House) -> None:
    """Measure until the checks have held for the whole soak, again and again until they have."""

    def due() -> bool:
        return awaits_soak(house.incident)

    async def soak() -> None:
        try:
            report = await house.do("soak", _order(house), SoakReport, "soak the recovery checks")
            if due():
                house.happen(record.Soaked(at=workflow.now(), report=report))
        except (ActivityError, Refused) as error:
            if due():
                detail = why(error) if isinstance(error, ActivityError) else str(error)
                house.happen(record.Failed(at=workflow.now(), step="soak", detail=detail))
                length = len(house.record)
                await house.until(lambda: len(house.record) > length)

    while await house.until(due):
        await house.whilst(due, soak())


def _order(house: House) -> SoakOrder:
    """The next soak. Each broken one doubles the patience of the next: weeks of failing must not fill the record."""
    plan = house.incident.brief.runbook.recovery
    broken = sum(isinstance(event, record.Soaked) and not event.report.held for event in house.record)
    patience = max(plan.soak, 10 * plan.every) * 2 ** min(broken, MOST_DOUBLINGS)
    return SoakOrder(
        checks=recovery_checks(house),
        soak=plan.soak,
        every=plan.every,
        patience=min(patience, max(plan.soak, LONGEST_PATIENCE)),
    )
