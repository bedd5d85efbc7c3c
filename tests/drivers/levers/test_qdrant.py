"""The Qdrant lever on the local mode of qdrant-client; its server's published shape behind the meddler."""

import asyncio
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone, InvalidInput
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.contracts import published
from tests.drivers.levers.faults import LeverFaults, Through, Truth
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.meddler import Meddler, meddling

pytestmark = pytest.mark.driver
NAMES = {"policies-1": "30 days", "policies-2": "90 days"}


class Index:
    """A local index with two collections, of which `live` names the one with the stale policy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "index"
        with self.open() as client:
            for name, text in NAMES.items():
                size = models.VectorParams(size=2, distance=models.Distance.COSINE)
                client.create_collection(name, vectors_config=size)
                client.upsert(name, [models.PointStruct(id=1, vector=[1.0, 0.0], payload={"text": text})])
        self.point("policies-2")

    def open(self) -> AbstractContextManager[QdrantClient]:
        """As an application does; the next one can only come in when it is closed."""
        return closing(QdrantClient(path=str(self.folder)))

    def point(self, collection: JsonValue) -> None:
        """Somebody else points the alias."""
        created = models.CreateAlias(collection_name=str(collection), alias_name="live")
        with self.open() as client:
            client.update_collection_aliases([models.CreateAliasOperation(create_alias=created)])

    def asked(self) -> str:
        """What an application finds."""
        with self.open() as client:
            (found,) = client.query_points("live", query=[1.0, 0.0], limit=1).points
        return str((found.payload or {})["text"])


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def make_local(bench: Drivers, **config: Any) -> Lever:
    given = {"folder": "index", "alias": "live", **PATIENT}
    return make_lever(bench, "qdrant", **{**given, **config})


class TestLocal(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, index: Index) -> Lever:
        return make_local(bench)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "policies-1"

    @pytest.fixture
    def meddle(self, index: Index) -> Callable[[JsonValue], Any]:
        return index.point

    @pytest.fixture
    def writes(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
        seen: list[Any] = []
        real = AsyncQdrantClient.update_collection_aliases

        async def update(client: AsyncQdrantClient, actions: Any, **more: Any) -> bool:
            seen.append(actions)
            return await real(client, actions, **more)

        monkeypatch.setattr(AsyncQdrantClient, "update_collection_aliases", update)
        return lambda: len(seen)


async def test_the_next_query_goes_to_the_other_collection(bench: Drivers, index: Index) -> None:
    lever = make_local(bench)
    assert index.asked() == "90 days"
    origin = await lever.read()
    await lever.move(Position(value="policies-1"), origin, "k")
    assert index.asked() == "30 days"
    await lever.move(origin, Position(value="policies-1"), "k")
    assert index.asked() == "90 days"


async def test_null_is_no_such_alias(bench: Drivers, index: Index) -> None:
    lever = make_local(bench)
    origin = await lever.read()
    shown = await lever.move(Position(value=None), origin, "k")
    with pytest.raises(ValueError, match="live not found"):
        index.asked()
    assert (await lever.move(origin, shown, "k")).same_as(origin)
    assert index.asked() == "90 days"


async def test_what_is_not_there_is_named_and_nothing_is_written(bench: Drivers, index: Index) -> None:
    lever = make_local(bench)
    for nothing in ("policies-9", 1, True):
        with pytest.raises(Gone, match="no collection"):
            await lever.move(Position(value=nothing), await lever.read(), "k")
    assert index.asked() == "90 days"
    with pytest.raises(Gone, match="there is no Qdrant index"):
        await make_local(bench, folder="nowhere").read()


async def test_an_index_that_is_away_is_gone_and_found_again(bench: Drivers, index: Index) -> None:
    lever = make_local(bench)
    origin = await lever.read()
    away = index.folder.rename(index.folder.with_name("away"))
    with pytest.raises(Gone):
        await lever.move(Position(value="policies-1"), origin, "k")
    away.rename(index.folder)
    assert (await lever.read()).same_as(origin)


def test_it_is_in_one_place(bench: Drivers) -> None:
    for config in ({"folder": None}, {"url": "http://qdrant:6333"}):
        with pytest.raises(InvalidInput, match="Write url"):
            make_local(bench, **config)


async def test_a_person_can_do_it_without_us(bench: Drivers, index: Index) -> None:
    lever = make_local(bench)
    for to in ("policies-1", None, "policies-2"):
        words = shlex.split(lever.by_hand(to))  # type: ignore[attr-defined]
        assert words[:2] == ["python3", "-c"]
        await asyncio.to_thread(exec, words[2], {})
        assert (await lever.read()).value == to


# ------------------------------------------------------------------------------- the server, contract-tested


class Server:
    """https://api.qdrant.tech: list all aliases, update aliases, whether a collection is there."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {"live": "policies-2"}
        self.collections = set(NAMES)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> tuple[int, Any]:
        if headers.get("api-key") != "secret":
            return 401, {"status": {"error": "Must provide an API key"}, "time": 0.0}
        result: Any
        if (method, path) == ("GET", "/aliases"):
            named = [{"alias_name": one, "collection_name": other} for one, other in self.aliases.items()]
            result = {"aliases": named}
        elif (method, path) == ("POST", "/collections/aliases"):
            result = self._change(body["actions"])
        elif method == "GET" and path.endswith("/exists"):
            result = {"exists": path.split("/")[2] in self.collections}
        else:
            return 404, {"status": {"error": "Not found"}, "time": 0.0}
        return 200, {"result": result, "status": "ok", "time": 0.001}

    def _change(self, actions: list[dict[str, Any]]) -> bool:
        """All of them at once."""
        aliases = dict(self.aliases)
        for action in actions:
            ((kind, what),) = action.items()
            if kind == "delete_alias":
                aliases.pop(what["alias_name"], None)
            else:
                assert kind == "create_alias"
                aliases[what["alias_name"]] = what["collection_name"]
        self.aliases = aliases
        return True


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def spoiling(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meddler]:
    monkeypatch.setenv("QDRANT_KEY", "secret")
    with published(server.answer) as url, meddling(url) as meddler:
        meddler.put_back = lambda: server.aliases.update(live="policies-2")
        yield meddler


def make_remote(bench: Drivers, url: str, **config: Any) -> Lever:
    given = {"folder": None, "url": url, "api_key": "env:QDRANT_KEY"}
    return make_local(bench, **{**given, **config})


class TestServer(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, spoiling: Meddler) -> Lever:
        return make_remote(bench, spoiling.url)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "policies-1"

    @pytest.fixture
    def meddle(self, server: Server) -> Callable[[JsonValue], Any]:
        return lambda to: server.aliases.update(live=str(to))

    @pytest.fixture
    def writes(self, spoiling: Meddler) -> Callable[[], int]:
        return lambda: spoiling.writes


class TestServerFaults(LeverFaults):
    @pytest.fixture
    def through(self, bench: Drivers, spoiling: Meddler) -> Through:
        return partial(make_remote, bench, spoiling.url)

    @pytest.fixture
    def meddler(self, spoiling: Meddler) -> Meddler:
        return spoiling

    @pytest.fixture
    def truth(self, server: Server) -> Truth:
        async def look() -> JsonValue:
            return server.aliases["live"]

        return look

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "policies-1"


async def test_a_wrong_key_is_denied_and_never_shown(
    bench: Drivers, spoiling: Meddler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_KEY", "not-this-one")
    for key in ("env:WRONG_KEY", "env:NO_KEY_AT_ALL"):
        with pytest.raises(Denied) as caught:
            await make_remote(bench, spoiling.url, api_key=key).read()
        assert "not-this-one" not in str(caught.value)


async def test_a_person_can_switch_the_server_without_us(
    bench: Drivers, spoiling: Meddler, server: Server
) -> None:
    lever = make_remote(bench, spoiling.url)
    for to in ("policies-1", None, "policies-2"):
        command = lever.by_hand(to)  # type: ignore[attr-defined]
        assert "secret" not in command
        await asyncio.to_thread(subprocess.run, ["bash", "-c", command], check=True, capture_output=True)
        assert server.aliases.get("live") == to
