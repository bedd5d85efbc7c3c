"""The git lever: a branch, or one file of it, moved by a commit whose parent is what was read.

git itself compares: the branch is set from the commit that was read and from no other, in the repository by
`update-ref`, in a remote by a push with a lease. There is no gap. What is put back is the content that was read, in a
commit of its own: history is never rewritten, and nothing that somebody else has added to other files is lost.

No file is checked out and no hook of the repository runs; a remote's own hooks do. Whoever deploys the branch decides
when it is effective.
"""

import asyncio
import base64
import re
import shlex
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from firestation.authority import SecretReference
from firestation.drivers.documents import Place, as_text
from firestation.drivers.kit import Kit
from firestation.drivers.moving import MovingConfig, MovingLever, Raced
from firestation.drivers.repository import Repository, Said
from firestation.errors import Denied, Gone, NotConfigured, Unreachable
from firestation.expect import steps
from firestation.model import Duration, Line, Model
from firestation.ports import ByHand
from firestation.system import LeverFitting, Position

Branch = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}$")]
Remote = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_/.][^\s\x00]{0,300}$")]
"""A name or a URL; it never begins like an option."""

TREE = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
FILES = frozenset({"100644", "100755"})
AUTHOR = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "Firestation"), ("EMAIL", "firestation@localhost"))
}
LEFT_BEHIND = ("expected", "reference already exists", "unable to resolve reference")
STALE = ("stale info", "fetch first", "non-fast-forward")
MOST_BYTES = 16_000_000


class GitLeverConfig(MovingConfig):
    """`repository` is a bare repository or a clone, relative to the station's folder.

    With `remote`, a name or a URL without credentials, the branch is that of the remote, and the repository is only
    where commits are made; `token` is the reference of a password over HTTPS for `user`. With `at` the position is the
    text of a file, or a value in it; without, it is the tree of the whole branch, as `git rev-parse COMMIT^{tree}`
    prints it. `timeout` is for each git command.
    """

    repository: Line
    branch: Branch
    at: Place | None = None
    remote: Remote | None = None
    user: Line = "x-access-token"
    token: SecretReference | None = None
    timeout: Duration = Field(default="30s", validate_default=True, gt=timedelta(), le=timedelta(minutes=10))

    @model_validator(mode="after")
    def _plain(self) -> Self:
        if ".." in self.branch or self.branch.endswith((".lock", "/", ".")):
            msg = f"{self.branch!r} is no branch; write its short name, like main"
            raise ValueError(msg)
        if self.remote and (re.search(r"://[^/]*:[^/]*@", self.remote) or "::" in self.remote):
            msg = "the remote holds a password or a program; write its plain URL, and the password as token: env:NAME"
            raise ValueError(msg)
        if self.token and not self.remote:
            msg = "token is for a remote, and there is none; add remote, or leave token out"
            raise ValueError(msg)
        return self


class GitLever(MovingLever[GitLeverConfig]):
    """Moves a branch, or one file of it. The revision of a position is the commit that was read."""

    config_model: ClassVar[type[Model]] = GitLeverConfig

    def __init__(self, fitting: LeverFitting, config: GitLeverConfig, kit: Kit) -> None:
        super().__init__(fitting, config, kit)
        self.folder = kit.folder / config.repository
        self.ref = f"refs/heads/{config.branch}"

    async def position(self) -> Position:
        """The content that the branch has now."""
        commit = await self._tip()
        if self.config.at is None:
            tree = await self._git("rev-parse", "--verify", f"{commit}^{{tree}}")
            return Position(value=tree.decode().strip(), revision=commit)
        content, _ = await self._file(commit, self.config.at)
        return Position(value=self.config.at.value(content), revision=commit)

    async def write(self, to: Position, found: Position, key: str) -> None:
        """A commit on top of what was read, which the branch takes if it is still there."""
        parent = found.revision
        assert parent
        if not self.config.remote:
            await self._nowhere_checked_out()
        tree = await self._tree(parent, to.value)
        message = f"Firestation moves {self.fitting.id}\n\nFirestation-Key: {' '.join(key.split())}\n"
        made = await self._git(
            "commit-tree", tree, "-p", parent, "-F", "-", given=message.encode(), more=AUTHOR
        )
        commit = made.decode().strip()
        await (self._push(commit, parent) if self.config.remote else self._update(commit, parent))

    async def _tip(self) -> str:
        """The commit of the branch, which is in the repository then."""
        remote = self.config.remote
        if remote is None:
            return await self._repository().commit(self.ref)
        listed = (await self._git("ls-remote", "--", remote, self.ref)).decode()
        found = [line.partition("\t")[0] for line in listed.splitlines() if line.endswith(f"\t{self.ref}")]
        if not found:
            raise Gone(f"the remote {remote} has no branch {self.config.branch}")
        there = ("cat-file", "-e", f"{found[0]}^{{commit}}")
        if (await self._try(*there)).code:
            quiet = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
            await self._git("fetch", *quiet, "--", remote, self.ref)
            await self._git(*there)
        return found[0]

    async def _file(self, commit: str, at: Place) -> tuple[bytes | None, str]:
        """The content of the file at a commit, and its mode; for none, that of a new one."""
        listed = (await self._git("ls-tree", "-z", "--full-tree", commit, "--", at.file)).decode()
        if not listed:
            return None, "100644"
        mode, kind, blob = listed.partition("\t")[0].split()
        if mode not in FILES:
            raise Denied(f"{at.file} is a {kind} of mode {mode} on {self.config.branch}; name a plain file")
        return await self._git("cat-file", "blob", blob), mode

    async def _tree(self, parent: str, to: JsonValue) -> str:
        """The tree that the branch is to have. Raises `Gone` for a position that cannot stand there."""
        at = self.config.at
        if at is None:
            if not isinstance(to, str) or not TREE.fullmatch(to) or not await self._is_tree(to):
                fix = "write what git rev-parse COMMIT^{tree} prints"
                raise Gone(f"a branch stands at a tree that the repository has, and {to} is none; {fix}")
            return to
        content, mode = await self._file(parent, at)
        edited = at.edited(content, to)
        entry = f"0 {'0' * len(parent)}"  # takes the file out
        if edited is not None:
            blob = await self._git("hash-object", "-w", "--stdin", "--no-filters", given=edited)
            entry = f"{mode} {blob.decode().strip()}"
        change = f"{entry}\t{at.file}\0".encode()
        with tempfile.TemporaryDirectory(prefix="firestation-") as folder:
            own = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            await self._git("read-tree", parent, more=own)
            await self._git("update-index", "-z", "--index-info", given=change, more=own)
            return (await self._git("write-tree", more=own)).decode().strip()

    async def _is_tree(self, name: str) -> bool:
        kind = await self._try("cat-file", "-t", name)
        return kind.printed.strip() == b"tree"

    async def _nowhere_checked_out(self) -> None:
        """A branch that moves under a checked-out copy makes the copy look changed, and its owner undo it."""
        listed = (await self._git("worktree", "list", "--porcelain")).decode(errors="replace")
        if f"branch {self.ref}" in listed.splitlines():
            fix = "name a bare repository, or its remote"
            raise Denied(
                f"{self.config.branch} is checked out in {self.folder}, where it would go stale; {fix}"
            )

    async def _update(self, commit: str, parent: str) -> None:
        said = await self._try("update-ref", self.ref, commit, parent)
        if said.code:
            if any(each in said.complained for each in LEFT_BEHIND):
                raise Raced(said.complained)
            raise self._repository().ours("update-ref", said.complained)

    async def _push(self, commit: str, parent: str) -> None:
        remote = self.config.remote
        assert remote
        words = ("--porcelain", "--no-follow-tags", "--recurse-submodules=no", "--no-signed")
        lease = f"--force-with-lease={self.ref}:{parent}"
        said = await self._try("push", *words, lease, "--", remote, f"{commit}:{self.ref}")
        printed = said.printed.decode(errors="replace")
        if not said.code:
            return
        if "[rejected]" in printed and any(each in printed for each in STALE):
            raise Raced(f"{self.config.branch} has moved since we read it")
        if "[remote rejected]" in printed and "declined" in printed:
            raise Denied(f"the remote {remote} does not take it: {said.complained or printed[:300]}")
        raise self._repository().ours("push", said.complained)

    def _repository(self) -> Repository:
        """The repository, with the credential as it is now. Raises `Denied` when there is none."""
        if self.config.token is None:
            return Repository(self.folder, MOST_BYTES)
        try:
            secret = self.kit.secrets.resolve(self.config.token)
        except NotConfigured as error:
            raise Denied(str(error)) from error
        pair = base64.b64encode(f"{self.config.user}:{secret}".encode()).decode()
        return Repository(self.folder, MOST_BYTES, f"Authorization: Basic {pair}", (secret, pair))

    async def _git(
        self, *words: str, given: bytes | None = None, more: dict[str, str] | None = None
    ) -> bytes:
        """What git prints. Raises `DriverError`."""
        said = await self._try(*words, given=given, more=more)
        if said.code:
            raise self._repository().ours(words[0], said.complained)
        return said.printed

    async def _try(self, *words: str, given: bytes | None = None, more: dict[str, str] | None = None) -> Said:
        seconds = self.config.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await self._repository().attempt(*words, given=given, more=more)
        except TimeoutError as error:
            raise Unreachable(f"git {words[0]} of {self.folder} took more than {seconds:g} s") from error

    def read_by_hand(self) -> ByHand:
        """By git itself; the way back is the content that it prints."""
        remote, at = self.config.remote, self.config.at
        lines = [f"cd {shlex.quote(str(self.folder))}"]
        lines += [f"git fetch -q {shlex.quote(remote)} {shlex.quote(self.ref)}"] if remote else []
        commit = "FETCH_HEAD" if remote else shlex.quote(self.ref)
        shown = f"{commit}^{{tree}}" if at is None else f"{commit}:{shlex.quote(at.file)}"
        lines += [f"git rev-parse '{shown}'" if at is None else f"git show {shown}"]
        value = f" at {at.path}" if at is not None and at.path else ""
        return ByHand(command=f"({' && '.join(lines)})", look=f"its position is what is printed{value}")

    def by_hand(self, to: JsonValue) -> str:
        """The same commit by git itself, in a shell of its own; a value in a file by jq, or yq (the one in Go)."""
        remote, at = self.config.remote, self.config.at
        ref = shlex.quote(self.ref)
        lines = [f"cd {shlex.quote(str(self.folder))}"]
        if remote:
            lines += [f"git fetch -q {shlex.quote(remote)} {ref}", "p=$(git rev-parse FETCH_HEAD)"]
        else:
            lines += [f"p=$(git rev-parse {ref})"]
        lines += [f"t={to}"] if at is None else _tree_by_hand(at, to)
        lines += [
            "c=$(git -c user.name=by-hand -c user.email=by-hand@localhost commit-tree $t -p $p -m 'Moved by hand')"
        ]
        if remote:
            lines += [f"git push -q --force-with-lease={ref}:$p {shlex.quote(remote)} $c:{ref}"]
        else:
            lines += [f"git update-ref {ref} $c $p"]
        return f"({' && '.join(lines)})"


def _tree_by_hand(at: Place, to: JsonValue) -> list[str]:
    """The commands that make the tree `$t` out of the commit `$p`."""
    file = shlex.quote(at.file)
    begun = ["export GIT_INDEX_FILE=$(mktemp -u)", "git read-tree $p"]
    if at.path is None and to is None:
        gone = shlex.quote(f"0 {'0' * 40}\t{at.file}")
        return [*begun, f"printf '%s\\n' {gone} | git update-index --index-info", "t=$(git write-tree)"]
    content = f"printf %s {shlex.quote(str(to))}"
    if at.path:
        spots = "".join(f"[{as_text(step)}]" for step in steps(at.path))
        program = "jq" if at.kind == "json" else "yq"
        content = f"git show $p:{file} | {program} {shlex.quote(f'.{spots} = {as_text(to)}')}"
    made = f"b=$({content} | git hash-object -w --stdin)"
    return [*begun, made, f"git update-index --add --cacheinfo 100644,$b,{file}", "t=$(git write-tree)"]
