"""The Unleash levers on a real Unleash, and what its clients see of them."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Drifted, Gone, InvalidInput
from firestation.ports import Lever, Window
from firestation.system import CheckFitting, Position
from firestation.testing import LeverConformance
from tests.drivers import products
from tests.drivers.levers.faults import LeverFaults, Through, Truth, carried_out, order
from tests.drivers.levers.hands import by_hand
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling
from tests.e2e.processes import needs, wait_for

pytestmark = pytest.mark.driver

AUTH = {"header": {"name": "Authorization", "secret": "env:UNLEASH_TOKEN"}}
FLAG = "refunds"
COMMON: dict[str, JsonValue] = {"stickiness": "default"}
BOTH: dict[str, JsonValue] = {
    "old": {"weight": 500, "weightType": "variable", **COMMON},
    "new": {"weight": 500, "weightType": "variable", **COMMON},
}
ONLY_OLD: dict[str, JsonValue] = {
    "old": {"weight": 1000, "weightType": "variable", **COMMON},
    "new": {"weight": 0, "weightType": "fix", **COMMON},
}
USERS = range(20)


def listed(variants: Any) -> list[JsonValue]:
    """As Unleash has them."""
    return [{"name": name, **each} for name, each in variants.items()]


class Unleash:
    """A flag as its owner and the clients of the application have it."""

    def __init__(self, url: str) -> None:
        self.url = url
        auth = {"Authorization": products.UNLEASH_TOKEN}
        base = f"{url}/api/admin/projects/default/features"
        self.http = httpx.Client(base_url=base, headers=auth, trust_env=False, timeout=60)
        auth = {"Authorization": products.UNLEASH_CLIENT}
        self.client = httpx.Client(base_url=url, headers=auth, trust_env=False, timeout=60)

    def make(self) -> None:
        self.http.post("", json={"name": FLAG, "type": "kill-switch"}).raise_for_status()
        parameters = {"rollout": "100", "stickiness": "userId", "groupId": FLAG}
        strategy = {"name": "flexibleRollout", "parameters": parameters, "variants": listed(BOTH)}
        self.http.post(f"/{FLAG}/environments/development/strategies", json=strategy).raise_for_status()
        self.switch(on=True)

    def forget(self) -> None:
        self.http.delete(f"/{FLAG}").raise_for_status()
        self.http.delete(self.url + f"/api/admin/archive/{FLAG}").raise_for_status()

    def switch(self, *, on: bool) -> None:
        state = "on" if on else "off"
        self.http.post(f"/{FLAG}/environments/development/{state}").raise_for_status()

    def environment(self) -> dict[str, Any]:
        found = self.http.get(f"/{FLAG}").raise_for_status().json()["environments"]
        return next(each for each in found if each["name"] == "development")

    def strategy(self) -> dict[str, Any]:
        strategy: dict[str, Any] = self.environment()["strategies"][0]
        return strategy

    def patch(self, path: str, value: JsonValue) -> None:
        where = f"/{FLAG}/environments/development/strategies/{self.strategy()['id']}"
        self.http.patch(where, json=[{"op": "replace", "path": path, "value": value}]).raise_for_status()

    def seen(self) -> list[str | None]:
        """The variant that each user is given by the client's API, and None for who is not given the flag."""
        return [self.seen_by(user) for user in USERS]

    def seen_by(self, user: int) -> str | None:
        got = self.client.get("/api/frontend", params={"userId": str(user)}).raise_for_status().json()
        names = [each["variant"].get("name") for each in got["toggles"] if each["name"] == FLAG]
        return str(names[0]) if names else None


@pytest.fixture
def flags(unleash: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unleash]:
    monkeypatch.setenv("UNLEASH_TOKEN", products.UNLEASH_TOKEN)
    flags = Unleash(unleash)
    flags.make()
    yield flags
    flags.forget()
    flags.http.close()
    flags.client.close()


@pytest.fixture
def proxy(flags: Unleash) -> Iterator[Meddler]:
    with meddling(flags.url) as meddler:
        meddler.put_back = lambda: flags.switch(on=True)
        yield meddler


def make(bench: Drivers, where: Unleash | Meddler, **config: Any) -> Lever:
    config = {**PATIENT, "environment": "development", **config}
    return make_lever(bench, "unleash", base=where.url, auth=AUTH, **{"feature": FLAG, **config})


class TestSwitch(LeverConformance, LeverFaults):
    @pytest.fixture
    def meddler(self, proxy: Meddler) -> Meddler:
        return proxy

    @pytest.fixture
    def through(self, bench: Drivers, proxy: Meddler) -> Through:
        return partial(make, bench, proxy)

    @pytest.fixture
    def lever(self, through: Through) -> Lever:
        return through()

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return False

    @pytest.fixture
    def meddle(self, flags: Unleash) -> Callable[[JsonValue], Any]:
        return lambda to: flags.switch(on=bool(to))

    @pytest.fixture
    def writes(self, proxy: Meddler) -> Callable[[], int]:
        return lambda: proxy.writes

    @pytest.fixture
    def truth(self, flags: Unleash) -> Truth:
        async def look() -> JsonValue:
            enabled: bool = flags.environment()["enabled"]
            return enabled

        return look


class TestRollout(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, proxy: Meddler) -> Lever:
        return make(bench, proxy, move="rollout")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return 0

    @pytest.fixture
    def meddle(self, flags: Unleash) -> Callable[[JsonValue], Any]:
        return lambda to: flags.patch("/parameters/rollout", str(to))

    @pytest.fixture
    def writes(self, proxy: Meddler) -> Callable[[], int]:
        return lambda: proxy.writes


class TestVariants(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, proxy: Meddler) -> Lever:
        return make(bench, proxy, move="variants")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return ONLY_OLD

    @pytest.fixture
    def meddle(self, flags: Unleash) -> Callable[[JsonValue], Any]:
        return lambda to: flags.patch("/variants", listed(to))

    @pytest.fixture
    def writes(self, proxy: Meddler) -> Callable[[], int]:
        return lambda: proxy.writes


@pytest.mark.parametrize(
    ("move", "to", "there"),
    [
        ("enabled", False, {None}),
        ("rollout", 50, {None, "old", "new"}),
        ("variants", ONLY_OLD, {"old"}),
    ],
)
async def test_clients_see_it_and_see_it_over(
    bench: Drivers, flags: Unleash, move: str, to: JsonValue, there: set[str | None]
) -> None:
    wait_for("the clients", lambda: set(flags.seen()) == {"old", "new"})
    before = flags.seen()
    lever = make(bench, flags, move=move)
    origin = await lever.read()
    shown = await lever.move(Position(value=to), origin, "i/1/move")
    wait_for("what clients see", lambda: set(flags.seen()) == there)
    assert (await lever.move(origin, shown, "i/1/lift")).same_as(origin)
    wait_for("what they saw before", lambda: flags.seen() == before)


async def test_an_effect_probe_passes_only_when_clients_see_it(
    bench: Drivers, flags: Unleash, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read-back shows the flag off at once; until its clients see it, the probe fails, and it does not err."""
    monkeypatch.setenv("UNLEASH_CLIENT", products.UNLEASH_CLIENT)
    config = {
        "base": flags.url,
        "auth": {"header": {"name": "Authorization", "secret": "env:UNLEASH_CLIENT"}},
        "request": {"url": "/api/frontend?userId=1"},
        "expect": [{"path": "$.toggles", "op": "equals", "value": []}],
    }
    probe = bench.check(CheckFitting(id="refunds-off", title="Off", driver="http", config=config))
    window = Window(since=datetime.now(UTC), until=datetime.now(UTC))
    wait_for("the clients", lambda: flags.seen_by(1) is not None)
    lever = make(bench, flags)
    await lever.move(Position(value=False), await lever.read(), "i/1/move")
    verdicts: list[str] = []
    async with asyncio.timeout(60):
        while "passed" not in verdicts:
            verdicts.append((await probe.measure(window)).verdict)
            assert (flags.seen_by(1) is None) or verdicts[-1] == "failed"
    assert set(verdicts) <= {"failed", "passed"}


@pytest.mark.parametrize(("move", "to"), [("rollout", 10), ("variants", ONLY_OLD)])
async def test_unleash_itself_compares(
    bench: Drivers, flags: Unleash, monkeypatch: pytest.MonkeyPatch, move: str, to: JsonValue
) -> None:
    lever: Any = make(bench, flags, move=move)
    origin = await lever.read()
    write = lever.write

    async def late(*order: Any) -> None:
        flags.patch("/parameters/rollout", "70")
        flags.patch("/variants", [])
        await write(*order)

    monkeypatch.setattr(lever, "write", late)
    with pytest.raises(Drifted):
        await lever.move(Position(value=to), origin, "i/1/move")
    assert flags.strategy()["parameters"]["rollout"] == "70"
    assert flags.strategy()["variants"] == []


async def test_the_rollout_survives_lost_answers(bench: Drivers, flags: Unleash, proxy: Meddler) -> None:
    lever = make(bench, proxy, move="rollout")
    origin, to = await lever.read(), Position(value=5)
    for fault in ("lose", "refuse"):
        proxy.plan = [fault]
        assert (await carried_out(lever, order("move", origin, to))).result == "done"
        assert flags.strategy()["parameters"]["rollout"] == "5"
        proxy.plan = [fault]
        assert (await carried_out(lever, order("lift", origin, to))).result == "done"
        assert flags.strategy()["parameters"]["rollout"] == "100"


async def test_variants_come_back_as_they_were(bench: Drivers, flags: Unleash) -> None:
    """Three cannot share equally, and the order is Unleash's own."""
    three = {name: {"weight": 0, "weightType": "variable", **COMMON} for name in ("b", "a", "Z")}
    payload = {"type": "string", "value": "x"}
    one = {"weight": 100, "weightType": "fix", "payload": payload, **COMMON}
    flags.patch("/variants", listed({**three, "kept": one}))
    before = flags.strategy()["variants"]
    assert sorted(each["weight"] for each in before) == [100, 300, 300, 300]
    flags.patch("/variants", listed(three))
    before = flags.strategy()["variants"]
    assert sorted(each["weight"] for each in before) == [333, 333, 334]
    lever = make(bench, flags, move="variants")
    origin = await lever.read()
    for to in (ONLY_OLD, {}):
        shown = await lever.move(Position(value=to), origin, "i/1/move")
        await lever.move(origin, shown, "i/1/lift")
        assert flags.strategy()["variants"] == before


async def test_a_position_that_it_cannot_take_is_named(bench: Drivers, flags: Unleash) -> None:
    wrong: list[tuple[str, JsonValue, str]] = [
        ("rollout", 101, "whole percent"),
        ("rollout", True, "whole percent"),
        ("variants", "old", "as a map"),
        ("variants", {"old": {"weight": 1, "weightType": "variable", **COMMON}}, r"write \[1000\]"),
        ("variants", {"old": {"weight": 1000, "weightType": "fix", **COMMON}}, "0 variable"),
        ("variants", {"old": {"weight": 1}}, "needs weight and weightType"),
        ("variants", {"old": 1000}, "left to 0 variable"),
        ("enabled", "off", "true or false"),
    ]
    for move, to, said in wrong:
        lever = make(bench, flags, move=move)
        with pytest.raises(Gone, match=said):
            await lever.move(Position(value=to), await lever.read(), "i/1/move")


async def test_what_is_not_there_is_named(bench: Drivers, flags: Unleash) -> None:
    for config, said in (
        ({"feature": "no-such-flag"}, "404"),
        ({"environment": "nowhere"}, "it has development, production"),
        ({"move": "rollout", "environment": "production"}, "and 0 fit"),
        ({"move": "rollout", "strategy": "another"}, flags.strategy()["id"]),
    ):
        with pytest.raises(Gone, match=said):
            await make(bench, flags, **config).read()
    more = {"name": "default"}
    flags.http.post(f"/{FLAG}/environments/development/strategies", json=more).raise_for_status()
    with pytest.raises(Gone, match="and 2 fit"):
        await make(bench, flags, move="rollout").read()
    other = next(each for each in flags.environment()["strategies"] if each["name"] == "default")
    with pytest.raises(Gone, match="has no rollout"):
        await make(bench, flags, move="rollout", strategy=other["id"]).read()


def test_a_wrong_configuration_is_refused(bench: Drivers) -> None:
    with pytest.raises(InvalidInput, match="Leave strategy out"):
        make_lever(bench, "unleash", base="http://flags", feature="f", environment="e", strategy="s")


async def test_by_hand_does_the_same(bench: Drivers, flags: Unleash) -> None:
    needs("curl", "curl")
    moves: list[tuple[str, JsonValue]] = [("enabled", False), ("rollout", 7), ("variants", ONLY_OLD)]
    for move, to in moves:
        strategy = {} if move == "enabled" else {"strategy": flags.strategy()["id"]}
        lever = make(bench, flags, move=move, **strategy)
        by_hand(lever, to)
        assert (await lever.read()).value == to
