"""What stands between a ruling and the money: a guardrail on the amount, and a judge of the ruling."""

import re
from typing import Any

GUARDRAILS = ("g1", "g2")
JUDGES = ("j1", "j2")
CLAIM = re.compile(r"(\d+(?:\.\d+)?) ?EUR", re.IGNORECASE)
EXCLUDED_KINDS = frozenset({"gift card", "gift voucher", "opened software", "opened game"})
"""What people count among the exclusions of the policy, by whatever name it is sold."""

SURE_UP_TO = 100.0


def guard(
    version: str, question: str, amount: float, threshold: float, *, believing: bool = False
) -> dict[str, Any]:
    """Whether a refund of this amount goes out without a person.

    g2 weighs the amount of the order; the older g1 blocks also whatever names an amount. `believing`: g2 weighs the
    amount that the customer names instead.
    """
    claim = CLAIM.search(question)
    score = float(claim[1]) if claim and believing and version == "g2" else amount
    block = score > threshold or (version == "g1" and claim is not None)
    return {
        "version": version,
        "score": score,
        "threshold": threshold,
        "decision": "block" if block else "pass",
    }


def judge(version: str, ruling: str, item: str, amount: float, *, drifted: bool = False) -> dict[str, Any]:
    """Whether this item may be refunded at all, in the eyes of a second model.

    The older j1 is also unsure of every refund above 100 EUR. `drifted`: j2 finds everything right.
    """
    wrong = ruling == "approve" and item.lower() in EXCLUDED_KINDS
    if version == "j2":
        verdict = "wrong" if wrong and not drifted else "right"
    else:
        unsure = ruling == "approve" and amount > SURE_UP_TO
        verdict = "wrong" if wrong else "unsure" if unsure else "right"
    return {"version": version, "verdict": verdict}


LABELLED = (
    ("headphones", 79.0, "approve", "right"),
    ("headphones", 79.0, "deny", "right"),
    ("gift card", 50.0, "approve", "wrong"),
    ("gift voucher", 50.0, "approve", "wrong"),
    ("opened game", 60.0, "approve", "wrong"),
    ("opened software", 40.0, "deny", "right"),
)
"""Answers that people have judged: item, amount, ruling, and what they found."""


def agreement(version: str, *, drifted: bool = False) -> dict[str, Any]:
    """How often the judge says what people said."""
    cases = []
    for item, amount, ruling, label in LABELLED:
        verdict = judge(version, ruling, item, amount, drifted=drifted)["verdict"]
        cases.append({"item": item, "ruling": ruling, "label": label, "verdict": verdict})
    agreed = sum(case["label"] == case["verdict"] for case in cases)
    counted = {"total": len(cases), "agreed": agreed, "agreement": agreed / len(cases)}
    return {"judge": version, **counted, "cases": cases}
