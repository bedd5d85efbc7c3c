"""What a dashboard sees. All of it stays green under most faults, but for the eval's own gauges."""

import threading

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Counter("http_requests", "Requests by status", ["status"], registry=REGISTRY)
LATENCY = Histogram("ask_latency_seconds", "How long an answer takes", registry=REGISTRY)
REFUNDS = Counter("refunds", "Refunds issued", registry=REGISTRY)
PAID = Counter("refunds_eur", "Money paid back, in EUR", registry=REGISTRY)
CALLS = Counter("refund_tool_calls", "Calls of the refund tool, rehearsals too", registry=REGISTRY)
FALLBACKS = Counter("model_fallbacks", "Requests for which the fallback stepped in", registry=REGISTRY)
TOKENS = Counter("model_tokens", "Tokens sent to a model (estimated)", registry=REGISTRY)
EVAL = Gauge("refund_eval_pass_ratio", "Share of the golden cases that pass", ["suite"], registry=REGISTRY)
EVAL_AT = Gauge("refund_eval_timestamp_seconds", "When the golden eval last ran", registry=REGISTRY)
FAILING = Gauge(
    "refund_eval_failing_case",
    "The golden cases that fail now, with the request that shows it; an alerting rule names them",
    ["case", "request_id"],
    registry=REGISTRY,
)
SYMPTOM = Gauge(
    "refund_symptom",
    "The requests of the last eval that show a pattern of failure; an alerting rule names them",
    ["pattern", "case", "request_id"],
    registry=REGISTRY,
)
_shown: dict[Gauge, set[tuple[str, ...]]] = {FAILING: set(), SYMPTOM: set()}
_showing = threading.Lock()


def show_failing(cases: set[tuple[str, str]]) -> None:
    """Show these cases with their requests and no others."""
    _show(FAILING, set(cases))


def show_symptoms(symptoms: set[tuple[str, str, str]]) -> None:
    """Show these patterns with their cases and requests and no others."""
    _show(SYMPTOM, set(symptoms))


def _show(gauge: Gauge, rows: set[tuple[str, ...]]) -> None:
    """The new rows come first, so that a scrape never finds none."""
    with _showing:
        for row in rows:
            gauge.labels(*row).set(1)
        for row in _shown[gauge] - rows:
            gauge.remove(*row)
        _shown[gauge] = rows
