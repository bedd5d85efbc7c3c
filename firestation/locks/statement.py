"""The runs of a lock as in-toto `test-result` statements, one a side: what failed on what was frozen, what passed live.

https://in-toto.io/attestation/test-result/v0.1: each statement is one invocation of a test suite, here all runs of one
file against one side. Its subjects are what was tested: the lock's file, and the evidence that it was made from.
"""

import base64
from collections.abc import Sequence
from typing import Any

from firestation.after_action import Confidence, Run, Side, ToolVersion
from firestation.evidence import STATEMENT_TYPE, ArtifactRef
from firestation.locks.case import Case
from firestation.locks.tool import Tool

TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"


def test_result(
    case: Case,
    tool: Tool,
    *,
    version: ToolVersion,
    lock: ArtifactRef,
    report: ArtifactRef,
    runs: Sequence[Run],
    confidence: Confidence | None,
) -> dict[str, Any] | None:
    """The statement over the runs of one side; None when there is none or one of them did not run to its end."""
    if not runs or any(run.outcome == "error" for run in runs):
        return None
    names = {
        outcome: [f"{lock.name}, run {at}" for at, run in enumerate(runs, start=1) if run.outcome == outcome]
        for outcome in ("passed", "failed")
    }
    against = runs[0].against
    uri = f"{tool.package}@{version.version}"
    told = {"incident": case.incident, "against": _against(case, against), "runs": len(runs)}
    if confidence is not None:
        told |= {
            "confidence": confidence.level,
            "at_least": getattr(confidence, against),
            "wanted": confidence.wanted,
        }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": lock.name, "digest": {"sha256": lock.digest}},
            {"name": case.artifact, "digest": {"sha256": case.evidence}},
        ],
        "predicateType": TEST_RESULT_TYPE,
        "predicate": {
            "result": _result(against, failed=bool(names["failed"]), confidence=confidence),
            "configuration": [
                {"name": lock.name, "digest": {"sha256": lock.digest}},
                {"name": version.name, "uri": uri, "annotations": told},
            ],
            "url": f"ni:///sha-256;{_base64url(report.digest)}",
            "passedTests": names["passed"],
            "warnedTests": [],
            "failedTests": names["failed"],
        },
    }


def _result(against: str, *, failed: bool, confidence: Confidence | None) -> str:
    """A judge may err: live, WARNED is a pass in which some verdicts were wrong, and not more than the plan allows."""
    if not failed:
        return "PASSED"
    shown = against == "live" and confidence is not None and confidence.live >= confidence.wanted
    return "WARNED" if shown else "FAILED"


def _against(case: Case, against: Side) -> str:
    return f"a replay of sha256:{case.evidence}" if against == "frozen" else case.url


def _base64url(digest: str) -> str:
    """A digest as RFC 6920 names things by it."""
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
