"""SSH signatures of decisions: what `ssh-keygen -Y sign` makes and `ssh-keygen -Y verify` takes (PROTOCOL.sshsig).

A signature has one byte form, the armor as ssh-keygen writes it, and any other is refused: no byte of it, nor of the
decision, can change unseen.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from firestation import ssh_agent
from firestation.allowed_signers import AllowedSigner
from firestation.decision import NAMESPACE, Decision, read_decision
from firestation.errors import InvalidInput, Nonsense
from firestation.model import Id, Line, Model
from firestation.ssh_keys import PublicKey, load_private_key, read_key, read_key_line
from firestation.ssh_wire import Reader, string

MAGIC, VERSION = b"SSHSIG", 1
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
WIDTH = 70  # of a line, as ssh-keygen breaks them
LARGEST_CHARACTERS = 16_384  # twice what the longest RSA key needs
HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
HASH = "sha512"


class Signer(Model):
    """Who has signed, and with which key: its type and fingerprint, as `ssh-keygen -l` shows it.

    `touches` is the counter of a security key, which was touched for this signature; `verified` says that it has also
    asked for a PIN or a fingerprint. `None` and false for a key in a file.
    """

    person: Id
    key_type: Line
    fingerprint: Line
    touches: int | None = None
    verified: bool = False


class _Read(NamedTuple):
    key: PublicKey
    namespace: str
    hash_name: str
    signature: bytes


def sign(decision: Decision, key: Path, passphrase: bytes | None = None) -> str:
    """The armored signature by the private key in a file of ssh-keygen. Raises as `load_private_key` does."""
    private = load_private_key(key, passphrase)
    return _signed(decision, private.public, private.sign)


def sign_by_agent(decision: Decision, public_key: str, socket: Path, seconds: float = 60.0) -> str:
    """The armored signature by the agent that listens on `socket` (SSH_AUTH_SOCK) and holds this key.

    `public_key` is the content of its `.pub` file. A person has `seconds` to touch a security key or to confirm.
    Blocks so long. Raises `InvalidInput` for the public key, otherwise a `DriverError`: `Unreachable`, `Gone` when the
    agent does not hold the key, `Denied` when it does not sign, and `Nonsense` when what it signs does not verify.
    """
    key = read_key_line(public_key)

    def ask(message: bytes) -> bytes:
        signature = ssh_agent.sign(socket, key, message, seconds)
        try:
            key.check(signature, message)
        except InvalidInput as error:
            raise Nonsense(f"the agent's signature is of no use: {error.problem}") from error
        return signature

    return _signed(decision, key, ask)


def verify(signature: str, decision: bytes, allowed: Sequence[AllowedSigner], *, at: datetime) -> Signer:
    """Who has signed exactly these bytes: the person that the decision names, by a key that was theirs `at` this time.

    `at` is when the signature arrived, by a clock that is not the signer's; with a time zone. Raises `InvalidInput`
    naming what is wrong. Whether the decision itself still holds at that time is for the rules to say.
    """
    claimed = read_decision(decision)
    read = _read(signature)
    lines = _allowing(read, claimed.by, allowed, at)
    touch = read.key.check(read.signature, _message(read.namespace, read.hash_name, decision))
    if any(line.verify_required for line in lines) and not (touch and touch.verified):
        problem = f"{read.key.fingerprint} has asked for no PIN or fingerprint, and verify-required stands on its line"
        fix = "Sign with a security key that asks for one: ssh-keygen -t ed25519-sk -O verify-required"
        raise InvalidInput("signature.key", problem, fix)
    return Signer(
        person=claimed.by,
        key_type=read.key.kind,
        fingerprint=read.key.fingerprint,
        touches=touch.counter if touch else None,
        verified=touch is not None and touch.verified,
    )


def _message(namespace: str, hash_name: str, content: bytes) -> bytes:
    """What the key signs, for the content."""
    parts = (namespace.encode(), b"", hash_name.encode(), HASHES[hash_name](content).digest())
    return MAGIC + b"".join(map(string, parts))


def _signed(decision: Decision, key: PublicKey, sign_message: Callable[[bytes], bytes]) -> str:
    signature = sign_message(_message(NAMESPACE, HASH, decision.canonical()))
    parts = (key.blob, NAMESPACE.encode(), b"", HASH.encode(), signature)
    return _armor(MAGIC + VERSION.to_bytes(4) + b"".join(map(string, parts)))


def _armor(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    return "\n".join([BEGIN, *lines, END, ""])


def _read(armored: str) -> _Read:
    blob = _unarmor(armored)
    reader = Reader(blob, "signature")
    if reader.take(len(MAGIC)) != MAGIC:
        raise reader.wrong("it is not an SSH signature")
    if (version := reader.number()) != VERSION:
        raise reader.wrong(f"its version is {version}, not {VERSION}")
    key = read_key(reader.string(), "signature.key")
    namespace, reserved, hash_name = reader.name(), reader.string(), reader.name()
    signature = reader.string()
    reader.end()
    if namespace != NAMESPACE:
        fix = f"Sign it with: ssh-keygen -Y sign -n {NAMESPACE}"
        raise InvalidInput("signature.namespace", f"it was made for {namespace[:80]!r}", fix)
    if reserved:  # ssh-keygen ignores it, so that it could change unseen
        raise reader.wrong("a field that must be empty is not")
    if hash_name not in HASHES:
        fix = f"Use one of {', '.join(HASHES)}: ssh-keygen -Y sign -O hashalg={HASH}"
        raise InvalidInput("signature.hash", f"{hash_name[:80]!r} is not accepted", fix)
    return _Read(key, namespace, hash_name, signature)


def _unarmor(armored: str) -> bytes:
    fix = "Give the .sig file as ssh-keygen wrote it"
    if len(armored) > LARGEST_CHARACTERS:
        raise InvalidInput("signature", f"it is longer than {LARGEST_CHARACTERS} characters", fix)
    begin, _, rest = armored.partition("\n")
    body, _, end = rest.rpartition(f"{END}\n")
    if begin != BEGIN or not body or end:
        raise InvalidInput("signature", f"it does not stand whole between {BEGIN} and {END}", fix)
    try:
        blob = base64.b64decode(body.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("signature", "it is not base64", fix) from None
    if _armor(blob) != armored:
        raise InvalidInput("signature", "its lines are not as ssh-keygen writes them", fix)
    return blob


def _allowing(
    read: _Read, person: str, allowed: Sequence[AllowedSigner], at: datetime
) -> list[AllowedSigner]:
    """The lines that allow it. Raises when none does; before any cryptography, so a stranger's key costs nothing."""
    with_key = [line for line in allowed if line.key == read.key.line]
    theirs = [line for line in with_key if person in line.principals]
    for_this = [line for line in theirs if line.covers(read.namespace)]
    if not with_key:
        problem = f"nobody is allowed to sign with {read.key.fingerprint}"
        raise InvalidInput(
            "signature.key", problem, "Sign with a key that is listed, or have this one listed"
        )
    if not theirs:
        problem = f"{read.key.fingerprint} is not a key of {person}"
        raise InvalidInput("signature.key", problem, f"{person} signs, with a key of their own")
    if not for_this:
        problem = f"{read.key.fingerprint} may not sign in the namespace {read.namespace}"
        raise InvalidInput("signature.key", problem, "Sign with a key that may")
    now = [line for line in for_this if line.holds(at)]
    if not now:
        spans = ", ".join(_span(line) for line in for_this)
        problem = f"{read.key.fingerprint} is valid {spans}, and not when this arrived"
        raise InvalidInput("signature.key", problem, "Sign with a key that is valid")
    return now


def _span(line: AllowedSigner) -> str:
    moments = (("from", line.valid_after), ("until", line.valid_before))
    return " ".join(f"{word} {moment.isoformat()}" for word, moment in moments if moment)
