import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from rich.console import Console

from cli.demo.stage import MARK, Process, free_ports, fresh_folder, stage
from cli.demo.voice import DemoFailed, Voice
from firestation.errors import NotConfigured

SLEEPER = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
)
READY = "print('ready', flush=True); time.sleep(60)"


def process(folder: Path, code: str) -> Process:
    return Process("the sleeper", [sys.executable, "-c", code], folder, {}, folder / "log")


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def eventually(held: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not held() and time.monotonic() < deadline:
        time.sleep(0.02)
    return held()


def test_an_earlier_demo_is_cleared_away(tmp_path: Path) -> None:
    folder = fresh_folder(tmp_path / "demo")
    (folder / "left").write_text("x")
    assert fresh_folder(folder) == folder
    assert [each.name for each in folder.iterdir()] == [MARK]


def test_what_no_demo_made_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(NotConfigured, match="holds something that no demo made"):
        fresh_folder(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(NotConfigured, match="is not a folder"):
        fresh_folder(link)
    assert (tmp_path / "thesis.txt").exists()


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as door:
            door.bind(("127.0.0.1", port))


def test_all_processes_and_their_children_end_whatever_happens(tmp_path: Path) -> None:
    groups = []

    def perform() -> None:
        with stage() as processes:
            for ignore in ("", "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL); "):
                one = process(tmp_path, ignore + SLEEPER + READY)
                processes.append(one)
                groups.append(one.popen.pid)
                one.wait_until(lambda one=one: "ready" in one.last_lines(), 60)  # type: ignore[misc]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform()
    assert len(groups) == 2
    assert eventually(lambda: not any(alive(group) for group in groups))


def test_a_process_that_will_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.demo.stage.GRACE_SECONDS", 0.2)
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    with stage() as processes:
        processes.append(process(tmp_path, stubborn + READY))
        processes[0].wait_until(lambda: "ready" in processes[0].last_lines(), 60)
    assert processes[0].popen.returncode == -signal.SIGKILL


def test_a_process_that_dies_says_why(tmp_path: Path) -> None:
    one = process(tmp_path, "raise SystemExit('the port is taken')")
    with pytest.raises(DemoFailed, match=r"the sleeper ended with exit code 1\nthe port is taken"):
        one.wait_until(lambda: False, 60)


def test_a_process_that_is_never_ready_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with stage() as processes:
        processes.append(process(tmp_path, "import time; " + READY))
        with pytest.raises(DemoFailed, match="was not ready within 0 s"):
            processes[0].wait_until(lambda: False, 0.1)


def test_an_interrupt_while_clearing_away_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from cli.demo.stage import Process, stage\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "with stage() as processes:\n"
        "    one = Process('s', [sys.executable, '-c', 'import time; time.sleep(60)'], folder, {}, folder / 'log')\n"
        "    stop = one.stop\n"
        "    one.stop = lambda: (os.kill(os.getpid(), signal.SIGINT), stop())\n"
        "    processes.append(one)\n"
        "    print(one.popen.pid, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert eventually(lambda: not alive(int(done.stdout)))


def voice(*, auto: bool) -> tuple[Voice, io.StringIO]:
    said = io.StringIO()
    return Voice(Console(file=said, markup=False, highlight=False, width=80), auto=auto), said


def test_auto_answers_and_says_so() -> None:
    captain, said = voice(auto=True)
    assert captain.agrees("Shall it move?")
    assert captain.ask("Why?", "because") == "because"
    captain.typed("firestation ack x", "ana")
    assert "Shall it move? [the demo answers: yes]" in said.getvalue()
    assert "the demo, as ana: $ firestation ack x" in said.getvalue()


def answers(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    left = list(words)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: left.pop(0))


def test_a_person_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    captain, said = voice(auto=False)
    answers(monkeypatch, "maybe", "n", "Y")
    assert not captain.agrees("Shall it move?")
    assert "Please answer y, n, or q" in said.getvalue()
    assert captain.agrees("Shall it move?")


def test_a_person_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    captain, _ = voice(auto=False)
    answers(monkeypatch, "q")
    with pytest.raises(typer.Abort):
        captain.agrees("Shall it move?")


def test_a_no_is_told_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    captain, said = voice(auto=False)
    answers(monkeypatch, "n", "y")
    captain.insist("Does she take it?", "Then ben is paged.")
    assert "Then ben is paged." in said.getvalue()


def test_what_is_printed_is_plain_and_fits() -> None:
    captain, said = voice(auto=True)
    captain.fact("answer", "\x1b[2J[bold]" + "long words " * 30)
    captain.say("\u202e" + "long words " * 30)
    assert r"\x1b[2J[bold]" in said.getvalue()
    assert r"\u202e" in said.getvalue()
    assert max(len(line) for line in said.getvalue().splitlines()) <= 80
