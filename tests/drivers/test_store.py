"""The evidence store in a local folder, and wherever a URL leads."""

import asyncio
import hashlib
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from firestation.drivers.store import ObstoreEvidence, open_store
from firestation.errors import DriverError, NotConfigured, Unreachable
from firestation.ports import EvidenceStore
from firestation.testing import EvidenceStoreConformance


class TestLocalStore(EvidenceStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> EvidenceStore:
        return open_store(tmp_path / "evidence")

    @pytest.fixture
    def alter(self, tmp_path: Path) -> Callable[[str], None]:
        def change(digest: str) -> None:
            (tmp_path / "evidence" / "sha256" / digest[:2] / digest[2:]).write_bytes(b"altered")

        return change


class TestObjectStore(EvidenceStoreConformance):
    @pytest.fixture
    def memory(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def store(self, memory: MemoryStore) -> EvidenceStore:
        return ObstoreEvidence(memory, "memory://evidence")

    @pytest.fixture
    def alter(self, memory: MemoryStore) -> Callable[[str], None]:
        def change(digest: str) -> None:
            memory.put(f"sha256/{digest[:2]}/{digest[2:]}", b"altered")

        return change


@given(st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_round_trip(tmp_path: Path, content: bytes) -> None:
    store = open_store(tmp_path)

    async def there_and_back() -> bytes:
        stored = await store.put(content)
        return await store.get(stored.digest)

    assert asyncio.run(there_and_back()) == content


async def test_the_address_is_where_a_person_finds_the_bytes(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/a folder")
    digest = (await store.put(b"evidence")).digest
    assert Path(store.address(digest)).read_bytes() == b"evidence"
    assert digest == hashlib.sha256(b"evidence").hexdigest()


async def test_half_a_file_of_a_writer_that_died_is_never_taken_for_evidence(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    digest = (await store.put(b"evidence")).digest
    path = Path(store.address(digest))
    path.rename(path.with_name(f"{path.name}#1"))  # what obstore's staging leaves behind
    path.with_name(f"{path.name}#1").write_bytes(b"evid")
    assert (await store.put(b"evidence")).digest == digest
    assert await store.get(digest) == b"evidence"


async def test_what_is_kept_is_for_the_stations_user_only(tmp_path: Path) -> None:
    """Also in the folder of a station of before, which others may enter; and while it is still coming in."""
    former = tmp_path / "former"
    for name in ("sha256", "incoming"):
        (former / name).mkdir(parents=True, mode=0o755)
    for folder in (tmp_path / "state" / "evidence", former):
        store = open_store(folder)

        async def pieces(folder: Path = folder) -> AsyncIterator[bytes]:
            assert mode(folder / "incoming") == 0o700
            yield b"x" * 6_000_000
            yield b"y" * 6_000_000

        await store.put(b"small")
        await store.put(pieces())
        files = [each for each in folder.rglob("*") if each.is_file()]
        assert len(files) == 2
        assert {mode(each) for each in files} == {0o600}
        assert {mode(each.parent) for each in files} == {0o700}
    assert mode(tmp_path / "state") == mode(tmp_path / "state" / "evidence") == 0o700


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_broken_folder_is_our_error(tmp_path: Path) -> None:
    store = open_store(tmp_path / "evidence")
    (tmp_path / "evidence" / "sha256").write_text("a file where a folder should be")
    with pytest.raises(DriverError) as caught:
        await store.put(b"evidence")
    assert isinstance(caught.value, Unreachable)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["ftp://host/x", "/dev/null/evidence"])
def test_a_place_that_cannot_be_is_named(where: str) -> None:
    with pytest.raises(NotConfigured, match="name a writable folder"):
        open_store(where)


def test_a_bucket_opens_without_being_asked_anything() -> None:
    store = open_store("s3://evidence/agent?region=eu-west-1")
    assert store.address("ab" + "0" * 62).startswith("s3://evidence/agent")


# In a process of its own: the kernel refuses to let a file grow, half-way through the second megabyte.
FULL = """
import asyncio, resource, sys
from pathlib import Path
from firestation.drivers.store import open_store
from firestation.errors import Unreachable

async def pieces(size):
    for _ in range(size // 100_000):
        yield b"x" * 100_000

async def main():
    folder = Path(sys.argv[1])
    store = open_store(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
    for content in (b"y" * 8_000_000, pieces(8_000_000)):
        try:
            await store.put(content)
        except Unreachable as error:
            print(error)
        else:
            sys.exit("it was kept")
    assert not [path for path in folder.rglob("*") if path.is_file()]
    stored = await store.put(b"small")
    assert await store.get(stored.digest) == b"small"

asyncio.run(main())
"""


def test_a_disk_that_is_full_is_our_error_and_no_half_is_seen(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "evidence")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "the evidence store cannot serve" in first
    assert "the evidence store cannot serve" in second
