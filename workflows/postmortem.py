"""The postmortem is drafted when the lock was tried, again when anything that it tells of has changed, and at the end.

A draft tells the whole record as of then. It is made in the activity, where time is no matter, and merged there with
what people wrote. When the store is away at the end the incident does not wait for it, for the next alarm of the same
fire needs its id: a workflow of its own, which nothing waits for, goes on trying for as long as it takes.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation import record
from firestation.aftermath import asked_for
from firestation.evidence import ArtifactRef
from firestation.orders import DraftOrder
from firestation.postmortem import packed
from firestation.record import Event
from firestation.state import Incident, Phase
from workflows.house import House, why
from workflows.perseverance import leave, persevere

QUIET_SECONDS = 300.0
"""How long other changes gather before it is drafted again: each draft is a page of the history."""

LAST = timedelta(seconds=20)
"""So long the last draft, which is made when the incident has ended, keeps the incident's id from a new fire."""

DRAFTER = "PostmortemDrafter"

MACHINERY = (
    record.Drafted,
    record.Sent,
    record.Unsent,
    record.Said,
    record.WordDrafted,
    record.WordOverdue,
    record.Released,
    record.Reminded,
    record.NotRecalled,  # the wall is asked again, every hour at last, for as long as it is away
    record.NotHung,
)


async def write_the_postmortem(house: House) -> None:
    """From the first try of the lock to the end."""
    told = _told_before(house)

    def news() -> list[Event]:
        due = house.incident.since(4) and house.incident.phase is Phase.AFTER_ACTION
        if not due or not _tried(house.incident):
            return []
        return [event for event in house.record[told:] if _tells(event)]

    def at_once() -> bool:
        first = house.incident.lock_wanted  # of a process
        return first or any(isinstance(each, record.LockTried) or _failed(each, "lock") for each in news())

    while await house.until(lambda: bool(news())):
        await house.until_or_after(at_once, QUIET_SECONDS)
        if house.leaving:
            return
        told = len(house.record)
        await _draft(house, _order(house))


def _tried(incident: Incident) -> bool:
    """Whether the lock was tried. No machine tries one that is a process: its draft comes once the tasks are opened."""
    by_people = incident.brief.runbook.lock.kind == "process"
    return asked_for(incident) if by_people and incident.lock_wanted else not incident.lock_wanted


async def write_its_end(house: House) -> None:
    """The last draft, once the last words are out: it holds the end."""
    incident = house.incident
    if not (incident.since(4) and incident.phase is Phase.CLOSED):
        return
    order = _order(house)
    if not await _draft(house, order, LAST):
        name = f"draft/{incident.id}-{incident.mark}"
        await leave(DRAFTER, order, name, f"the postmortem of {incident.id}, with its end")


def _told_before(house: House) -> int:
    """How much of the record the last draft told, as far as a run can know that begins with it."""
    events = list(enumerate(house.record, start=1))
    drafts = (number for number, event in reversed(events) if isinstance(event, record.Drafted))
    return next(drafts, 0)


def _tells(event: Event) -> bool:
    return not isinstance(event, MACHINERY) and not _failed(event, "draft") and not _failed(event, "task")


def _failed(event: Event, step: str) -> bool:
    return isinstance(event, record.Failed) and event.step == step


def _order(house: House) -> DraftOrder:
    return DraftOrder(incident=house.incident.id, packed=packed(tuple(house.record)))


async def _draft(house: House, order: DraftOrder, within: timedelta | None = None) -> bool:
    """Draft what the record tells; whether that could be kept."""
    what = "keep the draft of the postmortem"
    try:
        artifact = await house.do("draft", order, ArtifactRef, what, within)
    except ActivityError as error:
        house.happen(record.Failed(at=workflow.now(), step="draft", detail=why(error)))
        return False
    house.happen(record.Drafted(at=workflow.now(), artifact=artifact))
    return True


@workflow.defn(name=DRAFTER)
class PostmortemDrafter:
    """Keeps one draft, for as long as it takes. The order holds the whole record, so it needs nothing else."""

    @workflow.run
    async def run(self, order: DraftOrder) -> ArtifactRef:
        """Tried for as long as it takes."""
        artifact: ArtifactRef = await persevere(
            "draft", order, ArtifactRef, f"the postmortem of {order.incident}"
        )
        return artifact
