"""The file driver: messages as lines of a file. Its tracker is tried in tests/drivers/trackers."""

import asyncio
import fcntl
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firestation.after_action import Task
from firestation.board import Message
from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError
from firestation.ports import Channel
from firestation.system import ChannelFitting, TrackerFitting
from firestation.testing import ChannelConformance

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
MESSAGE = Message(incident="agent-1", purpose="page", title="T", text="fire", to="ana@example.org")


class TestFileChannel(ChannelConformance):
    @pytest.fixture
    def channel(self, bench: Drivers) -> Channel:
        config = {"file": "out/room.jsonl"}
        return bench.channel(
            ChannelFitting(id="room", title="R", driver="file", audience="internal", config=config)
        )

    @pytest.fixture
    def delivered(self, tmp_path: Path) -> Callable[[], list[str]]:
        path = tmp_path / "out" / "room.jsonl"
        return lambda: [json.loads(line)["text"] for line in path.read_text().splitlines()]


async def test_a_line_torn_by_a_death_spoils_no_other(bench: Drivers, tmp_path: Path) -> None:
    (tmp_path / "room.jsonl").write_bytes(b'{"key":"k1","text":"old"}\n{"key":"k2","te')
    config = {"file": "room.jsonl"}
    channel = bench.channel(
        ChannelFitting(id="room", title="R", driver="file", audience="pager", config=config)
    )
    first, second = await channel.send(MESSAGE, "k2"), await channel.send(MESSAGE, "k1")
    said = (tmp_path / "room.jsonl").read_text().splitlines()
    assert len(said) == 3
    assert json.loads(said[2]) | {"at": None} == {"key": "k2", "at": None, **MESSAGE.model_dump()}
    assert first.reference.endswith("room.jsonl:3")
    assert second.reference.endswith("room.jsonl:1")


async def test_what_another_process_is_writing_is_waited_for(bench: Drivers, tmp_path: Path) -> None:
    path = tmp_path / "room.jsonl"
    config = {"file": "room.jsonl"}
    channel = bench.channel(
        ChannelFitting(id="room", title="R", driver="file", audience="pager", config=config)
    )
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        ours = asyncio.create_task(channel.send(MESSAGE, "k1"))
        done, _ = await asyncio.wait({ours}, timeout=0.3)
        assert not done
        other.write('{"key":"k1"}\n')
    assert (await ours).reference.endswith("room.jsonl:1")
    assert path.read_text() == '{"key":"k1"}\n'


async def test_a_place_that_cannot_be_written_is_our_error(bench: Drivers, tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("a file where the folder should be")
    tracker = TrackerFitting(id="tasks", title="T", driver="file", config={"folder": "tasks"})
    with pytest.raises(DriverError, match="tasks"):
        await bench.tracker(tracker).open(Task(incident="a", kind="postmortem", title="t", text="t"), "k")
    channel = ChannelFitting(id="r", title="R", driver="file", audience="pager", config={"file": "tasks/x"})
    with pytest.raises(DriverError, match="tasks") as caught:
        await bench.channel(channel).send(MESSAGE, "k")
    assert not isinstance(caught.value, Denied)


async def test_the_file_of_a_channel_is_for_its_owner_only(bench: Drivers, tmp_path: Path) -> None:
    config = {"file": "out/room.jsonl"}
    fitting = ChannelFitting(id="room", title="R", driver="file", audience="pager", config=config)
    await bench.channel(fitting).send(MESSAGE, "k1")
    assert stat.S_IMODE((tmp_path / "out" / "room.jsonl").stat().st_mode) == 0o600
