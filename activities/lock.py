"""The lock: written in the team's own tool, run on a replay of the frozen evidence and on the live system."""

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import as_failures, beating
from activities.toolbox import Toolbox
from activities.trial import Ran, Trial
from firestation.after_action import Confidence, LockProof, Run, ToolVersion
from firestation.confidence import lower_bound
from firestation.errors import Withheld
from firestation.evidence import ArtifactRef
from firestation.expect import judge
from firestation.lock_plan import LockPlan
from firestation.locks.case import Case, as_json, control_cases, make_case, readable
from firestation.locks.registry import TOOLS
from firestation.locks.statement import test_result
from firestation.locks.tool import Outcome, Tool
from firestation.orders import LockOrder
from firestation.ports import Bench, EvidenceStore, Lockable, LockCase, Secrets, Signer

ENVELOPE = "application/vnd.dsse.envelope.v1+json"


class LockActivities:
    """Proves locks with the same file that the team will keep."""

    def __init__(
        self, bench: Bench, store: EvidenceStore, secrets: Secrets, signer: Signer, toolbox: Toolbox
    ) -> None:
        self.bench, self.store, self.secrets = bench, store, secrets
        self.signer, self.toolbox = signer, toolbox

    @activity.defn(name="prove_lock")
    async def prove_lock(self, order: LockOrder) -> LockProof:
        """It must fail on what was frozen and pass, every time, on what was repaired. Both runs are kept."""
        async with beating():
            with as_failures():
                return await self._prove(order)

    async def _prove(self, order: LockOrder) -> LockProof:
        tool, asked = TOOLS[order.plan.tool], self._asked(order)
        self.toolbox.find(tool)  # before anything is done
        artifact, content = await self._frozen(order)
        case, answer = make_case(order.incident, order.plan, asked, artifact, content)
        with tempfile.TemporaryDirectory(prefix="firestation-lock-", ignore_cleanup_errors=True) as name:
            trial = Trial(
                toolbox=self.toolbox,
                tool=tool,
                plan=order.plan,
                case=case,
                controls=control_cases(case, order.plan, asked),
                answer=answer,
                folder=Path(name),
                token=self.secrets.resolve(asked.token) if asked.token else None,
            )
            ran, version = await asyncio.gather(trial.on_frozen(), self.toolbox.version(tool, trial.folder))
            if all(run.outcome != "error" for run, _ in ran):
                ran += await trial.on_live()
            if trial.controls and all(run.outcome != "error" for run, _ in ran):
                ran += await trial.on_control()
        return await self._proof(trial, ToolVersion(name=tool.program, version=version), ran)

    def _asked(self, order: LockOrder) -> LockCase:
        check = self.bench.check(order.check)
        if not isinstance(check, Lockable):
            message = f"the check {order.check.id} ({order.check.driver}) cannot be written down as a test"
            raise ApplicationError(message, type="NotLockable", non_retryable=True)
        return check.lock_case()

    async def _frozen(self, order: LockOrder) -> tuple[ArtifactRef, Any]:
        """The artifact that answers the lock's question, and its content."""
        sealed = None
        for artifact in order.evidence:
            try:
                readable(artifact)
                content = json.loads(await self.store.get(artifact.digest))
            except Withheld as error:
                sealed = sealed or error
                continue
            except (ValueError, RecursionError):
                continue
            if not order.plan.where or judge(order.plan.where, content)[0] == "passed":
                return artifact, content
        if sealed:
            raise sealed
        message = f"no frozen artifact of {order.plan.source} answers the lock's question (lock.where)"
        raise ApplicationError(message, type="NoEvidence", non_retryable=True)

    async def _proof(self, trial: Trial, version: ToolVersion, ran: Ran) -> LockProof:
        """Keep everything, and sign what each side showed."""
        case, runs = trial.case, tuple(run for run, _ in ran)
        lock = await self._file(trial.tool, case)
        control = await self._file(trial.tool, trial.controls[0]) if trial.controls else None
        output = "\n\n".join(
            f"== against {run.against}: {run.outcome}: {run.detail}\n{said}" for run, said in ran
        )
        report = await self._keep(
            f"lock-runs-{case.incident}.txt", "text/plain", output.encode(errors="replace")
        )
        kept = await self._keep(
            f"lock-replay-{case.incident}.json", "application/json", as_json(trial.replayed()).encode()
        )
        sure = _confidence(trial.plan, runs)
        statements: dict[str, ArtifactRef] = {}
        for against in ("frozen", "live"):
            side = [run for run in runs if run.against == against]
            made = test_result(
                case, trial.tool, version=version, lock=lock, report=report, runs=side, confidence=sure
            )
            if made is not None:
                envelope = await asyncio.to_thread(self.signer.seal, made)
                statements[against] = await self._keep(
                    f"lock-{against}-{case.incident}.dsse.json", ENVELOPE, envelope
                )
        return LockProof(
            lock=lock,
            evidence=case.evidence,
            report=report,
            runs=runs,
            at=datetime.now(UTC),
            statement=statements.get("live"),
            frozen_statement=statements.get("frozen"),
            replay=kept,
            tool=version,
            confidence=sure,
            kind=trial.plan.kind,
            control=control,
        )

    async def _file(self, tool: Tool, case: Case) -> ArtifactRef:
        return await self._keep(tool.file_name(case), tool.media_type, tool.write(case).encode())

    async def _keep(self, name: str, media_type: str, content: bytes) -> ArtifactRef:
        stored = await self.store.put(content)
        return ArtifactRef(
            digest=stored.digest,
            size=stored.size,
            media_type=media_type,
            name=name,
            source="after-action",
            collected_at=datetime.now(UTC),
        )


def _confidence(plan: LockPlan, runs: tuple[Run, ...]) -> Confidence | None:
    """What the runs show of a judge who may err; None without one."""
    asked = plan.judge
    if asked is None:
        return None

    def bound(against: str, outcome: Outcome) -> float:
        side = [run.outcome for run in runs if run.against == against]
        return lower_bound(side.count(outcome), len(side), asked.confidence)

    return Confidence(
        level=asked.confidence,
        wanted=asked.at_least,
        frozen=bound("frozen", "failed"),
        live=bound("live", "passed"),
    )
