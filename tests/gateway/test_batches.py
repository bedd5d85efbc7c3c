"""What comes together goes together; nobody waits who need not, and nobody's answer is another's."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.batches import Batches


class Deliveries:
    """Remembers each delivery; `gate` holds them back."""

    def __init__(self) -> None:
        self.made: list[tuple[str, list[int]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, place: str, things: Sequence[int]) -> list[str]:
        self.made.append((place, list(things)))
        await self.gate.wait()
        if 13 in things:
            raise ValueError("unlucky")
        return [f"{place}:{thing}" for thing in things]


async def test_one_alone_goes_alone() -> None:
    deliveries = Deliveries()
    batches = Batches(deliveries, most=10)
    assert await batches.send("a", 1) == "a:1"
    assert await batches.send("a", 2) == "a:2"
    assert deliveries.made == [("a", [1]), ("a", [2])]


async def test_what_comes_meanwhile_goes_together_in_order_and_no_more_than_the_most() -> None:
    deliveries = Deliveries()
    deliveries.gate.clear()
    batches = Batches(deliveries, most=3)
    first = asyncio.create_task(batches.send("a", 0))
    while not deliveries.made:  # noqa: ASYNC110 - until the first is on its way
        await asyncio.sleep(0)
    rest = [asyncio.create_task(batches.send("a", number)) for number in range(1, 6)]
    elsewhere = asyncio.create_task(batches.send("b", 7))
    while len(deliveries.made) < 2:  # noqa: ASYNC110 - one place does not hold another
        await asyncio.sleep(0)
    assert deliveries.made == [("a", [0]), ("b", [7])]
    deliveries.gate.set()
    assert await asyncio.gather(first, *rest, elsewhere) == ["a:0", "a:1", "a:2", "a:3", "a:4", "a:5", "b:7"]
    assert deliveries.made[2:] == [("a", [1, 2, 3]), ("a", [4, 5])]


async def test_a_caller_that_goes_away_takes_nothing_from_the_others() -> None:
    deliveries = Deliveries()
    deliveries.gate.clear()
    batches = Batches(deliveries, most=10)
    gone, stays = (asyncio.create_task(batches.send("a", number)) for number in (1, 2))
    while not deliveries.made:  # noqa: ASYNC110 - until both are on their way
        await asyncio.sleep(0)
    gone.cancel()
    deliveries.gate.set()
    assert await stays == "a:2"
    assert deliveries.made == [("a", [1, 2])]


async def test_a_failure_is_told_to_all_of_the_batch_and_the_next_one_goes() -> None:
    batches = Batches(Deliveries(), most=10)
    failed = await asyncio.gather(batches.send("a", 13), batches.send("a", 2), return_exceptions=True)
    assert [type(each) for each in failed] == [ValueError, ValueError]
    assert await batches.send("a", 3) == "a:3"
    with pytest.raises(ValueError, match="unlucky"):
        await batches.send("a", 13)
