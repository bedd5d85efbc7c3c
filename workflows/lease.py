"""The lease of a lever: as long as this workflow runs, the lever belongs to one incident.

Temporal runs one workflow of an id at a time, so two incidents can never both have it.
"""

from temporalio import workflow

from firestation.model import Id, Model, Sha256

LEASE = "LeverLease"
RELEASE = "release"


class Holder(Model):
    """The incident that has a lever, the run that its chain began with, and the action that it took the lever for.

    With the action each taking is another one: a release that comes late frees no lever that was taken again.
    """

    incident: Id
    run: str
    action: Sha256


class LeaseStart(Model):
    """Who takes it."""

    holder: Holder


def lease_id(system: str, lever: str) -> str:
    """The id of the workflow that stands for a lever."""
    return f"lever/{system}/{lever}"


@workflow.defn(name=LEASE)
class LeverLease:
    """Waits until its holder lets go."""

    @workflow.init
    def __init__(self, start: LeaseStart) -> None:
        """Held from the first moment."""
        self.holder, self.released = start.holder, False

    @workflow.run
    async def run(self, start: LeaseStart) -> None:  # noqa: ARG002 - Temporal hands the input to both
        """Held until it is released."""
        await workflow.wait_condition(lambda: self.released)

    @workflow.signal(name=RELEASE)
    def release(self, holder: Holder) -> None:
        """Released by its holder only: an order that comes late must not free it for another."""
        self.released = self.released or holder == self.holder
