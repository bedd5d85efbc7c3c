"""The file lever: what it changes, what it leaves alone, and what it never does, on real files."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from firestation.drivers import Drivers, file_levers
from firestation.drivers.documents import Place
from firestation.errors import Denied, Drifted, DriverError, Gone, InvalidInput, Nonsense
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers.faults import carried_out, order
from tests.drivers.levers.hands import by_hand
from tests.drivers.levers.making import HASTY, PATIENT, make_lever
from tests.e2e.processes import needs, wait_for

SETTINGS = """\
# The agent. Ask ana before you change it.
agent:
  model: gpt-large  # the big one
  tools:
  - search
  - refund   # pays money
  limits: {daily: 100, each: 1.5e-07}
  greeting: |
    Hello,
    I am an agent.

  muted: "no"
last: true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    path = tmp_path / "config/settings.yaml"
    path.write_text(SETTINGS)
    return path


SHOWN = {"read_back_within": PATIENT["read_back_within"]}
NOT_SHOWN = {"read_back_within": HASTY["read_back_within"]}


def make(bench: Drivers, **config: Any) -> Lever:
    given = {"folder": "config", "file": "settings.yaml", **SHOWN, **config}
    return make_lever(bench, "file", **given)


class TestValue(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, file: Path) -> Lever:
        return make(bench, path="$.agent.model")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "gpt-small"

    @pytest.fixture
    def meddle(self, file: Path) -> Callable[[JsonValue], Any]:
        return lambda to: file.write_text(SETTINGS.replace("gpt-large", str(to)))

    @pytest.fixture
    def writes(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
        return counted(monkeypatch)


class TestWhole(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, file: Path) -> Lever:
        return make(bench)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return None

    @pytest.fixture
    def meddle(self, file: Path) -> Callable[[JsonValue], Any]:
        return lambda _: file.unlink()

    @pytest.fixture
    def writes(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
        return counted(monkeypatch)


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often the driver replaces a file."""
    calls, real = [], file_levers.replaced

    def counting(*words: Any) -> None:
        calls.append(words)
        real(*words)

    monkeypatch.setattr(file_levers, "replaced", counting)
    return lambda: len(calls)


@pytest.mark.parametrize(
    ("path", "was", "to", "line"),
    [
        ("$.agent.model", "gpt-large", "it's: #1", '  model: "it\'s: #1"  # the big one'),
        ("$.agent.tools[1]", "refund", None, "  - null   # pays money"),
        ("$.agent.tools", ["search", "refund"], [], "   []   # pays money"),
        ("$.agent.limits.daily", 100, 0, "  limits: {daily: 0, each: 1.5e-07}"),
        ("$.agent.limits.each", 1.5e-07, 1e-09, "  limits: {daily: 100, each: 1.0e-09}"),
        ("$.agent.greeting", "Hello,\nI am an agent.\n", "Hi", '  greeting: "Hi"'),
        ("$.agent.muted", "no", "yes", '  muted: "yes"'),
        ("$.last", True, False, "last: false"),
    ],
)
async def test_only_the_value_changes(
    bench: Drivers, file: Path, path: str, was: JsonValue, to: JsonValue, line: str
) -> None:
    lever = make(bench, path=path)
    origin = await lever.read()
    assert origin.same_as(Position(value=was))
    shown = await lever.move(Position(value=to), origin, "i/1/move")
    lines = file.read_text().splitlines()
    assert line in lines
    assert set(lines) - {line} <= set(SETTINGS.splitlines())
    comments = {each.strip() for each in SETTINGS.splitlines() if each.startswith("#")}
    assert comments <= set(lines)
    await lever.move(origin, shown, "i/1/lift")
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(SETTINGS)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-c: #"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(first=VALUES, second=VALUES, kind=st.sampled_from(["json", "yaml"]))
def test_any_value_goes_and_comes_back(first: JsonValue, second: JsonValue, kind: str) -> None:
    """Whatever was there: what is read is what was written, and everything beside it stays."""
    place = Place.model_validate({"file": f"a.{kind}", "path": "$.x.y"})
    if kind == "json":
        content = json.dumps({"a": [1], "x": {"w": {}, "y": first}, "z": 1e20}, indent="\t").encode()
    else:
        content = yaml.safe_dump(
            {"a": [1], "x": {"w": {}, "y": first}, "z": "1"}, allow_unicode=True
        ).encode()
    try:
        origin = place.value(content)
    except Nonsense:
        return  # a number that not every reader takes for one; it is refused before anything moves
    assert origin == first
    moved = place.edited(content, second)
    assert place.value(moved) == second
    back = place.edited(moved, origin)
    assert back is not None
    read = json.loads if kind == "json" else yaml.safe_load
    assert read(back) == read(content)


@pytest.mark.parametrize(
    ("text", "path", "error", "said"),
    [
        ("a: on\n", "$.a", Nonsense, "1: 'on' is str to some"),
        ("a: 12:30\n", "$.a", Nonsense, "quote it"),
        ("a: 2026-01-01\n", "$.a", Nonsense, "quote it"),
        ("a: 1e5\n", "$.a", Nonsense, "quote it"),
        ("a: !secret b\n", "$.a", Nonsense, "quote it"),
        ("a: 1\na: 2\n", "$.a", Nonsense, "twice"),
        ("a: 1\n", "$.b", Gone, "no 'b' there"),
        ("a: 1\n", "$.a.b", Gone, "no 'b' there"),
        ("a: [1]\n", "$.a[1]", Gone, "no 1 there"),
        ("", "$.a", Gone, "empty"),
        ("a: [\n", "$.a", Nonsense, "no YAML"),
        ("a: 1\n---\nb: 1\n", "$.a", Nonsense, "no YAML"),
        ('{"a": 1, "a": 2}', "json$.a", Nonsense, "twice"),
        ('{"a": NaN}', "json$.a", Nonsense, "not JSON"),
        ('{"a": [1]}', "json$.a.b", Gone, "no 'b' there"),
    ],
)
async def test_what_cannot_be_read_for_sure_is_refused(
    bench: Drivers, file: Path, text: str, path: str, error: type[DriverError], said: str
) -> None:
    file.write_text(text)
    kind, _, path = path.rpartition("$")
    lever = make(bench, path=f"${path}", **({"format": kind} if kind else {}))
    with pytest.raises(error, match=said):
        await lever.read()
    assert file.read_text() == text


async def test_a_value_that_others_share_is_not_changed(bench: Drivers, file: Path) -> None:
    text = "base: &base {model: a}\nagent: *base\nother: *base\n"
    file.write_text(text)
    lever = make(bench, path="$.agent.model")
    with pytest.raises(Nonsense, match="without anchors"):
        await lever.move(Position(value="b"), await lever.read(), "i/1/move")
    assert file.read_text() == text


@pytest.mark.parametrize("link", ["settings.yaml", "deep/settings.yaml"])
async def test_no_way_leads_out_of_the_folder(bench: Drivers, file: Path, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "settings.yaml").write_text("secret")
    file.unlink()
    path = file.parent / link
    (path if path == file else path.parent).symlink_to(outside / "settings.yaml" if path == file else outside)
    lever = make(bench, file=link)
    with pytest.raises(Denied, match="symbolic link"):
        await lever.read()
    for expected in (b"secret", None):
        with pytest.raises((Denied, DriverError)):
            file_levers.replaced(file.parent, link, expected, b"moved")
    assert (outside / "settings.yaml").read_text() == "secret"


@pytest.mark.parametrize(
    "name", ["../outside.yaml", "/etc/passwd", "a/../../b.yaml", ".git/config", "a\0b", ""]
)
def test_a_path_out_of_the_folder_is_refused_when_the_file_loads(bench: Drivers, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"with\.file"):
        make(bench, file=name)


def test_a_format_that_cannot_be_guessed_is_asked_for(bench: Drivers) -> None:
    with pytest.raises(InvalidInput, match="Write format: json or yaml"):
        make(bench, file="settings.conf", path="$.a")


async def test_a_pipe_or_a_binary_or_a_giant_is_no_configuration(bench: Drivers, file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Nonsense, match="no UTF-8"):
        await make(bench).read()
    file.write_text("x" * 11)
    with pytest.raises(Nonsense, match="raise max_bytes"):
        await make(bench, max_bytes=10).read()
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(Nonsense, match="is no file"):
        await make(bench).read()


async def test_mode_owner_and_a_younger_time_are_kept(bench: Drivers, file: Path) -> None:
    """A file that was deployed with a time in the future must still look changed to who watches it."""
    file.chmod(0o640)
    ahead = file.stat().st_mtime_ns + 3600 * 10**9
    os.utime(file, ns=(ahead, ahead))
    lever = make(bench, path="$.last")
    before = file.stat()
    await lever.move(Position(value=False), await lever.read(), "i/1/move")
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ino != before.st_ino
    assert [each.name for each in file.parent.iterdir()] == ["settings.yaml"]


# ---------------------------------------------------------------------------------------------------- faults


def spoil(monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any], times: int) -> None:
    """The next renames go wrong."""
    real, left = os.rename, [None] * times

    def rename(*words: Any, **named: Any) -> None:
        if left:
            left.pop()
            fault(real, *words, **named)
        else:
            real(*words, **named)

    monkeypatch.setattr(os, "rename", rename)


def full(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def nothing(_: Any, half: str, *__: Any, src_dir_fd: int, **___: Any) -> None:
    os.unlink(half, dir_fd=src_dir_fd)


def done_and_failed(real: Any, *words: Any, **named: Any) -> None:
    real(*words, **named)
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("fault", [full, nothing, done_and_failed])
async def test_a_failing_disk_is_never_taken_for_done(
    bench: Drivers, file: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any], times: int
) -> None:
    lever = make(bench, path="$.agent.model", **NOT_SHOWN)
    origin, to = await lever.read(), Position(value="gpt-small")
    spoil(monkeypatch, fault, times)
    outcome = await carried_out(lever, order("move", origin, to))
    if outcome.result == "done":
        assert yaml.safe_load(file.read_text())["agent"]["model"] == "gpt-small"
    monkeypatch.undo()
    back = await carried_out(lever, order("lift", origin, to))
    assert back.result == "done", back
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(SETTINGS)


async def test_somebody_elses_change_at_the_last_moment_stays(
    bench: Drivers, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lever = make(bench, path="$.agent.model")
    origin = await lever.read()
    real = file_levers._half

    def late(*words: Any) -> str:
        half = real(*words)
        file.write_text(SETTINGS.replace("gpt-large", "gpt-other"))
        return half

    monkeypatch.setattr(file_levers, "_half", late)
    with pytest.raises(Drifted):
        await lever.move(Position(value="gpt-small"), origin, "i/1/move")
    assert (await lever.read()).value == "gpt-other"
    assert [each.name for each in file.parent.iterdir()] == ["settings.yaml"]
    file.unlink()
    lever = make(bench)
    with pytest.raises(Drifted):
        await lever.move(Position(value="new"), await lever.read(), "i/1/move")
    assert "gpt-other" in file.read_text()


async def test_the_folder_may_be_gone_and_come_back(bench: Drivers, file: Path) -> None:
    lever = make(bench, path="$.agent.model")
    origin, to = await lever.read(), Position(value="gpt-small")
    away = file.parent.rename(file.parent.with_name("away"))
    assert (await carried_out(lever, order("move", origin, to))).result == "uncertain"
    away.rename(file.parent)
    assert (await carried_out(lever, order("lift", origin, to))).result == "done"
    assert file.read_text() == SETTINGS


FLIP = """
import sys
from pathlib import Path
from firestation.drivers.file_levers import content_of, replaced
folder, size = Path(sys.argv[1]), 200_000
while True:
    there = content_of(folder, "big.txt", size)
    replaced(folder, "big.txt", there, (b"b" if there[:1] == b"a" else b"a") * size)
"""


def test_a_reader_and_a_death_find_the_file_whole(file: Path) -> None:
    """Killed in the middle, again and again: what is there is the old file or the new one."""
    big = file.with_name("big.txt")
    big.write_bytes(b"a" * 200_000)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", FLIP, str(file.parent)])
        try:
            first = big.stat().st_ino
            wait_for("the first flips", lambda first=first: big.stat().st_ino != first)  # type: ignore[misc]
            for _ in range(100):
                content = big.read_bytes()
                assert content in {b"a" * 200_000, b"b" * 200_000}
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert big.read_bytes() in {b"a" * 200_000, b"b" * 200_000}


async def test_many_at_once_move_it_once(bench: Drivers, file: Path) -> None:
    lever = make(bench, path="$.agent.limits.daily")
    origin = await lever.read()
    moves = [lever.move(Position(value=number), origin, f"i/{number}/move") for number in range(12)]
    results = await asyncio.gather(*moves, return_exceptions=True)
    shown = [each for each in results if isinstance(each, Position)]
    assert all(isinstance(each, Position | DriverError) for each in results)
    assert len(shown) == 1
    assert (await lever.read()).same_as(shown[0])
    assert "pays money" in file.read_text()


@pytest.mark.parametrize(
    ("config", "to"),
    [
        ({}, "all's new\n"),
        ({}, None),
        ({"file": "s.json", "path": "$.a[0].b"}, {"c": [1, "it's"]}),
    ],
)
async def test_by_hand_does_the_same(
    bench: Drivers, file: Path, config: dict[str, Any], to: JsonValue
) -> None:
    needs("jq", "jq")
    file.with_name("s.json").write_text('{"a": [{"b": null}]}')
    lever = make(bench, **config)
    by_hand(lever, to)
    assert (await lever.read()).value == to
