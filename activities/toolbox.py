"""The team's tools: where they are, and one run of one of them, with nothing of ours around it."""

import asyncio
import os
import re
import resource
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from firestation.errors import NotConfigured
from firestation.lock_plan import ONE_RUN
from firestation.locks.case import Case
from firestation.locks.tool import Result, Tool

RUN_SECONDS = int(ONE_RUN.total_seconds())
MOST_OUTPUT = 256 * 1024
"""Bytes of the beginning of a run's output that are kept, and as many of its end."""
MOST_REPORT = 64 * 1024 * 1024
VERSION = re.compile(r"\d+\.\d+[\w.+-]*")
LARGEST_FILE = 2**30
"""Bytes of a file that a tool may write, its output too."""
ROUNDS = 20


class Toolbox:
    """Finds tools on a search path, which is folders with a colon between them, and runs them."""

    def __init__(self, path: str) -> None:
        self.path = path

    def find(self, tool: Tool) -> str:
        """The tool's program. Raises `NotConfigured` when there is none."""
        found = shutil.which(tool.program, path=self.path)
        if found is None:
            msg = (
                f"the lock's tool {tool.program} is not installed for the worker: install it, and name the folder of "
                f"its program in FIRESTATION_LOCK_TOOLS"
            )
            raise NotConfigured(msg)
        return str(Path(found).absolute())

    async def version(self, tool: Tool, folder: Path) -> str:
        """What the tool says its version is; `unknown` when it does not say."""
        _, said = await run((self.find(tool), "--version"), folder, self._around(tool, folder), RUN_SECONDS)
        found = VERSION.search(said)
        return found.group()[:100] if found else "unknown"

    async def judge(
        self, tool: Tool, case: Case, text: str, folder: Path, surroundings: Mapping[str, str]
    ) -> tuple[Result, str]:
        """Run this file once, in an empty folder of its own: what came of it, and what the tool said."""
        file = tool.file_name(case)
        await asyncio.to_thread((folder / file).write_bytes, text.encode())
        command = (self.find(tool), *tool.command(file))
        code, said = await run(command, folder, {**self._around(tool, folder), **surroundings}, RUN_SECONDS)
        if code is None:
            return ("error", f"it was not done within {RUN_SECONDS} s and was stopped"), said
        result = await asyncio.to_thread(_read, tool, case, folder)
        if result[0] == "passed" and code != 0:
            return ("error", f"its report says passed, and it ended with {code}"), said
        return result, said

    def _around(self, tool: Tool, folder: Path) -> dict[str, str]:
        home = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": self.path, "LANG": "C.UTF-8"}
        return {**home, "COLUMNS": "120", **tool.environment}


def _read(tool: Tool, case: Case, folder: Path) -> Result:
    reports = sorted(folder.glob(tool.report))
    if len(reports) != 1:
        return "error", f"it left {len(reports)} reports, and not one; what it said is kept"
    if reports[0].stat().st_size > MOST_REPORT:
        return "error", f"its report is longer than {MOST_REPORT} bytes"
    return tool.read(reports[0].read_bytes(), case)


async def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
) -> tuple[int | None, str]:
    """The exit code, None when it had to be stopped, and the output; whatever it started is stopped with it.

    What it says goes into a file, and not through a pipe: a child of it could hold that open for as long as it likes.
    """
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        code: int | None = None
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        except TimeoutError:
            pass
        finally:
            # Also after a good end: nothing that it started may outlive the run.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await asyncio.to_thread(_end_all, folder)
        return code, await asyncio.to_thread(_said, output)


def _end_all(folder: Path) -> None:
    """End what left its group, too: it has the home that this run was given, and nobody else has."""
    home = os.fsencode(f"HOME={folder}")
    for _ in range(ROUNDS):  # one that is found may just be starting another
        found = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if _has(path, home)]
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _has(environ: Path, variable: bytes) -> bool:
    try:
        return variable in environ.read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return False


def _said(output: IO[bytes]) -> str:
    """The beginning and the end of what was said, in bounded memory."""
    size = output.seek(0, os.SEEK_END)
    output.seek(0)
    first = output.read(MOST_OUTPUT)
    output.seek(max(size - MOST_OUTPUT, len(first)))
    last = output.read(MOST_OUTPUT)
    left_out = size - len(first) - len(last)
    middle = f"\n… {left_out} bytes left out …\n" if left_out > 0 else ""
    return first.decode(errors="replace") + middle + last.decode(errors="replace")
