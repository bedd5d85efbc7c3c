"""The file driver: evidence, messages and tasks as files."""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from firestation.after_action import Task
from firestation.board import Message
from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, Gone, InvalidInput, Nonsense
from firestation.evidence import Scope
from firestation.ports import Artifact, Channel, Source, Tracker
from firestation.secrets import ReferenceSecrets
from firestation.system import ChannelFitting, SourceFitting, TrackerFitting
from firestation.testing import ChannelConformance, SourceConformance, TrackerConformance

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
MESSAGE = Message(incident="agent-1", purpose="page", title="T", text="fire", to="ana@example.org")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Drivers]:
    async with Drivers(ReferenceSecrets(tmp_path), folder=tmp_path) as bench:
        yield bench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def make_source(bench: Drivers, files: str, **more: Any) -> Source:
    config = {"folder": "logs", "files": files, **more}
    fitting = SourceFitting(id="traces", title="T", driver="file", provides=("requests",), config=config)
    return bench.source(fitting)


def in_scope(*request_ids: str) -> Scope:
    return Scope(incident="agent-1", request_ids=request_ids, since=NOW, until=NOW)


def lines(*request_ids: str) -> bytes:
    return b"".join(
        json.dumps({"request": {"id": each}, "said": "ü"}).encode() + b"\n" for each in request_ids
    )


async def gather(source: Source, scope: Scope) -> tuple[list[Artifact], DriverError | None]:
    found: list[Artifact] = []
    try:
        async for artifact in source.collect(scope):
            found.append(artifact)  # noqa: PERF401 - what came before the error counts
    except DriverError as error:
        return found, error
    return found, None


class TestFileSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, folder: Path) -> Source:
        (folder / "deep").mkdir()
        (folder / "a.json").write_text("{}")
        (folder / "deep" / "b.json").write_text("[]")
        return make_source(bench, "**/*.json")

    @pytest.fixture
    def scope(self) -> Scope:
        return in_scope()


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


@pytest.mark.parametrize("form", ["markdown", "json"])
class TestFileTracker(TrackerConformance):
    @pytest.fixture
    def tracker(self, bench: Drivers, form: str) -> Tracker:
        config = {"folder": "tasks", "format": form}
        return bench.tracker(TrackerFitting(id="tasks", title="T", driver="file", config=config))

    @pytest.fixture
    def kept(self, tmp_path: Path) -> Callable[[], int]:
        return lambda: len(list((tmp_path / "tasks").iterdir()))


async def test_only_the_lines_of_the_requests_in_scope_are_frozen(bench: Drivers, folder: Path) -> None:
    (folder / "traces.jsonl").write_bytes(lines("r1", "r2") + b"not json\n[1]\n" + lines("r3", "r1"))
    source = make_source(bench, "*.jsonl", request_id="$.request.id")
    found, error = await gather(source, in_scope("r1", "r9"))
    assert error is None
    assert [(each.name, each.media_type) for each in found] == [("traces.jsonl", "application/x-ndjson")]
    assert found[0].content == lines("r1", "r1")


@pytest.mark.parametrize("more", [0, 1, 5])
async def test_of_a_long_file_only_the_end_is_read_and_no_half_line(
    bench: Drivers, folder: Path, more: int
) -> None:
    (folder / "traces.jsonl").write_bytes(lines("r1") * 1000 + lines("r1", "r1"))
    kept = len(lines("r1", "r1"))
    source = make_source(bench, "*.jsonl", request_id="$.request.id", max_bytes=kept + more)
    found, _ = await gather(source, in_scope("r1"))
    assert found[0].content == lines("r1", "r1")


async def test_nothing_in_scope_is_gone(bench: Drivers, folder: Path) -> None:
    (folder / "traces.jsonl").write_bytes(lines("r1"))
    source = make_source(bench, "*.jsonl", request_id="$.request.id")
    assert isinstance((await gather(source, in_scope("r2")))[1], Gone)
    assert isinstance((await gather(make_source(bench, "*.csv"), in_scope()))[1], Gone)


async def test_no_way_leads_out_of_the_folder(bench: Drivers, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("secret")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.json")
    (folder / "fine.json").write_text("{}")
    found, error = await gather(make_source(bench, "*.json"), in_scope())
    assert error is None
    assert [each.name for each in found] == ["fine.json"]
    assert (await gather(make_source(bench, "up/*.json"), in_scope()))[0] == []
    for pattern in ("../*.json", "/etc/passwd", "a/../../b"):
        with pytest.raises(InvalidInput, match="leaves the folder"):
            make_source(bench, pattern)


async def test_one_that_is_too_big_does_not_stop_the_others(bench: Drivers, folder: Path) -> None:
    (folder / "a.json").write_bytes(b"x" * 100)
    (folder / "b.json").write_bytes(b"{}")
    found, error = await gather(make_source(bench, "*.json", max_bytes=50), in_scope())
    assert [each.name for each in found] == ["b.json"]
    assert isinstance(error, Nonsense)


async def test_a_folder_that_is_not_there_is_gone(bench: Drivers) -> None:
    found, error = await gather(make_source(bench, "*.json"), in_scope())
    assert found == []
    assert isinstance(error, Gone)


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


async def test_what_a_person_wrote_into_a_task_stays(bench: Drivers) -> None:
    fitting = TrackerFitting(id="tasks", title="T", driver="file", config={"folder": "tasks"})
    task = Task(incident="agent-1", kind="postmortem", title="Write it", text="What happened")
    path = Path((await bench.tracker(fitting).open(task, "k")).reference)
    assert path.read_text() == "# Write it\n\nIncident agent-1, postmortem\n\nWhat happened\n"
    path.write_text("my notes")
    assert (await bench.tracker(fitting).open(task, "k")).reference == str(path)
    assert path.read_text() == "my notes"


async def test_a_place_that_cannot_be_written_is_our_error(bench: Drivers, tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("a file where the folder should be")
    tracker = TrackerFitting(id="tasks", title="T", driver="file", config={"folder": "tasks"})
    with pytest.raises(DriverError, match="tasks"):
        await bench.tracker(tracker).open(Task(incident="a", kind="postmortem", title="t", text="t"), "k")
    channel = ChannelFitting(id="r", title="R", driver="file", audience="pager", config={"file": "tasks/x"})
    with pytest.raises(DriverError, match="tasks") as caught:
        await bench.channel(channel).send(MESSAGE, "k")
    assert not isinstance(caught.value, Denied)


async def test_a_big_file_comes_in_pieces_and_never_whole(bench: Drivers, folder: Path) -> None:
    content = os.urandom(1024) * 9000
    (folder / "big.bin").write_bytes(content)
    ((artifact,), error) = await gather(make_source(bench, "*.bin"), in_scope("r-1"))
    assert error is None
    assert not isinstance(artifact.content, bytes)
    pieces = [piece async for piece in artifact.content]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 4 * 1024 * 1024


async def test_a_big_file_that_goes_away_meanwhile_is_our_error(bench: Drivers, folder: Path) -> None:
    (folder / "big.bin").write_bytes(bytes(9_000_000))
    ((artifact,), _) = await gather(make_source(bench, "*.bin"), in_scope("r-1"))
    (folder / "big.bin").unlink()
    assert not isinstance(artifact.content, bytes)
    with pytest.raises(Gone):
        await anext(artifact.content)
