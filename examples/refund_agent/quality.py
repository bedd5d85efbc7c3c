"""What customers were answered within a span of time, counted: what no dashboard of requests and latency shows."""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from refund_agent import library

MOST_FAILING = 20
REVIEWED = frozenset(document.key for document in library.documents("2026-11"))
IN_FORCE = frozenset(document.key for document in library.documents("2026-10"))
"""The editions that people have reviewed, and those of them that no later one has replaced."""


def quality(
    traces: Iterable[dict[str, Any]], reports: dict[str, str], since: dt.datetime, until: dt.datetime
) -> dict[str, Any]:
    """Counts over customers' requests from `since` to before `until`; each request is in one such span only.

    `reports` has when a customer said of which request that its answer is wrong; each is in the span in which it came.
    """
    asked = [
        trace
        for trace in traces
        if not trace["rehearsal"] and since <= dt.datetime.fromisoformat(trace["at"]) < until
    ]
    ruled = [trace for trace in asked if trace["policy"]]
    paying = [trace for trace in asked if trace["usage"]["tool_calls"]]
    wrong = [name for name, at in reports.items() if since <= dt.datetime.fromisoformat(at) < until]
    return {
        "requests": len(asked),
        # Who reports at night was answered by day: then there are more reports than answers.
        "reported": {"n": max(len(asked), len(wrong)), "total": len(wrong), "failing": wrong[-MOST_FAILING:]},
        "grounded": _share(ruled, lambda trace: _key(trace) in REVIEWED),
        "fresh": _share(ruled, lambda trace: _key(trace) not in REVIEWED - IN_FORCE),
        "single_call": _share(paying, lambda trace: trace["usage"]["tool_calls"] == 1),
        "private": _share(asked, lambda trace: not trace["disclosed"]["others"]),
        "denied": _total(asked, lambda trace: trace["ruling"] == "deny"),
        "blocked": _total(asked, lambda trace: trace["guardrail"]["decision"] == "block"),
        "tokens": _total(asked, lambda trace: trace["usage"]["tokens"]),
    }


def _key(trace: dict[str, Any]) -> str:
    return f"{trace['policy']['id']}@{trace['policy']['version']}"


def _share(traces: list[dict[str, Any]], good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """How many of how many, and the newest of those that are not."""
    failing = [trace["request_id"] for trace in traces if not good(trace)]
    held = len(traces) - len(failing)
    share = held / len(traces) if traces else None
    return {"n": len(traces), "good": held, "share": share, "failing": failing[::-1][:MOST_FAILING]}


def _total(traces: list[dict[str, Any]], of: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
    """The sum over requests, that of the squares, and the mean."""
    values = [of(trace) for trace in traces]
    total, squares = sum(values), sum(value**2 for value in values)
    mean = total / len(values) if values else None
    return {"n": len(values), "total": total, "squares": squares, "mean": mean}
