"""The Chroma lever on a real Chroma: a swap of names, its middle, and what a reader sees of it."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Gone, Unreachable
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers.faults import LeverFaults, Spoiler, Through, Truth, carried_out, order
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling

pytestmark = pytest.mark.driver
TENANT = "/api/v2/tenants/default_tenant"
GOOD, BAD = "30 days", "90 days"


class Index:
    """A database of its own in the server, as an application and its operator see it."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60)
        self.database = f"levers-{uuid4().hex}"
        self.http.post(f"{TENANT}/databases", json={"name": self.database}).raise_for_status()
        self.all = f"{TENANT}/databases/{self.database}/collections"
        self.bad, self.good = self.build("policies", BAD), self.build("policies-1", GOOD)

    def build(self, name: str, text: str) -> str:
        """A collection of one document; its id."""
        made = str(self.http.post(self.all, json={"name": name}).raise_for_status().json()["id"])
        body = {"ids": ["1"], "embeddings": [[1.0, 0.0]], "documents": [text]}
        self.http.post(f"{self.all}/{made}/add", json=body).raise_for_status()
        return made

    def names(self) -> dict[str, str]:
        """Who bears which name."""
        return {each["name"]: each["id"] for each in self.http.get(self.all).raise_for_status().json()}

    def rename(self, collection: str, name: str) -> None:
        self.http.put(f"{self.all}/{collection}", json={"new_name": name}).raise_for_status()

    def put_in_force(self, collection: JsonValue) -> None:
        """A swap by somebody else, who parks in a way of his own."""
        now = self.names().get("policies")
        if now and now != collection:
            self.rename(now, "policies-of-before")
        if collection:
            self.rename(str(collection), "policies")

    def held(self, collection: str) -> str:
        """What an application finds in the collection whose id it holds."""
        body = {"query_embeddings": [[1.0, 0.0]], "n_results": 1}
        found = self.http.post(f"{self.all}/{collection}/query", json=body).raise_for_status().json()
        return str(found["documents"][0][0])

    def asked(self) -> str:
        """What an application finds that asks for the name each time."""
        return self.held(str(self.http.get(f"{self.all}/policies").raise_for_status().json()["id"]))


@pytest.fixture
def index(chroma: str) -> Iterator[Index]:
    index = Index(chroma)
    yield index
    index.http.close()


@pytest.fixture
def spoiling(chroma: str, index: Index) -> Iterator[Meddler]:
    with meddling(chroma) as meddler:
        meddler.put_back = lambda: index.put_in_force(index.bad)
        yield meddler


def make(bench: Drivers, url: str, index: Index, **config: Any) -> Lever:
    given = {"base": url, "database": index.database, "collection": "policies", **PATIENT}
    return make_lever(bench, "chroma", **{**given, **config})


@pytest.fixture
def subject(bench: Drivers, spoiling: Meddler, index: Index) -> Lever:
    return make(bench, spoiling.url, index)


class TestLever(LeverConformance):
    @pytest.fixture
    def lever(self, subject: Lever) -> Lever:
        return subject

    @pytest.fixture
    def elsewhere(self, index: Index) -> JsonValue:
        return index.good

    @pytest.fixture
    def meddle(self, index: Index) -> Callable[[JsonValue], Any]:
        return index.put_in_force

    @pytest.fixture
    def writes(self, spoiling: Meddler) -> Callable[[], int]:
        return lambda: spoiling.writes // 2  # two names change in a swap


class TestFaults(LeverFaults):
    @pytest.fixture
    def through(self, bench: Drivers, spoiling: Meddler, index: Index) -> Through:
        return partial(make, bench, spoiling.url, index)

    @pytest.fixture
    def meddler(self, spoiling: Meddler) -> Spoiler:
        return spoiling

    @pytest.fixture
    def truth(self, index: Index) -> Truth:
        async def look() -> JsonValue:
            return index.names().get("policies")

        return look

    @pytest.fixture
    def elsewhere(self, index: Index) -> JsonValue:
        return index.good


async def test_it_is_effective_for_whoever_asks_for_the_name_and_not_for_whoever_holds_the_id(
    subject: Lever, index: Index
) -> None:
    held = index.names()["policies"]
    origin = await subject.read()
    assert index.asked() == BAD
    await subject.move(Position(value=index.good), origin, "k")
    assert index.asked() == GOOD
    assert index.held(held) == BAD


async def test_putting_back_gives_every_collection_its_own_name_again(subject: Lever, index: Index) -> None:
    newest = index.build("policies-3", "45 days")
    before = index.names()
    for stack in ([index.good], [newest], [index.good, newest]):
        path = [await subject.read()]
        for each in stack:
            path.append(await subject.move(Position(value=each), path[-1], "k"))
        assert index.names()["policies"] == stack[-1]
        while len(path) > 1:
            await subject.move(path[-2], path.pop(), "k")
        assert index.names() == before


@pytest.mark.parametrize("purpose", ["move", "lift"])
@pytest.mark.parametrize("way", ["on", "back"])
async def test_a_swap_that_died_in_the_middle_is_seen_and_ends_either_way(
    subject: Lever, spoiling: Meddler, index: Index, purpose: str, way: str
) -> None:
    origin, to = Position(value=index.bad), Position(value=index.good)
    if purpose == "lift":
        await subject.move(to, origin, "k")
    before = index.names()
    spoiling.plan = ["pass"] + ["refuse"] * 20
    outcome = await carried_out(subject, order(purpose, origin, to))
    assert outcome.result == "uncertain"
    half = await subject.read()
    assert isinstance(half.value, dict)
    assert set(half.value.values()) == {index.bad, index.good}
    assert "policies" not in index.names()
    spoiling.plan = []
    if way == "on":  # the worker died: another attempt of the same order, or a person's second word
        wanted = to if purpose == "move" else origin
        assert (await subject.move(wanted, half, "k")).same_as(wanted)
        assert index.names()["policies"] == wanted.value
    else:
        other = order("lift", origin, to) if purpose == "move" else order("lift", to, origin)
        assert (await carried_out(subject, other)).result == "done"
        assert index.names() == before


async def test_a_second_attempt_goes_on_where_the_first_one_died(
    subject: Lever, spoiling: Meddler, index: Index
) -> None:
    spoiling.plan = ["pass", "refuse"]
    outcome = await carried_out(subject, order("move", await subject.read(), Position(value=index.good)))
    assert outcome.result == "done"
    assert index.names()["policies"] == index.good
    assert spoiling.writes == 2


async def test_on_a_first_attempt_the_middle_of_a_swap_is_somebody_elses(
    subject: Lever, index: Index
) -> None:
    origin = await subject.read()
    index.rename(index.bad, f"policies.{index.good}.policies-1")
    before = index.names()
    outcome = await carried_out(subject, order("move", origin, Position(value=index.good)))
    assert outcome.result == "drifted"
    assert index.names() == before


async def test_somebody_elses_swap_between_our_steps_is_not_overwritten(
    subject: Lever, spoiling: Meddler, index: Index
) -> None:
    other = index.build("policies-3", "45 days")
    spoiling.put_back = lambda: index.put_in_force(other)
    spoiling.plan = ["flap"]
    outcome = await carried_out(subject, order("move", await subject.read(), Position(value=index.good)))
    assert outcome.result == "drifted"
    assert index.names()["policies"] == other


async def test_null_is_no_index_at_all(subject: Lever, index: Index) -> None:
    origin = await subject.read()
    shown = await subject.move(Position(value=None), origin, "k")
    assert shown.value is None
    assert "policies" not in index.names()
    assert (await subject.move(origin, shown, "k")).same_as(origin)
    assert index.asked() == BAD


async def test_what_is_not_there_is_named_and_nothing_is_written(
    bench: Drivers, subject: Lever, spoiling: Meddler, index: Index
) -> None:
    nobody = str(uuid4())
    with pytest.raises(Gone, match=nobody):
        await subject.move(Position(value=nobody), await subject.read(), "k")
    assert spoiling.writes == 0
    with pytest.raises(Gone):
        await make(bench, spoiling.url, index, database="none").read()


async def test_a_server_that_is_away_is_unreachable_and_found_again(
    bench: Drivers, chroma: str, index: Index
) -> None:
    with meddling(chroma) as spoiling:
        subject = make(bench, spoiling.url, index)
        origin = await subject.read()
    with pytest.raises(Unreachable):
        await subject.read()
    assert (await make(bench, chroma, index).read()).same_as(origin)


async def test_a_person_can_do_it_without_us(subject: Lever, index: Index) -> None:
    origin = await subject.read()
    for to in (index.good, None, index.bad):  # the last finds nobody to park
        command = subject.by_hand(to)  # type: ignore[attr-defined]
        done = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", command], capture_output=True, text=True, check=False
        )
        assert index.names().get("policies") == to, done
        if to == index.good:
            index.rename(index.bad, "policies.put-aside")
    assert (await subject.read()).same_as(origin)
