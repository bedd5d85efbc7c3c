"""The flagd lever on a flag file that a real OpenFeature provider watches."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Gone, Nonsense
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers import test_file
from tests.drivers.levers.hands import by_hand
from tests.drivers.levers.making import make_lever
from tests.e2e.processes import needs, wait_for

pytestmark = pytest.mark.driver

FLAGS = """{
    "flags": {
        "answers": {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"},
        "refunds": {
            "state": "ENABLED",
            "variants": {"on": "pays", "off": "asks a person"},
            "defaultVariant": "on"
        }
    }
}
"""
HALF: JsonValue = {"fractional": [{"var": "targetingKey"}, ["on", 50], ["off", 50]]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text(FLAGS)
    return path


def make(bench: Drivers, **config: Any) -> Lever:
    given = {"folder": ".", "file": "flags.json", "flag": "refunds", **config}
    return make_lever(bench, "flagd", **given)


class TestVariant(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, file: Path) -> Lever:
        return make(bench)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "off"

    @pytest.fixture
    def meddle(self, file: Path) -> Callable[[JsonValue], Any]:
        return lambda to: file.write_text(FLAGS.replace('"on"\n', f'"{to}"\n'))

    @pytest.fixture
    def writes(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
        return test_file.counted(monkeypatch)


@pytest.fixture
def answers(file: Path) -> Iterator[Callable[[], list[str]]]:
    """What the application is told for each of its users, by the real provider."""
    provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(file))
    api.set_provider_and_wait(provider)
    client = api.get_client()

    def look() -> list[str]:
        users = [EvaluationContext(targeting_key=f"user-{number}") for number in range(20)]
        return [client.get_string_value("refunds", "the code's own", user) for user in users]

    yield look
    api.shutdown()
    resolver: Any = provider.resolver
    resolver.connector.thread.join(10)


@pytest.mark.parametrize(
    ("move", "to", "there"),
    [
        ("variant", "off", {"asks a person"}),
        ("variant", None, {"the code's own"}),
        ("state", "DISABLED", {"the code's own"}),
        ("targeting", HALF, {"pays", "asks a person"}),
        ("targeting", {"if": [True, "off", "on"]}, {"asks a person"}),
    ],
)
async def test_the_application_sees_it_and_sees_it_over(
    bench: Drivers, file: Path, answers: Callable[[], list[str]], move: str, to: JsonValue, there: set[str]
) -> None:
    assert set(answers()) == {"pays"}
    lever = make(bench, move=move)
    origin = await lever.read()
    shown = await lever.move(Position(value=to), origin, "i/1/move")
    wait_for("the application", lambda: set(answers()) == there)
    assert '{"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"}' in file.read_text()
    assert (await lever.move(origin, shown, "i/1/lift")).same_as(origin)
    wait_for("the application", lambda: set(answers()) == {"pays"})
    assert json.loads(file.read_text()) == json.loads(FLAGS)


async def test_a_file_that_was_deployed_with_a_time_to_come_is_seen_too(
    bench: Drivers, file: Path, answers: Callable[[], list[str]]
) -> None:
    """The provider takes only what is younger than what it has read."""
    ahead = file.stat().st_mtime_ns + 3600 * 10**9
    os.utime(file, ns=(ahead, ahead))
    lever = make(bench)
    await lever.move(Position(value="off"), await lever.read(), "i/1/move")
    wait_for("the application", lambda: set(answers()) == {"asks a person"})


async def test_no_targeting_is_the_same_however_it_is_written(bench: Drivers, file: Path) -> None:
    lever = make(bench, move="targeting")
    file.write_text(FLAGS.replace('"on"\n', '"on", "targeting": {}\n'))
    assert (await lever.read()).value is None


@pytest.mark.parametrize(
    ("move", "to", "said"),
    [
        ("variant", "maybe", "it has on, off"),
        ("variant", 1, "it has on, off"),
        ("state", "OFF", "ENABLED or DISABLED"),
        ("state", None, "ENABLED or DISABLED"),
        ("targeting", "half", "a rule or null"),
    ],
)
async def test_what_flagd_could_not_evaluate_is_not_written(
    bench: Drivers, file: Path, move: str, to: JsonValue, said: str
) -> None:
    lever = make(bench, move=move)
    with pytest.raises(Gone, match=said):
        await lever.move(Position(value=to), await lever.read(), "i/1/move")
    assert file.read_text() == FLAGS


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ('{"flags": {}}', Gone, "no flag refunds"),
        ("{}", Nonsense, "shape that is not known"),
        ('{"flags": {"refunds": 1}}', Nonsense, "shape that is not known"),
        ("{", Nonsense, "not JSON"),
        (None, Gone, "no file flags.json"),
    ],
)
async def test_what_is_not_there_is_named(
    bench: Drivers, file: Path, text: str | None, error: type[Exception], said: str
) -> None:
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(error, match=said):
        await make(bench).read()


async def test_by_hand_does_the_same(bench: Drivers, file: Path) -> None:
    needs("jq", "jq")
    moves: list[tuple[str, JsonValue]] = [("variant", "off"), ("state", "DISABLED"), ("targeting", HALF)]
    for move, to in [*moves, ("targeting", None)]:
        lever = make(bench, move=move)
        by_hand(lever, to)
        assert (await lever.read()).value == to
    assert json.loads(file.read_text())["flags"]["answers"]["state"] == "ENABLED"
