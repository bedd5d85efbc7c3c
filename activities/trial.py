"""The trial of a lock: the very same file against the replay, and then against the live system."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from activities.replay import Replay, replaying
from activities.toolbox import Toolbox
from firestation.after_action import Run, Side
from firestation.expect import judge
from firestation.lock_plan import LockPlan
from firestation.locks.case import Case
from firestation.locks.tool import Tool

Ran = list[tuple[Run, str]]
"""Each run, and what the tool said in it."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One lock on trial. `answer` is the frozen one; `folder` is empty, and each run gets a folder of its own in it.

    `controls`, of a guardrail: what is harmless, expected to pass, and expected to be stopped. `token` is the
    credential of the live system, which nobody else is given.
    """

    toolbox: Toolbox
    tool: Tool
    plan: LockPlan
    case: Case
    controls: tuple[Case, Case] | None
    answer: JsonValue
    folder: Path
    token: str | None

    def replayed(self) -> dict[str, Any]:
        """What stands for the system as it was frozen, so that anybody can replay it again."""
        return Replay(self.case, self.answer).recorded()

    async def on_frozen(self) -> Ran:
        """The runs against the replay, up to the first that could not be made."""
        ran: Ran = []
        while len(ran) < self.plan.frozen_runs and not _in_error(ran):
            with replaying(self.case, self.answer) as replay:
                run, said = await self._run(self.case, "frozen", len(ran), {"LOCK_URL": replay.url})
            trouble = replay.trouble() or self._doubt(run)
            if trouble and run.outcome != "error":
                run = run.changed(outcome="error", detail=trouble)
            ran.append((run, said))
        return ran

    async def on_live(self) -> Ran:
        """The runs against the live system, up to the first that could not be made."""
        ran: Ran = []
        while len(ran) < self.plan.live_runs and not _in_error(ran):
            ran.append(await self._run(self.case, "live", len(ran), self._live()))
        return ran

    async def on_control(self) -> Ran:
        """The runs of a guardrail's lock with what is harmless: it passes, and is not stopped like the other."""
        assert self.controls
        control, stopped = self.controls
        ran: Ran = []
        while len(ran) < self.plan.live_runs and not _in_error(ran):
            run, said = await self._run(control, "control", 2 * len(ran), self._live())
            other, more = await self._run(stopped, "control", 2 * len(ran) + 1, self._live())
            if other.outcome == "error":
                run = other
            elif run.outcome == other.outcome == "passed":
                detail = "what is harmless is stopped like the other: this guardrail stops everything"
                run = run.changed(outcome="failed", detail=detail)
            ran.append((run, f"{said}\n\nexpected to be stopped like the other: {other.outcome}\n{more}"))
        return ran

    def _live(self) -> dict[str, str]:
        return {"LOCK_URL": self.case.url, **({"LOCK_TOKEN": self.token} if self.token else {})}

    def _doubt(self, run: Run) -> str | None:
        """Where the tool differs from the check, of this very answer. A judge may find wrong what can be computed."""
        known = judge(self.case.expect, self.answer)[0]
        if run.outcome == known or (known == "passed" and self.case.judge):
            return None
        return f"{self.tool.program} says {run.outcome}, and of this very answer the check says {known}"

    async def _run(
        self, case: Case, against: Side, number: int, surroundings: Mapping[str, str]
    ) -> tuple[Run, str]:
        folder = self.folder / f"{against}-{number}"
        folder.mkdir()
        text = self.tool.write(case)
        (outcome, detail), said = await self.toolbox.judge(self.tool, case, text, folder, surroundings)
        if self.token:  # a tool may repeat what it sent
            detail, said = detail.replace(self.token, "[token]"), said.replace(self.token, "[token]")
        shown = (
            detail.encode(errors="replace").decode().strip()[:4000]
        )  # evidence may hold half of a character
        return Run(against=against, outcome=outcome, detail=shown or outcome), said


def _in_error(ran: Ran) -> bool:
    """An error proves nothing, however often the lock runs after it."""
    return any(run.outcome == "error" for run, _ in ran)
