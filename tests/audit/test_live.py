"""An incident on a real Temporal server, exported through the gateway, and taken by tools that know nothing of us."""

import asyncio
import json
import os
import socket
import sys
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from temporalio import workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from firestation import acts, tokens
from firestation.authority import Bell, Member, Role, Station
from firestation.bundle import Contents
from firestation.bundle_checks import chain
from firestation.bundle_files import _chains, contents, derive
from firestation.drivers.register import open_register
from firestation.firebreak import Lease
from firestation.history import read_run
from firestation.secrets import ReferenceSecrets
from firestation.signing import KeySigner
from firestation.state import Phase
from firestation.version import build
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.book import Book
from gateway.bundles import Sealing
from gateway.front import Front
from tests.audit.forge import case
from tests.docs.documents import commands
from tests.e2e.processes import needs
from tests.gateway.conftest import Standing
from tests.gateway.desks import a_desk
from tests.property.signatures import decision, signed
from tests.property.worlds import KEYS
from tests.workflows.stage import BIN, Stage, at_work, firebreak, live, real_server, staged, stands
from worker.wiring import WORKFLOWS, workflow_runner
from workflows.histories import fetch_family

ROOT = Path(__file__).parents[2]
NOTHING: Mapping[str, str] = MappingProxyType({})


async def command(*words: str | Path, cwd: Path, code: int = 0, more: Mapping[str, str] = NOTHING) -> str:
    """Run a program, and what it printed; it must end with this exit code."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == code, (words, out.decode(), err.decode())
    return out.decode()


@asynccontextmanager
async def gateway(stage: Stage, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """A real gateway before this stage: its address, and the token of an auditor."""
    register = open_register(folder / "access")
    random = b"dan".ljust(tokens.RANDOM_BYTES, b".")
    token, text = tokens.mint(random, person="dan", now=datetime.now(UTC), lifetime=timedelta(days=1))
    assert await register.add(token)
    people = tuple(
        Member(id=name, name=name, roles=(role,), address=f"{name}@example.org")
        for name, role in (("ana", Role.CAPTAIN), ("dan", Role.AUDITOR))
    )
    station = Station(station="demo", people=people, escalation=("ana",), bells=(Bell(id="bell"),))
    book = Book(station=station, systems={"refund-agent": stage.brief.system}, wall=(stage.brief.runbook,))
    door = Doorkeeper(Standing(book), ReferenceSecrets(folder), register)
    sealing = Sealing(lambda: KeySigner(folder / "station.key"), None)
    async with a_desk(stage.environment.client, Standing(book), folder) as desk:
        app = create_app(
            desk,
            door,
            stage.town.evidence,
            Front("a key for visits"),
            shelf=stage.town.shelf,
            sealing=sealing,
        )
        async with served(app) as address:
            yield address, text


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """This gateway on a port; its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # so that nobody is turned away who comes before it serves
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def _signed_incident(stage: Stage) -> None:
    """Both approvals are signed with their makers' own keys, and it is closed with a lock."""
    tool, reranker = stage.brief.runbook.firebreaks
    steps = (tool, reranker.changed(signed=True))
    stage.brief = stage.brief.changed(runbook=stage.brief.runbook.changed(firebreaks=steps))
    await live(stage, until=Phase.CONTAINED)
    wanted = firebreak(await stage.until("the proposal", stands("reranker", Lease.PROPOSED)), "reranker")
    assert wanted is not None
    named = wanted.action.incident, wanted.action.run, wanted.digest
    for person in ("ana", "ben"):
        word = signed(decision(named, person, datetime.now(UTC)), KEYS[person])
        await stage.do(acts.Approve(by=person, action=wanted.digest, signed=word))
    await stage.turn_page()
    await live(stage, after=Phase.RECOVERING)
    await stage.ended()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_an_exported_incident_is_taken_by_tools_that_know_nothing_of_us(tmp_path: Path) -> None:
    needs("ssh-keygen", "openssh-client")
    unpacked = tmp_path / "unpacked"
    async with real_server() as environment, staged(environment, tmp_path) as stage:
        await _signed_incident(stage)
        async with gateway(stage, tmp_path) as (url, token):
            await _as_the_document_says(stage, url, token, tmp_path)
            async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
                again = await http.get(f"{url}/incidents/{stage.brief.incident}/bundle")
        bundle = tmp_path / "document" / f"{stage.brief.incident}.tar"
        assert again.content == bundle.read_bytes()
        await asyncio.to_thread(_unpack, bundle, unpacked)
        await _as_the_server_shows_it(stage, unpacked)
    await _replays(unpacked)
    await _decisions_verify(unpacked)
    key = tmp_path / "station.key.pub"
    (unpacked / "record.json").write_bytes(b"{}")
    await command(sys.executable, ROOT / "tests/audit/check_dsse.py", unpacked, key, cwd=tmp_path, code=1)


async def _as_the_document_says(stage: Stage, url: str, token: str, folder: Path) -> None:
    """Every command of docs/audit.md, as it stands there but for the incident's name."""
    here = folder / "document"
    here.mkdir()
    for name in ("scripts", "tests"):
        (here / name).symlink_to(ROOT / name)
    (here / "station.pub").symlink_to(folder / "station.key.pub")
    more = {"PATH": f"{BIN}:{os.environ['PATH']}", "FIRESTATION_URL": url, "FIRESTATION_TOKEN": token}
    more["TEMPORAL_ADDRESS"] = stage.environment.client.service_client.config.target_host
    told = commands(ROOT / "docs/audit.md")
    assert len(told) == 9
    for each in told:
        assert "INCIDENT" in each or "unpacked" in each or "audit run" in each
        await command("sh", "-c", each.replace("INCIDENT", stage.brief.incident), cwd=here, more=more)
    assert "PASSED: every rule was kept." in (here / "report.html").read_text()
    assert json.loads((here / "findings.sarif").read_text())["runs"][0]["results"] == []


def _unpack(bundle: Path, folder: Path) -> None:
    with tarfile.open(bundle) as read:
        read.extractall(folder, filter="data")


async def _as_the_server_shows_it(stage: Stage, unpacked: Path) -> None:
    """`temporal workflow show --output json` prints each run as it is in the bundle."""
    address = stage.environment.client.service_client.config.target_host
    files = sorted((unpacked / "histories" / "incident").glob("*.json"))
    assert len(files) == 2
    for file in files:
        kept = json.loads(file.read_bytes())
        run = kept["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"]
        words = (
            "workflow",
            "show",
            "-w",
            stage.brief.incident,
            "-r",
            run,
            "--output",
            "json",
            "--address",
            address,
        )
        assert json.loads(await command(BIN / "temporal", *words, cwd=unpacked)) == kept


async def _replays(unpacked: Path) -> None:
    """The plain Replayer takes the files as they are."""
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
    )
    for file in sorted((unpacked / "histories").rglob("*.json")):
        await replayer.replay_workflow(WorkflowHistory.from_json(file.stem, file.read_text()))


async def _decisions_verify(unpacked: Path) -> None:
    """Each command that the README of the bundle gives is typed as it stands, and each signature holds."""
    text = (unpacked / "README.txt").read_text().replace("\\\n", "")
    told = [line.strip() for line in text.splitlines() if line.strip().startswith("ssh-keygen")]
    assert len(told) == 2
    for each in told:
        assert 'Good "firestation-decision" signature' in await command("sh", "-c", each, cwd=unpacked)
        other = each.replace("-I ana", "-I cara").replace("-I ben", "-I cara")
        await command("sh", "-c", other, cwd=unpacked, code=255)


# A family of workflows ---------------------------------------------------------------------------------------


@workflow.defn(name="Parent")
class Parent:
    """Starts two children, one after the other."""

    @workflow.run
    async def run(self, told: dict[str, Any]) -> None:
        for name in ("first", "second"):
            await workflow.execute_child_workflow(
                "Child", 2 if name == "second" else 0, id=f"{told['brief']['incident']}/{name}"
            )


@workflow.defn(name="Child")
class Child:
    """Turns its page so many times."""

    @workflow.run
    async def run(self, left: int) -> None:
        if left:
            workflow.continue_as_new(left - 1)


@pytest.fixture
async def family() -> AsyncIterator[list[list[dict[str, Any]]]]:
    async with real_server() as environment:
        client: Client = environment.client
        worker = Worker(
            client,
            task_queue="family",
            workflows=[Parent, Child],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with at_work(worker):
            await client.execute_workflow(
                "Parent",
                {"brief": {"incident": "a-fire-1a2b3c4d"}},
                id="a-fire-1a2b3c4d",
                task_queue="family",
            )
        yield await fetch_family(client, "a-fire-1a2b3c4d")


def _told(family: list[list[dict[str, Any]]]) -> Contents:
    """The contents of some bundle, with the chains of this family."""
    runs = [[read_run(history) for history in each] for each in family]
    chains = tuple(_chains(family, runs))
    some = contents(derive(case("closed").family), build(), digests_only=False)
    return some.changed(chains=chains, incident="a-fire-1a2b3c4d", run=chains[0].runs[0].run)


async def test_children_are_fetched_with_all_their_runs_and_missed_when_they_are_cut_off(
    family: list[list[dict[str, Any]]],
) -> None:
    told = _told(family)
    assert [len(each) for each in family] == [1, 1, 3]
    assert [each.workflow.rpartition("/")[2] for each in told.chains] == [
        "a-fire-1a2b3c4d",
        "first",
        "second",
    ]
    assert [each.type for each in told.chains] == ["Parent", "Child", "Child"]
    assert told.chains[1].started_by is not None
    assert list(chain(told, family)) == []
    for cut, says in (
        ([family[0], family[1]], "is missing"),
        ([family[0], family[1], family[2][:-1]], "is missing at the end"),
        ([family[0], family[1], family[2][1:]], "and the first one is"),
        ([family[0], family[1], [family[2][0], family[2][2]]], "the run before goes on as"),
        ([family[0], family[2], family[1]], "and the first one is"),
    ):
        found = list(chain(_told(cut), cut))
        assert found, says
        assert says in found[0].what
