"""The lock: written as a plain pytest file, run on the frozen evidence and on the live system."""

import asyncio
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import as_failures, beating
from activities.guardrail import Against, frozen_exchange, guardrail_runs
from firestation.after_action import LockProof, Run
from firestation.evidence import ArtifactRef
from firestation.expect import judge, value_at
from firestation.lockfile import lock_file
from firestation.orders import LockOrder
from firestation.ports import Bench, EvidenceStore, Lockable, LockCase, Secrets

RUN_SECONDS = 120
OUTCOMES: dict[int | None, Literal["passed", "failed", "error"]] = {0: "passed", 1: "failed"}


class LockActivities:
    """Proves locks with the same file that the team will keep."""

    def __init__(self, bench: Bench, store: EvidenceStore, secrets: Secrets) -> None:
        self.bench, self.store, self.secrets = bench, store, secrets

    @activity.defn(name="prove_lock")
    async def prove_lock(self, order: LockOrder) -> LockProof:
        """It must fail on what was frozen and pass, every time, on what was repaired. Both runs are kept."""
        async with beating():
            with as_failures():
                case = self._case(order)
                if order.plan.kind == "guardrail":
                    seen = await frozen_exchange(order, self.store)
                    source, token = seen.artifact, self._token(case)
                    text, runs, output = await guardrail_runs(order, case, seen, token, _pytest)
                else:
                    source, answer = await self._frozen_answer(order)
                    text = lock_file(order.incident, order.plan.title, case)
                    runs, output = await self._run(text, answer, case, order.plan.runs)
                lock = await self._keep(f"test_lock_{order.incident}.py", "text/x-python", text)
                report = await self._keep(f"lock-runs-{order.incident}.txt", "text/plain", output)
        return LockProof(
            lock=lock,
            evidence=source,
            report=report,
            runs=runs,
            at=datetime.now(UTC),
            kind=order.plan.kind,
        )

    def _token(self, case: LockCase) -> dict[str, str]:
        return {"LOCK_TOKEN": self.secrets.resolve(case.token)} if case.token else {}

    def _case(self, order: LockOrder) -> LockCase:
        check = self.bench.check(order.check)
        if not isinstance(check, Lockable):
            message = f"the check {order.check.id} ({order.check.driver}) cannot be written down as a test"
            raise ApplicationError(message, type="NotLockable", non_retryable=True)
        return check.lock_case()

    async def _frozen_answer(self, order: LockOrder) -> tuple[str, str]:
        """The digest of the artifact that holds the frozen answer, and the answer as JSON."""
        for artifact in order.evidence:
            try:
                content = json.loads(await self.store.get(artifact.digest))
            except ValueError:
                continue
            if judge(order.plan.where, content)[0] == "passed" or not order.plan.where:
                return artifact.digest, json.dumps(value_at(content, order.plan.answer), indent=2)
        message = f"no frozen artifact of {order.plan.source} answers the lock's question (lock.where)"
        raise ApplicationError(message, type="NoEvidence", non_retryable=True)

    async def _run(self, text: str, answer: str, case: LockCase, times: int) -> tuple[tuple[Run, ...], str]:
        with tempfile.TemporaryDirectory(prefix="firestation-lock-") as name:
            folder = Path(name)
            await asyncio.to_thread((folder / "test_lock.py").write_text, text)
            await asyncio.to_thread((folder / "frozen.json").write_text, answer)
            results = [await _pytest(folder, "frozen", {"LOCK_FROZEN": str(folder / "frozen.json")})]
            results += [await _pytest(folder, "live", self._token(case)) for _ in range(times)]
        output = "\n\n".join(f"== against {run.against}: {run.outcome}\n{said}" for run, said in results)
        return tuple(run for run, _ in results), output

    async def _keep(self, name: str, media_type: str, text: str) -> ArtifactRef:
        stored = await self.store.put(text.encode())
        return ArtifactRef(
            digest=stored.digest,
            size=stored.size,
            media_type=media_type,
            name=name,
            source="after-action",
            collected_at=datetime.now(UTC),
        )


async def _pytest(folder: Path, against: Against, extra: dict[str, str]) -> tuple[Run, str]:
    """Run the file by itself, with nothing of ours in its environment but what it needs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(
            "-m",
            "pytest",
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            "--rootdir",
            str(folder),
        ),
        str(folder / "test_lock.py"),
        cwd=folder,
        env={
            "PATH": os.defpath,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **extra,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        said = f"not done within {RUN_SECONDS} s".encode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output = said.decode(errors="replace")
    outcome = OUTCOMES.get(process.returncode, "error")
    last = (output.strip().splitlines() or ["no output"])[-1]
    return Run(against=against, outcome=outcome, detail=last[:4000]), output
