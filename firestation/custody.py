"""The chain of custody: from the seal on the record to each byte of evidence, every link checked."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from firestation import signing
from firestation.errors import FirestationError, InvalidInput
from firestation.evidence import ArtifactRef, Gap, LeverState, Sealed
from firestation.model import canonical_json

READ_AGAIN = "Nothing here can be trusted before it is explained; compare with a copy of the store"

PARTS: dict[str, TypeAdapter[Any]] = {
    "artifacts": TypeAdapter(tuple[ArtifactRef, ...]),
    "gaps": TypeAdapter(tuple[Gap, ...]),
    "levers": TypeAdapter(tuple[LeverState, ...]),
}


Read = Callable[[str], Iterable[bytes]]
"""Gives the bytes of a digest in pieces, or raises an error of ours."""


def verify(sealed: Sealed, read: Read, keys: Sequence[signing.PublicKey]) -> Iterator[str]:
    """Check every link, and say each that holds. Raises `InvalidInput` naming the first that does not.

    `sealed` is what the incident's record says. No artifact is held in memory whole.
    """
    yield from vouch(sealed, read, keys)
    for artifact in sealed.artifacts:
        yield weigh(artifact, read)


def vouch(sealed: Sealed, read: Read, keys: Sequence[signing.PublicKey]) -> Iterator[str]:
    """The links but for the artifacts themselves: that one of the keys has signed what the record says."""
    statement = manifest(sealed, read, keys)
    yield f"envelope {sealed.envelope[:12]}: signed by the station's key"
    if canonical_json(statement) != _bytes("manifest", sealed.manifest, read):
        raise InvalidInput("manifest", "it is not what was signed", READ_AGAIN)
    yield f"manifest {sealed.manifest[:12]}: is what was signed"
    _as_recorded(statement, sealed)
    yield "manifest: says what the incident's record says"


def manifest(sealed: Sealed, read: Read, keys: Sequence[signing.PublicKey]) -> dict[str, Any]:
    """The statement that one of the keys has signed. Raises `InvalidInput`."""
    return signing.verify(_bytes("envelope", sealed.envelope, read), keys)


def weigh(artifact: ArtifactRef, read: Read) -> str:
    """Read the artifact through, and say that it holds. Raises `InvalidInput` when it is another one, or not there."""
    size = sum(len(piece) for piece in _pieces(artifact.name, artifact.digest, read))
    if size != artifact.size:
        raise InvalidInput(artifact.name, f"{size} bytes, not {artifact.size}", READ_AGAIN)
    return f"artifact {artifact.digest[:12]}: {artifact.name}, {artifact.size} bytes"


def _bytes(name: str, digest: str, read: Read) -> bytes:
    return b"".join(_pieces(name, digest, read))


def _pieces(name: str, digest: str, read: Read) -> Iterator[bytes]:
    """The bytes of a digest. Raises `InvalidInput` at their end when they are not."""
    weighed = hashlib.sha256()
    try:
        for piece in read(digest):
            weighed.update(piece)
            yield piece
    except InvalidInput:
        raise
    except FirestationError as error:
        raise InvalidInput(name, str(error), READ_AGAIN) from error
    found = weighed.hexdigest()
    if found != digest:
        raise InvalidInput(name, f"its bytes have the digest {found[:12]}, not {digest[:12]}", READ_AGAIN)


def _read(said: dict[str, Any], part: str) -> Any:
    try:
        return PARTS[part].validate_python(said.get(part))
    except ValidationError:
        return None


def _as_recorded(statement: dict[str, Any], sealed: Sealed) -> None:
    predicate = statement.get("predicate")
    said: dict[str, Any] = predicate if isinstance(predicate, dict) else {}
    for part in PARTS:
        # Read by today's model, so that a field which is new since then says nothing.
        if _read(said, part) != getattr(sealed, part):
            raise InvalidInput(f"manifest.{part}", "the incident's record says something else", READ_AGAIN)
    if said.get("supplements") != sealed.supplements:
        raise InvalidInput("manifest.supplements", "the incident's record says something else", READ_AGAIN)
    subjects = [{"name": each.name, "digest": {"sha256": each.digest}} for each in sealed.artifacts]
    if statement.get("subject") != subjects:
        raise InvalidInput("manifest.subject", "it does not name the artifacts", READ_AGAIN)
