"""Signatures by keys that the tests hold in memory: one name, one key, so that a failure can be repeated."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from firestation.decision import Decision, Signed
from firestation.ssh_keys import PrivateKey, read_key_line
from firestation.sshsig import _signed


def new_key(name: str) -> PrivateKey:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return PrivateKey(private, read_key_line(line))


def decision(
    named: tuple[str, str, str], by: str, at: datetime, changes: Mapping[str, Any] = MappingProxyType({})
) -> Decision:
    """An approval of this incident, run and action, as its maker would sign it now, but for the changes."""
    incident, run, action = named
    given: dict[str, Any] = {
        "incident": incident,
        "run": run,
        "kind": "approve",
        "action": action,
        "by": by,
        "at": at,
        "expires_at": at + timedelta(minutes=10),
    }
    return Decision.model_validate({**given, **changes})


def signed(made: Decision, key: PrivateKey) -> Signed:
    return Signed(decision=made.canonical().decode(), signature=_signed(made, key.public, key.sign))
