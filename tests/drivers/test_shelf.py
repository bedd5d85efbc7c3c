"""Shelves: in a folder, in a bucket of obstore's own, and in memory. The one on S3 stands in test_store_s3.py."""

import stat
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from firestation.drivers.shelf import ObstoreShelf, open_shelf
from firestation.errors import NotConfigured, Unreachable
from firestation.ports import Shelf
from firestation.testing import MemoryShelf, ShelfConformance


class TestFolderShelf(ShelfConformance):
    @pytest.fixture
    def shelf(self, tmp_path: Path) -> Shelf:
        return open_shelf(tmp_path / "evidence", "evidence store")


class TestObstoreShelf(ShelfConformance):
    @pytest.fixture
    def shelf(self) -> Shelf:
        return ObstoreShelf(MemoryStore(), "memory:")


class TestMemoryShelf(ShelfConformance):
    @pytest.fixture
    def shelf(self) -> Shelf:
        return MemoryShelf()


async def test_what_is_on_a_shelf_is_for_its_owner_only(tmp_path: Path) -> None:
    await open_shelf(tmp_path, "evidence store").create("locks/a/1", b"kept")
    assert stat.S_IMODE((tmp_path / "locks/a/1").stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


async def test_what_a_death_left_half_is_not_on_the_shelf(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "evidence store")
    await shelf.create("locks/a/1", b"kept")
    (tmp_path / "locks/a/.2.half").write_bytes(b"ha")
    assert list(await shelf.names("locks/a")) == ["locks/a/1"]


async def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotConfigured, match="there can be no evidence store at"):
        open_shelf(tmp_path / "file", "evidence store")
    shelf = open_shelf(tmp_path, "evidence store")
    with pytest.raises(Unreachable, match="the evidence store cannot serve file/1"):
        await shelf.create("file/1", b"kept")
