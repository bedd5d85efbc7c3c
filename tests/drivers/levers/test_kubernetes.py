"""The Kubernetes levers against the published API of apps/v1, behind the meddler."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Denied, Drifted, Gone, InvalidInput, Nonsense
from firestation.ports import Lever, Window
from firestation.system import CheckFitting, Position
from firestation.testing import LeverConformance
from tests.drivers.contracts import published
from tests.drivers.levers.faults import LeverFaults, Through, Truth
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling

pytestmark = pytest.mark.driver
PLACE = "/apis/apps/v1/namespaces/agents/deployments/refund-agent"
BAD, GOOD = "registry.example/agent:2", "registry.example/agent:1"


def failure(code: int, reason: str) -> tuple[int, Any]:
    """https://kubernetes.io/docs/reference/kubernetes-api: what every refusal looks like."""
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


class Cluster:
    """One Deployment. Its rollout goes on only when `roll` is called."""

    def __init__(self) -> None:
        agent, proxy = {"name": "agent", "image": BAD, "env": []}, {"name": "proxy", "image": "proxy:1"}
        self.deployment: dict[str, Any] = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "refund-agent",
                "namespace": "agents",
                "generation": 1,
                "resourceVersion": "100",
            },
            "spec": {"replicas": 3, "template": {"spec": {"containers": [agent, proxy]}}},
            "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
        }
        self.noise = 0

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> tuple[int, Any]:
        if headers.get("authorization") != "Bearer secret":
            return failure(401, "Unauthorized")
        if path != PLACE:
            return failure(404, "NotFound")
        if method == "PATCH":
            assert headers["content-type"] == "application/strategic-merge-patch+json"
            if self.noise:  # the controller writes the status all the time
                self.noise -= 1
                self.touch()
            if body["metadata"]["resourceVersion"] != self.deployment["metadata"]["resourceVersion"]:
                return failure(409, "Conflict")
            self.patch(body["spec"])
        return 200, copy.deepcopy(self.deployment)

    def touch(self) -> None:
        version = int(self.deployment["metadata"]["resourceVersion"]) + 1
        self.deployment["metadata"]["resourceVersion"] = str(version)

    def patch(self, spec: dict[str, Any]) -> None:
        """As a strategic merge patch does: containers are merged by their name."""
        if "replicas" in spec:
            self.deployment["spec"]["replicas"] = spec["replicas"]
        else:
            by_name = {
                each["name"]: each for each in self.deployment["spec"]["template"]["spec"]["containers"]
            }
            for each in spec["template"]["spec"]["containers"]:
                by_name[each["name"]].update(each)
            self.deployment["status"]["updatedReplicas"] = 0
        self.deployment["metadata"]["generation"] += 1
        self.touch()

    def roll(self) -> None:
        """The rollout comes to its end."""
        replicas, generation = self.deployment["spec"]["replicas"], self.deployment["metadata"]["generation"]
        self.deployment["status"] = {
            "observedGeneration": generation,
            **dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas),
        }
        self.touch()

    def image(self) -> JsonValue:
        found: JsonValue = self.deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    def set_image(self, to: JsonValue) -> None:
        self.patch({"template": {"spec": {"containers": [{"name": "agent", "image": to}]}}})


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def spoiling(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meddler]:
    monkeypatch.setenv("CLUSTER_TOKEN", "secret")
    with published(cluster.answer) as url, meddling(url) as meddler:
        meddler.put_back = lambda: cluster.set_image(BAD)
        yield meddler


def make(bench: Drivers, url: str, **config: Any) -> Lever:
    place = {"base": url, "auth": {"bearer": "env:CLUSTER_TOKEN"}, "namespace": "agents"}
    given = {**place, "deployment": "refund-agent", **PATIENT}
    kind = {} if "replicas" in config else {"container": "agent"}
    return make_lever(bench, "kubernetes", **{**given, **kind, **config})


class OfImage:
    @pytest.fixture
    def through(self, bench: Drivers, spoiling: Meddler) -> Through:
        return partial(make, bench, spoiling.url)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return GOOD


class TestImage(OfImage, LeverConformance):
    @pytest.fixture
    def lever(self, through: Through) -> Lever:
        return through()

    @pytest.fixture
    def meddle(self, cluster: Cluster) -> Callable[[JsonValue], Any]:
        return cluster.set_image

    @pytest.fixture
    def writes(self, spoiling: Meddler) -> Callable[[], int]:
        return lambda: spoiling.writes


class TestImageFaults(OfImage, LeverFaults):
    @pytest.fixture
    def meddler(self, spoiling: Meddler) -> Meddler:
        return spoiling

    @pytest.fixture
    def truth(self, cluster: Cluster) -> Truth:
        async def look() -> JsonValue:
            return cluster.image()

        return look


class TestReplicas(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, spoiling: Meddler) -> Lever:
        return make(bench, spoiling.url, replicas=True)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return 0

    @pytest.fixture
    def meddle(self, cluster: Cluster) -> Callable[[JsonValue], Any]:
        return lambda to: cluster.patch({"replicas": to})

    @pytest.fixture
    def writes(self, spoiling: Meddler) -> Callable[[], int]:
        return lambda: spoiling.writes


async def test_200_is_not_effective_and_a_probe_of_the_status_tells(
    bench: Drivers, spoiling: Meddler, cluster: Cluster
) -> None:
    config = {
        "base": spoiling.url,
        "auth": {"bearer": "env:CLUSTER_TOKEN"},
        "request": {"url": PLACE},
        "expect": [
            {"path": "$.status.updatedReplicas", "op": "equals", "value": 3},
            {"path": "$.status.availableReplicas", "op": "equals", "value": 3},
            {"path": "$.status.unavailableReplicas", "op": "absent"},
        ],
    }
    probe = bench.check(CheckFitting(id="rollout", title="R", driver="http", config=config))
    lever = make(bench, spoiling.url)
    await lever.move(Position(value=GOOD), await lever.read(), "k")
    now = datetime.now(UTC)
    window = Window(since=now - timedelta(minutes=1), until=now)
    assert (await probe.measure(window)).verdict == "failed"
    cluster.roll()
    assert (await probe.measure(window)).verdict == "passed"


async def test_a_status_that_changes_meanwhile_is_no_race(
    bench: Drivers, spoiling: Meddler, cluster: Cluster
) -> None:
    lever = make(bench, spoiling.url)
    cluster.noise = 3
    assert (await lever.move(Position(value=GOOD), await lever.read(), "k")).value == GOOD
    cluster.noise = 20
    with pytest.raises(Nonsense, match="faster than"):
        await lever.move(Position(value=BAD), await lever.read(), "k")
    assert cluster.image() == GOOD


async def test_somebody_elses_move_between_our_reading_and_our_patch_is_not_overwritten(
    bench: Drivers, spoiling: Meddler, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lever = make(bench, spoiling.url)
    origin = await lever.read()

    def touch() -> None:
        monkeypatch.setattr(cluster, "touch", lambda: Cluster.touch(cluster))
        cluster.set_image("registry.example/agent:3")

    cluster.noise = 1
    monkeypatch.setattr(cluster, "touch", touch)
    with pytest.raises(Drifted):
        await lever.move(Position(value=GOOD), origin, "k")
    assert cluster.image() == "registry.example/agent:3"


async def test_a_deployment_that_says_no_number_has_one_replica(
    bench: Drivers, spoiling: Meddler, cluster: Cluster
) -> None:
    del cluster.deployment["spec"]["replicas"]
    assert (await make(bench, spoiling.url, replicas=True).read()).value == 1


async def test_what_is_not_there_or_no_position_is_named(
    bench: Drivers, spoiling: Meddler, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Gone, match="no container sidecar"):
        await make(bench, spoiling.url, container="sidecar").read()
    with pytest.raises(Gone, match="404"):
        await make(bench, spoiling.url, deployment="other").read()
    image, replicas = make(bench, spoiling.url), make(bench, spoiling.url, replicas=True)
    for lever, wrong in ((image, (None, "", "two words", 1)), (replicas, (None, -1, 1.5, True, "3"))):
        for to in wrong:
            with pytest.raises(Gone, match="write"):
                await lever.move(Position(value=to), await lever.read(), "k")
    assert cluster.image() == BAD
    monkeypatch.setenv("CLUSTER_TOKEN", "wrong-token")
    with pytest.raises(Denied) as caught:
        await image.read()
    assert "wrong-token" not in str(caught.value)


@pytest.mark.parametrize("config", [{"container": None}, {"container": "agent", "replicas": True}])
def test_a_lever_is_one_thing(bench: Drivers, config: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=re.escape("Write either container: NAME")):
        make(bench, "http://cluster:6443", **config)


def test_a_person_can_do_it_without_us(bench: Drivers) -> None:
    image, replicas = (make(bench, "http://cluster:6443", **config) for config in ({}, {"replicas": True}))
    assert image.by_hand(GOOD) == (  # type: ignore[attr-defined]
        f"kubectl --namespace agents set image deployment/refund-agent agent={GOOD}"
    )
    assert replicas.by_hand(0) == (  # type: ignore[attr-defined]
        "kubectl --namespace agents scale deployment/refund-agent --replicas=0"
    )
