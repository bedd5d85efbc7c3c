"""The conformance suites: inherit one, give its fixtures, and pytest shows whether a driver keeps the port's promises.

    class TestStatsigLever(LeverConformance):
        @pytest.fixture
        def lever(self, product): ...

Needs pytest and pytest-asyncio. Fixtures that raise NotImplementedError here must be given.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, cast

import pytest
from pydantic import JsonValue

from firestation.board import Message, Receipt
from firestation.errors import Doubtful, Drifted, DriverError, Gone, Nonsense
from firestation.evidence import Scope
from firestation.ports import (
    Artifact,
    Channel,
    Check,
    Claims,
    EvidenceStore,
    Lever,
    Shelf,
    Source,
    Window,
)
from firestation.system import MINIMUM_SNAPSHOT, Position

HOSTILE = (
    "../../../../etc/passwd",
    "'; DROP TABLE requests; --",
    "%00\x00\r\nX-Injected: 1",
    "{request_id}{{query}}$..*",
    "🔥" * 500,
)


async def _gather(source: Source, scope: Scope) -> list[Artifact]:
    return [artifact async for artifact in source.collect(scope)]


@pytest.mark.asyncio
class SourceConformance:
    """Promises of `Source`."""

    @pytest.fixture
    def source(self) -> Source:
        """A source that has something for `scope`."""
        raise NotImplementedError

    @pytest.fixture
    def scope(self) -> Scope:
        """What it is asked for."""
        raise NotImplementedError

    async def test_it_gives_artifacts_that_say_what_they_are(self, source: Source, scope: Scope) -> None:
        """Each has a media type, provides known items, and has a name that is no way out of a folder."""
        artifacts = await _gather(source, scope)
        assert artifacts
        for artifact in artifacts:
            assert set(artifact.provides) <= set(MINIMUM_SNAPSHOT)
            assert "/" in artifact.media_type
            name = PurePosixPath(artifact.name)
            assert not name.is_absolute()
            assert ".." not in name.parts

    async def test_it_only_reads(self, source: Source, scope: Scope) -> None:
        """Asked twice, it gives the same twice."""
        first, second = await _gather(source, scope), await _gather(source, scope)

        def by_name(artifact: Artifact) -> str:
            return artifact.name

        assert sorted(first, key=by_name) == sorted(second, key=by_name)

    @pytest.fixture
    def absent(self) -> Source:
        """The same source of a product that is not there."""
        raise NotImplementedError

    async def test_what_is_not_there_is_said(self, absent: Source, scope: Scope) -> None:
        """By one of our errors, and soon; never by silence."""
        async with asyncio.timeout(20):
            with pytest.raises(DriverError):
                await _gather(absent, scope)

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    async def test_what_an_alarm_names_is_only_a_name(self, source: Source, scope: Scope, name: str) -> None:
        """No path, no statement, no pattern: there is nothing of it, or it is told in our words."""
        before = await _gather(source, scope)
        names = (name,)
        about = scope.changed(request_ids=names, trace_ids=names, tenants=names, users=names, queries=names)
        with suppress(DriverError):
            async for artifact in source.collect(about):
                assert artifact.name.isprintable()
        assert len(await _gather(source, scope)) == len(before)

    async def test_it_can_be_left_in_the_middle(self, source: Source, scope: Scope) -> None:
        """Who stops listening leaves nothing running, and can come back."""
        whole = await _gather(source, scope)
        tasks = len(asyncio.all_tasks())
        reading = cast("AsyncGenerator[Artifact, None]", source.collect(scope))
        await anext(reading)
        await reading.aclose()
        assert len(asyncio.all_tasks()) == tasks
        assert len(await _gather(source, scope)) == len(whole)


@pytest.mark.asyncio
class LeverConformance:
    """Promises of `Lever`."""

    @pytest.fixture
    def lever(self) -> Lever:
        """A lever of a product that runs."""
        raise NotImplementedError

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        """A position where it does not stand now."""
        raise NotImplementedError

    @pytest.fixture
    def meddle(self) -> Callable[[JsonValue], Any]:
        """Moves it without us, as somebody else would."""
        raise NotImplementedError

    @pytest.fixture
    def writes(self) -> Callable[[], int]:
        """How often the product was really moved by us."""
        raise NotImplementedError

    async def test_reading_moves_nothing(self, lever: Lever, writes: Callable[[], int]) -> None:
        """Two readings are the same."""
        assert (await lever.read()).same_as(await lever.read())
        assert writes() == 0

    async def test_it_moves_once_and_goes_back(
        self, lever: Lever, elsewhere: JsonValue, writes: Callable[[], int]
    ) -> None:
        """What is returned is what a fresh reading shows; putting back re-applies what was read."""
        origin = await lever.read()
        shown = await lever.move(Position(value=elsewhere), origin, "i/1/move")
        assert shown.value == elsewhere
        assert (await lever.read()).value == elsewhere
        back = await lever.move(origin, shown, "i/1/lift")
        assert back.same_as(origin)
        assert (await lever.read()).same_as(origin)
        assert writes() == 2  # noqa: PLR2004 - there and back

    async def test_a_repeated_key_moves_once(
        self, lever: Lever, elsewhere: JsonValue, writes: Callable[[], int]
    ) -> None:
        """The second call returns the position, or says that it is not where it was expected."""
        origin = await lever.read()
        await lever.move(Position(value=elsewhere), origin, "i/1/move")
        try:
            again = await lever.move(Position(value=elsewhere), origin, "i/1/move")
        except Drifted:
            again = await lever.read()
        assert again.value == elsewhere
        assert writes() == 1

    async def test_it_never_overwrites_somebody_else(
        self,
        lever: Lever,
        elsewhere: JsonValue,
        meddle: Callable[[JsonValue], Any],
        writes: Callable[[], int],
    ) -> None:
        """Moved away meanwhile, it stays where it is."""
        origin = await lever.read()
        meddle(elsewhere)
        with pytest.raises(Drifted):
            await lever.move(origin, origin, "i/1/move")
        assert (await lever.read()).value == elsewhere
        assert writes() == 0


@pytest.mark.asyncio
class CheckConformance:
    """Promises of `Check`."""

    @pytest.fixture
    def passing(self) -> Check:
        """A check of a promise that is kept."""
        raise NotImplementedError

    @pytest.fixture
    def failing(self) -> Check:
        """A check of a promise that is broken."""
        raise NotImplementedError

    @pytest.fixture
    def dumb(self) -> Check:
        """A check that gets no answer."""
        raise NotImplementedError

    @pytest.fixture
    def window(self) -> Window:
        """The last minute."""
        now = datetime.now(UTC)
        return Window(since=now - timedelta(minutes=1), until=now)

    async def test_it_passes(self, passing: Check, window: Window) -> None:
        """Kept is passed."""
        assert (await passing.measure(window)).verdict == "passed"

    async def test_it_fails(self, failing: Check, window: Window) -> None:
        """Broken is failed."""
        assert (await failing.measure(window)).verdict == "failed"

    async def test_no_data_is_inconclusive(self, dumb: Check, window: Window) -> None:
        """Never raised, and never passed."""
        reading = await dumb.measure(window)
        assert reading.verdict == "inconclusive"
        assert reading.detail


@pytest.mark.asyncio
class ChannelConformance:
    """Promises of `Channel`."""

    @pytest.fixture
    def channel(self) -> Channel:
        """A channel."""
        raise NotImplementedError

    @pytest.fixture
    def delivered(self) -> Callable[[], list[str]]:
        """The texts that reached people, in their order."""
        raise NotImplementedError

    async def test_each_key_reaches_people_once(
        self, channel: Channel, delivered: Callable[[], list[str]]
    ) -> None:
        """Even several times at once, and with text that a format could trip over."""
        text = 'Known: "refunds" are {wrong}\nNot known: why, 🔥 \\ or how'
        message = Message(incident="agent-1", purpose="update", title="Refunds", text=text, to="ana")
        first = await channel.send(message, "i/1/word-1")
        again = await asyncio.gather(*(channel.send(message, "i/1/word-1") for _ in range(3)))
        assert {each.channel for each in again} == {first.channel}
        assert delivered() == [text]
        await channel.send(message.changed(text="Over"), "i/1/word-2")
        assert delivered() == [text, "Over"]


@pytest.mark.asyncio
class ClaimsConformance:
    """Promises of `Claims`."""

    @pytest.fixture
    def claims(self) -> Claims:
        """A place for claims, with none in it."""
        raise NotImplementedError

    async def test_a_key_is_claimed_once(self, claims: Claims) -> None:
        """Whoever comes at the same time, or later, is told that there is a doubt."""
        taken = await asyncio.gather(*(claims.take("i/1/page-1") for _ in range(5)), return_exceptions=True)
        assert taken.count(None) == 1
        assert sum(isinstance(each, Doubtful) for each in taken) == 4  # noqa: PLR2004 - the others
        with pytest.raises(Doubtful, match="may have been sent"):
            await claims.take("i/1/page-1")
        assert await claims.take("i/1/page-2") is None

    async def test_what_was_given_back_is_claimed_again(self, claims: Claims) -> None:
        """As often as need be; giving back what nobody has changes nothing."""
        for _ in range(3):
            assert await claims.take("i/1/page-1") is None
            await claims.release("i/1/page-1")
        await claims.release("i/1/page-1")
        assert await claims.take("i/1/page-1") is None

    async def test_what_was_sent_has_its_receipt(self, claims: Claims) -> None:
        """And the first one stays."""
        receipt = Receipt(channel="mail", reference="queued as 7")
        assert await claims.take("i/1/page-1") is None
        await claims.finish("i/1/page-1", receipt)
        await claims.finish("i/1/page-1", receipt.changed(reference="another"))
        assert await asyncio.gather(*(claims.take("i/1/page-1") for _ in range(3))) == [receipt] * 3


@pytest.mark.asyncio
class ShelfConformance:
    """Promises of `Shelf`."""

    @pytest.fixture
    def shelf(self) -> Shelf:
        """A shelf with nothing on it."""
        raise NotImplementedError

    async def test_a_name_is_given_once(self, shelf: Shelf) -> None:
        """Of those who come at the same time one succeeds; what is there is never overwritten."""
        made = await asyncio.gather(*(shelf.create("locks/a/1.json", b"%d" % number) for number in range(5)))
        assert made.count(True) == 1
        kept = await shelf.get("locks/a/1.json")
        assert kept == b"%d" % made.index(True)
        assert not await shelf.create("locks/a/1.json", b"another")
        assert await shelf.get("locks/a/1.json") == kept

    async def test_what_is_not_there_is_nothing(self, shelf: Shelf) -> None:
        """And nothing is in a folder that nobody made."""
        assert await shelf.get("locks/a/1.json") is None
        assert not await shelf.names("locks/a")

    async def test_a_folder_is_listed_in_order(self, shelf: Shelf) -> None:
        """All that is below it, and nothing that only begins alike."""
        for name in ("locks/a/2", "locks/a/1", "locks/ab/3", "locks/a/b/4"):
            assert await shelf.create(name, name.encode())
        assert list(await shelf.names("locks/a")) == ["locks/a/1", "locks/a/2", "locks/a/b/4"]
        assert len(await shelf.names("locks")) == 4  # noqa: PLR2004 - those above


async def _one_by_one(pieces: Iterable[bytes], error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error:
        raise error


@pytest.mark.asyncio
class EvidenceStoreConformance:
    """Promises of `EvidenceStore`."""

    @pytest.fixture
    def store(self) -> EvidenceStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture
    def alter(self) -> Callable[[str], None]:
        """Changes the bytes of a digest behind the store's back."""
        raise NotImplementedError

    @pytest.mark.parametrize("content", [b"", b"evidence", bytes(range(256)) * 5000])
    async def test_what_is_put_is_got(self, store: EvidenceStore, content: bytes) -> None:
        """Under its SHA-256, as often as one likes, and from several sides at once."""
        put = await asyncio.gather(*(store.put(content) for _ in range(4)))
        assert {each.digest for each in put} == {hashlib.sha256(content).hexdigest()}
        assert {each.size for each in put} == {len(content)}
        assert await store.get(put[0].digest) == content
        assert put[0].digest[2:] in store.address(put[0].digest)

    @pytest.mark.parametrize("sizes", [(), (0,), (1, 0, 2), (7_000_000, 1, 6_000_000)])
    async def test_what_comes_in_pieces_is_got_whole(
        self, store: EvidenceStore, sizes: tuple[int, ...]
    ) -> None:
        """Under the digest of the whole, and again when it is there already; and given in pieces too."""
        pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
        whole = b"".join(pieces)
        digest = hashlib.sha256(whole).hexdigest()
        for _ in range(2):
            stored = await store.put(_one_by_one(pieces))
            assert (stored.digest, stored.size) == (digest, len(whole))
        assert b"".join([piece async for piece in store.stream(digest)]) == whole
        assert (await store.put(whole)).digest == digest

    async def test_pieces_that_break_off_leave_nothing(self, store: EvidenceStore) -> None:
        """The source's error comes through as it is, and no half is ever taken for evidence."""
        begun = b"x" * 6_000_000
        with pytest.raises(Gone, match="the source is gone"):
            await store.put(_one_by_one([begun, b"y"], Gone("the source is gone")))
        for content in (begun, begun + b"y"):
            with pytest.raises(Gone):
                await store.get(hashlib.sha256(content).hexdigest())

    async def test_what_is_not_there_is_gone(self, store: EvidenceStore) -> None:
        """Also what cannot be a digest."""
        for digest in ("0" * 64, "no digest", "../../etc/passwd", ""):
            with pytest.raises(Gone):
                await store.get(digest)

    async def test_altered_evidence_is_named(
        self, store: EvidenceStore, alter: Callable[[str], None]
    ) -> None:
        """Reading it and putting it again both say so; it is never mended silently."""
        digest = (await store.put(b"evidence")).digest
        alter(digest)
        with pytest.raises(Nonsense, match=digest):
            await store.get(digest)
        with pytest.raises(DriverError, match=digest):
            await store.put(b"evidence")
