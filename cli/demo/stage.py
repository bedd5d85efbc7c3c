"""The stage of the demo: a fresh state folder, free ports, and the processes that are always cleared away."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.demo.voice import fail
from firestation.errors import NotConfigured

MARK = ".made-by-firestation-demo"
GRACE_SECONDS = 20.0
TURN_SECONDS = 0.1
TAIL_LINES = 15


def fresh_folder(path: Path) -> Path:
    """An empty folder; what an earlier demo left there is removed, anything else never. Raises `NotConfigured`."""
    path = path.absolute()
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise NotConfigured(f"{path} is not a folder; name another one with --state")
    if path.is_dir() and any(path.iterdir()):
        if not (path / MARK).is_file():
            raise NotConfigured(
                f"{path} holds something that no demo made; name an empty folder with --state"
            )
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARK).touch()
    return path


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    doors = [socket.socket() for _ in range(count)]
    try:
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [int(door.getsockname()[1]) for door in doors]
    finally:
        for door in doors:
            door.close()


class Process:
    """One process of the demo, in a group of its own, its output in a log file."""

    def __init__(
        self, name: str, command: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path
    ) -> None:
        self.name, self.log = name, log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for this condition. Fails the demo when the process dies or the deadline passes."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.popen.poll() is not None:
                fail(f"{self.name} ended with exit code {self.popen.returncode}\n{self.last_lines()}")
            if time.monotonic() > deadline:
                fail(
                    f"{self.name} was not ready within {seconds:.0f} s; its log is {self.log}\n{self.last_lines()}"
                )
            time.sleep(TURN_SECONDS)  # the pace of asking

    def last_lines(self) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def stop(self) -> None:
        """Ask it to end, and make sure that its whole group has."""
        if self.popen.poll() is None:
            self.popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(GRACE_SECONDS)
        with suppress(ProcessLookupError, PermissionError):  # nobody of the group is left
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@contextmanager
def stage() -> Iterator[list[Process]]:
    """A list of processes; whatever happens, all of them are stopped at the end, the last first."""
    processes: list[Process] = []
    try:
        yield processes
    finally:
        held = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
        try:
            for process in reversed(processes):
                process.stop()
        finally:
            signal.signal(signal.SIGINT, held)
