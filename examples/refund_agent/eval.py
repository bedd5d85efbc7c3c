"""`python -m refund_agent.eval`: run the golden eval of a running agent, and ring the bell when it fails.

Exit code 0: all cases pass and every canary is well; 1: not so; 2: the eval could not be run, or the bell not be rung.
"""

import argparse
import datetime as dt
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

from refund_agent.alarms import ALARMS, CLASSES


def post(url: str, body: dict[str, Any], token: str | None) -> dict[str, Any]:
    """POST JSON and read JSON. Raises `OSError` or `ValueError`."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def alarms(result: dict[str, Any], system: str = "refund-agent") -> list[dict[str, Any]]:
    """What the bell is told: one alarm for each pattern of failure that was measured, with the requests that show it.

    When nothing is wrong, one that says so. `system` is the agent's name at the station.
    """
    patterns = sorted({each["pattern"] for each in result["symptoms"]})
    told = [_firing(pattern, result) for pattern in patterns] or [_resolved(result)]
    started = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    return [{"system": system, "started_at": started, **each} for each in told]


def _firing(pattern: str, result: dict[str, Any]) -> dict[str, Any]:
    found = [each for each in result["symptoms"] if each["pattern"] == pattern]
    cases = {case["request_id"]: case for case in result["cases"]}
    golden = [cases[each["request_id"]] for each in found if each["request_id"] in cases]
    examples = "; ".join(f"{case['id']}: {case['ruling']} instead of {case['expected']}" for case in golden)
    shown = ", ".join(each["case"] for each in found)
    summary = (
        f"{len(golden)} of {len(cases)} golden cases fail: {examples}"
        if golden
        else f"canaries sick: {shown}"
    )
    return {
        "id": f"eval-{pattern}",
        "name": ALARMS[pattern],
        "status": "firing",
        "summary": summary,
        "labels": {
            "suite": "golden" if golden else "canaries",
            "pass_ratio": f"{result['pass_ratio']:.2f}",
            "pattern": pattern,
            **({"class": CLASSES[pattern]} if pattern in CLASSES else {}),
        },
        "annotations": {"request_ids": ",".join(each["request_id"] for each in found), "tenant": "eval"},
    }


def _resolved(result: dict[str, Any]) -> dict[str, Any]:
    name = ALARMS["reranker-regression"]
    said = f"all {len(result['cases'])} golden cases pass, and every canary is well"
    return {
        "id": "eval-reranker-regression",
        "name": name,
        "status": "resolved",
        "summary": said,
    }


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    for case in result["cases"]:
        mark = "pass" if case["passed"] else "FAIL"
        print(
            f"{mark}  {case['id']:14} {case['ruling']:8} expected {case['expected']:8} {case['request_id']}"
        )
    for canary in result["canaries"]:
        print(f"{'well' if canary['passed'] else 'SICK'}  {canary['id']:14} {canary['pattern']}")
    print(f"{result['passed']} passed, {result['failed']} failed")


def main() -> int:
    """Run, show, ring."""
    parser = argparse.ArgumentParser(prog="refund_agent.eval", description=__doc__)
    parser.add_argument("--url", required=True, help="the agent's address")
    parser.add_argument(
        "--token-env", default="REFUND_AGENT_TOKEN", help="the variable with the agent's token"
    )
    parser.add_argument("--ring", help="the bell to ring: the address of a POST of generic alarms")
    parser.add_argument("--system", default="refund-agent", help="the agent's name at the station")
    parser.add_argument("--ring-token-env", default="BELL_TOKEN", help="the variable with the bell's token")
    arguments = parser.parse_args()
    try:
        result = post(f"{arguments.url}/evals/run", {}, os.environ.get(arguments.token_env))
        show(result)
        if arguments.ring:
            token = os.environ.get(arguments.ring_token_env)
            for alarm in alarms(result, arguments.system):
                print(json.dumps(post(arguments.ring, alarm, token)))
    except (OSError, ValueError) as error:
        said = (
            error.read().decode(errors="replace")[:500] if isinstance(error, urllib.error.HTTPError) else ""
        )
        print(f"the eval could not be run: {error} {said}", file=sys.stderr)
        return 2
    return 1 if result["symptoms"] else 0


if __name__ == "__main__":
    sys.exit(main())
