"""What every lever must withstand, on the real product behind the meddler: never a wrong "done", always the way back.

Inherit it beside `LeverConformance` and give the fixtures. The move is made as the engine makes it: the activity's own
code, tried again as Temporal would.

Times are short only where the fault is that nothing comes: `timeout` when it hangs, `read_back_within` when its yes is
none. All else is read and moved with patience, so that a machine under load is not taken for a product that fails.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol

import pytest
from pydantic import JsonValue

from activities.levers import moved
from firestation.errors import DriverError
from firestation.firebreak import Action, MoveOrder, MoveOutcome
from firestation.ports import Lever
from firestation.severity import Severity
from firestation.system import Position
from tests.drivers.levers.making import HASTY, PATIENT
from tests.e2e.processes import wait_for

TRIES = 4
FAULTS = ("refuse", "lose", "hang", "hang-after", "noop", "flap", "slow")
HANGS = frozenset({"hang", "hang-after"})

Truth = Callable[[], Awaitable[JsonValue]]

Through = Callable[..., Lever]
"""Makes the lever, reached through the meddler, with the `timeout` and `read_back_within` that are given."""


class Spoiler(Protocol):
    """Something that spoils writes as planned: one entry of `plan` is used up a write; `later` are still to arrive.

    Those are the slow ones, and the ones on whose answer the lever did not wait.
    """

    plan: list[str]
    later: set[asyncio.Future[Any]]


def order(purpose: str, origin: Position, to: Position) -> MoveOrder:
    """The order to move from `origin` to `to`, or to put it back."""
    action = Action(
        incident="agent-1",
        run="0" * 8,
        step="step",
        attempt=1,
        lever="lever",
        origin=origin,
        to=to,
        scope="the test",
        severity=Severity.SEV2,
        expires_after=timedelta(hours=1),
        manifest=None,
    )
    there, back = (to, origin) if purpose == "move" else (origin, to)
    return MoveOrder.model_validate(
        {
            "purpose": purpose,
            "action": action,
            "to": there,
            "expected": back,
            "authority": "captain",
            "key": f"agent-1/00000000/{purpose}",
        }
    )


async def carried_out(lever: Lever, what: MoveOrder) -> MoveOutcome:
    """The move as the engine makes it: what is worth another try is tried again; in the end it is uncertain."""
    trouble = "it was not tried"
    for attempt in range(1, TRIES + 1):
        try:
            return await moved(lever, what, attempt)
        except DriverError as error:
            trouble = str(error)
            if not error.retryable:
                break
    return MoveOutcome(result="uncertain", found=None, detail=trouble)


def times(fault: str) -> dict[str, str]:
    """The times with which this fault is noticed soon, and a slow machine is not taken for it."""
    hasty = "timeout" if fault in HANGS else "read_back_within"
    return {**PATIENT, hasty: HASTY[hasty]}


@pytest.mark.asyncio
class LeverFaults:
    """Promises of a lever whose product fails."""

    @pytest.fixture
    def through(self, meddler: Spoiler) -> Through:
        """Makes the lever, reached through the meddler, with the times that are given."""
        raise NotImplementedError

    @pytest.fixture
    def meddler(self) -> Spoiler:
        """What stands between the lever and the product, its `put_back` given."""
        raise NotImplementedError

    @pytest.fixture
    def truth(self) -> Truth:
        """Where the product itself says that it stands, asked without us."""
        raise NotImplementedError

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        """A position where it does not stand now."""
        raise NotImplementedError

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("when", ["once", "always"])
    async def test_it_never_says_done_when_it_is_not_and_always_finds_back(
        self, through: Through, meddler: Spoiler, truth: Truth, elsewhere: JsonValue, fault: str, when: str
    ) -> None:
        """Whatever the product does to the write, once or each time."""
        patient = through(**PATIENT)
        origin, to = await patient.read(), Position(value=elsewhere)
        meddler.plan = [fault] * (1 if when == "once" else 20)
        outcome = await carried_out(through(**times(fault)), order("move", origin, to))
        if outcome.result == "done":
            assert await truth() == elsewhere
        meddler.plan = []
        # One that arrives after the way back is somebody else's move to whoever looks: no lever can keep it away.
        await asyncio.to_thread(wait_for, "the writes that are late", lambda: not meddler.later)
        back = await carried_out(patient, order("lift", origin, to))
        assert back.result == "done", back
        assert await truth() == origin.value
