"""The git source: which revision of prompts and configuration is in force, and what changed since the last good.

It reads a local clone through the `git` program, without its hooks, its external programs or the network.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from firestation.drivers.kit import Kit
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact
from firestation.system import SourceFitting

Ref = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./@~^-]{0,200}$")]
"""A branch, tag or commit; it never begins like an option."""

FORMAT = "%H%x00%an%x00%aI%x00%s"
SAFE = (
    "--no-pager",
    "--literal-pathspecs",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
)
MOST_FILES, MOST_COMMITS, EXCERPT = 500, 200, 300


class GitSourceConfig(Model):
    """`repository` is a clone, relative to the station's folder; `paths` are files or folders in it, all if none."""

    repository: Line
    ref: Ref = "HEAD"
    last_good: Ref | None = None
    paths: tuple[Line, ...] = ()
    max_bytes: int = Field(default=16_000_000, ge=1, le=256_000_000)


class GitSource:
    """Freezes the revision, the files at it, and the difference to the last good one."""

    config_model: ClassVar[type[Model]] = GitSourceConfig

    def __init__(self, fitting: SourceFitting, config: GitSourceConfig, kit: Kit) -> None:
        self.fitting, self.config = fitting, config
        self.folder = kit.folder / config.repository

    async def collect(self, scope: Scope) -> AsyncIterator[Artifact]:  # noqa: ARG002 - a repository has no requests
        """The revision first, then the difference, then each file."""
        commit = await self._commit(self.config.ref)
        good = await self._commit(self.config.last_good) if self.config.last_good else None
        yield self._artifact("revision", "application/json", await self._revision(commit, good))
        if good:
            diff = await self._git(
                "diff", "--no-ext-diff", "--no-textconv", "--no-color", good, commit, "--", *self.config.paths
            )
            yield self._artifact(f"difference to {self.config.last_good}", "text/x-diff", diff)
        listed = await self._git("ls-tree", "-r", "-z", "--name-only", commit, "--", *self.config.paths)
        names = [name for name in listed.decode(errors="replace").split("\0") if name]
        if not names:
            msg = (
                f"{self.folder} has none of {', '.join(self.config.paths) or 'any file'} at {self.config.ref}"
            )
            raise Gone(msg)
        if len(names) > MOST_FILES:
            msg = f"{len(names)} files at {self.config.ref}; name fewer in paths, at most {MOST_FILES}"
            raise Nonsense(msg)
        for name in names:
            content = await self._git("cat-file", "blob", f"{commit}:{name}")
            yield self._artifact(f"file {name}"[-300:], "application/octet-stream", content)

    async def _commit(self, ref: str) -> str:
        said = await self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", missing=ref
        )
        return said.decode().strip()

    async def _revision(self, commit: str, good: str | None) -> bytes:
        span = [f"{good}..{commit}"] if good else ["--max-count=1", commit]
        logged = await self._git(
            "log", f"--max-count={MOST_COMMITS}", f"--format={FORMAT}", *span, "--", *self.config.paths
        )
        commits = [
            dict(zip(("commit", "author", "at", "subject"), line.split("\0"), strict=True))
            for line in logged.decode(errors="replace").splitlines()
        ]
        changed = await self._git("status", "--porcelain", "--untracked-files=no", "--", *self.config.paths)
        told = {
            "ref": self.config.ref,
            "commit": commit,
            "last_good": good,
            "commits": commits,
            "uncommitted": changed.decode(errors="replace").splitlines(),
        }
        return json.dumps(told, indent=1, ensure_ascii=False).encode()

    def _artifact(self, name: str, media_type: str, content: bytes) -> Artifact:
        how = f"git, {self.config.ref} of {self.config.repository}"[:300]
        return Artifact(
            name=name, media_type=media_type, content=content, provides=self.fitting.provides, how=how
        )

    async def _git(self, *words: str, missing: str | None = None) -> bytes:
        """What git prints. Raises `Gone` for what is not there, `Denied`, `Nonsense`, `Unreachable`."""
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                "-C",
                str(self.folder),
                *SAFE,
                *words,
                env=_surroundings(self.folder),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise Unreachable("the git program is not installed; apt-get install git") from error
        try:
            said, complained = await _limited(process, self.config.max_bytes)
        except ValueError as error:
            msg = f"git {words[0]} of {self.folder} gives more than {self.config.max_bytes} bytes; name fewer paths"
            raise Nonsense(msg) from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == 0:
            return said
        raise _ours(words[0], self.folder, complained.decode(errors="replace").strip(), missing)


async def _limited(process: asyncio.subprocess.Process, limit: int) -> tuple[bytes, bytes]:
    """All that it prints. Raises `ValueError` when that is more than the limit."""
    assert process.stdout
    assert process.stderr
    complaining = asyncio.create_task(process.stderr.read(EXCERPT))
    try:
        said = bytearray()
        while piece := await process.stdout.read(65536):
            said += piece
            if len(said) > limit:
                raise ValueError(limit)
        complained = await complaining
        await process.wait()
        return bytes(said), complained
    finally:
        complaining.cancel()


def _surroundings(folder: Path) -> dict[str, str]:
    """Nothing of the user's or the system's configuration, and no question is ever asked."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(folder.resolve()),
    }


def _ours(what: str, folder: Path, said: str, missing: str | None) -> DriverError:
    if missing and not said:
        return Gone(f"{folder} has no revision {missing}")
    if "cannot change to" in said or "not a git repository" in said:
        return Gone(f"{folder} is no git repository: {said[:EXCERPT]}")
    if "dubious ownership" in said or "Permission denied" in said:
        return Denied(f"git may not read {folder}: {said[:EXCERPT]}")
    return Unreachable(f"git {what} of {folder} failed: {said[:EXCERPT]}")
