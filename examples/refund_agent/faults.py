"""The faults: how the agent can be broken, and how its lever interface can misbehave, for tests and drills."""

import threading
from typing import Any

from refund_agent.levers import Levers

PATTERNS = {
    # v12 is released again under its name, without the sentence about the period.
    "prompt-regression": "prompt_regression",
    # The provider puts version 1.5 behind the primary route; it grants refunds as a courtesy.
    "model-route-regression": "route_regression",
    # Somebody has written a note among the policies of the index 2026-11.
    "retrieval-poisoning": "index_poisoned",
    # The seed's: a cost experiment switches the reranker off, the fallback answers, the retired policy ranks first.
    "reranker-regression": "stale_policy",
    # The refund tool does not confirm any more, so the agent calls it, and it pays, again and again.
    "tool-loop-runaway": "tool_loop",
    # Memory keeps what customers tell it to, for everybody; one of them knows.
    "memory-contamination": "memory_injected",
    # The guardrail weighs the amount that the customer names, and not the order's.
    "guardrail-bypass": "guardrail_bypass",
    # The judge finds everything right.
    "judge-drift": "judge_drift",
    # A release puts ten examples of each document into every prompt.
    "cost-runaway": "prompt_bloat",
    # The primary model is slow, and the fallback that steps in has no time to rerank.
    "latency-fallback-harm": "primary_slow",
    # The store of accounts is released without its filter, so that a search finds everybody's.
    "privacy-leak": "filter_lost",
}
"""The eleven patterns of failure, and the fault that is one of its kind."""

SYSTEM: dict[str, dict[str, Any]] = {
    **{fault: {} for fault in PATTERNS.values()},
    "stale_policy": {"reranker": "off", "model_route": "fallback"},
    "guardrail_open": {"guardrail_threshold": 1_000_000},
}
"""Faults of the system itself, and the levers that they move when they are set."""

INTERFACE = frozenset({"hang_reads", "hang_moves", "hang_after_move", "lever_500", "noop_200", "slow_effect"})
"""Misbehaviours of the lever interface; each may be limited to one lever with {"lever": name}."""

LONGEST_HANG_SECONDS = 600.0


class Faults:
    """The faults that are set now. A hanging call goes on the moment its fault is removed."""

    def __init__(self, levers: Levers) -> None:
        self.levers = levers
        self.active: dict[str, dict[str, Any]] = {}
        self.released: dict[str, threading.Event] = {}

    def set(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Set a fault; what it moved. Raises `KeyError` for a name that is not known."""
        if name not in SYSTEM and name not in INTERFACE:
            raise KeyError(name)
        moved = {}
        for lever, value in SYSTEM.get(name, {}).items():
            self.levers.move(lever, value)
            moved[lever] = value
        self.active[name] = options
        self.released[name] = threading.Event()
        return moved

    def clear(self, name: str) -> None:
        """Remove a fault. Levers that it moved stay where they are: putting them back is the responder's work."""
        self.active.pop(name, None)
        event = self.released.pop(name, None)
        if event:
            event.set()

    def on(self, name: str, lever: str) -> dict[str, Any] | None:
        """The options of this misbehaviour if it is set for this lever."""
        options = self.active.get(name)
        return options if options is not None and options.get("lever", lever) == lever else None

    def hang(self, name: str, lever: str) -> None:
        """Block for as long as the fault is set."""
        if self.on(name, lever) is not None:
            self.released[name].wait(LONGEST_HANG_SECONDS)
