"""SSH keys: read from their own formats, and used with the algorithms of the `cryptography` library.

Only the wire format is ours. What is weak (DSA, SHA-1, short RSA keys) or not bound to one key (certificates) is
refused, with the reason. No error shows a private key or a passphrase.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from firestation.errors import InvalidInput, NotConfigured
from firestation.ssh_wire import Reader, mpint, string

ED25519, RSA, ECDSA_P256 = "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"
SK_ED25519, SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
CURVES = {ECDSA_P256: SHA256(), "ecdsa-sha2-nistp384": SHA384(), "ecdsa-sha2-nistp521": SHA512()}
RSA_HASHES = {"rsa-sha2-256": SHA256(), "rsa-sha2-512": SHA512()}
KINDS = (ED25519, *CURVES, RSA, SK_ED25519, SK_ECDSA)
RSA_BITS = (2048, 16384)
LARGEST_BYTES = 65_536
PRESENT, VERIFIED = (
    0x01,
    0x04,
)  # of a security key's flags: it was touched; it has seen a PIN or a fingerprint

NO_KEY = (ValueError, TypeError, UnsupportedAlgorithm, NotImplementedError)


def fingerprint_of(line: str) -> str:
    """The fingerprint of a key in its form in files, as `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


@dataclass(frozen=True)
class Touch:
    """What a security key says with its signature. `counter` is how often it has signed, if it counts."""

    counter: int
    verified: bool


@dataclass(frozen=True)
class PublicKey:
    """A public key that may verify. `application` is what a security key made it for, such as `ssh:`."""

    kind: str
    blob: bytes
    public: Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
    application: bytes = b""

    @property
    def line(self) -> str:
        """Its form in files: the type and the base64, without a comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it."""
        return fingerprint_of(self.line)

    def check(self, signature: bytes, message: bytes) -> Touch | None:
        """What the security key says; `None` for any other key. Raises `InvalidInput` when it did not sign this."""
        reader = Reader(signature, "signature")
        algorithm, raw = reader.name(), reader.string()
        if algorithm not in (RSA_HASHES if self.kind == RSA else (self.kind,)):
            why = "; that is SHA-1, which can be forged" if algorithm == RSA else ""
            raise reader.wrong(f"a key of the type {self.kind} does not sign by {algorithm!r}{why}")
        touch = None
        if self.kind in {SK_ED25519, SK_ECDSA}:
            flags, counter = reader.take(1), reader.take(4)
            touch = _touch(reader, flags[0], int.from_bytes(counter))
            digests = [hashlib.sha256(each).digest() for each in (self.application, message)]
            message = digests[0] + flags + counter + digests[1]
        reader.end()
        try:
            self._verify(algorithm, raw, message)
        except InvalidSignature:
            raise reader.wrong("it does not fit: the decision or the signature was altered") from None
        return touch

    def _verify(self, algorithm: str, raw: bytes, message: bytes) -> None:
        match self.public:
            case Ed25519PublicKey():
                self.public.verify(raw, message)
            case RSAPublicKey():
                # ssh-keygen takes one without its leading zeros too, which some agents leave out.
                whole = raw.rjust(self.public.key_size // 8, b"\0")
                self.public.verify(whole, message, padding.PKCS1v15(), RSA_HASHES[algorithm])
            case EllipticCurvePublicKey():
                reader = Reader(raw, "signature")
                pair = encode_dss_signature(reader.mpint(), reader.mpint())
                reader.end()
                self.public.verify(pair, message, ECDSA(CURVES.get(self.kind, CURVES[ECDSA_P256])))


def _touch(reader: Reader, flags: int, counter: int) -> Touch:
    if not flags & PRESENT:
        raise reader.wrong("the security key was not touched for it")
    return Touch(counter, bool(flags & VERIFIED))


def read_key(blob: bytes, what: str = "public_key") -> PublicKey:
    """The public key in wire format. Raises `InvalidInput` for the field `what` when it is none that we take."""
    reader = Reader(blob, what)
    kind = reader.name()
    if kind not in KINDS:
        why = "a certificate" if "-cert-v01@" in kind else f"a key of the type {kind[:80]!r}"
        raise InvalidInput(what, f"{why} is not accepted", f"Use a key of one of these: {', '.join(KINDS)}")
    try:
        public: Any = load_ssh_public_key(f"{kind} {base64.b64encode(blob).decode()}".encode())
    except NO_KEY:
        raise InvalidInput(
            what, f"this is no key of the type {kind}", "Give the .pub file as it is"
        ) from None
    if isinstance(public, RSAPublicKey) and not RSA_BITS[0] <= public.key_size <= RSA_BITS[1]:
        problem = f"an RSA key of {public.key_size} bits is not accepted"
        raise InvalidInput(what, problem, f"Use one of {RSA_BITS[0]} to {RSA_BITS[1]} bits, or ed25519")
    application = b""
    if kind in {SK_ED25519, SK_ECDSA}:
        reader.string()
        application = reader.string()
        application = reader.string() if kind == SK_ECDSA else application
    return PublicKey(kind, blob, public, application)


def read_key_line(text: str, what: str = "public_key") -> PublicKey:
    """The public key of a `.pub` file: type, base64, perhaps a comment. Raises `InvalidInput`."""
    kind, encoded, *_ = [*text.split(None, 2), "", ""]
    fix = "Give the line of a .pub file, such as: ssh-ed25519 AAAA..."
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(what, "this is not a public key: it is not base64", fix) from None
    if not blob:
        raise InvalidInput(what, "there is no public key", fix)
    key = read_key(blob, what)
    if key.line != f"{kind} {encoded}":
        raise InvalidInput(what, f"it says {kind[:80]!r} and holds a key of the type {key.kind}", fix)
    return key


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """A private key that signs."""

    private: Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
    public: PublicKey

    def sign(self, message: bytes) -> bytes:
        """The signature in wire format."""
        match self.private:
            case Ed25519PrivateKey():
                return string(ED25519.encode()) + string(self.private.sign(message))
            case RSAPrivateKey():
                raw = self.private.sign(message, padding.PKCS1v15(), SHA512())
                return string(b"rsa-sha2-512") + string(raw)
            case EllipticCurvePrivateKey():
                pair = decode_dss_signature(self.private.sign(message, ECDSA(CURVES[self.public.kind])))
                return string(self.public.kind.encode()) + string(b"".join(map(mpint, pair)))


def is_locked(path: Path) -> bool:
    """Whether this private key asks for a passphrase; false too for what is no private key."""
    try:
        content = path.read_bytes()[:LARGEST_BYTES]
        _loader(content)(content, None)
    except TypeError:
        return True
    except (OSError, ValueError, UnsupportedAlgorithm):
        return False
    return False


def _loader(content: bytes) -> Any:
    return load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in content else load_pem_private_key


def load_private_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """The private key in a file of ssh-keygen (OpenSSH or PEM).

    Raises `NotConfigured` when it cannot be read or others can read it, `InvalidInput` when it is no key that signs or
    the passphrase is not its own.
    """
    try:
        open_to_others = path.stat().st_mode & 0o077
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        msg = f"the key {path} cannot be read: {error.strerror}; name your private key file"
        raise NotConfigured(msg) from error
    if open_to_others:
        raise NotConfigured(f"others can read the key {path}; type: chmod 600 {path}")
    private = _private_key(path, content, passphrase)
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return PrivateKey(private, read_key_line(line, str(path)))


def _private_key(path: Path, content: bytes, passphrase: bytes | None) -> Any:
    try:
        private = _loader(content)(content[:LARGEST_BYTES], passphrase)
    except UnsupportedAlgorithm as error:
        if "bcrypt" in str(error):
            msg = f"the key {path} has a passphrase, which needs a library: pip install 'cryptography[ssh]'"
            raise NotConfigured(msg) from None
        private = None
    except (ValueError, TypeError):
        problem = "it is no private key, or this is not its passphrase"
        raise InvalidInput(str(path), problem, "Try it with: ssh-keygen -y -f FILE") from None
    if not isinstance(private, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey):
        fix = "Use an ed25519, ECDSA or RSA key; a security key signs through ssh-agent"
        raise InvalidInput(str(path), "a key of this type does not sign here", fix)
    return private
