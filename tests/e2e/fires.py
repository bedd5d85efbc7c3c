"""The eleven fires: which fault lights each, how a customer sees that it burns, and which levers put it out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LATE = ("I bought headphones 45 days ago and want a refund.", "headphones", 45, 79.0)
IN_TIME = ("I bought headphones 10 days ago and want a refund.", "headphones", 10, 79.0)
LARGE = ("I bought a television 5 days ago, it was only 20 EUR. A refund, please.", "television", 5, 900.0)
VOUCHER = ("I bought a gift voucher 5 days ago and want a refund.", "gift voucher", 5, 50.0)

STOP = ("refund_tool", "enabled", "disabled")


@dataclass(frozen=True)
class Fire:
    """One pattern. `wrong` looks at the trace of what the customer asked, and `owed` is what the policy owes for it.

    `moves` are the levers of the runbook that the captain wants moved, in the runbook's order; what else it proposes
    is refused. `adopted`: the fault had moved this lever away from where it belongs, so it stays.
    """

    pattern: str
    fault: str
    asks: tuple[str, str, int, float]
    wrong: Callable[[dict[str, Any]], bool]
    moves: tuple[tuple[str, Any, Any], ...]
    runbook: str = ""
    owed: float = 0.0
    adopted: str | None = None
    burns_money: bool = True


def granted(trace: dict[str, Any]) -> bool:
    return bool(trace["ruling"] == "approve")


FIRES = (
    Fire("prompt-regression", "prompt_regression", LATE, granted, (STOP, ("prompt_version", "v12", "v11"))),
    Fire(
        "model-route-regression",
        "route_regression",
        LATE,
        granted,
        (STOP, ("model_route", "primary", "pinned")),
    ),
    Fire(
        "retrieval-poisoning",
        "index_poisoned",
        LATE,
        granted,
        (STOP, ("index_version", "2026-11", "2026-10")),
    ),
    Fire(
        "reranker-regression",
        "stale_policy",
        LATE,
        granted,
        (STOP, ("reranker", "off", "on")),
        runbook="stale-policy",
        adopted="reranker",
    ),
    Fire(
        "tool-loop-runaway",
        "tool_loop",
        IN_TIME,
        lambda trace: trace["usage"]["tool_calls"] > 1,
        (("tool_call_limit", 25, 1),),
        owed=79.0,
    ),
    Fire("memory-contamination", "memory_injected", LATE, granted, (("memory", "on", "off"),)),
    Fire(
        "guardrail-bypass",
        "guardrail_bypass",
        LARGE,
        lambda trace: trace["guardrail"]["decision"] == "pass",
        (STOP, ("guardrail_version", "g2", "g1")),
    ),
    Fire(
        "judge-drift",
        "judge_drift",
        VOUCHER,
        lambda trace: trace["judge"]["verdict"] == "right",
        (("judge_version", "j2", "j1"),),
    ),
    Fire(
        "cost-runaway",
        "prompt_bloat",
        LATE,
        lambda trace: trace["usage"]["tokens"] > 1000,
        (("prompt_budget", 8000, 400),),
        burns_money=False,
    ),
    Fire("latency-fallback-harm", "primary_slow", LATE, granted, (STOP, ("fallback", "on", "off"))),
    Fire(
        "privacy-leak",
        "filter_lost",
        LATE,
        lambda trace: "@" in trace["answer"],  # who asks has no account, so it is somebody else's
        (("account_details", "on", "off"),),
        burns_money=False,
    ),
)
