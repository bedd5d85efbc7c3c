"""The chain of custody: what was sealed verifies, and no byte of it can change unseen."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation.custody import verify
from firestation.errors import Gone, InvalidInput
from firestation.evidence import ArtifactRef, Collected, Gap, LeverState, Sealed, Snapshot, statement
from firestation.model import canonical_json
from firestation.signing import KeySigner, ensure_key
from firestation.system import Position
from tests.property.worlds import START

CONTENTS = st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=3, unique=True)


class Sealing:
    """One sealed snapshot over some artifacts, in a store that a test may damage."""

    def __init__(self, contents: list[bytes], signer: KeySigner) -> None:
        self.kept: dict[str, bytes] = {}
        self.keys = [signer.public_key]
        refs = tuple(
            ArtifactRef(
                digest=self.keep(content),
                size=len(content),
                media_type="text/plain",
                name=f"artifact {number}",
                source="traces",
                provides=("requests",),
                collected_at=START,
            )
            for number, content in enumerate(contents)
        )
        gap = Gap(item="memory", reason="timed-out", detail="not done in time", source="traces")
        lever = LeverState(lever="tool", position=Position(value="on"), read_at=START)
        snapshot = Snapshot(
            incident="i",
            run="r",
            system="s",
            system_digest="a" * 64,
            runbook="b",
            runbook_digest="b" * 64,
            collected=(Collected(source="traces", artifacts=refs, gaps=(gap,)),),
            levers=(lever,),
        )
        made = statement(snapshot)
        self.sealed = Sealed(
            manifest=self.keep(canonical_json(made)),
            envelope=self.keep(signer.seal(made)),
            artifacts=snapshot.artifacts(),
            gaps=snapshot.gaps(),
            levers=snapshot.levers,
        )

    def keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.kept[digest] = content
        return digest

    def read(self, digest: str) -> Iterator[bytes]:
        if digest not in self.kept:
            raise Gone(f"there is no {digest}")
        yield self.kept[digest][:3]
        yield self.kept[digest][3:]

    def links(self) -> list[str]:
        return list(verify(self.sealed, self.read, self.keys))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> KeySigner:
    path: Path = tmp_path_factory.mktemp("keys") / "station"
    ensure_key(path)
    return KeySigner(path)


@given(CONTENTS)
def test_what_was_sealed_verifies_link_by_link(signer: KeySigner, contents: list[bytes]) -> None:
    assert len(Sealing(contents, signer).links()) == 3 + len(contents)


@settings(max_examples=200)
@given(CONTENTS, st.data())
def test_every_changed_byte_is_refused(signer: KeySigner, contents: list[bytes], data: st.DataObject) -> None:
    made = Sealing(contents, signer)
    digest = data.draw(st.sampled_from(sorted(made.kept)))
    content = bytearray(made.kept[digest])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    made.kept[digest] = bytes(content)
    with pytest.raises(InvalidInput):
        made.links()


@given(CONTENTS, st.data())
def test_what_is_missing_is_named(signer: KeySigner, contents: list[bytes], data: st.DataObject) -> None:
    made = Sealing(contents, signer)
    del made.kept[data.draw(st.sampled_from(sorted(made.kept)))]
    with pytest.raises(InvalidInput, match="there is no"):
        made.links()


def test_another_stations_key_has_not_sealed_it(signer: KeySigner, tmp_path: Path) -> None:
    made = Sealing([b"x"], signer)
    ensure_key(tmp_path / "other")
    made.keys = [KeySigner(tmp_path / "other").public_key]
    with pytest.raises(InvalidInput, match="envelope"):
        made.links()


def test_a_supplement_names_the_manifest_that_it_supplements(signer: KeySigner) -> None:
    made = Sealing([b"x"], signer)
    made.sealed = made.sealed.changed(supplements="d" * 64)
    with pytest.raises(InvalidInput, match=r"manifest\.supplements"):
        made.links()


@pytest.mark.parametrize("part", ["artifacts", "gaps", "levers"])
def test_a_manifest_that_says_something_else_than_the_record_is_refused(signer: KeySigner, part: str) -> None:
    made = Sealing([b"x", b"y"], signer)
    made.sealed = made.sealed.changed(**{part: getattr(made.sealed, part)[:-1]})
    with pytest.raises(InvalidInput, match=rf"manifest\.{part}"):
        made.links()
