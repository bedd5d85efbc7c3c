"""Writing a bundle: every file but the evidence is small and in memory; the evidence goes through in pieces.

What is in it follows from the histories, the evidence store and the key. Nothing of now gets in, so whoever exports the
same incident again, on another machine, with the same version gets the same bytes.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from firestation import archive
from firestation.bundle import BLOBS, EVIDENCE, README, STATEMENT, STATION_KEY, Absent, Contents, statement
from firestation.bundle_files import Derived, History, contents, derive
from firestation.bundle_readme import readme
from firestation.errors import Gone, InvalidInput, Nonsense
from firestation.evidence import ArtifactRef
from firestation.model import canonical_json
from firestation.ports import EvidenceStore, Shelf
from firestation.signing import PublicKey, public_pem, verify

MOST_BYTES = 64 * 1024 * 1024
"""What a manifest or an envelope may have."""


class BundleSigner(Protocol):
    """What signs the statement. `repeatable`: the same statement gives the same envelope every time."""

    @property
    def repeatable(self) -> bool:
        """Whether it needs no random number."""
        ...

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what it seals."""
        ...

    def seal(self, statement: dict[str, Any]) -> bytes:
        """The envelope, as canonical JSON."""
        ...


class Prepared(NamedTuple):
    """A bundle that is ready to be written: its name, its size, what it holds, its small files and its big ones."""

    incident: str
    contents: Contents
    small: dict[str, bytes]
    big: dict[str, ArtifactRef]

    @property
    def size(self) -> int:
        """The bytes of the whole archive."""
        return archive.length(self._size(name) for name in self.names)

    @property
    def names(self) -> list[str]:
        """Every file, in its order."""
        return sorted([*self.small, *self.big])

    def _size(self, name: str) -> int:
        return len(self.small[name]) if name in self.small else self.big[name].size


async def prepare(
    family: list[list[History]],
    store: EvidenceStore,
    signer: BundleSigner,
    shelf: Shelf | None,
    made_by: str,
    *,
    digests_only: bool = False,
) -> Prepared:
    """Make everything ready, and sign it. The evidence is read through once: what is gone or altered is said so.

    `shelf` keeps what a key service has signed, whose signature differs every time. Raises `InvalidInput` for the
    histories, and what the store, the shelf and the signer raise.
    """
    found = await asyncio.to_thread(derive, family)
    small = {**found.files, **await _seals(found, store), STATION_KEY: public_pem(signer.public_key)}
    absent, big = list[Absent](), dict[str, ArtifactRef]()
    for each in () if digests_only else found.artifacts:
        why = await _why_absent(each, store)
        if why is None:
            big[f"{BLOBS}{each.digest}"] = each
        else:
            absent.append(Absent(digest=each.digest, name=each.name, why=why))
    told = contents(found, made_by, digests_only=digests_only).changed(absent=tuple(absent))
    small[README] = readme(found, told)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in small.items()}
    digests |= {name: each.digest for name, each in big.items()}
    small[STATEMENT] = await _sealed(statement(told, digests), signer, shelf)
    return Prepared(found.incident, told, small, big)


async def write(prepared: Prepared, store: EvidenceStore) -> AsyncIterator[bytes]:
    """The archive in pieces. Raises what the store raises when the evidence was altered since it was read through."""
    for name in prepared.names:
        if name in prepared.small:
            content = prepared.small[name]
            yield archive.header(name, len(content)) + content + archive.padding(len(content))
            continue
        artifact, left = prepared.big[name], prepared.big[name].size
        yield archive.header(name, artifact.size)
        async for piece in store.stream(artifact.digest):
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            raise Nonsense(f"the evidence {artifact.digest} has not the {artifact.size} bytes that it had")
        yield archive.padding(artifact.size)
    yield archive.END


async def _seals(found: Derived, store: EvidenceStore) -> dict[str, bytes]:
    """The manifests and their envelopes, laid out as by `firestation evidence export`. One that is gone is left out."""
    files = dict[str, bytes]()
    for name, digest in seal_files(found).items():
        with suppress(Gone, Nonsense):  # whoever verifies misses it
            files[name] = await _small(digest, store)
    return files


async def _small(digest: str, store: EvidenceStore) -> bytes:
    pieces, size = list[bytes](), 0
    async for piece in store.stream(digest):
        size += len(piece)
        if size > MOST_BYTES:
            raise Nonsense(f"{digest} is no manifest: it has more than {MOST_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def seal_files(found: Derived) -> dict[str, str]:
    """Where each manifest and each envelope is, and its digest."""
    files = dict[str, str]()
    for number, seal in enumerate(found.seals):
        folder = f"{EVIDENCE}supplement-{number}/" if number else EVIDENCE
        files |= {f"{folder}manifest.json": seal.manifest, f"{folder}envelope.json": seal.envelope}
    return files


async def _why_absent(artifact: ArtifactRef, store: EvidenceStore) -> str | None:
    """Why these bytes cannot be had any more; None when they can. Raises a `DriverError` that may pass."""
    archive.header(f"{BLOBS}{artifact.digest}", artifact.size)  # it must fit into a bundle
    size = 0
    try:
        async for piece in store.stream(artifact.digest):
            size += len(piece)
    except (Gone, Nonsense) as error:
        return str(error)
    return None if size == artifact.size else f"it has {size} bytes, and had {artifact.size}"


async def _sealed(said: dict[str, Any], signer: BundleSigner, shelf: Shelf | None) -> bytes:
    """The signed statement; where the signature differs every time, the one that was kept when it was first signed."""
    if signer.repeatable or shelf is None:
        return await asyncio.to_thread(signer.seal, said)
    name = f"bundles/{hashlib.sha256(canonical_json(said)).hexdigest()}"
    kept = await shelf.get(name)
    if kept is None:
        made = await asyncio.to_thread(signer.seal, said)
        kept = made if await shelf.create(name, made) else await shelf.get(name)
    try:
        same = kept is not None and verify(kept, [signer.public_key]) == said
    except InvalidInput:
        same = False
    if kept is None or not same:
        raise Nonsense(
            f"what the shelf keeps as {name} is not what this station has signed; look who put it there"
        )
    return kept
