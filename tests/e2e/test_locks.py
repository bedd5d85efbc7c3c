"""The lock of the refund incident, in each tool: made from what was really frozen, and run on the real agent.

It fails on what was frozen, passes on the repaired agent, and the same file fails again when the agent breaks again.
"""

import asyncio
import base64
import json
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from temporalio.testing import ActivityEnvironment

from activities.lock import LockActivities
from activities.snapshot import SnapshotActivities
from activities.toolbox import Toolbox
from firestation.after_action import LockProof
from firestation.drivers import Drivers
from firestation.drivers.age import Age
from firestation.drivers.sieve import DetectSecretsSieve
from firestation.drivers.store import open_store
from firestation.evidence import ArtifactRef, Scope
from firestation.expect import Expectation
from firestation.loader import load_system
from firestation.lock_plan import LockPlan, LockTool
from firestation.locks.registry import TOOLS
from firestation.orders import CollectOrder, LockOrder
from firestation.privacy import Redactor
from firestation.secrets import ReferenceSecrets
from firestation.signing import KeySigner, ensure_key, load_public_key, verify
from tests.docs.documents import ROOT, commands
from tests.drivers.products import eval_tools
from tests.e2e.processes import TOKEN, Agent, write_station

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

TOOLS_OWN = [line for line in commands(ROOT / "docs/locks.md") if not line.startswith("firestation ")]
GATES = dict(zip(get_args(LockTool), TOOLS_OWN, strict=True))
"""What a team types in its release gate, by tool."""

PLAN = LockPlan(
    title="A refund outside the window of the policy in force is denied",
    check="golden-case",
    source="traces",
    where=(Expectation(path="$.ruling", op="equals", value="approve"),),
    ask={"question": "$.question", "order": "$.order"},
    runs=1,
)


class Bench:
    """Everything that freezes evidence and proves locks, as a worker has it, without Temporal around it."""

    def __init__(self, drivers: Drivers, folder: Path, config: Path) -> None:
        self.system, self.store = load_system(config / "system.yaml"), open_store(str(folder / "evidence"))
        self.key = folder / "key"
        ensure_key(self.key)
        signer, secrets = KeySigner(self.key), ReferenceSecrets(folder)
        redactor = Redactor(DetectSecretsSieve(), b"pseudonyms")
        self.room = SnapshotActivities(drivers, self.store, signer, redactor, Age())
        self.toolbox = Toolbox(eval_tools())
        self.locks = LockActivities(drivers, self.store, secrets, signer, self.toolbox)

    async def freeze(self, request_id: str) -> tuple[ArtifactRef, ...]:
        """What the source of the traces gives of a request."""
        (source,) = (each for each in self.system.sources if each.id == "traces")
        now = datetime.now(UTC)
        scope = Scope(
            incident="refund-agent-1", request_ids=(request_id,), since=now - timedelta(hours=1), until=now
        )
        order = CollectOrder(source=source, scope=scope)
        collected = await ActivityEnvironment().run(self.room.collect, order)
        return collected.artifacts

    async def prove(self, plan: LockPlan, evidence: tuple[ArtifactRef, ...]) -> LockProof:
        check = self.system.check(plan.check or "")
        assert check is not None
        order = LockOrder(incident="refund-agent-1", plan=plan, check=check, evidence=evidence)
        return await ActivityEnvironment().run(self.locks.prove_lock, order)

    async def statement(self, artifact: ArtifactRef | None) -> dict[str, Any]:
        assert artifact is not None
        public = load_public_key(self.key.with_name("key.pub"))
        return verify(await self.store.get(artifact.digest), [public])

    async def run_again(self, proof: LockProof, folder: Path, url: str) -> int:
        """The kept file, as a team types it in its release gate; its exit code."""
        file = folder / proof.lock.name
        file.write_bytes(await self.store.get(proof.lock.digest))
        assert proof.tool is not None
        command = shlex.split(GATES[proof.tool.name])
        assert command[-1] == file.name
        tool = TOOLS[proof.tool.name]  # type: ignore[index]  # its own name
        around = {"PATH": self.toolbox.path, "HOME": str(folder), "LOCK_URL": url, "LOCK_TOKEN": TOKEN}
        quiet = {name: value for name, value in tool.environment.items() if name != "PYTEST_ADDOPTS"}
        done = await asyncio.to_thread(
            subprocess.run,
            [shutil.which(command[0], path=self.toolbox.path) or "", *command[1:]],
            cwd=folder,
            env=around | quiet,
            capture_output=True,
            check=False,
        )
        return done.returncode


@pytest.fixture
async def bench(tmp_path: Path, agent: Agent) -> AsyncIterator[Bench]:
    state = tmp_path / "station"
    config = write_station(state, agent)
    async with Drivers(ReferenceSecrets(state), folder=state) as drivers:
        yield Bench(drivers, state, config)


def ask(agent: Agent) -> dict[str, Any]:
    """A late customer's question, with all that could confuse a template, a shell, a file or a screen."""
    question = 'I bought headphones 45 days ago and want a refund. """ \' {{ 7*7 }} {% raw %} ${HOME} \u202e\u2028<b>'
    order = {"id": "o-1", "item": "headphones", "days_since_purchase": 45, "amount": 79.0}
    body = {"tenant": "shop", "user": "eve", "question": question, "order": order}
    answered: dict[str, Any] = agent.http.post("/ask", json=body).json()
    return answered


async def test_the_lock_of_the_refund_incident_in_every_tool(
    agent: Agent, bench: Bench, tmp_path: Path
) -> None:
    well = agent.levers()
    agent.fault("stale_policy")
    answered = ask(agent)
    assert answered["ruling"] == "approve"
    evidence = await bench.freeze(answered["request_id"])
    agent.make_as_new(well)
    proofs = {}
    for tool in get_args(LockTool):
        proof = proofs[tool] = await bench.prove(PLAN.changed(tool=tool), evidence)
        assert proof.proved, (tool, proof.runs, await bench.store.get(proof.report.digest))
        assert [(run.against, run.outcome) for run in proof.runs] == [
            ("frozen", "failed"),
            ("live", "passed"),
        ]
        assert "approve" in proof.runs[0].detail
        assert proof.tool
        assert (proof.tool.name, proof.tool.version[0].isdigit()) == (tool, True)
        await stated(bench, proof, evidence[0])
    agent.fault("stale_policy")
    for tool, proof in proofs.items():
        folder = tmp_path / tool
        folder.mkdir()
        assert await bench.run_again(proof, folder, f"{agent.url}/ask") != 0, tool
    agent.make_as_new(well)
    folder = tmp_path / "gate"
    folder.mkdir()
    assert await bench.run_again(proofs["inspect"], folder, f"{agent.url}/ask") == 0
    assert TOKEN not in "".join(
        [(await bench.store.get(proof.report.digest)).decode() for proof in proofs.values()]
    )


async def stated(bench: Bench, proof: LockProof, artifact: ArtifactRef) -> None:
    """Both sides are signed test results over the lock and the evidence."""
    for kept, result, tests in (
        (proof.frozen_statement, "FAILED", "failedTests"),
        (proof.statement, "PASSED", "passedTests"),
    ):
        said = await bench.statement(kept)
        assert said["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
        digests = [each["digest"]["sha256"] for each in said["subject"]]
        assert digests == [proof.lock.digest, artifact.digest]
        predicate = said["predicate"]
        assert predicate["result"] == result
        others = {"passedTests", "warnedTests", "failedTests"} - {tests}
        assert predicate[tests]
        assert all(predicate[each] == [] for each in others)
        named = base64.urlsafe_b64decode(predicate["url"].removeprefix("ni:///sha-256;") + "=").hex()
        assert named == proof.report.digest
    replay = json.loads(await bench.store.get(proof.replay.digest)) if proof.replay else {}
    trace = json.loads(await bench.store.get(artifact.digest))
    assert replay["answer"] == trace
    assert {"prompt", "retrieval", "tool_calls"} <= set(replay["answer"])
    body = json.loads(replay["request"]["body"])
    assert (body["question"], body["order"], body["tenant"]) == (trace["question"], trace["order"], "eval")
