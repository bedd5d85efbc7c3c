"""What a dashboard sees. All of it stays green under the seed's fault, but for the golden eval."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Counter("http_requests", "Requests by status", ["status"], registry=REGISTRY)
LATENCY = Histogram("ask_latency_seconds", "How long an answer takes", registry=REGISTRY)
REFUNDS = Counter("refunds", "Refunds issued", registry=REGISTRY)
TOKENS = Counter("model_tokens", "Tokens sent to a model (estimated)", registry=REGISTRY)
EVAL = Gauge("refund_eval_pass_ratio", "Share of the golden cases that pass", ["suite"], registry=REGISTRY)
EVAL_AT = Gauge("refund_eval_timestamp_seconds", "When the golden eval last ran", registry=REGISTRY)
FAILING = Gauge(
    "refund_eval_failing_case",
    "The golden cases that fail now, with the request that shows it; an alerting rule names them",
    ["case", "request_id"],
    registry=REGISTRY,
)
_shown: set[tuple[str, str]] = set()


def show_failing(cases: set[tuple[str, str]]) -> None:
    """Show these cases with their requests and no others; the new ones come first, so a scrape never finds none."""
    for case in cases:
        FAILING.labels(*case).set(1)
    for case in _shown - cases:
        FAILING.remove(*case)
    _shown.clear()
    _shown.update(cases)
