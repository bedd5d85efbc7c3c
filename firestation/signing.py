"""Signed statements: in-toto statements in DSSE envelopes, by a local ed25519 key or by a key management service.

An envelope has one byte form, canonical JSON, and any other is refused: so its digest names one statement, and no
byte of it can change unseen. `ensure_key` is the only function that writes.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecuresystemslibError
from securesystemslib.signer import (  # type: ignore[attr-defined] # exported, but not by __all__
    SIGNER_FOR_URI_SCHEME,
    CryptoSigner,
    Key,
    Signer,
    SSlibKey,
)

from firestation.errors import InvalidInput, NotConfigured, Unreachable
from firestation.files import create_whole, make_folder
from firestation.model import canonical_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"


PublicKey = Key
"""A key that verifies."""


class _Signs(Protocol):
    @property
    def signer(self) -> Signer:
        """What signs."""
        ...


class KeySigner:
    """Signs with the private key in `path`. Raises `NotConfigured` when there is none.

    `repeatable`: the same statement gives the same envelope, since ed25519 needs no random number.
    """

    repeatable = True

    def __init__(self, path: Path) -> None:
        private = _private_key(path)
        self.signer: Signer = CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))

    @property
    def public_key(self) -> Key:
        """The key that verifies what this one seals."""
        return self.signer.public_key

    def seal(self, statement: dict[str, Any]) -> bytes:
        """The signed envelope, as canonical JSON."""
        return seal(statement, self)


class UriSigner:
    """Signs with a key that a service or a token keeps. What it signs must fit the public key, which is tried at once.

    Raises `NotConfigured` when the URI, the public key or the library for it is not right.
    """

    repeatable = False

    def __init__(self, uri: str, public: Path, pin: Callable[[], str]) -> None:
        self.uri, self.public_key = uri, load_public_key(public)
        try:
            self.signer = Signer.from_priv_key_uri(uri, self.public_key, lambda _: pin())
        except (SecuresystemslibError, ValueError, ImportError) as error:
            schemes = ", ".join(sorted(SIGNER_FOR_URI_SCHEME))
            fix = f"write one of {schemes}, and install its extra, like firestation[awskms]"
            msg = f"the key {uri} cannot be used: {error}; {fix}"
            raise NotConfigured(msg) from error
        try:
            verify(self.seal({"tried": True}), [self.public_key])
        except InvalidInput as error:
            msg = f"{public} is not the public key of {uri}; export it from there again"
            raise NotConfigured(msg) from error

    def seal(self, statement: dict[str, Any]) -> bytes:
        """The signed envelope, as canonical JSON. Raises `Unreachable` when the service does not sign."""
        try:
            return seal(statement, self)
        except Exception as error:  # each service's library raises its own
            raise Unreachable(f"the key {self.uri} does not sign: {type(error).__name__} {error}") from error


def seal(statement: dict[str, Any], signer: _Signs) -> bytes:
    """The statement in an envelope signed by `signer`, as canonical JSON."""
    envelope = Envelope(canonical_json(statement), PAYLOAD_TYPE, {})
    envelope.sign(signer.signer)
    return canonical_json(envelope.to_dict())


def verify(envelope: bytes, public_keys: Sequence[PublicKey]) -> dict[str, Any]:
    """The statement in the envelope, if one of the keys has signed exactly these bytes. Raises `InvalidInput`."""
    try:
        # from_dict changes what it is given, so it gets its own copy.
        read = Envelope.from_dict(json.loads(envelope))
        as_written = canonical_json(read.to_dict()) == envelope
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SecuresystemslibError) as error:
        raise InvalidInput(
            "envelope", "this is not a DSSE envelope", "Give the file as it was sealed"
        ) from error
    if not as_written:
        raise InvalidInput(
            "envelope", "its bytes are not those that were sealed", "Give the file as it was sealed"
        )
    if read.payload_type != PAYLOAD_TYPE:
        problem = f"it holds {read.payload_type!r}, not {PAYLOAD_TYPE}"
        raise InvalidInput("envelope.payloadType", problem, "Give a sealed manifest")
    if len(read.signatures) > 1:
        # Another one could be added by anybody, and what was sealed would have two byte forms.
        problem = f"it has {len(read.signatures)} signatures, and what a station seals has one"
        raise InvalidInput("envelope.signatures", problem, "Give the file as it was sealed")
    _check_signature(read, public_keys)
    try:
        statement = json.loads(read.payload)
    except ValueError as error:
        raise InvalidInput("envelope.payload", "it is not JSON", "Give a sealed manifest") from error
    if not isinstance(statement, dict):
        raise InvalidInput("envelope.payload", "it is not a statement", "Give a sealed manifest")
    return statement


def public_pem(key: PublicKey) -> bytes:
    """The key as a PEM file."""
    public = str(key.keyval["public"])
    if key.keytype != "ed25519":  # the library holds these as PEM, and ed25519 as hexadecimal digits
        return f"{public.strip()}\n".encode()
    raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    return raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: PublicKey) -> str:
    """What two people read to each other to know that they have the same key: the SHA-256 of its PEM form."""
    return hashlib.sha256(public_pem(key)).hexdigest()


def read_public_key(content: bytes, what: str) -> PublicKey:
    """The public key in these bytes of a PEM file. Raises `InvalidInput` naming `what` when it is no key."""
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(
            what, "this is not a public key", "Give the PEM file of the station's public key"
        ) from error
    try:
        return SSlibKey.from_crypto(key)
    except ValueError as error:
        fix = "Give the PEM file of an ed25519, ECDSA or RSA key"
        raise InvalidInput(what, f"manifests are not signed by such a key: {error}", fix) from error


def _check_signature(envelope: Envelope, public_keys: Sequence[PublicKey]) -> None:
    if not public_keys:
        raise InvalidInput("public_keys", "there is no key to verify with", "Give the station's public key")
    try:
        envelope.verify(list(public_keys), 1)
    except (SecuresystemslibError, ValueError) as error:
        problem = "no signature of a known key fits: it was altered, or another key sealed it"
        fix = "Give the public key of the station that sealed it; if you did, the content was altered"
        raise InvalidInput("envelope.signatures", problem, fix) from error


def ensure_key(path: Path) -> Path:
    """Make the private key (mode 0600) if there is none, and its public key beside it; the public key's path.

    An existing private key is never replaced, and of two processes that make one at once only one succeeds.
    Raises `NotConfigured` when what is there is no such key or the folder cannot be written.
    """
    public = path.with_name(f"{path.name}.pub")
    try:
        make_folder(path.parent)
        if not path.exists():
            create_whole(path, CryptoSigner.generate_ed25519().private_bytes, 0o600)
        made = _private_key(path).public_key()
        pem = made.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        while (held := _held(public)) != pem:
            if held is not None:
                public.unlink(missing_ok=True)
            create_whole(public, pem, 0o644)  # when another maker was faster, its file is looked at in turn
    except OSError as error:
        msg = (
            f"the key {path} cannot be made: {error.strerror}; make its folder writable, or name another key"
        )
        raise NotConfigured(msg) from error
    return public


def _held(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def load_public_key(path: Path) -> Key:
    """The public key in a PEM file. Raises `NotConfigured` when it is not there, `InvalidInput` when it is no key."""
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"the public key {path} cannot be read: {error.strerror}; name the station's .pub file"
        raise NotConfigured(msg) from error
    return read_public_key(content, str(path))


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        msg = f"the signing key {path} cannot be read: {error.strerror}; `firestation up` makes one"
        raise NotConfigured(msg) from error
    except (ValueError, TypeError) as error:
        msg = f"{path} is not a private key in plain PEM; move it away and let `firestation up` make one"
        raise NotConfigured(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{path} is not an ed25519 key; move it away and let `firestation up` make one"
        raise NotConfigured(msg)
    return key
