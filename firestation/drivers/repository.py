"""The `git` program on one repository, without its hooks, its external programs and anybody's configuration."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable

EXCERPT = 300
SAFE = (
    "--no-pager",
    "--literal-pathspecs",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.askPass=",
    "-c",
    "credential.helper=",
    "-c",
    "gc.auto=0",
)


@dataclass(frozen=True)
class Said:
    """How a git command ended, what it printed, and what it complained of (the beginning)."""

    code: int
    printed: bytes
    complained: str


@dataclass(frozen=True)
class Repository:
    """A repository; more than `max_bytes` of output is refused.

    `header` is an HTTP header for its remotes, `hidden` the secret in it. It reaches git by its environment, for the
    arguments of a process are open to everybody on the machine.
    """

    folder: Path
    max_bytes: int
    header: str = field(default="", repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    async def commit(self, ref: str) -> str:
        """The id of the commit that this names. Raises `Gone`."""
        said = await self.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", missing=ref
        )
        return said.decode().strip()

    async def run(
        self,
        *words: str,
        missing: str | None = None,
        given: bytes | None = None,
        more: Mapping[str, str] | None = None,
    ) -> bytes:
        """What git prints. Raises `Gone` for what is not there, `Denied`, `Nonsense`, `Unreachable`."""
        said = await self.attempt(*words, given=given, more=more)
        if said.code == 0:
            return said.printed
        raise self.ours(words[0], said.complained, missing)

    async def attempt(
        self, *words: str, given: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> Said:
        """How the command ended; `given` is its input, `more` of its environment. It is not left running."""
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                "-C",
                str(self.folder),
                *SAFE,
                *words,
                env={**self._surroundings(), **(more or {})},
                stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise Unreachable("the git program is not installed; apt-get install git") from error
        try:
            printed, complained = await _limited(process, self.max_bytes, given)
        except ValueError as error:
            msg = f"git {words[0]} of {self.folder} gives more than {self.max_bytes} bytes; name fewer paths"
            raise Nonsense(msg) from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        assert process.returncode is not None
        return Said(process.returncode, printed, self._shown(complained))

    def ours(self, what: str, said: str, missing: str | None = None) -> DriverError:
        """A complaint of git as one of our errors."""
        if missing and not said:
            return Gone(f"{self.folder} has no revision {missing}")
        if "cannot change to" in said or "not a git repository" in said:
            return Gone(f"{self.folder} is no git repository: {said}")
        if any(each in said for each in ("dubious ownership", "Permission denied", "Authentication failed")):
            return Denied(f"git may not use {self.folder}: {said}")
        if "could not read Username" in said or "returned error: 403" in said:
            return Denied(f"the remote of {self.folder} wants another credential: {said}")
        return Unreachable(f"git {what} of {self.folder} failed: {said}")

    def _shown(self, complained: bytes) -> str:
        text = complained.decode(errors="replace").strip()
        for secret in self.hidden:
            text = text.replace(secret, "***")
        return text[:EXCERPT]

    def _surroundings(self) -> dict[str, str]:
        """Nothing of the user's or the system's configuration, and no question is ever asked."""
        config = {"safe.directory": str(self.folder.resolve())}
        if self.header:
            config["http.extraHeader"] = self.header
        numbered = {
            f"GIT_CONFIG_{part}_{index}": text
            for index, pair in enumerate(config.items())
            for part, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
            "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
            "GIT_CONFIG_COUNT": str(len(config)),
            **numbered,
        }


async def _limited(
    process: asyncio.subprocess.Process, limit: int, given: bytes | None
) -> tuple[bytes, bytes]:
    """All that it prints. Raises `ValueError` when that is more than the limit."""
    assert process.stdout
    assert process.stderr
    complaining = asyncio.create_task(process.stderr.read())
    try:
        if process.stdin is not None:
            with contextlib.suppress(
                ConnectionError
            ):  # it has ended before it read all: its own words say why
                process.stdin.write(given or b"")
                await process.stdin.drain()
            process.stdin.close()
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
