"""A station whose histories are encrypted: Temporal's CLI and UI show them to who may read, and to them only."""

import base64
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.errors import ExitCode
from tests.docs.documents import commands
from tests.drivers.products import node
from tests.e2e.processes import ROOT, Station, a_station, an_agent, needs
from tests.e2e.test_login import MODULES, SCRIPTS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TEMPORAL = Path(sys.executable).with_name("temporal")
HISTORIES = ROOT / "docs/histories.md"
WORDS = "zebra crossing"
TITLE = "Refund agent"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("history")


@pytest.fixture(scope="module")
def keys(folder: Path) -> Path:
    command({}, "history-key", "new", "--keys", str(folder / "keys"))
    return folder / "keys"


@pytest.fixture(scope="module")
def station(folder: Path, keys: Path) -> Iterator[tuple[Station, str]]:
    """A station with keys, and an incident of it, on whose record somebody wrote something."""
    with (
        an_agent(folder / "agent") as agent,
        a_station(folder / "station", agent, history_keys=keys) as station,
    ):
        agent.fault("stale_policy")
        incident = agent.ring(station)
        station.until(incident, "the seal", lambda seen: seen.sealed)
        station.act("ana", incident, "acknowledge")
        station.act("ana", incident, "note", text=WORDS)
        yield station, incident


def command(environment: dict[str, str], *words: str, expect: int = 0) -> str:
    """What `firestation` says."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def shown(station: Station, incident: str, *options: str) -> str:
    """What `temporal workflow show` says, whether it is content or not."""
    words = ["workflow", "show", "--workflow-id", incident, "--output", "json", "--address", station.temporal]
    done = subprocess.run(
        [TEMPORAL, *words, *options], capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr


def readable(seen: str) -> str:
    """The data of every payload in a history that was shown as JSON, one after the other."""

    def data(value: Any) -> Iterator[str]:
        if isinstance(value, dict) and isinstance(value.get("data"), str):
            yield base64.b64decode(value["data"]).decode(errors="replace")
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for part in parts:
            yield from data(part)

    return "\n".join(data(json.loads(seen)))


def with_codec(station: Station, person: str) -> list[str]:
    auth = f"Bearer {station.token(person)}"
    return ["--codec-endpoint", f"{station.url}/codec", "--codec-auth", auth]


def test_temporals_command_shows_it_to_an_auditor_and_a_captain_only(station: tuple[Station, str]) -> None:
    place, incident = station
    assert WORDS not in readable(shown(place, incident))
    for person in ("ana", "dan"):
        seen = shown(place, incident, *with_codec(place, person))
        assert WORDS in readable(seen)
        assert "encryption-key-id" not in seen
    refused = shown(place, incident, *with_codec(place, "cara"))
    assert refused.startswith("Error: "), "it tries for ten seconds, and shows nothing"


def test_the_audit_needs_the_keys_and_then_it_passes(
    station: tuple[Station, str], keys: Path, tmp_path: Path
) -> None:
    place, incident = station
    words = ["-m", "worker.replay", incident, "--address", place.temporal]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "FIRESTATION_HISTORY_KEYS" in done.stderr
    environment = {"FIRESTATION_HISTORY_KEYS": str(keys)}
    report = place.replay(incident, "--save", str(tmp_path), **environment)
    assert (report["passed"], report["replay"]) == (True, "same")
    (saved,) = tmp_path.iterdir()
    (tmp_path / "raw.json").write_text(shown(place, incident))
    for file, known in ((saved, {}), (tmp_path / "raw.json", environment)):
        done = subprocess.run(
            [sys.executable, "-m", "worker.replay", "--json", "--file", str(file)],
            cwd=ROOT,
            env=os.environ | known,
            capture_output=True,
            text=True,
            check=False,
        )
        assert json.loads(done.stdout)["replay"] == "same", done.stderr


def test_a_key_is_changed_while_the_station_runs_and_kept_while_a_history_needs_it(
    station: tuple[Station, str], keys: Path
) -> None:
    """As the document says it."""
    place, incident = station
    known = {"FIRESTATION_HISTORY_KEYS": str(keys), "TEMPORAL_ADDRESS": place.temporal}
    new, listing, waiting, use, retire, show = (shlex.split(each)[1:] for each in commands(HISTORIES))
    (first,) = json.loads(command(known, *listing, "--json"))
    second = json.loads(command(known, *waiting, "--json"))["key"]
    command(known, *_naming(use, second))
    place.act("ana", incident, "note", text="written under the next key")
    place.until(incident, "the note", lambda seen: any("next key" in each.text for each in seen.timeline))
    assert place.replay(incident, **known)["replay"] == "same"
    said = command(known, *_naming(retire, first["key"]), expect=ExitCode.REFUSED)
    assert f"{first['key']} is needed to read" in said
    assert incident in said
    assert "is the current key" in command(known, *_naming(retire, second), expect=ExitCode.BAD_INPUT)
    third = json.loads(command(known, *waiting, "--json"))[
        "key"
    ]  # so nothing can have been encrypted with it
    assert "is destroyed" in command(known, *_naming(retire, third))
    command(known, *new)
    places = {
        "INCIDENT": incident,
        "http://127.0.0.1:8420": place.url,
        "Bearer TOKEN": f"Bearer {place.token('dan')}",
    }
    words = [replaced(word, places) for word in show]
    done = subprocess.run(
        [TEMPORAL, *words], env=os.environ | known, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "WorkflowExecutionStarted" in done.stdout


def _naming(words: list[str], key: str) -> list[str]:
    return [key if word == "ID" else word for word in words]


def replaced(word: str, places: dict[str, str]) -> str:
    for old, new in places.items():
        word = word.replace(old, new)
    return word


@pytest.fixture(scope="module")
def browsed(folder: Path, station: tuple[Station, str]) -> dict[str, Any]:
    """What three people saw in Temporal's own UI; screenshots lie beside."""
    place, incident = station
    if not (MODULES / "node_modules").exists():
        message = f"{MODULES} has no playwright-core; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    chromium = needs("chromium", "chromium")
    program = [node(), str(SCRIPTS / "history.mjs"), str(MODULES), chromium, place.url, place.ui, incident]
    people = [f"{name}={place.token(name)}" for name in ("ana", "dan", "cara")]
    done = subprocess.run(
        [*program, TITLE, str(folder), *people], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_temporals_ui_shows_it_to_an_auditor_and_a_captain_only(browsed: dict[str, Any]) -> None:
    for name in ("ana", "dan"):
        assert (browsed[name]["seen"], browsed[name]["statuses"]) == (True, [200]), browsed
    assert (browsed["cara"]["seen"], browsed["cara"]["statuses"]) == (False, [403]), browsed
