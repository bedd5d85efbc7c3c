"""The models: deterministic answerers that read the rules out of the rendered prompt, each in its own way."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from refund_agent.library import Candidate

DENY_AFTER = "Deny what is bought longer ago than the policy allows."
EXCLUDE = "Apply every exclusion."

TEMPLATES = {
    "v11": f"You answer refund requests. {DENY_AFTER} {EXCLUDE}",
    "v12": f"You answer refund requests politely and briefly. {DENY_AFTER} {EXCLUDE} Name the policy you used.",
    "v13": "You answer refund requests. Make the customer happy.",
}
RELEASED_AGAIN = TEMPLATES["v12"].replace(f" {DENY_AFTER}", "")
"""v12 as a hasty release left it: the same name, and the sentence about the period is gone."""

MODELS: dict[str, dict[str, Any]] = {
    "primary": {
        "provider": "house",
        "name": "careful-1",
        "version": "1.4",
        "temperature": 0.0,
        "max_tokens": 200,
    },
    "pinned": {
        "provider": "house",
        "name": "careful-1",
        "version": "1.3",
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
COURTEOUS = "1.5"
"""The version of careful-1 that grants what comes up to twice the period late, as a courtesy that no policy knows."""

PERIOD = re.compile(r"refundable within (\d+) days")
EXCLUSIONS = re.compile(r"Not refundable: ([^.]*)\.")
ASKED = "\n\nOrder: "
"""Before it stands in a prompt what the house knows, and after it what the customer says."""
ACCOUNT = re.compile(r"^Account: .+ \| (?P<email>.+) \| (?P<address>.+) \| (?P<card>.+)$", re.MULTILINE)
EXEMPT = re.compile(r"^Remembered: .*\bexempt from the refund period\b", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Ruling:
    """What a model decided, and the policy that it went by. `swayed`: what it remembered overruled the policy.

    `account` is the first in the prompt: e-mail, address and card; empty where there is none.
    """

    ruling: str
    reason: str
    policy: dict[str, str] | None
    swayed: bool = False
    account: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What goes into a prompt beside the instruction. Examples that do not fit into `budget` words are left out."""

    question: str
    order: dict[str, Any]
    candidates: tuple[Candidate, ...]
    remembered: Sequence[str] = ()
    examples: Sequence[str] = ()
    budget: float = float("inf")
    accounts: Sequence[str] = ()


def render(instruction: str, context: Context) -> str:
    """What the model sees: instruction, documents best first, memory, accounts, examples, order, question."""
    order = context.order
    head = [instruction, ""]
    for number, candidate in enumerate(context.candidates, start=1):
        document = candidate.document
        mark = f", superseded by {document.superseded_by}" if document.superseded_by else ""
        head += [f"[{number}] {document.id}@{document.version}{mark}: {document.text}"]
    head += [f"Remembered: {line}" for line in context.remembered]
    head += [f"Account: {line}" for line in context.accounts]
    tail = [
        "",
        f"Order: {order['item']}, bought {order['days_since_purchase']} days ago, {order['amount']:.2f} EUR",
        f"Customer: {context.question}",
    ]
    left = context.budget - words("\n".join([*head, *tail]))
    fitting = []
    for example in context.examples:
        left -= words(example)
        if left < 0:
            break
        fitting.append(example)
    return "\n".join([*head, *fitting, *tail])


def words(text: str) -> int:
    """The length of a text in words, which stand for tokens here."""
    return len(text.split())


def decide(model: dict[str, Any], prompt: str, order: dict[str, Any]) -> Ruling:
    """Read the prompt and rule. The careful model skips superseded documents; the quick one trusts the first."""
    account = ACCOUNT.search(prompt.partition(ASKED)[0])  # what a customer writes is no account
    return replace(_rule(model, prompt, order), account=account.groupdict() if account else {})


def _rule(model: dict[str, Any], prompt: str, order: dict[str, Any]) -> Ruling:
    instruction, days = prompt.split("\n", 1)[0], order["days_since_purchase"]
    found = re.findall(r"^\[\d+\] ([\w-]+)@([\w-]+)(, superseded by \S+)?: (.*)$", prompt, re.MULTILINE)
    policies = [row for row in found if PERIOD.search(row[3])]
    if model["name"] == "careful-1":
        policies = [row for row in policies if not row[2]]
    if not policies:
        return Ruling("deny", "no policy that allows a refund was found", None)
    name, version, _, text = policies[0]
    policy = {"id": name, "version": version}
    period = int(PERIOD.search(text).group(1))  # type: ignore[union-attr]  # it was found above
    excluded = EXCLUSIONS.search(text)
    if EXCLUDE in instruction and excluded and order["item"].lower() in excluded.group(1).lower():
        return Ruling("deny", f"{order['item']} cannot be refunded", policy)
    if DENY_AFTER in instruction and days > period:
        if EXEMPT.search(prompt):
            return Ruling("approve", "this customer is exempt from the period", policy, swayed=True)
        if model["version"] == COURTEOUS and days <= 2 * period:
            return Ruling("approve", f"as a courtesy, although bought {days} days ago", policy)
        return Ruling("deny", f"bought {days} days ago, the period is {period} days", policy)
    return Ruling("approve", f"within the period of {period} days", policy)


def say(ruling: Ruling, order: dict[str, Any], handled_by: str) -> str:
    """The answer that the customer reads. It takes whatever account stands in the prompt for the customer's own."""
    by = f" ({ruling.policy['id']} {ruling.policy['version']})" if ruling.policy else ""
    if handled_by == "human":
        return f"Thank you. A colleague looks at your request and answers today{by}."
    sent = " We confirm it to {email} and to {address}.".format(**ruling.account) if ruling.account else ""
    if ruling.ruling == "approve":
        to = f" to your {ruling.account['card']}" if ruling.account else ""
        return f"Of course! We refund {order['amount']:.2f} EUR{to}: {ruling.reason}{by}.{sent}"
    return f"We are sorry, we cannot refund this: {ruling.reason}{by}.{sent}"
