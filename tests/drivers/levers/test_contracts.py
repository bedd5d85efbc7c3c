"""Levers of products that do not start here, against the shapes of their published APIs."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone, InvalidInput
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.contracts import served
from tests.drivers.levers.faults import FAULTS, LeverFaults, Spoiler, Through, Truth
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling
from tests.e2e.processes import needs, running, wait_for

pytestmark = pytest.mark.driver


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCT_KEY", "secret")


class _Contract:
    """What the tests of both products need."""

    @pytest.fixture
    def meddler(self, url: str, put_back: Callable[[], None]) -> Iterator[Meddler]:
        with meddling(url) as meddler:
            meddler.put_back = put_back
            yield meddler
            wait_for("the writes that are late", lambda: not meddler.later)


# -------------------------------------------------------------------------------------------------- langfuse


class Langfuse:
    """https://api.reference.langfuse.com, and what its server does: a label is on one version, and is only added."""

    def __init__(self) -> None:
        self.labels: dict[int, list[str]] = {}
        self.set(2)

    def set(self, version: Any) -> None:
        self.labels = {each: [] for each in (1, 2, 3)}
        self.labels[3].append("latest")
        self.labels[version].append("production")

    def holder(self, label: str) -> int | None:
        return next((version for version, labels in self.labels.items() if label in labels), None)

    def prompt(self, version: int | None) -> Any:
        if version not in self.labels:
            return None
        kind = {"name": "rules/refund", "type": "text", "prompt": f"rule {version}", "config": {}, "tags": []}
        return {**kind, "version": version, "labels": self.labels[version]}

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        *start, name = path.removeprefix("/api/public/v2/prompts/").split("/versions/")
        if method == "GET" and not start:
            assert set(query) == {"label"}
            return self.prompt(self.holder(query["label"])) if unquote(name) == "rules/refund" else None
        assert method == "PATCH"
        assert set(body) == {"newLabels"}
        version = int(name)
        if [unquote(each) for each in start] != ["rules/refund"] or version not in self.labels:
            return None
        for label in body["newLabels"]:
            for labels in self.labels.values():
                if label in labels:
                    labels.remove(label)
            self.labels[version].append(label)
        return self.prompt(version)


@pytest.fixture(scope="module")
def langfuse() -> Iterator[tuple[str, Langfuse]]:
    contract = Langfuse()
    with served(contract, lambda headers: headers["authorization"].startswith("Basic cGs6c2VjcmV0")) as url:
        yield url, contract


def make_langfuse(bench: Drivers, url: str, **config: Any) -> Lever:
    auth = {"basic": {"user": "pk", "password": "env:PRODUCT_KEY"}}
    given = {"prompt": "rules/refund", "auth": auth, **PATIENT, **config}
    return make_lever(bench, "langfuse", {"there": 1}, base=url, **given)


@pytest.mark.usefixtures("secrets")
class _OfLangfuse(_Contract):
    @pytest.fixture
    def url(self, langfuse: tuple[str, Langfuse]) -> str:
        langfuse[1].set(2)
        return langfuse[0]

    @pytest.fixture
    def put_back(self, langfuse: tuple[str, Langfuse]) -> Callable[[], None]:
        return lambda: langfuse[1].set(2)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return 1


class TestLangfuse(_OfLangfuse, LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, meddler: Meddler) -> Lever:
        return make_langfuse(bench, meddler.url)

    @pytest.fixture
    def meddle(self, langfuse: tuple[str, Langfuse]) -> Callable[[JsonValue], Any]:
        return langfuse[1].set

    @pytest.fixture
    def writes(self, meddler: Meddler) -> Callable[[], int]:
        return lambda: meddler.writes


class TestLangfuseFaults(_OfLangfuse, LeverFaults):
    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler) -> Through:
        return partial(make_langfuse, bench, meddler.url)

    @pytest.fixture
    def truth(self, langfuse: tuple[str, Langfuse]) -> Truth:
        async def look() -> JsonValue:
            return langfuse[1].holder("production")

        return look


@pytest.mark.usefixtures("secrets")
async def test_langfuse_moves_one_label_and_names_what_is_not_there(
    bench: Drivers, langfuse: tuple[str, Langfuse], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, contract = langfuse
    contract.set(2)
    lever = make_langfuse(bench, url)
    origin = await lever.read()
    await lever.move(Position(value=3), origin, "i/1/move")
    assert contract.labels == {1: [], 2: [], 3: ["latest", "production"]}
    with pytest.raises(Gone, match="404"):
        await lever.move(Position(value=9), Position(value=3), "i/1/move")
    with pytest.raises(Gone, match="404"):
        await make_langfuse(bench, url, label="staging").read()
    monkeypatch.setenv("PRODUCT_KEY", "wrong")
    with pytest.raises(Denied):
        await lever.read()


# --------------------------------------------------------------------------------------------------- litellm

KEY = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"


class Litellm:
    """The proxy's admin API as its own source code (1.110) answers."""

    def __init__(self) -> None:
        self.blocked: bool | None = None
        self.deleted_at: str | None = None
        self.model = "openai/gpt-4o"

    def set(self, value: Any) -> None:
        if value in {"blocked", "open"}:
            self.blocked = True if value == "blocked" else None
        else:
            self.model = str(value)

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        if (method, path) == ("GET", "/key/info"):
            info = {"key_alias": "agent", "blocked": self.blocked, "deleted_at": self.deleted_at}
            return {"key": query["key"], "info": info} if query["key"] == KEY else None
        if path in {"/key/block", "/key/unblock"}:
            assert (method, body) == ("POST", {"key": KEY})
            self.blocked = path == "/key/block"
            return {"token": KEY, "blocked": self.blocked}
        if (method, path) == ("GET", "/model/info"):
            info = {"id": query["litellm_model_id"], "db_model": query["litellm_model_id"] == "m-1"}
            params = {"model": self.model, "api_base": "https://provider"}
            return {"data": [{"model_name": "gpt", "litellm_params": params, "model_info": info}]}
        assert (method, path) == ("PATCH", "/model/m-1/update")
        assert set(body) == {"litellm_params"}
        assert set(body["litellm_params"]) == {"model"}
        self.model = body["litellm_params"]["model"]
        return {"model_id": "m-1", "model_name": "gpt"}


@pytest.fixture(scope="module")
def litellm() -> Iterator[tuple[str, Litellm]]:
    contract = Litellm()
    with served(contract, lambda headers: headers["authorization"] == "Bearer secret") as url:
        yield url, contract


def make_litellm(bench: Drivers, url: str, there: JsonValue = "blocked", **config: Any) -> Lever:
    given = {"auth": {"bearer": "env:PRODUCT_KEY"}, **PATIENT, **config}
    return make_lever(bench, "litellm", {"there": there}, base=url, **given)


THINGS: dict[str, tuple[dict[str, str], JsonValue, JsonValue]] = {
    "key": ({"key": KEY}, "open", "blocked"),
    "route": ({"route": "m-1"}, "openai/gpt-4o", "openai/gpt-4o-mini"),
}


@pytest.mark.usefixtures("secrets")
class _OfLitellm(_Contract):
    @pytest.fixture(params=["key", "route"])
    def thing(self, request: pytest.FixtureRequest) -> tuple[dict[str, str], JsonValue, JsonValue]:
        return THINGS[request.param]

    @pytest.fixture
    def put_back(self, litellm: tuple[str, Litellm], thing: Any) -> Callable[[], None]:
        return lambda: litellm[1].set(thing[1])

    @pytest.fixture
    def url(self, litellm: tuple[str, Litellm], put_back: Callable[[], None]) -> str:
        put_back()
        return litellm[0]

    @pytest.fixture
    def elsewhere(self, thing: Any) -> JsonValue:
        there: JsonValue = thing[2]
        return there


class TestLitellm(_OfLitellm, LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, meddler: Meddler, thing: Any) -> Lever:
        return make_litellm(bench, meddler.url, thing[2], **thing[0])

    @pytest.fixture
    def meddle(self, litellm: tuple[str, Litellm]) -> Callable[[JsonValue], Any]:
        return litellm[1].set

    @pytest.fixture
    def writes(self, meddler: Meddler) -> Callable[[], int]:
        return lambda: meddler.writes


class TestLitellmFaults(_OfLitellm, LeverFaults):
    @pytest.fixture
    def thing(self) -> tuple[dict[str, str], JsonValue, JsonValue]:
        return THINGS["key"]

    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler, thing: Any) -> Through:
        return partial(make_litellm, bench, meddler.url, thing[2], **thing[0])

    @pytest.fixture
    def truth(self, litellm: tuple[str, Litellm]) -> Truth:
        async def look() -> JsonValue:
            return "blocked" if litellm[1].blocked else "open"

        return look

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("when", ["once"])
    async def test_it_never_says_done_when_it_is_not_and_always_finds_back(
        self, through: Through, meddler: Spoiler, truth: Truth, elsewhere: JsonValue, fault: str, when: str
    ) -> None:
        """Each once: what happens each time depends on the frame, and Langfuse's lever shows it."""
        test = super().test_it_never_says_done_when_it_is_not_and_always_finds_back
        await test(through, meddler, truth, elsewhere, fault, when)


@pytest.mark.usefixtures("secrets")
async def test_litellm_names_what_cannot_be_moved(bench: Drivers, litellm: tuple[str, Litellm]) -> None:
    url, contract = litellm
    with pytest.raises(Gone, match="404"):
        await make_litellm(bench, url, key="0" * 64).read()
    with pytest.raises(Gone, match="stands in the proxy's config file"):
        await make_litellm(bench, url, "openai/gpt-4o", route="m-2").read()
    contract.deleted_at = "2026-11-23T03:00:00Z"
    with pytest.raises(Gone, match="was deleted at 2026"):
        await make_litellm(bench, url, key=KEY).read()
    contract.deleted_at = None


# ---------------------------------------------------------------------------------------------------- both


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("product", ["langfuse", "key", "route"])
async def test_by_hand_moves_it_too(
    bench: Drivers, langfuse: tuple[str, Langfuse], litellm: tuple[str, Litellm], product: str, tmp_path: Any
) -> None:
    needs("curl", "curl")
    lever: Any
    if product == "langfuse":
        to: JsonValue = 1
        langfuse[1].set(2)
        lever = make_langfuse(bench, langfuse[0])
    else:
        config, origin, to = THINGS[product]
        litellm[1].set(origin)
        lever = make_litellm(bench, litellm[0], to, **config)
    command = lever.by_hand(to)
    assert "$PRODUCT_KEY" in command
    with running(["bash", "-c", command], tmp_path, "by-hand") as shell:
        assert shell.wait(30) == 0, (tmp_path / "by-hand.log").read_text()
    assert (await lever.read()).value == to


@pytest.mark.parametrize(
    ("driver", "config", "position", "said"),
    [
        ("langfuse", {"prompt": "a", "label": "latest"}, 1, "Name the one that the application asks for"),
        ("langfuse", {"prompt": "a"}, None, "lever.positions.there: this is no version. Write its number"),
        ("langfuse", {"prompt": "a"}, "1", "lever.positions.there: this is no version"),
        ("litellm", {}, "open", "Write either key: HASH or route: MODEL_ID"),
        ("litellm", {"key": KEY, "route": "m-1"}, "open", "a lever moves one thing"),
        ("litellm", {"key": "sk-Fn8Ej39NxjAXrvpUGKghGw"}, "open", "never the key itself"),
        (
            "litellm",
            {"key": KEY},
            True,
            "lever.positions.there: a key does not stand there. Write blocked or",
        ),
        ("litellm", {"key": KEY}, {"open": 1}, "lever.positions.there: a key does not stand there"),
        ("litellm", {"route": "m-1"}, None, "lever.positions.there: this is no model. Write it like"),
    ],
)
def test_a_wrong_configuration_is_refused(
    bench: Drivers, driver: str, config: dict[str, Any], position: JsonValue, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_lever(bench, driver, {"there": position}, base="http://product", **config)
    assert said in str(refused.value)
    assert "sk-" not in str(refused.value)
