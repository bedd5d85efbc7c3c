"""The agent: retrieve, render, rule, guard, refund; and a trace of every step."""

import datetime as dt
import hashlib
import json
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refund_agent import metrics
from refund_agent.answerer import MODELS, decide, render, say
from refund_agent.levers import KINDS, Levers
from refund_agent.library import search

KEPT_TRACES = 5000
LOOPS = 25
CANDIDATE_PROMPT = "v13"


class TooManyError(Exception):
    """The rate limit is reached; try again within a minute."""


@dataclass(frozen=True)
class Request:
    """What a customer asks. `rehearsal`: an eval, which goes the whole way but moves no money."""

    request_id: str
    tenant: str
    user: str
    question: str
    order: dict[str, Any]
    rehearsal: bool = False


@dataclass
class Agent:
    """The service behind the HTTP interface."""

    folder: Path
    levers: Levers
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    traces: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    memory: dict[str, list[str]] = field(default_factory=dict)
    times: deque[float] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> dict[str, Any]:
        """Answer a request. Raises `TooManyError` over the rate limit."""
        settings = {name: self.levers.effective(name) for name in KINDS}
        if not request.rehearsal:
            self._within_limit(float(settings["rate_limit"]))
        prompt_version = self._prompt_version(request, settings)
        rerank = settings["reranker"] == "on"
        candidates = search(request.question, str(settings["index_version"]), rerank=rerank)
        prompt = render(prompt_version, request.question, request.order, candidates)
        ruling = decide(str(settings["model_route"]), prompt, request.order)
        guard = self._guard(request, settings)
        calls, handled_by = self._refund(request, ruling.ruling, guard, settings)
        refund = calls[-1]["output"] if calls and calls[-1]["output"].get("id") else None
        remembered = self._remember(request, ruling.ruling, on=settings["memory"] == "on")
        reply = {
            "request_id": request.request_id,
            "answer": say(ruling, request.order, handled_by),
            "ruling": ruling.ruling,
            "refund": refund,
            "handled_by": handled_by,
            "policy": ruling.policy,
            "model": MODELS[str(settings["model_route"])]["name"],
            "prompt_version": prompt_version,
        }
        trace = {
            **reply,
            "at": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
            "tenant": request.tenant,
            "tenant_filter": f"tenant = {request.tenant}",
            "user": request.user,
            "question": request.question,
            "order": request.order,
            "prompt": {"version": prompt_version, "rendered": prompt},
            "model": {**MODELS[str(settings["model_route"])], "route": settings["model_route"]},
            "retrieval": {
                "query": request.question,
                "index_version": settings["index_version"],
                "reranked": rerank,
                "candidates": [candidate.shown() for candidate in candidates],
            },
            "tool_calls": calls,
            "memory": remembered,
            "guardrail": guard,
            "flags": settings,
            "reason": ruling.reason,
        }
        self._keep(request, trace)
        metrics.TOKENS.inc(len(prompt.split()) * max(1, len(calls)))
        return reply

    def _within_limit(self, limit: float) -> None:
        now = time.monotonic()
        with self.lock:
            while self.times and self.times[0] < now - 60:
                self.times.popleft()
            if len(self.times) >= limit:
                raise TooManyError(f"more than {limit:.0f} requests a minute")
            self.times.append(now)

    def _prompt_version(self, request: Request, settings: dict[str, Any]) -> str:
        """The share `traffic_split` of the requests gets the candidate prompt, always the same ones."""
        bucket = int(hashlib.sha256(request.request_id.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
        return (
            CANDIDATE_PROMPT if bucket < float(settings["traffic_split"]) else str(settings["prompt_version"])
        )

    def _guard(self, request: Request, settings: dict[str, Any]) -> dict[str, Any]:
        threshold, amount = float(settings["guardrail_threshold"]), float(request.order["amount"])
        return {
            "score": amount,
            "threshold": threshold,
            "decision": "block" if amount > threshold else "pass",
        }

    def _refund(
        self, request: Request, ruling: str, guard: dict[str, Any], settings: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], str]:
        """The tool calls, and who handles the request: a person when the tool is off or the guardrail blocks."""
        if settings["refund_tool"] != "enabled" or guard["decision"] == "block":
            return [], "human"
        if ruling != "approve":
            return [], "agent"
        given = {
            "order": request.order["id"],
            "amount": request.order["amount"],
            "dry_run": request.rehearsal,
        }
        refund = {"id": f"rf-{request.request_id}", "amount": request.order["amount"]}
        if not request.rehearsal:
            with self.lock:
                if request.request_id not in self.refunds:
                    self.refunds[request.request_id] = refund
                    metrics.REFUNDS.inc()
        times = LOOPS if "tool_loop" in self.faults else 1
        return [{"tool": "refund", "input": given, "output": refund}] * times, "agent"

    def _remember(self, request: Request, ruling: str, *, on: bool) -> dict[str, Any]:
        if not on or request.rehearsal:
            return {"on": on, "earlier": []}
        with self.lock:
            earlier = self.memory.setdefault(f"{request.tenant}/{request.user}", [])
            before = list(earlier)
            earlier.append(f"{request.order['item']}: {ruling}")
            del earlier[:-10]
        return {"on": True, "earlier": before}

    def _keep(self, request: Request, trace: dict[str, Any]) -> None:
        with self.lock:
            self.traces[request.request_id] = trace
            while len(self.traces) > KEPT_TRACES:
                self.traces.pop(next(iter(self.traces)))
            with (self.folder / "traces.jsonl").open("a") as file:
                file.write(json.dumps(trace) + "\n")


def new_id(prefix: str = "rq") -> str:
    """A request id for a caller that brought none."""
    return f"{prefix}-{uuid.uuid4().hex[:16]}"
