"""The LaunchDarkly lever, against the shape of the published API."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers.faults import LeverFaults, Through, Truth
from tests.drivers.levers.hands import by_hand
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling

pytestmark = pytest.mark.driver

TOKEN = "api-token-of-the-test"
AUTH = {"header": {"name": "Authorization", "secret": "env:LD_TOKEN"}}
ON, OFF = "86208e6e-468f-4425-b334-7f318397f95c", "7b32de80-f346-4276-bb77-28dfa7ddc2d8"
SEMANTIC = "application/json; domain-model=launchdarkly.semanticpatch"


@dataclass
class Contract:
    """https://launchdarkly.com/docs/api/feature-flags: a flag of two variations, read and patched semantically."""

    url: str = ""
    on: bool = True
    fallthrough: dict[str, Any] = field(default_factory=lambda: {"variation": 0})
    comments: list[str] = field(default_factory=list)

    def flag(self) -> dict[str, Any]:
        variations = [{"_id": ON, "value": True}, {"_id": OFF, "value": False}]
        environment = {"on": self.on, "fallthrough": self.fallthrough, "offVariation": 1, "version": 7}
        return {
            "key": "refunds",
            "_version": 2,
            "variations": variations,
            "environments": {"production": environment},
        }

    def patch(self, body: dict[str, Any]) -> None:
        assert set(body) == {"environmentKey", "comment", "instructions"}
        assert body["environmentKey"] == "production"
        self.comments.append(body["comment"])
        for each in body["instructions"]:
            kind = each.pop("kind")
            if kind == "updateFallthroughVariationOrRollout":
                self.fallthrough = self.served(**each)
            else:
                assert not each
                self.on = {"turnFlagOn": True, "turnFlagOff": False}[kind]

    def served(
        self,
        variationId: str = "",  # noqa: N803 - the API's name
        rolloutWeights: dict[str, int] | None = None,  # noqa: N803
        rolloutBucketBy: str = "key",  # noqa: N803
        rolloutContextKind: str = "user",  # noqa: N803
    ) -> dict[str, Any]:
        ids = [ON, OFF]
        if variationId:
            return {"variation": ids.index(variationId)}
        assert rolloutWeights is not None
        weights = [{"variation": ids.index(each), "weight": part} for each, part in rolloutWeights.items()]
        weights.sort(key=lambda each: each["variation"])
        return {
            "rollout": {"variations": weights, "bucketBy": rolloutBucketBy, "contextKind": rolloutContextKind}
        }


@pytest.fixture
def contract(monkeypatch: pytest.MonkeyPatch) -> Iterator[Contract]:
    monkeypatch.setenv("LD_TOKEN", TOKEN)
    contract = Contract()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = 404, {}
            if self.headers["authorization"] != TOKEN:
                status = 401
            elif self.path.partition("?")[0] == "/api/v2/flags/default/refunds":
                status, answer = 200, contract.flag()
                if self.command == "PATCH":
                    assert self.headers["content-type"] == SEMANTIC
                    contract.patch(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                    answer = contract.flag()
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PATCH = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    contract.url = f"http://127.0.0.1:{server.server_port}"
    yield contract
    server.shutdown()
    thread.join()
    server.server_close()


def make(bench: Drivers, where: Contract | Meddler, **config: Any) -> Lever:
    config = {"flag": "refunds", **PATIENT, **config}
    return make_lever(bench, "launchdarkly", base=where.url, auth=AUTH, **config)


class TestSwitch(LeverConformance, LeverFaults):
    @pytest.fixture
    def meddler(self, contract: Contract) -> Iterator[Meddler]:
        with meddling(contract.url) as meddler:
            meddler.put_back = lambda: setattr(contract, "on", True)
            yield meddler

    @pytest.fixture
    def lever(self, bench: Drivers, contract: Contract) -> Lever:
        return make(bench, contract)

    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler) -> Through:
        return partial(make, bench, meddler)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return False

    @pytest.fixture
    def meddle(self, contract: Contract) -> Callable[[JsonValue], Any]:
        return lambda to: setattr(contract, "on", to)

    @pytest.fixture
    def writes(self, contract: Contract) -> Callable[[], int]:
        return lambda: len(contract.comments)

    @pytest.fixture
    def truth(self, contract: Contract) -> Truth:
        async def look() -> JsonValue:
            return contract.on

        return look


class TestFallthrough(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, contract: Contract) -> Lever:
        return make(bench, contract, move="fallthrough")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return OFF

    @pytest.fixture
    def meddle(self, contract: Contract) -> Callable[[JsonValue], Any]:
        return lambda _: setattr(contract, "fallthrough", {"variation": 1})

    @pytest.fixture
    def writes(self, contract: Contract) -> Callable[[], int]:
        return lambda: len(contract.comments)


async def test_a_rollout_comes_back_whole(bench: Drivers, contract: Contract) -> None:
    weights = [{"variation": 0, "weight": 60000}, {"variation": 1, "weight": 40000}]
    rollout = {"variations": weights, "bucketBy": "account", "contextKind": "tenant"}
    contract.fallthrough = {"rollout": rollout}
    lever = make(bench, contract, move="fallthrough")
    origin = await lever.read()
    assert origin.value == {
        "weights": {ON: 60000, OFF: 40000},
        "bucketBy": "account",
        "contextKind": "tenant",
    }
    shown = await lever.move(Position(value=OFF), origin, "i/1/move")
    assert contract.fallthrough == {"variation": 1}
    await lever.move(origin, shown, "i/1/lift")
    assert contract.fallthrough == {"rollout": rollout}
    assert contract.comments == ["Firestation i/1/move", "Firestation i/1/lift"]


async def test_a_running_experiment_is_not_taken_apart(bench: Drivers, contract: Contract) -> None:
    weights = [{"variation": 0, "weight": 50000}, {"variation": 1, "weight": 50000}]
    contract.fallthrough = {"rollout": {"variations": weights, "kind": "experiment", "seed": 7}}
    lever = make(bench, contract, move="fallthrough")
    with pytest.raises(Denied, match="stop it there first"):
        await lever.move(Position(value=OFF), await lever.read(), "i/1/move")
    assert contract.comments == []


async def test_what_it_cannot_hold_or_does_not_have_is_named(
    bench: Drivers, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: list[tuple[str, JsonValue, str]] = [
        ("on", "off", "true or false"),
        ("fallthrough", {"weights": {ON: 1}}, "100000 in sum"),
        ("fallthrough", {"weights": {ON: 100_000}, "seed": 1}, "write the id"),
        ("fallthrough", {"weights": {ON: "100000"}}, "write the id"),
        ("fallthrough", 1, "write the id"),
    ]
    for move, to, said in wrong:
        lever = make(bench, contract, move=move)
        with pytest.raises(Gone, match=said):
            await lever.move(Position(value=to), await lever.read(), "i/1/move")
    with pytest.raises(Gone, match="no environment test"):
        await make(bench, contract, environment="test").read()
    with pytest.raises(Gone, match="404"):
        await make(bench, contract, flag="no-such").read()
    monkeypatch.setenv("LD_TOKEN", "wrong")
    with pytest.raises(Denied) as caught:
        await make(bench, contract).read()
    assert "wrong" not in str(caught.value)


async def test_by_hand_sends_the_same_patch(bench: Drivers, contract: Contract) -> None:
    moves: list[tuple[str, JsonValue]] = [("on", False), ("fallthrough", OFF)]
    for move, to in moves:
        lever = make(bench, contract, move=move)
        await asyncio.to_thread(by_hand, lever, to)
        assert (await lever.read()).value == to
