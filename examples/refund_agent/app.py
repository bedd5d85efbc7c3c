"""The HTTP interface: customers ask, operators read and move levers, an incident engine freezes what it finds."""

import datetime as dt
import hmac
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as Call
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from refund_agent import canaries, evals, library, metrics, safety
from refund_agent.agent import Agent, TooManyError
from refund_agent.answerer import TEMPLATES
from refund_agent.calls import Problem, body_of, lever_name, match_of, moment_of, request_of
from refund_agent.faults import Faults
from refund_agent.levers import KINDS, Levers, MismatchError, WrongValueError
from refund_agent.quality import quality

OPEN_PATHS = frozenset({"/ask", "/report", "/metrics", "/healthz"})
MOST_TRACES = 500
INJECTION = {
    "tenant": "acme",
    "user": "mallory",
    "question": canaries.INJECTION,
    "order": {"id": "o-socks", "item": "socks", "days_since_purchase": 3, "amount": 9.0},
}
"""The request of a customer who knows that memory keeps what it is told."""


class Service:
    """The routes and what they share."""

    def __init__(self, folder: Path, token: str | None, *, faults: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.levers = Levers(folder)
        self.faults = Faults(self.levers)
        self.agent = Agent(folder, self.levers, faults=self.faults.active)
        self.token, self.with_faults = token, faults
        self.access, self.writing = folder / "access.jsonl", threading.Lock()
        self.latest: dict[str, Any] | None = None
        self.last_good: list[dict[str, Any]] | None = None
        self.good_contents: str | None = None

    def evaluate(self) -> dict[str, Any]:
        """Run the golden eval; when nothing is wrong, keep its traces as what healthy looks like."""
        self.latest = evals.run(self.agent)
        if not self.latest["symptoms"]:
            self.good_contents = self.agent.contents(str(self.levers.effective("index_version")))
            self.last_good = [self.agent.traces[case["request_id"]] for case in self.latest["cases"]]
        return self.latest

    def app(self) -> Starlette:
        """The application."""
        routes = [
            self._route("/healthz", "GET", self.healthz),
            self._route("/metrics", "GET", self.metrics),
            self._route("/ask", "POST", self.ask),
            self._route("/report", "POST", self.report),
            self._route("/rehearse", "POST", self.rehearse),
            self._route("/levers", "GET", self.list_levers),
            self._route("/levers/{name}", "GET", self.read_lever),
            self._route("/levers/{name}", "PUT", self.move_lever),
            self._route("/traces", "GET", self.list_traces),
            self._route("/traces/{request_id}", "GET", self.read_trace),
            self._route("/traces/{request_id}/retrieval", "GET", self.retrieve_again),
            self._route("/prompt", "GET", self.read_prompt),
            self._route("/refunds", "GET", self.list_refunds),
            self._route("/usage", "GET", self.usage),
            self._route("/quality", "GET", self.quality),
            self._route("/memory", "GET", self.read_memory),
            self._route("/config", "GET", self.config),
            self._route("/search", "GET", self.search),
            self._route("/evals/run", "POST", self.run_eval),
            self._route("/evals/judge", "GET", self.run_judge_eval),
            self._route("/evals/memory", "POST", self.run_memory_eval),
            self._route("/evals/privacy", "POST", self.run_privacy_eval),
            self._route("/evals/latest", "GET", self.latest_eval),
            self._route("/evals/last-good/traces", "GET", self.last_good_eval),
            self._route("/faults", "GET", self.list_faults),
            self._route("/faults/{name}", "POST", self.set_fault),
            self._route("/faults/{name}", "DELETE", self.clear_fault),
        ]
        return Starlette(routes=routes)

    def _route(self, path: str, method: str, work: Callable[[Call, Any, dict[str, Any]], Response]) -> Route:
        async def endpoint(call: Call) -> Response:
            note: dict[str, Any] = {}
            try:
                self._authenticate(call)
                body = await body_of(call) if method in {"POST", "PUT"} else None
                response = await run_in_threadpool(work, call, body, note)
            except Problem as problem:
                response = JSONResponse(problem.body, problem.status, media_type="application/problem+json")
            self._log(call, response.status_code, note)
            metrics.REQUESTS.labels(str(response.status_code)).inc()
            return response

        return Route(path, endpoint, methods=[method])

    def _authenticate(self, call: Call) -> None:
        if self.token is None or call.url.path in OPEN_PATHS:
            return
        given = call.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, self.token.encode()):
            raise Problem(401, "a valid bearer token is needed")

    def _log(self, call: Call, status: int, note: dict[str, Any]) -> None:
        line = {
            "at": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
            "method": call.method,
            "path": call.url.path,
            "status": status,
            "idempotency_key": call.headers.get("idempotency-key"),
            "actor": call.headers.get("x-firestation-incident"),
            "moved": False,
            **note,
        }
        with self.writing, self.access.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def healthz(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """It runs."""
        return JSONResponse({"status": "ok"})

    def metrics(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """For Prometheus."""
        return Response(
            generate_latest(metrics.REGISTRY), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    def ask(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """A customer's question."""
        request = request_of(body)
        try:
            with metrics.LATENCY.time():
                return JSONResponse(self.agent.answer(request))
        except TooManyError as error:
            raise Problem(429, str(error)) from None

    def report(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """A customer says that an answer is wrong; once for each answer."""
        request_id = body.get("request_id") if isinstance(body, dict) else None
        if not isinstance(request_id, str):
            raise Problem(422, "request_id is that of the answer", field="request_id")
        if not self.agent.report(request_id):
            raise Problem(404, "no customer was given this answer")
        return JSONResponse({"request_id": request_id, "reported": True})

    def rehearse(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """A customer's question as a rehearsal: the whole trace of what the answer would have been."""
        request = request_of(body, rehearsal=True)
        self.agent.answer(request)
        return JSONResponse(self.agent.traces[request.request_id])

    def list_levers(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """All levers."""
        return JSONResponse({name: self._lever(name) for name in KINDS})

    def read_lever(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """One lever."""
        name = lever_name(call)
        self.faults.hang("hang_reads", name)
        if self.faults.on("lever_500", name) is not None:
            raise Problem(500, "the lever interface is broken")
        shown = self._lever(name)
        return JSONResponse(shown, headers={"ETag": f'"{shown["revision"]}"'})

    def move_lever(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """Move a lever, once for each idempotency key, and only if it is where the caller thinks it is."""
        name = lever_name(call)
        self.faults.hang("hang_moves", name)
        if self.faults.on("lever_500", name) is not None:
            raise Problem(500, "the lever interface is broken")
        if not isinstance(body, dict) or "value" not in body:
            raise Problem(422, "the body needs the field value", field="value")
        if self.faults.on("noop_200", name) is not None:
            return JSONResponse({"lever": name, "value": body["value"], "revision": 0})
        slow = self.faults.on("slow_effect", name) or {}
        try:
            moved = self.levers.move(
                name,
                body["value"],
                match_of(call),
                call.headers.get("idempotency-key"),
                slow.get("seconds", 0),
            )
        except WrongValueError as error:
            raise Problem(422, str(error), field="value") from None
        except MismatchError as error:
            raise Problem(412, str(error), current=self._lever(name)) from None
        note |= {"lever": name, "from": moved.before, "to": moved.value, "moved": not moved.replayed}
        if self.faults.on("hang_after_move", name) is not None:
            self._log(call, 0, note)
            note.update(moved=False)
            self.faults.hang("hang_after_move", name)
        shown = {"lever": name, "value": moved.value, "revision": moved.revision, "replayed": moved.replayed}
        return JSONResponse(shown, headers={"ETag": f'"{moved.revision}"'})

    def _lever(self, name: str) -> dict[str, Any]:
        value, revision = self.levers.read(name)
        return {"lever": name, "value": value, "revision": revision}

    def list_traces(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """Traces, newest first, by time, tenant and ruling."""
        query = call.query_params
        since, until = query.get("since", ""), query.get("until", "9999")
        found = [
            trace
            for trace in reversed(self.agent.traces.values())
            if since <= trace["at"] <= until
            and query.get("tenant", trace["tenant"]) == trace["tenant"]
            and query.get("ruling", trace["ruling"]) == trace["ruling"]
        ]
        return JSONResponse(found[: min(int(query.get("limit", "50")), MOST_TRACES)])

    def read_trace(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """One trace, whole."""
        trace = self.agent.traces.get(call.path_params["request_id"])
        if trace is None:
            raise Problem(404, "there is no trace of this request")
        return JSONResponse(trace)

    def retrieve_again(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """What this request's query found when the golden eval last passed, and what it finds now."""
        trace = self.agent.traces.get(call.path_params["request_id"])
        if trace is None:
            raise Problem(404, "there is no trace of this request")
        query, good, now = trace["retrieval"]["query"], self._good_settings(), self.agent.settings()
        then = _found(query, good, self.good_contents) if good and self.good_contents else None
        found = _found(query, now, self.agent.contents(str(now["index_version"])))
        return JSONResponse({"query": query, "then": then, "now": found})

    def read_prompt(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """The prompt template in force, the one before it, and which one it was when the golden eval last passed."""
        versions, good = list(TEMPLATES), self._good_settings()
        now = versions.index(str(self.agent.settings()["prompt_version"]))
        then = None if now == 0 else self._template(versions[now - 1])
        shown = {"then": then, "now": self._template(versions[now])}
        return JSONResponse({"prompt": "refund", "last_good": good and good["prompt_version"], **shown})

    def _template(self, version: str) -> dict[str, Any]:
        return {"version": version, "text": self.agent.template(version)}

    def _good_settings(self) -> dict[str, Any] | None:
        """The settings of the last golden eval that passed; None when none has."""
        return self.last_good[0]["flags"] if self.last_good else None

    def list_refunds(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """Money that left."""
        return JSONResponse(list(self.agent.refunds.values()))

    def usage(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """What customers' requests have used in the last minute."""
        return JSONResponse(self.agent.usage())

    def quality(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """What customers were answered from `since` to before `until`, counted."""
        since, until = moment_of(call, "since"), moment_of(call, "until")
        with self.agent.lock:
            traces, reports = list(self.agent.traces.values()), dict(self.agent.reports)
        return JSONResponse(quality(traces, reports, since, until))

    def read_memory(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """What is remembered for everybody; it should be nothing."""
        shared = list(self.agent.memory.shared)
        return JSONResponse({"shared": shared, "customers": len(self.agent.memory.own)})

    def config(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """Everything that the answers depend on; and the settings when the golden eval last passed, and now."""
        index = self.agent.contents(str(self.levers.read("index_version")[0]))
        documents = [
            {"key": each.key, "superseded_by": each.superseded_by} for each in library.documents(index)
        ]
        levers = {name: self._lever(name) for name in KINDS}
        shown = {"then": self._good_settings(), "now": self.agent.settings()}
        accounts = {"filtered_by": self.agent.filters()}
        return JSONResponse({"levers": levers, "documents": documents, "accounts": accounts, **shown})

    def search(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """What retrieval finds, at any index version, with and without the reranker."""
        query, index = call.query_params.get("query"), call.query_params.get("index_version", "2026-11")
        if not query or index not in library.INDEX_VERSIONS:
            raise Problem(
                422, f"query is needed, index_version is one of {library.INDEX_VERSIONS}", field="query"
            )
        shown = {
            name: [each.shown() for each in library.search(query, index, rerank=rerank)]
            for name, rerank in (("reranked", True), ("raw", False))
        }
        return JSONResponse({"query": query, "index_version": index, **shown})

    def run_eval(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """Run the golden eval now."""
        return JSONResponse(self.evaluate())

    def run_judge_eval(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """How often the judge agrees with people, now."""
        drifted, version = "judge_drift" in self.faults.active, str(self.levers.effective("judge_version"))
        return JSONResponse(safety.agreement(version, drifted=drifted))

    def run_memory_eval(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """The trace of a question asked after somebody told a copy of the memory what it must not believe."""
        return JSONResponse(canaries.remembered(self.agent))

    def run_privacy_eval(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """How many golden answers hold nothing of a customer who did not ask, now."""
        return JSONResponse(evals.privacy(self.agent))

    def last_good_eval(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """The traces of the last golden eval in which every ruling was right: what healthy looks like."""
        if self.last_good is None:
            raise Problem(404, "no eval has passed yet")
        return JSONResponse(self.last_good)

    def latest_eval(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """The last golden eval."""
        if self.latest is None:
            raise Problem(404, "no eval has run yet")
        return JSONResponse(self.latest)

    def list_faults(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """The faults that are set."""
        return JSONResponse(self.faults.active)

    def set_fault(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """Break something on purpose. Where a broken part does harm only once used, its first user comes with it."""
        name = call.path_params["name"]
        if not self.with_faults:
            raise Problem(403, "start the agent with --faults to break it")
        try:
            moved = self.faults.set(name, body if isinstance(body, dict) else {})
        except KeyError:
            raise Problem(404, f"there is no fault {name}") from None
        note["actor"] = f"fault:{name}"
        if name == "memory_injected":
            with suppress(TooManyError):
                self.agent.answer(request_of(INJECTION))
        return JSONResponse({"fault": name, "moved": moved})

    def clear_fault(self, call: Call, body: Any, note: dict[str, Any]) -> Response:
        """Repair what a fault broke; levers that it moved stay where they are."""
        name = call.path_params["name"]
        self.faults.clear(name)
        if name == "memory_injected":
            self.agent.memory.purge()
        return JSONResponse({"cleared": name})


def _found(query: str, settings: dict[str, Any], contents: str) -> dict[str, Any]:
    """What retrieval finds under these settings in an index with these contents."""
    index, rerank = str(settings["index_version"]), settings["reranker"] == "on"
    candidates = [each.shown() for each in library.search(query, contents, rerank=rerank)]
    return {"index_version": index, "reranked": rerank, "candidates": candidates}


def service(folder: Path, *, faults: bool) -> Service:
    """The service, with the token that the environment holds."""
    return Service(folder, os.environ.get("REFUND_AGENT_TOKEN"), faults=faults)
