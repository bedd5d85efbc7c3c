"""The models: deterministic answerers that read the rules out of the rendered prompt, each in its own way."""

import re
from dataclasses import dataclass
from typing import Any

from refund_agent.library import Candidate

DENY_AFTER = "Deny what is bought longer ago than the policy allows."
EXCLUDE = "Apply every exclusion."

TEMPLATES = {
    "v11": f"You answer refund requests. {DENY_AFTER} {EXCLUDE}",
    "v12": f"You answer refund requests politely and briefly. {DENY_AFTER} {EXCLUDE} Name the policy you used.",
    "v13": "You answer refund requests. Make the customer happy.",
}

MODELS: dict[str, dict[str, Any]] = {
    "primary": {
        "provider": "house",
        "name": "careful-1",
        "version": "1.4",
        "temperature": 0.0,
        "max_tokens": 200,
    },
    "fallback": {
        "provider": "house",
        "name": "quick-1",
        "version": "0.9",
        "temperature": 0.0,
        "max_tokens": 120,
    },
}

PERIOD = re.compile(r"refundable within (\d+) days")
EXCLUSIONS = re.compile(r"Not refundable: ([^.]*)\.")


@dataclass(frozen=True)
class Ruling:
    """What a model decided, and the policy that it went by."""

    ruling: str
    reason: str
    policy: dict[str, str] | None


def render(template: str, question: str, order: dict[str, Any], candidates: tuple[Candidate, ...]) -> str:
    """The prompt as the model sees it: instruction, documents best first, order and question."""
    lines = [TEMPLATES[template], ""]
    for number, candidate in enumerate(candidates, start=1):
        document = candidate.document
        mark = f", superseded by {document.superseded_by}" if document.superseded_by else ""
        lines += [f"[{number}] {document.id}@{document.version}{mark}: {document.text}"]
    lines += [
        "",
        f"Order: {order['item']}, bought {order['days_since_purchase']} days ago, {order['amount']:.2f} EUR",
    ]
    return "\n".join([*lines, f"Customer: {question}"])


def decide(model: str, prompt: str, order: dict[str, Any]) -> Ruling:
    """Read the prompt and rule. The careful model skips superseded documents; the quick one trusts the first."""
    instruction = prompt.split("\n", 1)[0]
    found = re.findall(r"^\[\d+\] ([\w-]+)@([\w-]+)(, superseded by \S+)?: (.*)$", prompt, re.MULTILINE)
    policies = [row for row in found if PERIOD.search(row[3])]
    if model == "primary":
        policies = [row for row in policies if not row[2]]
    if not policies:
        return Ruling("deny", "no policy that allows a refund was found", None)
    name, version, _, text = policies[0]
    policy = {"id": name, "version": version}
    period = int(PERIOD.search(text).group(1))  # type: ignore[union-attr]  # it was found above
    excluded = EXCLUSIONS.search(text)
    if DENY_AFTER in instruction and order["days_since_purchase"] > period:
        return Ruling(
            "deny", f"bought {order['days_since_purchase']} days ago, the period is {period} days", policy
        )
    if EXCLUDE in instruction and excluded and order["item"].lower() in excluded.group(1).lower():
        return Ruling("deny", f"{order['item']} cannot be refunded", policy)
    return Ruling("approve", f"within the period of {period} days", policy)


def say(ruling: Ruling, order: dict[str, Any], handled_by: str) -> str:
    """The answer that the customer reads."""
    by = f" ({ruling.policy['id']} {ruling.policy['version']})" if ruling.policy else ""
    if handled_by == "human":
        return f"Thank you. A colleague looks at your request and answers today{by}."
    if ruling.ruling == "approve":
        return f"Of course! We refund {order['amount']:.2f} EUR: {ruling.reason}{by}."
    return f"We are sorry, we cannot refund this: {ruling.reason}{by}."
