"""The trial of a lock: the very same file against the replay, and then against the live system."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from activities.replay import Replay, replaying
from activities.toolbox import Toolbox
from firestation.after_action import Run
from firestation.expect import judge
from firestation.locks.case import Case
from firestation.locks.tool import Tool
from firestation.runbook import LockPlan

Ran = list[tuple[Run, str]]
"""Each run, and what the tool said in it."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One lock on trial. `answer` is the frozen one; `folder` is empty, and each run gets a folder of its own in it.

    `token` is the credential of the live system, which nobody else is given.
    """

    toolbox: Toolbox
    tool: Tool
    plan: LockPlan
    case: Case
    text: str
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
                run, said = await self._run("frozen", len(ran), {"LOCK_URL": replay.url})
            trouble = replay.trouble() or self._doubt(run)
            if trouble and run.outcome != "error":
                run = run.changed(outcome="error", detail=trouble)
            ran.append((run, said))
        return ran

    async def on_live(self) -> Ran:
        """The runs against the live system, up to the first that could not be made."""
        token = {"LOCK_TOKEN": self.token} if self.token else {}
        ran: Ran = []
        while len(ran) < self.plan.live_runs and not _in_error(ran):
            ran.append(await self._run("live", len(ran), {"LOCK_URL": self.case.url, **token}))
        return ran

    def _doubt(self, run: Run) -> str | None:
        """Where the tool differs from the check, of this very answer. A judge may find wrong what can be computed."""
        known = judge(self.case.expect, self.answer)[0]
        if run.outcome == known or (known == "passed" and self.case.judge):
            return None
        return f"{self.tool.program} says {run.outcome}, and of this very answer the check says {known}"

    async def _run(
        self, against: Literal["frozen", "live"], number: int, surroundings: Mapping[str, str]
    ) -> tuple[Run, str]:
        folder = self.folder / f"{against}-{number}"
        folder.mkdir()
        (outcome, detail), said = await self.toolbox.judge(
            self.tool, self.case, self.text, folder, surroundings
        )
        if self.token:  # a tool may repeat what it sent
            detail, said = detail.replace(self.token, "[token]"), said.replace(self.token, "[token]")
        shown = (
            detail.encode(errors="replace").decode().strip()[:4000]
        )  # evidence may hold half of a character
        return Run(against=against, outcome=outcome, detail=shown or outcome), said


def _in_error(ran: Ran) -> bool:
    """An error proves nothing, however often the lock runs after it."""
    return any(run.outcome == "error" for run, _ in ran)
