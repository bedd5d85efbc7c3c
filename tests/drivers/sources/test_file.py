"""The file source."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Gone, InvalidInput, Nonsense
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.sources.reading import gather, in_scope, make_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def files_source(bench: Drivers, files: str, **more: Any) -> Source:
    return make_source(bench, "file", folder="logs", files=files, **more)


def lines(*request_ids: str) -> bytes:
    return b"".join(
        json.dumps({"request": {"id": each}, "said": "ü"}).encode() + b"\n" for each in request_ids
    )


class TestFileSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, folder: Path) -> Source:
        (folder / "deep").mkdir()
        (folder / "a.json").write_text("{}")
        (folder / "deep" / "b.json").write_text("[]")
        return files_source(bench, "**/*.json")

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return files_source(bench, "nothing/*.json")

    @pytest.fixture
    def scope(self) -> Scope:
        return in_scope()


async def test_only_the_lines_of_the_requests_in_scope_are_frozen(bench: Drivers, folder: Path) -> None:
    (folder / "traces.jsonl").write_bytes(lines("r1", "r2") + b"not json\n[1]\n" + lines("r3", "r1"))
    source = files_source(bench, "*.jsonl", request_id="$.request.id")
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
    source = files_source(bench, "*.jsonl", request_id="$.request.id", max_bytes=kept + more)
    found, _ = await gather(source, in_scope("r1"))
    assert found[0].content == lines("r1", "r1")


async def test_nothing_in_scope_is_gone(bench: Drivers, folder: Path) -> None:
    (folder / "traces.jsonl").write_bytes(lines("r1"))
    source = files_source(bench, "*.jsonl", request_id="$.request.id")
    assert isinstance((await gather(source, in_scope("r2")))[1], Gone)
    assert isinstance((await gather(files_source(bench, "*.csv"), in_scope()))[1], Gone)


async def test_no_way_leads_out_of_the_folder(bench: Drivers, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("secret")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.json")
    (folder / "fine.json").write_text("{}")
    found, error = await gather(files_source(bench, "*.json"), in_scope())
    assert error is None
    assert [each.name for each in found] == ["fine.json"]
    assert (await gather(files_source(bench, "up/*.json"), in_scope()))[0] == []
    for pattern in ("../*.json", "/etc/passwd", "a/../../b"):
        with pytest.raises(InvalidInput, match="leaves the folder"):
            files_source(bench, pattern)


async def test_one_that_is_too_big_does_not_stop_the_others(bench: Drivers, folder: Path) -> None:
    (folder / "a.json").write_bytes(b"x" * 100)
    (folder / "b.json").write_bytes(b"{}")
    found, error = await gather(files_source(bench, "*.json", max_bytes=50), in_scope())
    assert [each.name for each in found] == ["b.json"]
    assert isinstance(error, Nonsense)


async def test_a_folder_that_is_not_there_is_gone(bench: Drivers) -> None:
    found, error = await gather(files_source(bench, "*.json"), in_scope())
    assert found == []
    assert isinstance(error, Gone)


async def test_a_big_file_comes_in_pieces_and_never_whole(bench: Drivers, folder: Path) -> None:
    content = os.urandom(1024) * 9000
    (folder / "big.bin").write_bytes(content)
    ((artifact,), error) = await gather(files_source(bench, "*.bin"), in_scope("r-1"))
    assert error is None
    assert not isinstance(artifact.content, bytes)
    pieces = [piece async for piece in artifact.content]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 4 * 1024 * 1024


async def test_a_big_file_that_goes_away_meanwhile_is_our_error(bench: Drivers, folder: Path) -> None:
    (folder / "big.bin").write_bytes(bytes(9_000_000))
    ((artifact,), _) = await gather(files_source(bench, "*.bin"), in_scope("r-1"))
    (folder / "big.bin").unlink()
    assert not isinstance(artifact.content, bytes)
    with pytest.raises(Gone):
        await anext(artifact.content)
