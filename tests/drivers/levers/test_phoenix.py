"""The Phoenix lever on a real Phoenix: the tag of a prompt."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Gone, InvalidInput, Nonsense
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers.applications import application
from tests.drivers.levers.faults import LeverFaults, Through, Truth
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling
from tests.e2e.processes import needs, running, wait_for

pytestmark = pytest.mark.driver

TEXTS = ("Rule by the policy.", "Be friendly.")


class Phoenix:
    """Phoenix as its operator sees it, without us. `versions` are the ids of the prompt's versions, oldest first."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=f"{url}/v1", trust_env=False, timeout=60)
        self.versions: list[str] = []

    def add(self, text: str) -> None:
        version = {
            "model_provider": "OPENAI",
            "model_name": "gpt-4o-mini",
            "template": {"type": "chat", "messages": [{"role": "system", "content": text}]},
            "template_type": "CHAT",
            "template_format": "MUSTACHE",
            "invocation_parameters": {"type": "openai", "openai": {}},
        }
        made = self.http.post("/prompts", json={"prompt": {"name": "lever"}, "version": version})
        self.versions.append(made.raise_for_status().json()["data"]["id"])

    def tagged(self) -> JsonValue:
        answer = self.http.get("/prompts/lever/tags/production")
        return None if answer.status_code == 404 else str(answer.raise_for_status().json()["data"]["id"])

    def set(self, version: JsonValue, description: str | None = None) -> None:
        if version is not None:
            body = {"name": "production", "description": description}
            self.http.post(f"/prompt_versions/{version}/tags", json=body).raise_for_status()
        elif self.tagged() is not None:
            self.http.delete(f"/prompt_versions/{self.versions[0]}/tags/production").raise_for_status()

    def description(self) -> JsonValue:
        tags = self.http.get(f"/prompt_versions/{self.tagged()}/tags").raise_for_status().json()["data"]
        found: JsonValue = next(each["description"] for each in tags if each["name"] == "production")
        return found


@pytest.fixture(scope="module")
def registry(phoenix: str) -> Iterator[Phoenix]:
    registry = Phoenix(phoenix)
    with registry.http:
        for text in TEXTS:
            registry.add(text)
        yield registry


@pytest.fixture
def operator(registry: Phoenix) -> Phoenix:
    """The newer version is in production, whatever a test before did."""
    registry.set(registry.versions[1])
    return registry


@pytest.fixture(scope="module")
def proxy(registry: Phoenix) -> Iterator[Meddler]:
    with meddling(registry.url) as meddler:
        yield meddler


@pytest.fixture
def meddler(proxy: Meddler, operator: Phoenix) -> Iterator[Meddler]:
    """One proxy for all tests, as new for each: what was to be written later has been written."""
    proxy.plan, proxy.writes = [], 0
    proxy.put_back = lambda: operator.set(operator.versions[1])
    yield proxy
    wait_for("the writes that are late", lambda: not proxy.later)


def make(bench: Drivers, url: str, **config: Any) -> Lever:
    given = {"prompt": "lever", **PATIENT, **config}
    return make_lever(bench, "phoenix", base=url, **given)


class TestLever(LeverConformance):
    @pytest.fixture(params=["another version", "nowhere"])
    def elsewhere(self, operator: Phoenix, request: pytest.FixtureRequest) -> JsonValue:
        return None if request.param == "nowhere" else operator.versions[0]

    @pytest.fixture
    def lever(self, bench: Drivers, meddler: Meddler) -> Lever:
        return make(bench, meddler.url)

    @pytest.fixture
    def meddle(self, operator: Phoenix) -> Callable[[JsonValue], Any]:
        return operator.set

    @pytest.fixture
    def writes(self, meddler: Meddler) -> Callable[[], int]:
        return lambda: meddler.writes


class TestFaults(LeverFaults):
    @pytest.fixture
    def meddler(self, meddler: Meddler) -> Meddler:
        return meddler

    @pytest.fixture
    def through(self, bench: Drivers, meddler: Meddler) -> Through:
        return partial(make, bench, meddler.url)

    @pytest.fixture
    def truth(self, operator: Phoenix) -> Truth:
        async def look() -> JsonValue:
            return operator.tagged()

        return look

    @pytest.fixture
    def elsewhere(self, operator: Phoenix) -> JsonValue:
        return operator.versions[0]


# What an application does with Phoenix's own client, which lives in Phoenix's own environment.
APPLICATION = """
import sys
from phoenix.client import Client

client = Client(base_url=sys.argv[1])
print("ready", flush=True)
for _ in sys.stdin:
    prompt = client.prompts.get(prompt_identifier="lever", tag="production")
    print(prompt.format().messages[0]["content"], flush=True)
"""


async def test_the_application_gets_the_other_prompt_with_its_next_request(
    bench: Drivers, operator: Phoenix, tmp_path: Path
) -> None:
    lever = make(bench, operator.url)
    origin, to = await lever.read(), Position(value=operator.versions[0])
    with application("phoenix", APPLICATION, operator.url, tmp_path) as asked:
        assert asked() == TEXTS[1]
        await lever.move(to, origin, "i/1/move")
        assert asked() == TEXTS[0]
        await lever.move(origin, to, "i/1/lift")
        assert asked() == TEXTS[1]


async def test_the_description_of_the_tag_goes_with_it(bench: Drivers, operator: Phoenix) -> None:
    operator.set(operator.versions[1], "approved by ana")
    lever = make(bench, operator.url)
    origin, to = await lever.read(), Position(value=operator.versions[0])
    await lever.move(to, origin, "i/1/move")
    assert operator.description() == "approved by ana"
    await lever.move(origin, to, "i/1/lift")
    assert operator.description() == "approved by ana"


async def test_what_is_not_there_is_named(bench: Drivers, operator: Phoenix) -> None:
    with pytest.raises(Gone, match="prompts/none"):
        await make(bench, operator.url, prompt="none").read()
    assert (await make(bench, operator.url, tag="staging").read()).value is None
    lever = make(bench, operator.url)
    origin = await lever.read()
    with pytest.raises(Gone, match="404"):
        await lever.move(Position(value="UHJvbXB0VmVyc2lvbjo5OTk5"), origin, "i/1/move")
    with pytest.raises(Nonsense, match="Invalid prompt version ID"):
        await lever.move(Position(value="none"), origin, "i/1/move")
    assert (await lever.read()).same_as(origin)


async def test_by_hand_moves_it_too(bench: Drivers, operator: Phoenix, tmp_path: Path) -> None:
    needs("curl", "curl")
    lever: Any = make(bench, operator.url)
    commands = {
        operator.versions[0]: lever.by_hand(operator.versions[0]),
        None: lever.by_hand(None).replace("VERSION", operator.versions[0]),
    }
    for to, command in commands.items():
        with running(["bash", "-c", command], tmp_path, "by-hand") as shell:
            assert shell.wait(30) == 0, (tmp_path / "by-hand.log").read_text()
        assert operator.tagged() == to


@pytest.mark.parametrize(
    ("config", "position", "said"),
    [
        ({}, 2, "lever.positions.there: this is no version. Write the id that Phoenix shows, or null"),
        ({}, "production/2", "lever.positions.there: this is no version"),
        ({"prompt": None}, None, "lever.with.prompt"),
        ({"tags": "production"}, None, "Did you mean 'tag'?"),
    ],
)
def test_a_wrong_configuration_is_refused(
    bench: Drivers, config: dict[str, Any], position: JsonValue, said: str
) -> None:
    given = {"base": "http://phoenix:6006", "prompt": "refund", **config}
    with pytest.raises(InvalidInput) as refused:
        make_lever(bench, "phoenix", {"there": position}, **given)
    assert said in str(refused.value)
