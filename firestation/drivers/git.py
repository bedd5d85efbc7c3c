"""The git source: which revision of prompts and configuration is in force, and what changed since the last good.

It reads a local clone through the `git` program, without its hooks, its external programs or the network.
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from firestation.drivers.kit import Kit
from firestation.drivers.repository import Repository
from firestation.errors import Gone, Nonsense
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact
from firestation.system import SourceFitting

Ref = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./@~^-]{0,200}$")]
"""A branch, tag or commit; it never begins like an option."""

FORMAT = "%H%x00%an%x00%aI%x00%s"
MOST_FILES, MOST_COMMITS = 500, 200


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
        self.repository = Repository(self.folder, config.max_bytes)

    async def collect(self, scope: Scope) -> AsyncIterator[Artifact]:  # noqa: ARG002 - a repository has no requests
        """The revision first, then the difference, then each file."""
        commit = await self.repository.commit(self.config.ref)
        good = await self.repository.commit(self.config.last_good) if self.config.last_good else None
        yield self._artifact("revision", "application/json", await self._revision(commit, good))
        if good:
            diff = await self.repository.run(
                "diff", "--no-ext-diff", "--no-textconv", "--no-color", good, commit, "--", *self.config.paths
            )
            yield self._artifact(f"difference to {self.config.last_good}", "text/x-diff", diff)
        listed = await self.repository.run(
            "ls-tree", "-r", "-z", "--name-only", commit, "--", *self.config.paths
        )
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
            content = await self.repository.run("cat-file", "blob", f"{commit}:{name}")
            yield self._artifact(f"file {name}"[-300:], "application/octet-stream", content)

    async def _revision(self, commit: str, good: str | None) -> bytes:
        span = [f"{good}..{commit}"] if good else ["--max-count=1", commit]
        logged = await self.repository.run(
            "log", f"--max-count={MOST_COMMITS}", f"--format={FORMAT}", *span, "--", *self.config.paths
        )
        commits = [
            dict(zip(("commit", "author", "at", "subject"), line.split("\0"), strict=True))
            for line in logged.decode(errors="replace").splitlines()
        ]
        changed = await self.repository.run(
            "status", "--porcelain", "--untracked-files=no", "--", *self.config.paths
        )
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
