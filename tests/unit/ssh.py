"""The real ssh-keygen and ssh-agent, and a security key of software: one that signs as FIDO says (no hardware here)."""

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from firestation.allowed_signers import AllowedSigner, read_allowed_signers
from firestation.decision import NAMESPACE, Decision
from firestation.ssh_keys import SK_ECDSA, SK_ED25519, PublicKey, read_key
from firestation.ssh_wire import mpint, string
from tests.e2e.processes import needs, running, wait_for

AT = datetime(2026, 11, 25, 3, 10, tzinfo=UTC)
DECISION = Decision(
    incident="refund-agent-1a2b3c4d",
    run="0193a1b2-run",
    kind="approve",
    action="ab" * 32,
    by="ana",
    at=AT,
    expires_at=AT.replace(hour=4),
    reason="the policy of 2024 answers, über alles",
)
KINDS = {
    "ed25519": ["-t", "ed25519"],
    "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa-384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
    "rsa-2048": ["-t", "rsa", "-b", "2048"],
    "rsa-3072": ["-t", "rsa", "-b", "3072"],
    "rsa-pem": ["-t", "rsa", "-b", "2048", "-m", "PEM"],
    "ecdsa-pkcs8": ["-t", "ecdsa", "-b", "256", "-m", "PKCS8"],
}


def keygen(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = needs("ssh-keygen", "openssh-client")
    return subprocess.run([program, *arguments], input=given, capture_output=True, check=False)


def make_key(folder: Path, kind: str, passphrase: str = "") -> Path:
    path = folder / kind
    done = keygen("-q", *KINDS[kind], "-N", passphrase, "-C", "ana's key", "-f", path)
    assert done.returncode == 0, done.stderr
    return path


def public(key: Path) -> str:
    return key.with_name(f"{key.name}.pub").read_text()


def allow(line: str, options: str = f'namespaces="{NAMESPACE}"', who: str = "ana") -> str:
    return f"{who} {options} {line.strip()}\n"


def allowed(
    line: str, options: str = f'namespaces="{NAMESPACE}"', who: str = "ana"
) -> tuple[AllowedSigner, ...]:
    return read_allowed_signers(allow(line, options, who))


def keygen_signs(key: Path, content: bytes, *options: str, namespace: str = NAMESPACE) -> str:
    done = keygen("-Y", "sign", "-q", "-f", key, "-n", namespace, *options, given=content)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def keygen_accepts(
    folder: Path, signature: str, content: bytes, lines: str, at: str = "20261125031000Z", who: str = "ana"
) -> bool:
    (folder / "it.sig").write_text(signature)
    (folder / "allowed_signers").write_text(lines)
    files = ("-f", folder / "allowed_signers", "-s", folder / "it.sig")
    known = ("-I", who, "-n", NAMESPACE, "-O", f"verify-time={at}")
    return keygen("-Y", "verify", *files, *known, given=content).returncode == 0


@contextmanager
def agent(folder: Path) -> Iterator[Path]:
    """A real ssh-agent of this test only. Asked to confirm a signature it says no."""
    place = folder / "agent"
    program = needs("ssh-agent", "openssh-client")
    command = [program, "-D", "-a", str(place)]
    no = needs("false", "coreutils")
    with running(command, folder, "agent", SSH_ASKPASS=no, SSH_ASKPASS_REQUIRE="force"):
        wait_for("ssh-agent", place.is_socket)
        yield place


def add(place: Path, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = [needs("ssh-add", "openssh-client"), *arguments]
    surroundings = {"SSH_AUTH_SOCK": str(place)}
    return subprocess.run(
        command, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


class SecurityKey(NamedTuple):
    """What a FIDO key does, in software; `public` is as `ssh-keygen -t ed25519-sk` would write it."""

    private: object
    public: PublicKey

    def sign(self, message: bytes, flags: int = 1, counter: int = 7) -> bytes:
        tail = bytes([flags]) + counter.to_bytes(4)
        signed = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(message).digest()
        if isinstance(self.private, Ed25519PrivateKey):
            raw = self.private.sign(signed)
        else:
            der = self.private.sign(signed, ECDSA(SHA256()))  # type: ignore[attr-defined] # the other kind
            raw = b"".join(map(mpint, decode_dss_signature(der)))
        return string(self.public.kind.encode()) + string(raw) + tail


def security_keys() -> dict[str, SecurityKey]:
    one, other = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    raw = one.public_key().public_bytes_raw()
    point = other.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    blobs = {
        SK_ED25519: (one, (SK_ED25519.encode(), raw, b"ssh:")),
        SK_ECDSA: (other, (SK_ECDSA.encode(), b"nistp256", point, b"ssh:")),
    }
    return {
        kind: SecurityKey(private, read_key(b"".join(map(string, parts))))
        for kind, (private, parts) in blobs.items()
    }
