"""Real processes for the end-to-end tests: the agent, the station, Prometheus and Alertmanager."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from temporalio.client import Client

from cli.client import Gateway
from cli.errors import ExitCode
from firestation.errors import Unreachable
from firestation.picture import Picture

ROOT = Path(__file__).resolve().parents[2]
AGENT_PYTHON = ROOT / ".venv" / "agent" / "bin" / "python"
TOKEN = "agent-token-of-the-test"
PATIENCE = 60.0
PORTS = cycle(random.SystemRandom().sample(range(10_000, 32_000), 22_000))
"""Below those that the system itself lends, so that nobody is lent one between here and its server; each comes once."""

Found = TypeVar("Found")

SHORTER = {
    "soak: 10m": "soak: 3s",
    "every: 30s": "every: 500ms",
    "deadline: 60s, every: 2s": "deadline: 30s, every: 300ms",
    "deadline: 2m, every: 5s": "deadline: 30s, every: 300ms",
}


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = PATIENCE) -> Found:
    """What `look` finds, as soon as it is true. The pace of looking is not the time of the test."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s for {what}; last seen: {found!r}"[:4000])
        time.sleep(0.05)


def free_port() -> int:
    """One that nobody has; no other test is given it."""
    while True:
        port = next(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def reached(typed: Callable[[], "subprocess.CompletedProcess[str]"]) -> "subprocess.CompletedProcess[str]":
    """How a command ends that is typed again while the station is away: it was killed, or is under load."""
    end = time.monotonic() + PATIENCE
    while (done := typed()).returncode == ExitCode.UNREACHABLE and time.monotonic() < end:
        time.sleep(0.2)
    return done


def needs(program: str, package: str) -> str:
    """The path of a Debian program; without it the test is skipped here and fails in CI."""
    path = shutil.which(program)
    if path is None:
        message = f"{program} is not installed; apt-get install {package}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@contextmanager
def running(
    command: list[str], folder: Path, name: str, *, grace: float = 20.0, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file; it is ended, by its process id, whatever happens."""
    surroundings = {
        key: value for key, value in os.environ.items() if not key.startswith(("FIRESTATION_", "TEMPORAL_"))
    }
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=surroundings | environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        if process.poll() is None:
            process.kill()
        process.wait()


class Agent:
    """The refund agent, as its operator and its access log see it."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url, self.folder = f"http://127.0.0.1:{port}", folder
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.http.get("/healthz").is_success
        return False

    def fault(self, name: str, **options: Any) -> None:
        assert self.http.post(f"/faults/{name}", json=options).is_success

    def clear(self, name: str) -> None:
        assert self.http.delete(f"/faults/{name}").is_success

    def lever(self, name: str) -> Any:
        return self.http.get(f"/levers/{name}").json()["value"]

    def levers(self) -> dict[str, Any]:
        """Where every lever stands."""
        return {name: lever["value"] for name, lever in self.http.get("/levers").json().items()}

    def make_as_new(self, levers: Mapping[str, Any]) -> None:
        """Repair every fault, and put every lever where it stood then."""
        for fault in self.http.get("/faults").json():
            self.clear(fault)
        for name, value in self.levers().items():
            if value != levers[name]:
                assert self.http.put(f"/levers/{name}", json={"value": levers[name]}).is_success

    def moves(self) -> list[tuple[str, Any, Any]]:
        """Every move that really happened, from the agent's own access log: lever, from, to."""
        lines = [json.loads(line) for line in (self.folder / "access.jsonl").read_text().splitlines()]
        return [(line["lever"], line["from"], line["to"]) for line in lines if line["moved"]]

    def reads(self, path: str) -> int:
        """How often somebody read this, by the agent's own access log."""
        lines = [json.loads(line) for line in (self.folder / "access.jsonl").read_text().splitlines()]
        return sum(line["path"] == path and line["method"] == "GET" for line in lines)

    def ruling(self) -> str:
        order = {"id": "o-9", "item": "headphones", "days_since_purchase": 45, "amount": 79.0}
        body = {"tenant": "eval", "user": "x", "question": "I want a refund for headphones.", "order": order}
        return str(self.http.post("/ask", json=body).json()["ruling"])

    def ring(self, station: "Station", system: str = "refund-agent") -> str:
        """Run the agent's own golden eval, which rings the bell; the incident that it rang."""
        environment = {"REFUND_AGENT_TOKEN": TOKEN, "BELL_TOKEN": station.token("bell-refund-eval")}
        command = [str(AGENT_PYTHON), "-m", "refund_agent.eval", "--url", self.url]
        command += ["--ring", f"{station.url}/alarms/generic", "--system", system]
        done = subprocess.run(
            command,
            cwd=ROOT / "examples",
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        answer = json.loads(done.stdout.splitlines()[-1])
        return str(answer["incidents"][0]["incident"])


class Patient(Gateway):
    """Who asks again while the station is away, killed or under load: to read, or to do it once under the same key."""

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        end = time.monotonic() + PATIENCE
        again = method == "GET" or "Idempotency-Key" in request.get("headers", {})
        while True:
            try:
                return super()._ask(method, path, **request)
            except Unreachable:
                if not again or time.monotonic() > end:
                    raise
            time.sleep(0.1)


class Station:
    """The station's process tree, and the gateway as its people see it."""

    def __init__(self, state: Path, process: subprocess.Popen[bytes]) -> None:
        self.state, self.process = state, process
        where = json.loads((state / "station.json").read_text())
        self.url, self.temporal, self.ui = (
            str(where["gateway"]),
            str(where["temporal"]),
            str(where.get("temporal_ui", "")),
        )
        self.gateways: dict[str, Gateway] = {}

    def token(self, name: str) -> str:
        return (self.state / "tokens" / name).read_text().strip()

    def words(self, channel: str) -> list[dict[str, Any]]:
        """Everything that was ever sent by this channel, as often as it was sent."""
        file = self.state / "words" / f"{channel}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def as_person(self, name: str) -> Gateway:
        if name not in self.gateways:
            self.gateways[name] = Patient(self.url, self.token(name))
        return self.gateways[name]

    def picture(self, incident: str) -> Picture:
        return self.as_person("ana").picture(incident)

    def until(
        self, incident: str, what: str, held: Callable[[Picture], object], seconds: float = PATIENCE
    ) -> Picture:
        """The picture in which this holds."""

        def look() -> Picture | None:
            seen = self.picture(incident)
            return seen if held(seen) else None

        return wait_for(what, look, seconds)

    def act(self, person: str, incident: str, act: str, **fields: Any) -> None:
        """Do it, again and again while the station is away: an act that is answered is done."""
        self.as_person(person).act(incident, act, fields)

    def children(self) -> dict[str, int]:
        """The process ids of the station's own children, by name."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == self.process.pid:
                    words = (path.parent / "cmdline").read_bytes().split(b"\0")
                    if len(words) > 2:  # a process that has just died has no command line
                        name = "temporal" if words[0].endswith(b"temporal") else words[2].decode()
                        found[name] = int(path.parent.name)
        return found

    def kill_all(self) -> None:
        """Kill -9 of the station and everything that it started, at once; nothing of it is left."""
        everybody = [self.process.pid, *self.children().values()]
        for number in everybody:
            os.kill(number, signal.SIGKILL)
        self.process.wait()
        alive = [Path(f"/proc/{number}/exe") for number in everybody]
        wait_for("the station to be gone", lambda: not any(each.exists() for each in alive))

    def kill(self, name: str) -> None:
        """Kill -9, and wait until the station has another one."""
        before = wait_for(f"a {name} to kill", lambda: self.children().get(name))
        os.kill(before, signal.SIGKILL)
        wait_for(f"another {name}", lambda: self.children().get(name, before) != before)

    def done(self, incident: str, activity: str) -> int:
        """How many activities of this name have completed, by Temporal's own history."""

        async def count() -> int:
            client = await Client.connect(self.temporal)
            history = await client.get_workflow_handle(incident).fetch_history()
            asked = {
                event.event_id
                for event in history.events
                if event.activity_task_scheduled_event_attributes.activity_type.name == activity
            }
            return sum(
                event.activity_task_completed_event_attributes.scheduled_event_id in asked
                for event in history.events
            )

        return asyncio.run(count())

    def replay(self, incident: str, *more: str, **environment: str) -> dict[str, Any]:
        """Replay and audit, by the command; the report."""
        command = [
            sys.executable,
            "-m",
            "worker.replay",
            incident,
            "--address",
            self.temporal,
            "--json",
            *more,
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode in {0, 1}, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def write_station(
    state: Path,
    agent: Agent,
    changes: Mapping[str, str] = SHORTER,
    system_changes: Mapping[str, str] | None = None,
    *,
    watch: bool = False,
) -> Path:
    """The example's files with this agent's address, and with shorter times; without its watch, unless it is asked for.

    A test that lights a fire itself is not to be told of it by a look that happens to fall into it.
    """
    config = state / "config"
    (config / "runbooks").mkdir(parents=True)
    shutil.copy(ROOT / "examples/station/station.yaml", config / "station.yaml")
    (config / "system.yaml").write_text(system_text(agent, system_changes or {}, watch=watch))
    for file in (ROOT / "runbooks").glob("*.yaml"):
        text = file.read_text()
        for old, new in changes.items():
            assert old in text or file.stem != "stale-policy", f"{file} has no {old!r} to shorten"
            text = text.replace(old, new)
        (config / "runbooks" / file.name).write_text(text)
    tokens = state / "tokens"
    tokens.mkdir(mode=0o700)
    (tokens / "refund-agent").write_text(TOKEN)
    (tokens / "refund-agent").chmod(0o600)
    return config


def system_text(agent: Agent, changes: Mapping[str, str], *, watch: bool = False) -> str:
    """The example's system file for this agent; without its watch, which would ring by itself, unless it is wanted."""
    text = (ROOT / "examples/refund_agent/system.yaml").read_text()
    for old, new in {"http://127.0.0.1:8500": agent.url, **changes}.items():
        assert old in text, f"the system file has no {old!r} to change"
        text = text.replace(old, new)
    whole, mark, _ = text.partition("\nwatch:\n")
    assert mark, "the system file has no watch to leave out"
    return text if watch else f"{whole}\n"


@contextmanager
def an_agent(folder: Path, **options: str) -> Iterator[Agent]:
    """A refund agent that may be broken."""
    if not AGENT_PYTHON.exists():
        message = f"{AGENT_PYTHON} is missing; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    folder.mkdir(parents=True)
    agent = Agent(free_port(), folder)
    command = [str(AGENT_PYTHON), "-m", "refund_agent", "--port", agent.url.rsplit(":", 1)[1]]
    command += ["--state", str(folder), "--faults"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", value]
    with running(
        command,
        folder,
        "agent",
        REFUND_AGENT_TOKEN=TOKEN,
        PYTHONPATH=str(ROOT / "examples"),
        OPENBLAS_NUM_THREADS="1",  # several wait for each other: on a busy machine a minute instead of a second
    ):
        try:
            wait_for("the agent", agent.answers)
            yield agent
        finally:
            agent.http.close()


@contextmanager
def a_station(
    state: Path,
    agent: Agent,
    system_changes: Mapping[str, str] | None = None,
    changes: Mapping[str, str] = SHORTER,
    *,
    station_changes: Mapping[str, str] | None = None,
    public_url: str = "",
    history_keys: Path | None = None,
    more_systems: Mapping[str, str] | None = None,
    public_page: Path | None = None,
    ports: Sequence[int] = (),
    watch: bool = False,
) -> Iterator[Station]:
    """A whole station: Temporal, worker and gateway, in a folder of its own. `more_systems` are files by name."""
    state.mkdir(parents=True)
    config = write_station(state, agent, changes, system_changes, watch=watch)
    path = config / "station.yaml"
    for old, new in (station_changes or {}).items():
        assert old in path.read_text(), f"the station file has no {old!r} to change"
        path.write_text(path.read_text().replace(old, new))
    if more_systems:
        (config / "systems").mkdir()
        for name, text in {"first": (config / "system.yaml").read_text(), **more_systems}.items():
            (config / "systems" / f"{name}.yaml").write_text(text)
    port = int(public_url.rsplit(":", 1)[1]) if public_url else free_port()
    ports = ports or [port, free_port(), free_port()]
    environment = {
        "FIRESTATION_PUBLIC_URL": public_url,
        "FIRESTATION_HISTORY_KEYS": str(history_keys or ""),
        "FIRESTATION_PUBLIC_PAGE": str(public_page or ""),
    }
    with standing(state, ports, **environment) as station:
        yield station


@contextmanager
def standing(state: Path, ports: Sequence[int], **environment: str) -> Iterator[Station]:
    """A station of the files in this folder, at these ports: the gateway's, Temporal's, its UI's."""
    config = state / "config"
    (state / "station.json").unlink(missing_ok=True)
    systems = next(each for each in (config / "systems", config / "system.yaml") if each.exists())
    command = [sys.executable, "-m", "worker.station", "--state", str(state)]
    command += ["--station", str(config / "station.yaml"), "--systems", str(systems)]
    command += ["--runbooks", str(config / "runbooks")]
    for option, port in zip(("--port", "--temporal-port", "--ui-port"), ports, strict=True):
        command += [option, str(port)]
    with running(command, state, "station", grace=20.0, PYTHONPATH=str(ROOT), **environment) as process:
        try:
            wait_for("the station", (state / "station.json").exists, 90)
        except pytest.fail.Exception:
            print((state / "station.log").read_text()[-4000:])  # why it did not come is seen nowhere else
            raise
        station = Station(state, process)
        try:
            yield station
        finally:
            for gateway in station.gateways.values():
                gateway.http.close()


@dataclass(frozen=True)
class Place:
    """An agent and its station, and how the levers stood before the first fire."""

    agent: Agent
    station: Station
    start: dict[str, Any]


@contextmanager
def a_place(folder: Path) -> Iterator[Place]:
    """One where fires follow one another, and nothing soaks for longer than a second."""
    quick = {**SHORTER, "soak: 10m": "soak: 1s"}
    with (
        an_agent(folder / "agent") as agent,
        a_station(folder / "station", agent, changes=quick) as station,
    ):
        yield Place(agent, station, agent.levers())
