"""What a wrong answer looks like in its own trace: which of the patterns of failure it shows."""

from typing import Any

from refund_agent.answerer import DENY_AFTER, EXCLUDE

REVIEWED = frozenset({"refund-policy"})
"""The documents that a ruling may follow."""


def pattern_of(trace: dict[str, Any]) -> str:
    """The pattern that a wrongly ruled request shows: what came between the policy in force and the ruling."""
    policy, prompt = trace["policy"], trace["prompt"]["rendered"]
    if trace["memory"]["swayed"]:
        return "memory-contamination"
    if trace["model"]["fell_back"]:
        return "latency-fallback-harm"
    if policy is not None and policy["id"] not in REVIEWED:
        return "retrieval-poisoning"
    if policy is not None and _superseded(trace, policy):
        return "reranker-regression"
    if not all(rule in prompt.split("\n", 1)[0] for rule in (DENY_AFTER, EXCLUDE)):
        return "prompt-regression"
    return "model-route-regression"


def _superseded(trace: dict[str, Any], policy: dict[str, str]) -> bool:
    return any(
        each["superseded_by"] is not None
        for each in trace["retrieval"]["candidates"]
        if (each["id"], each["version"]) == (policy["id"], policy["version"])
    )
