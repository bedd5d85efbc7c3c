"""The agent: recall, retrieve, render, rule, guard, judge, refund; and a trace of every step."""

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

from refund_agent import customers, metrics
from refund_agent.answerer import (
    COURTEOUS,
    MODELS,
    RELEASED_AGAIN,
    TEMPLATES,
    Context,
    Ruling,
    decide,
    render,
    say,
    words,
)
from refund_agent.levers import KINDS, Levers
from refund_agent.library import documents, search
from refund_agent.memory import Memory
from refund_agent.safety import guard, judge

KEPT_TRACES = 5000
CANDIDATE_PROMPT = "v13"
PATIENCE_SECONDS = 0.05
"""How long a request waits for the primary model before the fallback steps in."""
SLOW_SECONDS = 0.15
EXAMPLES = 10
USAGE_SECONDS = 60


class TooManyError(Exception):
    """The rate limit is reached; try again within a minute."""


@dataclass(frozen=True)
class Request:
    """What a customer asks. `rehearsal`: it goes the whole way, but no money moves and nothing is remembered."""

    request_id: str
    tenant: str
    user: str
    question: str
    order: dict[str, Any]
    rehearsal: bool = False

    @property
    def customer(self) -> str:
        """Whose memory it is."""
        return f"{self.tenant}/{self.user}"


@dataclass(frozen=True)
class Work:
    """What became of a request on its way to the money."""

    ruling: Ruling
    guardrail: dict[str, Any]
    judged: dict[str, Any]
    calls: list[dict[str, Any]]
    handled_by: str


@dataclass
class Agent:
    """The service behind the HTTP interface."""

    folder: Path
    levers: Levers
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    traces: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    times: deque[float] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request, memory: Memory | None = None) -> dict[str, Any]:
        """Answer a request; with a `memory` that is not the agent's own, from that. Raises `TooManyError`."""
        settings = self.settings()
        if not request.rehearsal:
            self._within_limit(float(settings["rate_limit"]))
        version, model = self._prompt_version(request, settings), self._model(settings)
        rerank = settings["reranker"] == "on" and not model["fell_back"]
        contents = self.contents(str(settings["index_version"]))
        found = search(request.question, contents, rerank=rerank)
        recalled = self._recall(request, memory or self.memory) if settings["memory"] == "on" else []
        filters = self.filters()
        details = settings["account_details"] == "on"
        accounts = customers.find(request.question, request.tenant, request.user, filters) if details else ()
        context = Context(
            request.question,
            request.order,
            found,
            recalled,
            self._examples(contents),
            float(settings["prompt_budget"]),
            [each.customer.line() for each in accounts],
        )
        prompt = render(self.template(version), context)
        work = self._work(request, decide(model, prompt, request.order), settings)
        self._remember(request, work.ruling.ruling, on=settings["memory"] == "on")
        reply = _reply(request, work, model["name"], version)
        retrieval = {
            "query": request.question,
            "index_version": settings["index_version"],
            "reranked": rerank,
            "candidates": [candidate.shown() for candidate in found],
        }
        trace = {
            **reply,
            **_asked(request, filters),
            "prompt": {"version": version, "rendered": prompt},
            "model": model,
            "retrieval": retrieval,
            "accounts": {
                "on": details,
                "filtered_by": filters,
                "candidates": [each.shown() for each in accounts],
            },
            "disclosed": customers.disclosed(reply["answer"], request.tenant, request.user),
            "tool_calls": work.calls,
            "memory": {
                "on": settings["memory"] == "on",
                "earlier": recalled,
                "swayed": work.ruling.swayed,
            },
            "guardrail": work.guardrail,
            "judge": work.judged,
            "usage": _usage(prompt, work.calls),
            "flags": settings,
            "reason": work.ruling.reason,
        }
        self._keep(request, trace)
        return reply

    def report(self, request_id: str) -> bool:
        """A customer says that this answer is wrong. Whether a customer was given it."""
        with self.lock:
            trace = self.traces.get(request_id)
            if trace is None or trace["rehearsal"]:
                return False
            self.reports.setdefault(request_id, dt.datetime.now(dt.UTC).isoformat())
            return True

    def settings(self) -> dict[str, Any]:
        """Every lever as the pipeline works with it."""
        return {name: self.levers.effective(name) for name in KINDS}

    def template(self, version: str) -> str:
        """The instruction that stands behind this version now."""
        again = "prompt_regression" in self.faults and version == "v12"
        return RELEASED_AGAIN if again else TEMPLATES[version]

    def contents(self, index_version: str) -> str:
        """The contents that stand behind this index now."""
        poisoned = "index_poisoned" in self.faults and index_version == "2026-11"
        return "2026-11-poisoned" if poisoned else index_version

    def filters(self) -> tuple[str, ...]:
        """By what the search in the accounts is filtered now."""
        return () if "filter_lost" in self.faults else customers.FILTERED_BY

    def usage(self, seconds: float = USAGE_SECONDS) -> dict[str, Any]:
        """What customers' requests have used in the last seconds: requests, tokens, tool calls, EUR paid."""
        since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
        with self.lock:
            recent = [
                trace["usage"]
                for trace in self.traces.values()
                if not trace["rehearsal"] and dt.datetime.fromisoformat(trace["at"]) >= since
            ]
        totals = {name: sum(used[name] for used in recent) for name in ("tokens", "tool_calls", "paid")}
        return {"seconds": seconds, "requests": len(recent), **totals}

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

    def _model(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The model that answers, once it is ready. The fallback steps in for a primary that keeps one waiting."""
        route, slow = str(settings["model_route"]), self.faults.get("primary_slow")
        waits = float(slow.get("seconds", SLOW_SECONDS)) if slow is not None and route == "primary" else 0.0
        fell_back = waits > PATIENCE_SECONDS and settings["fallback"] == "on"
        if waits:
            time.sleep(PATIENCE_SECONDS if fell_back else waits)
        if fell_back:
            route = "fallback"
            metrics.FALLBACKS.inc()
        model = {**MODELS[route], "route": route, "fell_back": fell_back}
        if "route_regression" in self.faults and route == "primary":
            model["version"] = COURTEOUS
        return model

    def _examples(self, contents: str) -> list[str]:
        if "prompt_bloat" not in self.faults:
            return []
        return [f"Example: {document.text}" for document in documents(contents)] * EXAMPLES

    def _recall(self, request: Request, memory: Memory) -> list[str]:
        with self.lock:
            return memory.recall(request.customer)

    def _remember(self, request: Request, ruling: str, *, on: bool) -> None:
        if on and not request.rehearsal:
            with self.lock:
                self.write(self.memory, request, ruling)

    def write(self, memory: Memory, request: Request, ruling: str) -> None:
        """Keep what this request leaves, through the filter as it works now."""
        ruled = f"{request.order['item']}: {ruling}"
        filtered = "memory_injected" not in self.faults
        memory.keep(request.customer, request.question, ruled, filtered=filtered)

    def _work(self, request: Request, ruling: Ruling, settings: dict[str, Any]) -> Work:
        """Guard, judge, and pay. A person takes over when the tool is off, or one of the two holds the request."""
        amount = float(request.order["amount"])
        guarded = guard(
            str(settings["guardrail_version"]),
            request.question,
            amount,
            float(settings["guardrail_threshold"]),
            believing="guardrail_bypass" in self.faults,
        )
        judged = judge(
            str(settings["judge_version"]),
            ruling.ruling,
            request.order["item"],
            amount,
            drifted="judge_drift" in self.faults,
        )
        held = guarded["decision"] == "block" or judged["verdict"] != "right"
        if settings["refund_tool"] != "enabled" or held:
            return Work(ruling, guarded, judged, [], "human")
        limit = int(settings["tool_call_limit"])
        calls = self._pay(request, limit) if ruling.ruling == "approve" else []
        return Work(ruling, guarded, judged, calls, "agent")

    def _pay(self, request: Request, limit: int) -> list[dict[str, Any]]:
        """Call the refund tool until it confirms. Each call has an id of its own, so each one pays."""
        given = {
            "order": request.order["id"],
            "amount": request.order["amount"],
            "dry_run": request.rehearsal,
        }
        confirms = "tool_loop" not in self.faults
        calls = []
        for number in range(1, (min(limit, 1) if confirms else limit) + 1):
            name = f"rf-{request.request_id}" + (f"-{number}" if number > 1 else "")
            refund = {"id": name, "amount": request.order["amount"]}
            calls.append({"tool": "refund", "input": given, "output": {**refund, "confirmed": confirms}})
            metrics.CALLS.inc()
            with self.lock:
                if not request.rehearsal and name not in self.refunds:
                    self.refunds[name] = refund
                    metrics.REFUNDS.inc()
                    metrics.PAID.inc(float(refund["amount"]))
        return calls

    def _keep(self, request: Request, trace: dict[str, Any]) -> None:
        metrics.TOKENS.inc(trace["usage"]["tokens"])
        with self.lock:
            self.traces[request.request_id] = trace
            while len(self.traces) > KEPT_TRACES:
                self.traces.pop(next(iter(self.traces)))
            with (self.folder / "traces.jsonl").open("a") as file:
                file.write(json.dumps(trace) + "\n")


def _reply(request: Request, work: Work, model: str, version: str) -> dict[str, Any]:
    """What the customer gets."""
    paid = work.calls[0]["output"] if work.calls else None
    return {
        "request_id": request.request_id,
        "answer": say(work.ruling, request.order, work.handled_by),
        "ruling": work.ruling.ruling,
        "refund": paid and {"id": paid["id"], "amount": paid["amount"]},
        "handled_by": work.handled_by,
        "policy": work.ruling.policy,
        "model": model,
        "prompt_version": version,
    }


def _asked(request: Request, filters: tuple[str, ...]) -> dict[str, Any]:
    """Who asked what, when it was answered, and whether what was searched was filtered by whose it is."""
    return {
        "at": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
        "tenant": request.tenant,
        "tenant_filter": f"tenant = {request.tenant}" if "tenant" in filters else "none",
        "user": request.user,
        "question": request.question,
        "order": request.order,
        "rehearsal": request.rehearsal,
    }


def _usage(prompt: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """What an answer used. The prompt is sent again after each tool call but the first; `paid` is in EUR."""
    prompt_tokens, paying = words(prompt), [call for call in calls if not call["input"]["dry_run"]]
    return {
        "prompt_tokens": prompt_tokens,
        "tokens": prompt_tokens * max(1, len(calls)),
        "tool_calls": len(calls),
        "paid": sum(call["output"]["amount"] for call in paying),
    }


def new_id(prefix: str = "rq") -> str:
    """A request id for a caller that brought none."""
    return f"{prefix}-{uuid.uuid4().hex[:16]}"
