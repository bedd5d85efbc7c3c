"""Encryption to age recipients: by us, and by age itself."""

import asyncio
import subprocess
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrage import x25519  # type: ignore[import-untyped]  # it has no types

from firestation.drivers.age import Age, decrypt, is_recipient
from firestation.errors import Gone, InvalidInput, Nonsense, Withheld
from tests.e2e.processes import needs

ANA, BEN = x25519.Identity.generate(), x25519.Identity.generate()
TO_BOTH = (str(ANA.to_public()), str(BEN.to_public()))


async def one_by_one(pieces: list[bytes], error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error:
        raise error


async def in_pieces(pieces: list[bytes], recipients: tuple[str, ...] = TO_BOTH) -> bytes:
    return b"".join([piece async for piece in Age().encrypt_pieces(one_by_one(pieces), recipients)])


@given(st.binary())
def test_each_recipient_can_open_it_and_nobody_else(content: bytes) -> None:
    sealed = Age().encrypt(content, TO_BOTH)
    assert len(content) < 8 or content not in sealed
    for identity in (ANA, BEN):
        assert decrypt(sealed, str(identity)) == content
    with pytest.raises(Nonsense, match="does not open it"):
        decrypt(sealed, str(x25519.Identity.generate()))


@given(st.lists(st.binary(max_size=200_000), max_size=5))
@settings(max_examples=20, deadline=None)
def test_what_comes_in_pieces_is_opened_whole(pieces: list[bytes]) -> None:
    assert decrypt(asyncio.run(in_pieces(pieces)), str(ANA)) == b"".join(pieces)


def test_age_itself_opens_it(tmp_path: Path) -> None:
    keygen, age = needs("age-keygen", "age"), needs("age", "age")
    key = tmp_path / "key.txt"
    subprocess.run([keygen, "-o", str(key)], check=True, capture_output=True)
    public = subprocess.run(
        [keygen, "-y", str(key)], check=True, capture_output=True, text=True
    ).stdout.strip()
    content = b"the evidence of the night" * 1000
    for sealed in (Age().encrypt(content, (public,)), asyncio.run(in_pieces([content], (public,)))):
        opened = subprocess.run([age, "-d", "-i", str(key)], input=sealed, check=True, capture_output=True)
        assert opened.stdout == content
        assert decrypt(sealed, key.read_text()) == content


async def test_an_error_of_the_pieces_comes_through() -> None:
    pieces = one_by_one([b"x" * 1_000_000] * 3, Gone("the source is gone"))
    with pytest.raises(Gone, match="the source is gone"):
        async for _ in Age().encrypt_pieces(pieces, TO_BOTH):
            pass


async def test_memory_stays_bounded() -> None:
    async def much() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1_000_000)

    tracemalloc.start()
    try:
        size = 0
        async for piece in Age().encrypt_pieces(much(), TO_BOTH):
            size += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 100_000_000
    assert peak < 24_000_000


async def test_who_stops_listening_leaves_nothing_running() -> None:
    tasks = len(asyncio.all_tasks())
    sealed = Age().encrypt_pieces(one_by_one([bytes(6_000_000)] * 3), TO_BOTH)
    await anext(sealed)
    await sealed.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert len(asyncio.all_tasks()) == tasks


async def test_a_reader_that_is_cancelled_leaves_nothing_running() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    async def read() -> None:
        async for _ in Age().encrypt_pieces(endless(), TO_BOTH):
            pass

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    reading.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_recipient_that_is_none_withholds_the_evidence() -> None:
    wrong = TO_BOTH[0][:-1] + ("q" if TO_BOTH[0][-1] != "q" else "p")
    assert is_recipient(TO_BOTH[0])
    assert not is_recipient(wrong)
    with pytest.raises(Withheld):
        Age().encrypt(b"x", (wrong,))
    with pytest.raises(Withheld):
        await in_pieces([b"x"], (wrong,))


@pytest.mark.parametrize("text", ["", "# a comment\n", "AGE-SECRET-KEY-1WRONG", "age1nothing", "\x00"])
def test_a_file_without_an_identity_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="no age identity"):
        decrypt(Age().encrypt(b"x", TO_BOTH), text)
