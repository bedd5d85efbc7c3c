"""The HAProxy levers on a real HAProxy: one tool cut by an entry of a map, and traffic split by weights."""

import asyncio
import json
import re
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone, InvalidInput, Nonsense, Unreachable
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers import products
from tests.drivers.levers.faults import LeverFaults, Spoiler, Through, Truth, carried_out, order
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.wire import Wire, wired
from tests.drivers.products import Haproxy
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver
TOOL = "/tools/refund"
EVEN: dict[str, JsonValue] = {"stable": 100, "canary": 100}
SAFE: dict[str, JsonValue] = {"stable": 256, "canary": 0}
COMMAND = re.compile(rb"(add|set|del) (map|server)[^\n]*\n")


def entry(product: Haproxy) -> JsonValue:
    """The entry of the tool, as HAProxy itself lists it."""
    for line in product.say(f"show map {product.map}").splitlines():
        if line.split(" ")[1:2] == [TOOL]:
            return line.split(" ", 2)[2]
    return None


def put_entry(product: Haproxy, value: JsonValue) -> None:
    product.say(f"del map {product.map} {TOOL}")
    if value is not None:
        assert product.say(f"add map {product.map} {TOOL} {value}") == "\n"


def weights(product: Haproxy) -> dict[str, JsonValue]:
    """The weights, by the other command that shows them."""
    return {name: int(product.say(f"get weight models/{name}").split(" ")[0]) for name in EVEN}


def put_weights(product: Haproxy, value: JsonValue) -> None:
    assert isinstance(value, dict)
    for name, weight in value.items():
        assert product.say(f"set server models/{name} weight {weight}") == "\n"


def who_answers(product: Haproxy) -> Counter[str]:
    """Which model each of twenty requests goes to."""
    with httpx.Client(base_url=product.url, trust_env=False, timeout=60) as http:
        return Counter(str(http.get("/ask").raise_for_status().json()["model"]) for _ in range(20))


def status(product: Haproxy, tool: str = TOOL) -> int:
    """What the application gets that calls the tool."""
    return httpx.get(f"{product.url}{tool}", trust_env=False, timeout=60).status_code


@pytest.fixture
def product(haproxy: Haproxy) -> Haproxy:
    put_entry(haproxy, None)
    put_weights(haproxy, EVEN)
    return haproxy


def make(bench: Drivers, socket: object, **config: Any) -> Lever:
    given = {"socket": str(socket), **PATIENT}
    return make_lever(bench, "haproxy", **{**given, **config})


def make_entry(bench: Drivers, product: Haproxy, socket: object = None, **config: Any) -> Lever:
    place = socket or product.folder / "admin.sock"
    return make(bench, place, **{"map": product.map, "key": TOOL, **config})


def make_weights(bench: Drivers, product: Haproxy, socket: object = None, **config: Any) -> Lever:
    return make(bench, socket or product.folder / "admin.sock", **{"backend": "models", **config})


async def a_wire(
    product: Haproxy, put: Callable[[Haproxy, JsonValue], None], origin: JsonValue, to: JsonValue
) -> AsyncIterator[Wire]:
    wire = Wire(
        COMMAND,
        lambda _: b"clear counters\n",
        late=lambda: put(product, to),
        put_back=lambda: put(product, origin),
    )
    async with wired(wire, product.admin):
        yield wire


# ------------------------------------------------------------------------------------------------- the entry


class OfEntry:
    @pytest.fixture
    async def wire(self, product: Haproxy) -> AsyncIterator[Wire]:
        async for wire in a_wire(product, put_entry, None, "1"):
            yield wire

    @pytest.fixture
    def through(self, bench: Drivers, product: Haproxy, wire: Wire) -> Through:
        return partial(make_entry, bench, product, f"127.0.0.1:{wire.port}")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "1"


class TestEntry(OfEntry, LeverConformance):
    @pytest.fixture
    def lever(self, through: Through) -> Lever:
        return through()

    @pytest.fixture
    def meddle(self, product: Haproxy) -> Callable[[JsonValue], Any]:
        return lambda to: put_entry(product, to)

    @pytest.fixture
    def writes(self, wire: Wire) -> Callable[[], int]:
        return lambda: wire.writes


class TestEntryFaults(OfEntry, LeverFaults):
    @pytest.fixture
    def meddler(self, wire: Wire) -> Spoiler:
        return wire

    @pytest.fixture
    def truth(self, product: Haproxy) -> Truth:
        async def look() -> JsonValue:
            return entry(product)

        return look


async def test_one_tool_is_cut_at_once_and_the_others_are_not(bench: Drivers, product: Haproxy) -> None:
    lever = make_entry(bench, product)
    assert status(product) == 200
    origin = await lever.read()
    cut = await lever.move(Position(value="1"), origin, "k")
    assert status(product) == 503
    assert status(product, "/tools/search") == 200
    await lever.move(origin, cut, "k")
    assert status(product) == 200
    assert entry(product) is None


async def test_an_entry_with_spaces_and_semicolons_is_put_back_as_it_was(
    bench: Drivers, product: Haproxy
) -> None:
    product.say(rf"add map {product.map} {TOOL} a\;\ b\\c")
    lever = make_entry(bench, product)
    origin = await lever.read()
    assert origin.value == "a; b\\c"
    await lever.move(origin, await lever.move(Position(value="1"), origin, "k"), "k")
    assert entry(product) == "a; b\\c"


async def test_an_entry_that_is_there_twice_is_not_guessed_at(bench: Drivers, product: Haproxy) -> None:
    for value in ("0", "1"):
        product.say(f"add map {product.map} {TOOL} {value}")
    with pytest.raises(Nonsense, match="more than once"):
        await make_entry(bench, product).read()


@pytest.mark.parametrize("wrong", [1, True, "", "two\nlines", "<<", ["1"]])
async def test_what_cannot_stand_in_a_map_is_not_written(
    bench: Drivers, product: Haproxy, wrong: JsonValue
) -> None:
    lever = make_entry(bench, product)
    with pytest.raises(Gone, match="cannot stand in a map"):
        await lever.move(Position(value=wrong), await lever.read(), "k")
    assert entry(product) is None


# ----------------------------------------------------------------------------------------------- the weights


class OfWeights:
    @pytest.fixture
    async def wire(self, product: Haproxy) -> AsyncIterator[Wire]:
        async for wire in a_wire(product, put_weights, EVEN, SAFE):
            yield wire

    @pytest.fixture
    def through(self, bench: Drivers, product: Haproxy, wire: Wire) -> Through:
        return partial(make_weights, bench, product, f"127.0.0.1:{wire.port}")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return SAFE


class TestWeights(OfWeights, LeverConformance):
    @pytest.fixture
    def lever(self, through: Through) -> Lever:
        return through()

    @pytest.fixture
    def meddle(self, product: Haproxy) -> Callable[[JsonValue], Any]:
        return lambda to: put_weights(product, to)

    @pytest.fixture
    def writes(self, wire: Wire) -> Callable[[], int]:
        return lambda: wire.writes


class TestWeightsFaults(OfWeights, LeverFaults):
    @pytest.fixture
    def meddler(self, wire: Wire) -> Spoiler:
        return wire

    @pytest.fixture
    def truth(self, product: Haproxy) -> Truth:
        async def look() -> JsonValue:
            found: JsonValue = weights(product)
            return found

        return look


async def test_traffic_goes_where_the_weights_say_at_once(bench: Drivers, product: Haproxy) -> None:
    lever = make_weights(bench, product)
    assert set(who_answers(product)) == {"stable", "canary"}
    origin = await lever.read()
    moved = await lever.move(Position(value=SAFE), origin, "k")
    assert who_answers(product) == {"stable": 20}
    await lever.move(origin, moved, "k")
    assert who_answers(product) == {"stable": 10, "canary": 10}


async def test_there_is_a_server_at_every_moment_of_the_change(bench: Drivers, product: Haproxy) -> None:
    one: JsonValue = {"stable": 0, "canary": 1}
    other: JsonValue = {"canary": 0, "stable": 1}
    put_weights(product, one)
    lever = make_weights(bench, product)
    before = (product.folder / "haproxy.log").read_text().count("no server available")
    await lever.move(Position(value=other), await lever.read(), "k")
    await lever.move(Position(value=one), await lever.read(), "k")
    assert (product.folder / "haproxy.log").read_text().count("no server available") == before


@pytest.mark.parametrize(
    "wrong", [{"stable": 1}, {**EVEN, "third": 1}, {**EVEN, "canary": 257}, {**EVEN, "canary": 0.5}, 1, None]
)
async def test_weights_that_do_not_fit_are_not_written(
    bench: Drivers, product: Haproxy, wrong: JsonValue
) -> None:
    lever = make_weights(bench, product)
    with pytest.raises(Gone, match="weight"):
        await lever.move(Position(value=wrong), await lever.read(), "k")
    assert weights(product) == EVEN


# ---------------------------------------------------------------------------------------------------- of both


async def test_what_haproxy_refuses_says_why(bench: Drivers, product: Haproxy) -> None:
    operator = f"127.0.0.1:{product.operator}"
    fixed = make_weights(bench, product, backend="fixed")
    with pytest.raises(Denied, match="static LB algorithm"):
        await fixed.move(Position(value={"only": 50}), await fixed.read(), "k")
    may_not = make_weights(bench, product, operator)
    with pytest.raises(Denied, match="Permission denied"):
        await may_not.move(Position(value=SAFE), await may_not.read(), "k")
    for lever in (make_weights(bench, product, backend="none"), make_entry(bench, product, map="/none")):
        with pytest.raises(Gone, match="HAProxy at"):
            await lever.read()
    for nowhere in (product.folder / "none.sock", f"127.0.0.1:{free_port()}"):
        with pytest.raises(Unreachable, match="not reachable"):
            await make_weights(bench, product, nowhere).read()


async def test_a_restart_goes_back_to_the_files_and_is_seen(
    bench: Drivers, tmp_path: Path, two_models: list[str]
) -> None:
    with products.haproxy(tmp_path, *two_models) as first:
        lever = make_entry(bench, first)
        origin = await lever.read()
        cut = await lever.move(Position(value="1"), origin, "k")
    with pytest.raises(Unreachable):
        await lever.read()
    with products.haproxy(tmp_path, *two_models) as second:
        lever = make_entry(bench, second)
        again = await carried_out(lever, order("move", cut, Position(value="2")))
        assert again.result == "drifted"
        assert (await carried_out(lever, order("lift", origin, cut))).result == "done"
        assert entry(second) is None


@pytest.mark.parametrize(
    ("config", "fix"),
    [
        ({}, "write either map and key, or backend"),
        ({"map": "/m", "key": "/k", "backend": "b"}, "write either map and key, or backend"),
        ({"map": "/m"}, "add key: /tools/refund"),
        ({"key": "/k"}, "add map: /etc/haproxy/tools.map"),
        ({"map": "/m", "key": "two words"}, "with.key"),
    ],
)
def test_a_lever_is_one_thing(bench: Drivers, config: dict[str, Any], fix: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?i){re.escape(fix)}"):
        make(bench, "admin.sock", **config)


async def test_a_person_can_do_it_without_us(bench: Drivers, product: Haproxy) -> None:
    levers: list[tuple[Lever, tuple[JsonValue, ...]]] = [
        (make_entry(bench, product), ("1", "a b", None)),
        (make_weights(bench, product), (SAFE, EVEN)),
    ]
    for lever, path in levers:
        for to in path:
            words = shlex.split(lever.by_hand(to))  # type: ignore[attr-defined]
            assert [words[0], *words[2:]] == [
                "echo",
                "|",
                "socat",
                "-",
                f"UNIX-CONNECT:{product.folder}/admin.sock",
            ]
            await asyncio.to_thread(product.say, words[1])
            assert (await lever.read()).value == to, json.dumps(words)
