"""The clock and the list: one durable timer for all that time makes due, and search attributes that stay true."""

from datetime import datetime, timedelta
from functools import partial

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from firestation.due import next_wake
from firestation.picture import waiting_for
from firestation.state import Incident
from workflows.house import House
from workflows.search import WAITING, attributes, in_the_clear, waited_since

LONGEST_SLEEP = timedelta(days=7)


async def keep_time(house: House) -> None:
    """Deadlines, lapses, expiries, pages, the engine's own words: whatever is due next wakes us."""
    while not house.leaving:
        house.settle(workflow.now())
        due = next_wake(house.incident)
        left = min(due - workflow.now(), LONGEST_SLEEP)
        await house.until_or_after(partial(_something_sooner, house, due), left.total_seconds())


def _something_sooner(house: House, due: datetime) -> bool:
    return next_wake(house.incident) < due


async def keep_the_list(house: House) -> None:
    """A list of incidents is drawn from the search attributes alone; the Temporal UI shows the details."""
    shown: dict[SearchAttributeKey[str], str] = {}

    def stale() -> bool:
        return attributes(house.incident) != shown

    while True:
        await workflow.wait_condition(lambda: house.leaving or stale())
        if stale():
            latest = attributes(house.incident)
            changed = {key: value for key, value in latest.items() if shown.get(key) != value}
            if WAITING in changed:
                changed.update(waited_since(house.incident))
            changes = [key.value_set(value) for key, value in changed.items()]
            workflow.upsert_search_attributes(changes)
            workflow.set_current_details(_details(house.incident))
            shown.update(latest)
        if house.leaving:
            return


def _details(incident: Incident) -> str:
    lines = [
        f"**{incident.brief.system.title}**: {incident.phase}, {incident.weight}",
        f"Captain: {incident.captain or 'nobody yet'}. Scribe: {incident.scribe or 'nobody yet'}.",
        *(f"- waits for {in_the_clear(incident, each)} ({each.who})" for each in waiting_for(incident)),
    ]
    return "\n".join(lines)
