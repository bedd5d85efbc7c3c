"""`python -m refund_agent.eval`: run the golden eval of a running agent, and ring the bell when it fails.

Exit code 0: all cases pass; 1: some fail; 2: the eval could not be run, or the bell not be rung.
"""

import argparse
import datetime as dt
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any


def post(url: str, body: dict[str, Any], token: str | None) -> dict[str, Any]:
    """POST JSON and read JSON. Raises `OSError` or `ValueError`."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def alarm(result: dict[str, Any]) -> dict[str, Any]:
    """What the bell is told: what was measured, and the requests that show it."""
    failing = [case for case in result["cases"] if not case["passed"]]
    total = len(result["cases"])
    examples = "; ".join(f"{case['id']}: {case['ruling']} instead of {case['expected']}" for case in failing)
    return {
        "system": "refund-agent",
        "id": "golden-eval",
        "name": "RefundGoldenEvalFailing",
        "status": "firing" if failing else "resolved",
        "summary": f"{len(failing)} of {total} golden cases fail: {examples}"
        if failing
        else f"all {total} pass",
        "started_at": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
        "labels": {"suite": "golden", "pass_ratio": f"{result['pass_ratio']:.2f}"},
        "annotations": {"request_ids": ",".join(case["request_id"] for case in failing), "tenant": "eval"},
    }


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    for case in result["cases"]:
        mark = "pass" if case["passed"] else "FAIL"
        print(
            f"{mark}  {case['id']:14} {case['ruling']:8} expected {case['expected']:8} {case['request_id']}"
        )
    print(f"{result['passed']} passed, {result['failed']} failed")


def main() -> int:
    """Run, show, ring."""
    parser = argparse.ArgumentParser(prog="refund_agent.eval", description=__doc__)
    parser.add_argument("--url", required=True, help="the agent's address")
    parser.add_argument(
        "--token-env", default="REFUND_AGENT_TOKEN", help="the variable with the agent's token"
    )
    parser.add_argument("--ring", help="the bell to ring: the address of a POST of generic alarms")
    parser.add_argument("--ring-token-env", default="BELL_TOKEN", help="the variable with the bell's token")
    arguments = parser.parse_args()
    try:
        result = post(f"{arguments.url}/evals/run", {}, os.environ.get(arguments.token_env))
        show(result)
        if arguments.ring:
            print(json.dumps(post(arguments.ring, alarm(result), os.environ.get(arguments.ring_token_env))))
    except (OSError, ValueError) as error:
        said = (
            error.read().decode(errors="replace")[:500] if isinstance(error, urllib.error.HTTPError) else ""
        )
        print(f"the eval could not be run: {error} {said}", file=sys.stderr)
        return 2
    return 0 if result["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
