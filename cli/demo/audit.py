"""What the demo asks of others at the end: the audit's verdict, and where the evidence is."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.demo.agent import ROOT
from cli.demo.voice import fail

AUDIT_SECONDS = 60


def verdict(incident: str, temporal: str) -> dict[str, Any]:
    """The report of replay and audit over the recorded history. Fails the demo when either finds something wrong."""
    command = [sys.executable, "-m", "worker.replay", incident, "--address", temporal, "--json"]
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        command, cwd=ROOT, capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        fail(f"the audit gave no report\n{done.stderr}")
    if done.returncode or not report["passed"] or report["replay"] != "same":
        fail(f"the audit did not pass: replay {report['replay']}, findings {report['findings']}")
    return report


def evidence_path(state: Path, digest: str) -> Path:
    """Where this evidence is kept. Fails the demo when it is not there, or is not what its name says."""
    found = state / "evidence" / "sha256" / digest[:2] / digest[2:]
    if not found.is_file():
        fail(f"the evidence {digest} is not in {state / 'evidence'}")
    if hashlib.sha256(found.read_bytes()).hexdigest() != digest:
        fail(f"the evidence {found} is not what its name says")
    return found
