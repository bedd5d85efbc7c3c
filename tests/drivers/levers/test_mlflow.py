"""The MLflow lever on a real MLflow: aliases, the traffic split of its AI gateway, and budgets."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.drivers.moving import Raced
from firestation.errors import Gone, InvalidInput
from firestation.ports import Check, Lever, Window
from firestation.system import CheckFitting, Position
from firestation.testing import LeverConformance
from tests.drivers.levers.applications import Asking, application
from tests.drivers.levers.faults import LeverFaults, Spoiler, Through, Truth, carried_out, order
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling
from tests.drivers.levers.mlflow_operator import GATEWAY, SPLIT, STABLE, Mlflow, operating, question
from tests.e2e.processes import needs, running, wait_for

pytestmark = pytest.mark.driver

CANARY: JsonValue = {"stable": 0, "canary": 1}
CLIENT_KEEPS = 1  # seconds for which the application keeps a prompt; MLflow's own default is 60

# The application, with MLflow's own client: for each line that comes, the prompt that it would use now.
APPLICATION = """
import sys
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
for text in ("Rule by the policy.", "Be friendly."):
    mlflow.genai.register_prompt("lever", text)
mlflow.genai.set_prompt_alias("lever", "production", 1)
print("ready", flush=True)
for _ in sys.stdin:
    print(mlflow.genai.load_prompt("prompts:/lever@production").template, flush=True)
"""


@pytest.fixture(scope="module")
def operator(mlflow: str) -> Iterator[Mlflow]:
    with operating(mlflow) as operator:
        yield operator


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, mlflow: str) -> Iterator[Asking]:
    """The application; it keeps prompts only shortly."""
    folder = tmp_path_factory.mktemp("application")
    keeps = {"MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS": str(CLIENT_KEEPS), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with application("mlflow", APPLICATION, mlflow, folder, **keeps) as ask:
        yield ask


@dataclass(frozen=True)
class Kind:
    """One of the things that the lever moves: how it is configured, where it stands and goes, and the truth."""

    config: dict[str, Any]
    origin: JsonValue
    elsewhere: JsonValue
    truth: Callable[[Mlflow], JsonValue]
    set: Callable[[Mlflow, JsonValue], None]


KINDS = {
    "prompt": Kind(
        {"prompt": "lever", "alias": "production"},
        2,
        1,
        lambda it: it.alias("lever"),
        lambda it, to: it.set_alias("lever", to),
    ),
    "model": Kind(
        {"model": "ranker", "alias": "production"},
        2,
        None,
        lambda it: it.alias("ranker"),
        lambda it, to: it.set_alias("ranker", to),
    ),
    "split": Kind(
        {"split": "chat"},
        STABLE,
        CANARY,
        lambda it: it.weights("chat"),
        lambda it, to: it.set_weights("chat", to),
    ),
    "budget": Kind(
        {"budget": {"endpoint": "chat"}},
        None,
        0,
        lambda it: it.amounts(),
        lambda it, to: it.set_amount("chat", to),
    ),
    "budget that was there": Kind(
        {"budget": {"endpoint": "chat"}},
        0.5,
        0,
        lambda it: it.amounts(),
        lambda it, to: it.set_amount("chat", to),
    ),
}


def make(bench: Drivers, url: str, kind: Kind, **times: str) -> Lever:
    positions = {"there": kind.elsewhere}
    return make_lever(bench, "mlflow", positions, base=url, **{**PATIENT, **times}, **kind.config)


@pytest.fixture
def kind(request: pytest.FixtureRequest, operator: Mlflow, asked: Asking) -> Kind:
    """At its origin, whatever a test before did."""
    del asked  # it registered the prompt
    kind = KINDS[getattr(request, "param", "prompt")]
    kind.set(operator, kind.origin)
    return kind


@pytest.fixture(scope="module")
def proxy(operator: Mlflow) -> Iterator[Meddler]:
    with meddling(operator.url) as meddler:
        yield meddler


@pytest.fixture
def meddler(proxy: Meddler, operator: Mlflow, kind: Kind) -> Iterator[Meddler]:
    """One proxy for all tests, as new for each: what was to be written later has been written."""
    proxy.plan, proxy.writes = [], 0
    proxy.put_back = lambda: kind.set(operator, kind.origin)
    yield proxy
    wait_for("the writes that are late", lambda: not proxy.later)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
class TestLever(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, meddler: Meddler, kind: Kind) -> Lever:
        return make(bench, meddler.url, kind)

    @pytest.fixture
    def elsewhere(self, kind: Kind) -> JsonValue:
        return kind.elsewhere

    @pytest.fixture
    def meddle(self, operator: Mlflow, kind: Kind) -> Callable[[JsonValue], Any]:
        return lambda value: kind.set(operator, value)

    @pytest.fixture
    def writes(self, meddler: Meddler) -> Callable[[], int]:
        return lambda: meddler.writes


class _Faults(LeverFaults):
    @pytest.fixture
    def meddler(self, meddler: Meddler) -> Meddler:
        return meddler

    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler, kind: Kind) -> Through:
        return partial(make, bench, meddler.url, kind)

    @pytest.fixture
    def truth(self, operator: Mlflow, kind: Kind) -> Truth:
        async def look() -> JsonValue:
            return kind.truth(operator)

        return look

    @pytest.fixture
    def elsewhere(self, kind: Kind) -> JsonValue:
        return kind.elsewhere


class TestFaultsOfAnAlias(_Faults):
    """All of them."""


@pytest.mark.parametrize("kind", ["split", "budget"], indirect=True)
class TestFaultsOfTheGateway(_Faults):
    """Those which the write itself has to withstand; the others meet the frame, whatever is moved."""

    @pytest.mark.parametrize("fault", ["lose", "hang-after", "noop", "slow"])
    @pytest.mark.parametrize("when", ["once"])
    async def test_it_never_says_done_when_it_is_not_and_always_finds_back(
        self, through: Through, meddler: Spoiler, truth: Truth, elsewhere: JsonValue, fault: str, when: str
    ) -> None:
        test = super().test_it_never_says_done_when_it_is_not_and_always_finds_back
        await test(through, meddler, truth, elsewhere, fault, when)


# ------------------------------------------------------------------------------------------------- effective


async def test_an_alias_is_effective_when_the_application_has_forgotten_the_prompt(
    bench: Drivers, operator: Mlflow, asked: Asking
) -> None:
    kind = KINDS["prompt"]
    kind.set(operator, 2)
    lever = make(bench, operator.url, kind)
    wait_for("the application to be broken", lambda: asked() == "Be friendly.")
    origin = await lever.read()
    await lever.move(Position(value=1), origin, "i/1/move")
    wait_for("the application to rule again", lambda: asked() == "Rule by the policy.")
    await lever.move(origin, Position(value=1), "i/1/lift")
    wait_for("the application to be broken again", lambda: asked() == "Be friendly.")


def probe(bench: Drivers, url: str, endpoint: str, wanted: str) -> Check:
    """An effect probe: it asks the gateway, as the application does, and looks which model answered."""
    request = {"method": "POST", "url": "/gateway/mlflow/v1/chat/completions", "body": question(endpoint)}
    expect = [{"path": "$.choices[0].message.content", "op": "equals", "value": f"I am {wanted}"}]
    config = {"base": url, "request": request, "expect": expect}
    return bench.check(CheckFitting(id="route", title="R", driver="http", config=config))


async def verdict(check: Check) -> str:
    now = datetime.now(UTC)
    return (await check.measure(Window(since=now - timedelta(minutes=1), until=now))).verdict


async def until_passed(check: Check) -> None:
    """As a probe does it: measure until it passes. The pace is not the time of the test."""
    async with asyncio.timeout(30):
        for pause in itertools.repeat(0.1):
            if await verdict(check) == "passed":
                return
            await asyncio.sleep(pause)


async def test_a_split_is_effective_when_the_gateway_has_forgotten_the_endpoint(
    bench: Drivers, operator: Mlflow
) -> None:
    """The read-back shows it at once; the gateway routes as before until its cache is over, and the probe says so."""
    operator.ask("chat").raise_for_status()  # the slow first one is over
    operator.add_endpoint("fresh")
    old, new = (probe(bench, operator.url, "fresh", each) for each in ("gpt-4o", "gpt-4o-mini"))
    assert await verdict(old) == "passed"
    lever = make(bench, operator.url, Kind({"split": "fresh"}, STABLE, CANARY, KINDS["split"].truth, print))
    shown = await lever.move(Position(value=CANARY), await lever.read(), "i/1/move")
    assert shown.value == CANARY
    assert await verdict(new) == "failed"
    await until_passed(new)
    assert await verdict(old) == "failed"


async def test_a_budget_of_nothing_stops_the_endpoint_at_once_and_only_it(
    bench: Drivers, operator: Mlflow
) -> None:
    operator.set_amount("chat", None)
    operator.add_endpoint("other")
    lever = make(bench, operator.url, KINDS["budget"])
    origin = await lever.read()
    shown = await lever.move(Position(value=0), origin, "i/1/move")
    refused = operator.ask("chat")
    assert refused.status_code == 429
    assert "Budget limit exceeded" in refused.text
    assert operator.ask("other").is_success
    await lever.move(origin, shown, "i/1/lift")
    assert operator.ask("chat").is_success


# ------------------------------------------------------------------------------------- what else it must keep


async def test_a_split_keeps_what_it_does_not_move(bench: Drivers, operator: Mlflow) -> None:
    """The models to fall back to, how, and whether it is tracked; and a model that was taken out comes back."""
    kind = KINDS["split"]
    kind.set(operator, STABLE)
    before = operator.endpoint("chat")
    lever = make(bench, operator.url, kind)
    origin = await lever.read()
    there = await lever.move(Position(value={"stable": 0.25, "spare": 0.75}), origin, "i/1/move")
    assert operator.weights("chat") == {"stable": 0.25, "spare": 0.75}
    await lever.move(origin, there, "i/1/lift")
    after = operator.endpoint("chat")

    def told(endpoint: Any) -> Any:
        changing = ("last_updated_at", "model_mappings")
        models = [
            {
                name: each.get(name)
                for name in ("model_definition_id", "linkage_type", "weight", "fallback_order")
            }
            for each in endpoint["model_mappings"]
        ]
        return models, {name: value for name, value in endpoint.items() if name not in changing}

    assert told(after) == told(before)


async def test_a_budget_leaves_others_alone_and_two_that_are_equal_are_one(
    bench: Drivers, operator: Mlflow
) -> None:
    """A slow create that was sent again leaves two; both are moved, and both are taken away."""
    operator.set_amount("chat", None)
    others = ({"budget_action": "ALERT"}, {"duration": {"unit": "HOURS", "value": 1}})
    for other in others:
        operator.add_budget("chat", 7, **other)
    operator.add_budget("chat", 7, target_scope="GLOBAL", target_value="")
    for _ in range(2):
        operator.add_budget("chat", 0)
    lever = make(bench, operator.url, KINDS["budget"])
    everywhere = make(bench, operator.url, Kind({"budget": {}}, 7, 8, KINDS["budget"].truth, print))
    there = await lever.read()
    assert (there.value, (await everywhere.read()).value) == (0, 7)
    there = await lever.move(Position(value=100), there, "i/1/move")
    assert sorted(each["budget_amount"] for each in operator.budgets()) == [7, 7, 7, 100]
    operator.add_budget("chat", 50)
    assert (await lever.read()).value == [50, 100]
    operator.set_amount("chat", 0)
    operator.add_budget("chat", 0)
    await lever.move(Position(value=None), await lever.read(), "i/1/lift")
    assert operator.budgets() == []


@pytest.mark.parametrize("to", [None, 100])
@pytest.mark.parametrize("plan", [["pass", "refuse"], ["lose"], ["pass", "lose"]])
async def test_two_budgets_are_moved_whatever_happens_between(
    bench: Drivers, operator: Mlflow, meddler: Meddler, plan: list[str], to: JsonValue
) -> None:
    """One of two is done and the other is not: the amount that was found still shows, and the next try completes it."""
    operator.set_amount("chat", 0)
    operator.add_budget("chat", 0)
    lever = make(bench, meddler.url, KINDS["budget"])
    meddler.plan = [*plan]
    outcome = await carried_out(lever, order("move", Position(value=0), Position(value=to)))
    assert (outcome.result, operator.amounts()) == ("done", to)
    assert meddler.plan == []


@pytest.mark.parametrize("kind", ["split", "budget"], indirect=True)
async def test_what_moves_between_the_two_readings_is_not_overwritten(
    bench: Drivers, operator: Mlflow, kind: Kind
) -> None:
    lever: Any = make(bench, operator.url, kind)
    found = await lever.read()
    kind.set(operator, kind.elsewhere)
    with pytest.raises(Raced, match="meanwhile"):
        await lever.write(found, found, "i/1/move")
    assert kind.truth(operator) == kind.elsewhere


@pytest.mark.parametrize(
    ("config", "to", "said"),
    [
        ({"prompt": "none", "alias": "production"}, 1, "404"),
        ({"prompt": "lever", "alias": "production"}, 9, "version=9"),
        ({"split": "none"}, STABLE, "404"),
        ({"split": "plain"}, STABLE, f"set its routing_strategy to {SPLIT}"),
        ({"split": "chat"}, {"gpt-9": 1}, "no model gpt-9; it has canary, spare, stable"),
        ({"budget": {"endpoint": "none"}}, 0, "404"),
    ],
)
async def test_what_is_not_there_is_named(
    bench: Drivers, operator: Mlflow, asked: Asking, config: dict[str, Any], to: JsonValue, said: str
) -> None:
    del asked  # it registered the prompt
    if config.get("split") == "plain" and "plain" not in str(
        operator.call("GET", f"{GATEWAY}/endpoints/list")
    ):
        operator.add_endpoint("plain", "ROUTING_STRATEGY_UNSPECIFIED")
    lever = make_lever(bench, "mlflow", {"there": to}, base=operator.url, **config)
    with pytest.raises(Gone, match=said):
        await lever.move(Position(value=to), await lever.read(), "i/1/move")


@pytest.mark.parametrize("kind", KINDS, indirect=True)
async def test_by_hand_moves_it_too(bench: Drivers, operator: Mlflow, kind: Kind, tmp_path: Any) -> None:
    needs("curl", "curl")
    needs("jq", "jq")
    lever: Any = make(bench, operator.url, kind)
    for to in (kind.elsewhere, kind.origin):
        with running(["bash", "-c", lever.by_hand(to)], tmp_path, "by-hand") as shell:
            assert shell.wait(30) == 0, (tmp_path / "by-hand.log").read_text()
        assert kind.truth(operator) == to


@pytest.mark.parametrize(
    ("config", "position", "said"),
    [
        ({}, 1, "names nothing. Write one of prompt, model, split, budget"),
        ({"prompt": "a", "alias": "p", "split": "chat"}, 1, "names prompt and split"),
        ({"prompt": "a"}, 1, "Write alias: production"),
        ({"split": "chat", "alias": "p"}, STABLE, "Leave alias out"),
        (
            {"prompt": "a", "alias": "p"},
            "2",
            "lever.positions.there: this is no version. Write its number, like 2",
        ),
        ({"prompt": "a", "alias": "p"}, True, "lever.positions.there: this is no version"),
        ({"split": "chat"}, {"a": 0}, "lever.positions.there: this is no split. Write {MODEL: 1"),
        ({"split": "chat"}, None, "lever.positions.there: this is no split"),
        ({"split": "chat"}, {"a": "1"}, "lever.positions.there: this is no split"),
        ({"budget": {}}, 100.0, "lever.positions.there: this is no budget. Write dollars like 0, 100"),
        ({"budget": {}}, "1e-6", "lever.positions.there: this is no budget"),
        ({"budget": {"unit": "days"}}, 0, "Choose from 'MINUTES'"),
        ({"budget": {"every": 0}}, 0, "every"),
    ],
)
def test_a_wrong_configuration_is_refused(
    bench: Drivers, config: dict[str, Any], position: JsonValue, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_lever(bench, "mlflow", {"there": position}, base="http://mlflow:5000", **config)
    assert said in str(refused.value), json.dumps(str(refused.value))
