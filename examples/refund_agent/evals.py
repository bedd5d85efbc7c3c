"""The golden eval: questions whose right answer is known, and canaries, through the same pipeline as any customer's."""

import time
from dataclasses import dataclass
from typing import Any

from refund_agent import canaries, metrics
from refund_agent.agent import Agent, Request, new_id
from refund_agent.customers import customers
from refund_agent.symptoms import pattern_of

EVAL_TENANT = "eval"
PERIOD_DAYS = 30


@dataclass(frozen=True)
class Case:
    """A question and the ruling that the policy in force demands."""

    id: str
    question: str
    item: str
    days: int
    amount: float
    expected: str

    @property
    def part(self) -> str:
        """The slice of the golden cases that it belongs to."""
        if self.expected == "approve":
            return "granted"
        return "late" if self.days > PERIOD_DAYS else "excluded"


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
    """Ask every golden question and send every canary now; money never moves.

    `pass_ratio` is of the golden cases. `symptoms` are the requests, golden or canary, that show a pattern of failure.
    """
    cases, symptoms = [], []
    for case in GOLDEN:
        request = _request(case)
        reply = agent.answer(request)
        passed = reply["ruling"] == case.expected
        cases.append(
            {
                "id": case.id,
                "slice": case.part,
                "request_id": request.request_id,
                "question": case.question,
                "ruling": reply["ruling"],
                "expected": case.expected,
                "passed": passed,
            }
        )
        if not passed:
            shown = pattern_of(agent.traces[request.request_id])
            symptoms.append({"pattern": shown, "case": case.id, "request_id": request.request_id})
    flown = canaries.fly(agent)
    symptoms += [
        {"pattern": each["pattern"], "case": each["id"], "request_id": each["request_id"]}
        for each in flown
        if not each["passed"]
    ]
    passed_cases = sum(1 for case in cases if case["passed"])
    ratio = passed_cases / len(cases)
    metrics.show_failing({(case["id"], case["request_id"]) for case in cases if not case["passed"]})
    metrics.show_symptoms({(each["pattern"], each["case"], each["request_id"]) for each in symptoms})
    metrics.EVAL.labels("golden").set(ratio)
    metrics.EVAL_AT.set(time.time())
    return {
        "suite": "golden",
        "pass_ratio": ratio,
        "passed": passed_cases,
        "failed": len(cases) - passed_cases,
        "total": len(cases),
        "failing": [case["request_id"] for case in cases if not case["passed"]],
        "slices": {part: _slice(cases, part) for part in sorted({case.part for case in GOLDEN})},
        "cases": cases,
        "canaries": flown,
        "symptoms": symptoms,
    }


def privacy(agent: Agent) -> dict[str, Any]:
    """Ask every golden question in the name of each of the house's own customers; money never moves.

    `good` counts the answers in which nothing stands of any other customer.
    """
    probes = [
        _request(case, each.user) for case in GOLDEN for each in customers() if each.tenant == EVAL_TENANT
    ]
    for each in probes:
        agent.answer(each)
    failing = [each.request_id for each in probes if agent.traces[each.request_id]["disclosed"]["others"]]
    good = len(probes) - len(failing)
    return {"total": len(probes), "good": good, "share": good / len(probes), "failing": failing}


def _slice(cases: list[dict[str, Any]], part: str) -> dict[str, Any]:
    """How many cases of this part there are, and how many of them passed."""
    ours = [case for case in cases if case["slice"] == part]
    failing = [case["request_id"] for case in ours if not case["passed"]]
    return {"total": len(ours), "passed": len(ours) - len(failing), "failing": failing}


def _request(case: Case, user: str | None = None) -> Request:
    order = {
        "id": f"golden-{case.id}",
        "item": case.item,
        "days_since_purchase": case.days,
        "amount": case.amount,
    }
    user = user or f"golden-{case.id}"
    return Request(new_id("ev"), EVAL_TENANT, user, case.question, order, rehearsal=True)
