"""Every incident of a namespace is audited in one go: a broken or unreadable one is counted, and stops no other."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from typer.testing import CliRunner

from cli.main import app
from firestation import acts
from firestation.errors import Gone, InvalidInput
from firestation.firebreak import Lease
from firestation.state import Phase
from firestation.verdicts import Verdict, summed
from tests.workflows.stage import PATIENCE, Stage, firebreak, live, real_server, short_brief, staged, stands
from worker.audits import main, moment, query, verdicts
from workflows.histories import fetch_chain
from workflows.messages import WORKFLOW

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
GARBLED = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"brief": {"incid'))
SINCE = "1h"


async def dismissed(stage: Stage) -> None:
    """It was no fire; somebody sends bytes that nobody can read, which the workflow drops."""
    await live(stage, until=Phase.OPEN)
    await stage.handle.signal("note", GARBLED)
    await stage.until("the pre-authorized firebreak", stands("tool", Lease.EFFECTIVE))
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.turn_page()
    wanted = firebreak(await stage.picture(), "tool")
    assert wanted
    await stage.do(acts.Lift(by="ana", action=wanted.digest, reason="no fire"))
    await stage.until("the tool to be back", stands("tool", Lease.LIFTED))
    await stage.do(acts.Dismiss(by="ana", reason="the eval was broken"))
    await stage.ended()


async def terminated(stage: Stage) -> None:
    """Somebody ends the workflow from outside, while the tool is stopped."""
    await live(stage, until=Phase.OPEN)
    await stage.until("the pre-authorized firebreak", stands("tool", Lease.EFFECTIVE))
    await stage.handle.terminate("it was in the way")


async def nonsense(client: Client, workflow: str, name: str, given: Any) -> None:
    """A workflow that nobody runs, or can read."""
    handle = await client.start_workflow(workflow, given, id=name, task_queue="nobody")
    await handle.terminate("tried")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def namespace(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, dict[str, str]]]:
    """A Temporal server with incidents of different fates; their ids by their fate."""
    async with real_server() as environment, staged(environment, tmp_path_factory.mktemp("town")) as stage:
        stages = {"closed": stage}
        await live(stage)
        await stage.ended()
        for fate in (dismissed, terminated):
            stages[fate.__name__] = Stage(environment, stage.town, short_brief())
            await fate(stages[fate.__name__])
        names = {fate: each.brief.incident for fate, each in stages.items()} | {"garbled": "garbled-1"}
        await nonsense(environment.client, WORKFLOW, "garbled-1", GARBLED)
        await nonsense(environment.client, "SomethingElse", "other-1", {"brief": {}})
        async with asyncio.timeout(PATIENCE):  # visibility is told a little later
            while await _known(environment.client) < len(names):  # noqa: ASYNC110 - Temporal tells nobody
                await asyncio.sleep(0.1)
        yield environment.client, names


@pytest.mark.asyncio(loop_scope="module")
async def test_each_is_judged_and_none_stops_another(namespace: tuple[Client, dict[str, str]]) -> None:
    client, names = namespace
    found = {each.incident: each async for each in verdicts(client, query(NOW - timedelta(days=999)))}
    assert set(found) == set(names.values())
    by_fate = {fate: found[name] for fate, name in names.items()}
    assert {fate: each.outcome for fate, each in by_fate.items()} == {
        "closed": "passed",
        "dismissed": "passed",
        "terminated": "broken",
        "garbled": "unreadable",
    }
    assert by_fate["dismissed"].runs == 2
    assert by_fate["closed"].lock == "proved"
    assert [each.rule for each in by_fate["terminated"].findings] == [6]
    assert by_fate["garbled"].error
    summary = summed(found.values())
    assert (summary.incidents, summary.outcomes["broken"], summary.outcomes["unreadable"]) == (4, 1, 1)
    assert not summary.passed


@pytest.mark.asyncio(loop_scope="module")
async def test_the_command_tells_by_its_table_file_and_exit_code(
    namespace: tuple[Client, dict[str, str]], tmp_path: Path
) -> None:
    client, names = namespace
    address = client.service_client.config.target_host
    out = tmp_path / "report.json"
    done = await asyncio.to_thread(_command, "--since", SINCE, "--address", address, "--out", str(out))
    assert done.returncode == 1, done.stderr
    assert f"audited {len(names)} of {len(names)}" in done.stderr
    lines = {" ".join(line.split()[:-1]): line.split()[-1] for line in done.stdout.splitlines() if line}
    assert (lines["passed"], lines["broken"], lines["unreadable"]) == ("2", "1", "1")
    assert f"broken: {names['terminated']}" in done.stdout
    assert "6 every firebreak ends" in done.stdout
    report = json.loads(out.read_text())
    assert {each["incident"] for each in report["incidents"]} == set(names.values())
    assert report["summary"]["locks"]["proved"] == 1
    assert (out.stat().st_mode & 0o777) == 0o600
    again = await asyncio.to_thread(_command, "--since", SINCE, "--address", address, "--out", str(out))
    assert again.returncode == 2
    assert "name a new file" in again.stderr
    none = await asyncio.to_thread(
        _command, "--since", SINCE, "--system", "another", "--address", address, "--json"
    )
    assert none.returncode == 0, none.stderr
    assert json.loads(none.stdout)["summary"]["incidents"] == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_chain_is_fetched_by_any_of_its_runs(namespace: tuple[Client, dict[str, str]]) -> None:
    client, names = namespace
    chain = await fetch_chain(client, names["dismissed"])
    assert len(chain) == 2
    first = chain[0].run_id
    assert [each.run_id for each in await fetch_chain(client, names["dismissed"], first)] == [first]
    with pytest.raises(Gone, match="there is no incident"):
        await fetch_chain(client, "no-such-incident")


async def _known(client: Client) -> int:
    return (await client.count_workflows(query(NOW - timedelta(days=999)))).count


def _command(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "worker.audits", *words]
    surroundings = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("1h 30m", NOW - timedelta(minutes=90)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T09:00:00+01:00", datetime(2026, 11, 1, 8, 0, tzinfo=UTC)),
    ],
)
def test_a_time_is_how_long_ago_or_a_day_or_a_moment(text: str, meant: datetime) -> None:
    assert moment("--since", text, NOW) == meant


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-11-01T09:00:00", "99999999999d"])
def test_what_is_no_time_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"--since: .* is no time\. write how long ago"):
        moment("--since", text, NOW)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--since", "1d", "--until", "2d"], "--until: this is not after --since"),
        (["--since", "1d", "--system", "x' OR '1'='1"], "--system: "),
        (["--since", "1d", "--out", "/no/such/folder/x.json"], "--out: there is no folder"),
    ],
)
def test_bad_input_is_named_before_anything_is_asked(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["audits", *words])
    for what_is_the_whole_process in ("set_up", "forward_logs"):
        monkeypatch.setattr(f"worker.audits.{what_is_the_whole_process}", lambda *_: None)
    assert main() == 2
    assert says in capsys.readouterr().err


def test_the_command_line_starts_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        told.extend(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr("subprocess.run", run)
    words = ["audit", "run", "--since", "30d", "--system", "s", "--address", "h:1", "--json"]
    assert CliRunner().invoke(app, words).exit_code == 1
    assert told[1:] == [
        "-m",
        "worker.audits",
        "--since",
        "30d",
        "--system",
        "s",
        "--address",
        "h:1",
        "--json",
    ]


def test_nothing_is_passed_and_so_is_what_stands_on_the_record() -> None:
    assert summed([]).passed
    verdict = Verdict(incident="i-1", run="r", outcome="on the record", lock="waived", waivers=1, breaches=2)
    summary = summed([verdict, verdict])
    assert summary.passed
    assert (summary.waivers, summary.breaches, summary.locks["waived"]) == (2, 4, 2)
