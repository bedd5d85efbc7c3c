"""The ferrogw levers on a real model gateway, in front of a real model."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Denied, Drifted, Gone, InvalidInput
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers import products
from tests.drivers.levers.faults import LeverFaults, Through, Truth, carried_out, order
from tests.drivers.levers.hands import by_hand
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling
from tests.e2e.processes import needs

pytestmark = pytest.mark.driver

SMALL, LARGE = "text-embedding-3-small", "text-embedding-3-large"
FILTER: dict[str, JsonValue] = {"blocked_words": ["password"], "case_sensitive": False}
AUTH = {"bearer": "env:FERRO_KEY"}
CONFIG: dict[str, Any] = {
    "strategy": {
        "mode": "ab-test",
        "ab_variants": [
            {"target_key": "openai", "weight": 100, "label": "control"},
            {"target_key": "mistral", "weight": 0, "label": "trial"},
        ],
    },
    "targets": [{"virtual_key": "openai"}, {"virtual_key": "mistral", "models": [SMALL]}],
    "aliases": {"embedder": SMALL},
    "plugins": [
        {
            "name": "word-filter",
            "type": "guardrail",
            "stage": "before_request",
            "enabled": False,
            "config": FILTER,
        },
        {
            "name": "rate-limit",
            "type": "ratelimit",
            "stage": "before_request",
            "enabled": True,
            "config": {"requests_per_second": 1000, "burst": 1000},
        },
    ],
}


class Ferrogw:
    """The gateway as its operator and its users have it."""

    def __init__(self, url: str) -> None:
        self.url = url
        auth = {"Authorization": f"Bearer {products.MASTER_KEY}"}
        self.http = httpx.Client(base_url=url, headers=auth, trust_env=False, timeout=60)

    def configure(self, **changed: Any) -> None:
        self.http.put("/admin/config", json={**CONFIG, **changed}).raise_for_status()

    def alias(self, model: JsonValue) -> None:
        self.configure(aliases={} if model is None else {"embedder": model})

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.http.get("/admin/config").raise_for_status().json()
        return config

    def new_key(self) -> tuple[str, str]:
        made = self.http.post("/admin/keys", json={"name": "the agent", "scopes": ["read_only"]}).json()
        return made["id"], made["key"]

    def embeds(self, text: str = "a refund?", model: str = SMALL, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.http.post("/v1/embeddings", json={"model": model, "input": text}, headers=headers)


@pytest.fixture
def gateway(ferrogw: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ferrogw]:
    monkeypatch.setenv("FERRO_KEY", products.MASTER_KEY)
    gateway = Ferrogw(ferrogw)
    before = gateway.config()
    gateway.configure()
    yield gateway
    gateway.http.put("/admin/config", json=before).raise_for_status()
    gateway.http.close()


@pytest.fixture
def proxy(gateway: Ferrogw) -> Iterator[Meddler]:
    with meddling(gateway.url) as meddler:
        meddler.put_back = gateway.configure
        yield meddler


def make(bench: Drivers, where: Ferrogw | Meddler, **config: Any) -> Lever:
    return make_lever(bench, "ferrogw", base=where.url, auth=AUTH, **{**PATIENT, **config})


class TestAlias(LeverConformance, LeverFaults):
    @pytest.fixture
    def meddler(self, proxy: Meddler) -> Meddler:
        return proxy

    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler) -> Through:
        return partial(make, bench, meddler, alias="embedder")

    @pytest.fixture
    def lever(self, through: Through) -> Lever:
        return through()

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return LARGE

    @pytest.fixture
    def meddle(self, gateway: Ferrogw) -> Callable[[JsonValue], Any]:
        return gateway.alias

    @pytest.fixture
    def writes(self, meddler: Meddler) -> Callable[[], int]:
        return lambda: meddler.writes

    @pytest.fixture
    def truth(self, gateway: Ferrogw) -> Truth:
        async def look() -> JsonValue:
            model: JsonValue = gateway.config()["aliases"]["embedder"]
            return model

        return look


class TestKey(LeverConformance):
    @pytest.fixture
    def key(self, gateway: Ferrogw) -> str:
        return gateway.new_key()[0]

    @pytest.fixture
    def lever(self, bench: Drivers, proxy: Meddler, key: str) -> Lever:
        return make(bench, proxy, key=key)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "2001-01-01T00:00:00Z"

    @pytest.fixture
    def meddle(self, gateway: Ferrogw, key: str) -> Callable[[JsonValue], Any]:
        return lambda to: gateway.http.put(f"/admin/keys/{key}", json={"expires_at": to})

    @pytest.fixture
    def writes(self, proxy: Meddler) -> Callable[[], int]:
        return lambda: proxy.writes


async def there_and_back(
    lever: Lever, to: JsonValue, effect: Callable[[], Any], back: Callable[[], Any]
) -> None:
    """Move, see the effect, put back, see it over. What the gateway took is in force on the next request."""
    origin = await lever.read()
    shown = await lever.move(Position(value=to), origin, "i/1/move")
    assert effect()
    assert (await lever.move(origin, shown, "i/1/lift")).same_as(origin)
    assert back()


async def test_a_moved_alias_reaches_another_model(bench: Drivers, gateway: Ferrogw) -> None:
    def reaches(model: str) -> bool:
        return gateway.embeds(model="embedder").headers["x-gateway-model"] == model

    before = gateway.config()
    lever = make(bench, gateway, alias="embedder")
    await there_and_back(lever, LARGE, lambda: reaches(LARGE), lambda: reaches(SMALL))
    assert gateway.config() == before
    await there_and_back(
        lever, None, lambda: gateway.embeds(model="embedder").is_error, lambda: reaches(SMALL)
    )
    new = make(bench, gateway, alias="spare")
    assert (await new.read()).value is None
    await there_and_back(new, SMALL, lambda: gateway.embeds(model="spare").is_success, lambda: True)
    assert gateway.config() == before


@pytest.mark.parametrize("what", ["variants", "targets"])
async def test_a_moved_split_sends_the_traffic_elsewhere(bench: Drivers, gateway: Ferrogw, what: str) -> None:
    first, second = ("control", "trial") if what == "variants" else ("openai", "mistral")
    if what == "targets":
        targets = [{**each, "weight": weight} for each, weight in zip(CONFIG["targets"], (1, 0), strict=True)]
        gateway.configure(strategy={"mode": "loadbalance"}, targets=targets)

    def served_by(provider: str) -> bool:
        return {gateway.embeds().headers["x-gateway-provider"] for _ in range(12)} == {provider}

    lever = make(bench, gateway, weights=what)
    assert served_by("openai")
    to: JsonValue = {first: 0, second: 2.5}
    await there_and_back(lever, to, lambda: served_by("mistral"), lambda: served_by("openai"))
    wrongs: list[JsonValue] = [{first: 1}, {first: 1, second: 1, "third": 1}, 50]
    for wrong in wrongs:
        with pytest.raises(Gone, match=f"each of {first}, {second}"):
            await lever.move(Position(value=wrong), await lever.read(), "i/1/move")


async def test_a_limit_is_in_force_on_the_next_request(bench: Drivers, gateway: Ferrogw) -> None:
    lever = make(bench, gateway, plugin={"name": "rate-limit"})
    origin = await lever.read()
    assert origin.value == {"enabled": True, "config": {"requests_per_second": 1000, "burst": 1000}}
    to: JsonValue = {"enabled": True, "config": {"requests_per_second": 0.001, "burst": 1}}

    def limited() -> bool:
        return [gateway.embeds().status_code for _ in range(3)] == [200, 429, 429]

    def free() -> bool:
        return {gateway.embeds().status_code for _ in range(3)} == {200}

    await there_and_back(lever, to, limited, free)


async def test_a_word_filter_blocks_the_next_request(bench: Drivers, gateway: Ferrogw) -> None:
    def blocked(text: str) -> bool:
        return gateway.embeds(text).status_code == 400

    def passes(text: str) -> bool:
        return gateway.embeds(text).is_success

    whole = make(bench, gateway, plugin={"name": "word-filter", "stage": "before_request"})
    to: JsonValue = {"enabled": True, "config": FILTER}
    await there_and_back(whole, to, lambda: blocked("the password"), lambda: passes("the password"))
    await whole.move(Position(value=to), await whole.read(), "i/1/move")
    words = make(bench, gateway, plugin={"name": "word-filter", "setting": "blocked_words"})
    more: JsonValue = ["password", "wire transfer"]
    await there_and_back(words, more, lambda: blocked("a wire transfer"), lambda: passes("a wire transfer"))


async def test_a_key_is_cut_off_and_let_in_again(bench: Drivers, gateway: Ferrogw) -> None:
    name, key = gateway.new_key()
    lever = make(bench, gateway, key=name)

    def let_in() -> bool:
        return gateway.embeds(key=key).is_success

    def out() -> bool:
        return gateway.embeds(key=key).status_code == 401

    assert let_in()
    await there_and_back(lever, "2001-01-01T00:00:00Z", out, let_in)
    end = {"expires_at": "2901-01-01T02:00:00.5+02:00"}
    gateway.http.put(f"/admin/keys/{name}", json=end).raise_for_status()
    assert (await lever.read()).value == "2901-01-01T00:00:00.500000Z"
    await there_and_back(lever, None, let_in, let_in)
    with pytest.raises(Gone, match="write it in UTC"):
        await lever.move(Position(value="tomorrow"), await lever.read(), "i/1/move")
    gateway.http.post(f"/admin/keys/{name}/revoke").raise_for_status()
    with pytest.raises(Gone, match="cannot undo"):
        await lever.move(Position(value=None), await lever.read(), "i/1/move")


async def test_a_key_survives_lost_answers(bench: Drivers, gateway: Ferrogw, proxy: Meddler) -> None:
    lever = make(bench, proxy, key=gateway.new_key()[0])
    origin, to = await lever.read(), Position(value="2001-01-01T00:00:00Z")
    for fault in ("lose", "refuse"):
        proxy.plan = [fault]
        assert (await carried_out(lever, order("move", origin, to))).result == "done"
        proxy.plan = [fault]
        assert (await carried_out(lever, order("lift", origin, to))).result == "done"
        assert (await lever.read()).same_as(origin)


async def test_what_somebody_else_changes_beside_it_stays(bench: Drivers, gateway: Ferrogw) -> None:
    lever = make(bench, gateway, alias="embedder")
    origin = await lever.read()
    gateway.configure(aliases={"embedder": SMALL, "other": LARGE})
    await lever.move(Position(value=LARGE), origin, "i/1/move")
    assert gateway.config()["aliases"] == {"embedder": LARGE, "other": LARGE}


async def test_a_change_between_our_reading_and_our_write_is_seen(
    bench: Drivers, gateway: Ferrogw, monkeypatch: pytest.MonkeyPatch
) -> None:
    lever: Any = make(bench, gateway, alias="embedder")
    origin = await lever.read()
    write = lever.write

    async def late(*order: Any) -> None:
        gateway.alias("another")
        await write(*order)

    monkeypatch.setattr(lever, "write", late)
    with pytest.raises(Drifted):
        await lever.move(Position(value=LARGE), origin, "i/1/move")
    assert gateway.config()["aliases"]["embedder"] == "another"


async def test_a_hidden_secret_is_never_written_back(bench: Drivers, gateway: Ferrogw) -> None:
    server = {"name": "tools", "url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer hush"}}
    gateway.configure(mcp_servers=[server])
    lever = make(bench, gateway, alias="embedder")
    with pytest.raises(Denied, match="literal secret"):
        await lever.move(Position(value=LARGE), await lever.read(), "i/1/move")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "Write alias, weights, plugin or key"),
        ({"alias": "a", "key": "k"}, "here 2 are named"),
        ({"weights": "all"}, "weights"),
    ],
)
def test_a_wrong_configuration_is_refused(bench: Drivers, config: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make_lever(bench, "ferrogw", base="http://gateway", **config)


async def test_what_is_not_there_is_named(bench: Drivers, gateway: Ferrogw) -> None:
    gateway.configure(strategy={"mode": "fallback"})
    for config, said in (
        ({"weights": "variants"}, "no A/B variants"),
        ({"plugin": {"name": "budget"}}, "configure it with enabled: false"),
        ({"key": "no-such-key"}, "404"),
    ):
        with pytest.raises(Gone, match=said):
            await make(bench, gateway, **config).read()


@pytest.mark.parametrize(
    ("config", "to"),
    [
        ({"alias": "embedder"}, LARGE),
        ({"alias": "embedder"}, None),
        ({"weights": "variants"}, {"control": 0, "trial": 100}),
        ({"weights": "targets"}, {"openai": 2, "mistral": 3}),
        ({"plugin": {"name": "word-filter"}}, {"enabled": True, "config": FILTER}),
        ({"plugin": {"name": "word-filter", "stage": "before_request", "setting": "blocked_words"}}, ["a"]),
    ],
)
async def test_by_hand_does_the_same(
    bench: Drivers, gateway: Ferrogw, config: dict[str, Any], to: JsonValue
) -> None:
    needs("jq", "jq")
    lever = make(bench, gateway, **config)
    by_hand(lever, to)
    assert (await lever.read()).value == to
