"""What the demo leaves to others at the end: the evidence, and one bundle that verifies without the station."""

import hashlib
from pathlib import Path

from cli.audits import fetch, judged
from cli.client import Gateway
from cli.demo.voice import Voice, fail
from firestation.signing import load_public_key
from firestation.verdict import Verdict


def bundle_of(voice: Voice, auditor: Gateway, incident: str, target: Path, key: Path) -> Verdict:
    """Write the bundle and verify it with the station's public key. Fails the demo when anything is broken."""
    with voice.progress("the bundle to be written and verified"):
        fetch(auditor, incident, target, lambda _: None)
        verdict, _ = judged(target, [load_public_key(key)], lambda _: None)
    if not verdict.passed:
        fail(f"the audit did not pass: {verdict.headline}")
    return verdict


def evidence_path(state: Path, digest: str) -> Path:
    """Where this evidence is kept. Fails the demo when it is not there, or is not what its name says."""
    found = state / "evidence" / "sha256" / digest[:2] / digest[2:]
    if not found.is_file():
        fail(f"the evidence {digest} is not in {state / 'evidence'}")
    if hashlib.sha256(found.read_bytes()).hexdigest() != digest:
        fail(f"the evidence {found} is not what its name says")
    return found
