"""The evidence store in a real bucket: SeaweedFS, with and without versions and object lock."""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it has no types
import httpx
import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # nor has this

from firestation.drivers.claims import open_claims
from firestation.drivers.public_page import open_public_page
from firestation.drivers.shelf import open_shelf
from firestation.drivers.store import open_store
from firestation.errors import DriverError, Gone, Nonsense, Unreachable
from firestation.ports import Claims, EvidenceStore, Shelf
from firestation.testing import ClaimsConformance, EvidenceStoreConformance, ShelfConformance
from tests.e2e.processes import free_port, running, wait_for
from tests.property.public_pages import over, part, word

pytestmark = [pytest.mark.driver, pytest.mark.timeout(120)]
WEED = Path(sys.executable).with_name("weed")
KEY, SECRET, REGION = "the-key", "the-secret", "us-east-1"
RETENTION = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SeaweedFS as one process, with the S3 gateway."""
    folder = tmp_path_factory.mktemp("weed")
    (folder / "data").mkdir()
    credentials = [{"accessKey": KEY, "secretKey": SECRET}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    people = {"identities": [{"name": "admin", "credentials": credentials, "actions": actions}]}
    (folder / "people.json").write_text(json.dumps(people))
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    command = [
        str(WEED),
        "server",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
    ]
    command += [f"-{name}={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={free_port()}" for name in ("master", "volume", "filer", "s3")]
    command += [f"-s3.config={folder / 'people.json'}", "-s3.iam=false"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=50", "-master.telemetry=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    url = f"http://127.0.0.1:{ports['s3.port']}"

    def ready() -> bool:
        with suppress(httpx.HTTPError, ClientError):
            s3 = client(url)
            if "ready" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
                s3.create_bucket(Bucket="ready")
            s3.put_object(Bucket="ready", Key="x", Body=b"x")
            return True
        return False

    with running(command, folder, "weed", grace=0.5):
        wait_for("SeaweedFS", lambda: _answers(url))
        wait_for("a bucket that takes objects", ready, 60)
        yield url


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url).status_code < 500
    return False


def client(endpoint: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION
    )


@pytest.fixture
def bucket(endpoint: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], EvidenceStore]:
    """Opens the store of a bucket by its URL, with credentials from the environment, as an operator would."""
    monkeypatch.setenv("AWS_ENDPOINT", endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    for name, value in (("ACCESS_KEY_ID", KEY), ("SECRET_ACCESS_KEY", SECRET), ("REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)

    def opened(name: str) -> EvidenceStore:
        s3 = client(endpoint)
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
            s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=name == "worm")
            if name == "worm":
                s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=RETENTION)
        return open_store(f"s3://{name}/{prefix}")

    return opened


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place of its own for each test: a bucket each would be too many for a small SeaweedFS."""
    return hashlib.sha256(request.node.name.encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", ["plain", "worm"])
class TestBucketClaims(ClaimsConformance):
    """Also where nothing is really deleted: a claim that was given back is a version of before."""

    @pytest.fixture
    def claims(self, bucket: Callable[[str], EvidenceStore], name: str, prefix: str) -> Claims:
        bucket(name)
        return open_claims(f"s3://{name}/{prefix}")


class TestBucketShelf(ShelfConformance):
    @pytest.fixture
    def shelf(self, bucket: Callable[[str], EvidenceStore], prefix: str) -> Shelf:
        bucket("plain")
        return open_shelf(f"s3://plain/{prefix}", "evidence store")


async def test_the_public_page_in_a_bucket(
    bucket: Callable[[str], EvidenceStore], prefix: str, endpoint: str
) -> None:
    bucket("plain")
    page = open_public_page(f"s3://plain/{prefix}", "Example status", None, tuple)
    await page.publish(part(version=12, words=(word(7), word(20, "It is contained."))))
    await page.publish(part(version=5))
    await page.publish(over())
    front = client(endpoint).get_object(Bucket="plain", Key=f"{prefix}/index.html")
    assert front["ContentType"] == "text/html; charset=utf-8"
    assert "It is contained." in front["Body"].read().decode()
    assert not await page.freshen()


@pytest.mark.asyncio
class TestBucket(EvidenceStoreConformance):
    @pytest.fixture
    def store(self, bucket: Callable[[str], EvidenceStore]) -> EvidenceStore:
        return bucket("plain")

    @pytest.fixture
    def alter(self, endpoint: str, prefix: str) -> Callable[[str], None]:
        def change(digest: str) -> None:
            client(endpoint).put_object(Bucket="plain", Key=_key(prefix, digest), Body=b"altered")

        return change


def _key(prefix: str, digest: str) -> str:
    return f"{prefix}/sha256/{digest[:2]}/{digest[2:]}"


async def pieces() -> Any:
    yield b"a" * 6_000_000
    yield b"b"


async def test_it_says_what_protection_there_really_is(bucket: Callable[[str], EvidenceStore]) -> None:
    plain, worm = bucket("plain"), bucket("worm")
    kept = await plain.put(b"evidence")
    assert kept.version is None
    assert "without versions or object lock" in await plain.protection(kept.digest)
    locked = await worm.put(b"evidence")
    assert locked.version
    assert "object lock: COMPLIANCE until 20" in await worm.protection(locked.digest)


async def test_what_is_locked_can_be_neither_overwritten_nor_deleted(
    bucket: Callable[[str], EvidenceStore], endpoint: str, prefix: str
) -> None:
    store = bucket("worm")
    for stored in (await store.put(b"the evidence of the night"), await store.put(pieces())):
        s3, where = client(endpoint), {"Bucket": "worm", "Key": _key(prefix, stored.digest)}
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(**where, VersionId=stored.version)
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(**where, Body=b"forged", IfNoneMatch="*")
        s3.put_object(**where, Body=b"forged")  # S3 takes it, as a newer version
        with pytest.raises(Nonsense, match="altered"):
            await store.get(stored.digest)
        genuine = s3.get_object(**where, VersionId=stored.version)["Body"].read()
        assert hashlib.sha256(genuine).hexdigest() == stored.digest


async def test_nothing_that_came_in_pieces_is_left_behind(
    bucket: Callable[[str], EvidenceStore], endpoint: str, prefix: str
) -> None:
    store = bucket("plain")
    first, second = await asyncio.gather(store.put(pieces()), store.put(pieces()))
    assert first.digest == second.digest
    listed = client(endpoint).list_objects_v2(Bucket="plain", Prefix=prefix)["Contents"]
    assert [each["Key"] for each in listed] == [_key(prefix, first.digest)]


async def test_a_bucket_that_is_not_ours_or_does_not_answer_is_our_error(
    bucket: Callable[[str], EvidenceStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket("plain")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(DriverError, match="refuses"):
        await open_store("s3://plain/evidence").put(b"y")
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    impatient = open_store("s3://plain/evidence")
    with pytest.raises(Unreachable):
        async with asyncio.timeout(60):
            await impatient.put(b"z")


class Cable:
    """A TCP proxy to the store. While `broken_after` is set, each connection breaks once so many bytes went in."""

    def __init__(self, endpoint: str) -> None:
        self.host, self.port = endpoint.removeprefix("http://").split(":")
        self.broken_after: int | None = None
        self.breaks = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self.host, int(self.port))
        back = asyncio.create_task(self._copy(there_reader, writer))
        went = 0
        try:
            while data := await reader.read(65536):
                went += len(data)
                if self.broken_after is not None and went > self.broken_after:
                    self.breaks += 1
                    break
                there_writer.write(data)
                await there_writer.drain()
        except ConnectionError:
            pass
        finally:
            back.cancel()
            for each in (writer, there_writer):
                each.transport.abort()
            await asyncio.gather(back, return_exceptions=True)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in pieces"])
async def test_a_store_that_loses_the_connection_half_way_shows_no_half(
    bucket: Callable[[str], EvidenceStore],
    endpoint: str,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    whole: bool,
) -> None:
    direct, cable = bucket("plain"), Cable(endpoint)
    server = await asyncio.start_server(cable.carry, "127.0.0.1", 0)
    async with server:
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        content = hashlib.sha256(str(whole).encode()).digest() * 300_000
        digest = hashlib.sha256(content).hexdigest()

        async def in_pieces() -> Any:
            for start in range(0, len(content), 1_000_000):
                yield content[start : start + 1_000_000]

        cable.broken_after = 3_000_000
        through = open_store(f"s3://plain/{prefix}")
        with pytest.raises(Unreachable):
            async with asyncio.timeout(60):
                await through.put(content if whole else in_pieces())
        assert cable.breaks
        with pytest.raises(Gone):
            await direct.get(digest)
        cable.broken_after = None
        assert (await through.put(content if whole else in_pieces())).digest == digest
        assert await direct.get(digest) == content
