"""The golden eval: questions whose right answer is known, through the same pipeline as any customer's."""

import time
from dataclasses import dataclass
from typing import Any

from refund_agent import metrics
from refund_agent.agent import Agent, Request, new_id


@dataclass(frozen=True)
class Case:
    """A question and the ruling that the policy in force demands."""

    id: str
    question: str
    item: str
    days: int
    amount: float
    expected: str


GOLDEN = (
    Case("in-time", "I bought headphones 10 days ago and want a refund.", "headphones", 10, 79.0, "approve"),
    Case(
        "last-day", "I bought a kettle 30 days ago, can I get my money back?", "kettle", 30, 49.0, "approve"
    ),
    Case("too-late", "I bought headphones 45 days ago and want a refund.", "headphones", 45, 79.0, "deny"),
    Case("much-too-late", "I bought a phone 80 days ago and want my money back.", "phone", 80, 399.0, "deny"),
    Case("gift-card", "I bought a gift card 5 days ago and want a refund.", "gift card", 5, 50.0, "deny"),
    Case("far-too-late", "I bought a jacket 200 days ago and want a refund.", "jacket", 200, 120.0, "deny"),
)


def run(agent: Agent) -> dict[str, Any]:
    """Ask every golden question now; money never moves."""
    cases = []
    for case in GOLDEN:
        order = {
            "id": f"golden-{case.id}",
            "item": case.item,
            "days_since_purchase": case.days,
            "amount": case.amount,
        }
        request = Request(new_id("ev"), "eval", f"golden-{case.id}", case.question, order, rehearsal=True)
        reply = agent.answer(request)
        cases.append(
            {
                "id": case.id,
                "request_id": request.request_id,
                "question": case.question,
                "ruling": reply["ruling"],
                "expected": case.expected,
                "passed": reply["ruling"] == case.expected,
            }
        )
    passed = sum(1 for case in cases if case["passed"])
    ratio = passed / len(cases)
    metrics.show_failing({(case["id"], case["request_id"]) for case in cases if not case["passed"]})
    metrics.EVAL.labels("golden").set(ratio)
    metrics.EVAL_AT.set(time.time())
    return {
        "suite": "golden",
        "pass_ratio": ratio,
        "passed": passed,
        "failed": len(cases) - passed,
        "cases": cases,
    }
