"""A station for the command to talk to: a real HTTP server over the real pure core, without Temporal."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from cli.main import app
from firestation import record
from firestation.acts import ACTS
from firestation.aftermath import course
from firestation.alarm import Alarm
from firestation.authority import Person, Role, Roster
from firestation.due import settled
from firestation.errors import Refused
from firestation.evidence import ArtifactRef, Gap, LeverState, Sealed
from firestation.fold import begin
from firestation.follow_up import Course, Finish, cannot_finish, finished
from firestation.follow_words import follow_picture
from firestation.incident import advance
from firestation.legal import clocks
from firestation.lock_plan import LockPlan
from firestation.picture import picture
from firestation.record import EDITION, Acted, Brief, Event, Opened
from firestation.release import waiting
from firestation.runbook import Match, Recovery, Runbook
from firestation.severity import Axes, Severity
from firestation.state import Incident
from firestation.steps import FirebreakStep, Probe
from firestation.system import (
    ChannelFitting,
    CheckFitting,
    LeverFitting,
    Position,
    SourceFitting,
    System,
    TrackerFitting,
)

NAME = "refund-agent-1a2b3c4d"
OTHER = "refund-agent-5e6f7a8b"
TOKENS = {"token-ana": "ana", "token-ben": "ben"}


def fitting(kind: type[Any], name: str, **more: Any) -> Any:
    return kind(id=name, title=name.capitalize(), driver="memory", **more)


def brief() -> Brief:
    system = System(
        system="refund-agent",
        title="Refund agent",
        sources=(fitting(SourceFitting, "traces", provides=("requests",)),),
        levers=(
            fitting(LeverFitting, "refund_tool", positions={"disabled": "disabled", "enabled": "enabled"}),
            fitting(LeverFitting, "reranker", positions={"on": "on", "off": "off"}),
        ),
        checks=(fitting(CheckFitting, "golden"),),
        channels=(fitting(ChannelFitting, "room", audience="internal"),),
        trackers=(fitting(TrackerFitting, "tasks"),),
    )
    steps = (
        ("stop-refunds", "refund_tool", "disabled", (Severity.SEV1, Severity.SEV2)),
        ("reranker-on", "reranker", "on", ()),
    )
    runbook = Runbook(
        runbook="stale-policy",
        title="A stale policy outranks the current one",
        pattern="reranker-regression",
        match=Match(names=("RefundGoldenEvalFailing",)),
        severity=Axes(harm=2, spread=2, reversibility=2, momentum=1),
        guidance="Count the refunds that the policy denies",
        needs=("judges",),
        firebreaks=tuple(
            FirebreakStep(
                id=step,
                lever=lever,
                to=to,
                why="no refund leaves while the ruling is wrong",
                cost="customers wait",
                probe=Probe(check="golden"),
                preauthorized=allowed,
            )
            for step, lever, to, allowed in steps
        ),
        recovery=Recovery(checks=("golden",)),
        lock=LockPlan(title="A refund after the window is denied", check="golden", source="traces"),
    )
    everyone = (Role.CAPTAIN, Role.SCRIBE)
    people = tuple(Person(id=name, name=name, roles=everyone, address=name) for name in ("ana", "ben"))
    roster = Roster(station="test", people=people, escalation=("ana", "ben"))
    return Brief(
        incident=NAME,
        system=system,
        runbook=runbook,
        matched=("its name",),
        roster=roster,
        clocks=clocks(system.legal),
        edition=EDITION,
    )


class Station:
    """One incident, kept by the real rules; `override` and `outages` make it misbehave."""

    def __init__(self) -> None:
        opened = Opened(at=datetime.now(UTC), brief=brief(), run="0198b7d2-run")
        self.incident: Incident = begin(opened)
        self.record: list[Event] = [opened]
        self.override: tuple[int, bytes] | None = None
        self.outages = 0
        self.names = [NAME]
        self.near: list[str] = []
        self.course: Course = course(self.incident)
        self.fires: list[str] = []
        self.attached: list[tuple[str, bytes]] = []
        self.rang: dict[str, Any] = {}
        self.spooling = False
        self.not_shown: list[str] = []
        self.before_picture: Callable[[], None] = lambda: None
        at = "2026-11-26T02:14:03Z"
        orphan = {
            "why": "orphan",
            "incident": NAME,
            "alarm": "WrongRefund",
            "source": "bell",
            "key": "k1",
            "times": 1,
        }
        self.spooled: dict[str, Any] = {
            "waiting": [{"incident": NAME, "alarms": 12, "since": at}],
            "untold": [orphan | {"first_at": at, "last_at": at, "reason": "nothing was open"}],
            "trouble": "Temporal does not answer (UNAVAILABLE)",
        }
        self.ring("2 of 8 golden cases fail")

    def ring(self, summary: str) -> None:
        alarm = Alarm(
            source="generic",
            key=summary[:50],
            system="refund-agent",
            name="RefundGoldenEvalFailing",
            summary=summary,
            started_at=datetime.now(UTC),
        )
        self.happen(record.Rang(at=datetime.now(UTC), alarm=alarm))

    def happen(self, event: Event) -> None:
        self.incident = advance(self.incident, event)
        self.record.append(event)
        self.incident, more = settled(self.incident, event.at)
        self.record.extend(more)

    def seal(self, detail: str = "no source gave judge outputs") -> None:
        now = datetime.now(UTC)
        states = {"refund_tool": "enabled", "reranker": "off"}
        levers = tuple(
            LeverState(lever=name, position=Position(value=value), read_at=now)
            for name, value in states.items()
        )
        artifact = ArtifactRef(
            digest="a" * 64,
            size=1,
            media_type="application/json",
            name="trace",
            source="traces",
            collected_at=now,
        )
        sealed = Sealed(
            manifest="b" * 64,
            envelope="c" * 64,
            artifacts=(artifact,),
            gaps=(Gap(item="judges", reason="not-configured", detail=detail),),
            levers=levers,
        )
        self.happen(record.SealedUp(at=now, sealed=sealed))

    def act(self, kind: str, by: str, **fields: Any) -> None:
        act = ACTS[kind].model_validate({"by": by, **fields})
        self.happen(Acted(at=datetime.now(UTC), act=act))  # type: ignore[arg-type]

    def answer(self, method: str, path: str, person: str | None, body: Any) -> tuple[int, Any]:
        if person is None:
            return 401, {"detail": "no bearer token, or one that nobody has"}
        parts = path.split("?", maxsplit=1)[0].strip("/").split("/")
        if "tasks" in parts:
            return self._tasks(path, parts[3] if body else "", person, body)
        if parts == ["alarms", "spool"]:
            return 200, self.spooled
        if parts == ["attachments"]:
            name = path.partition("name=")[2]
            self.attached.append((name, body))
            return 201, {"digest": "a" * 64, "name": name}
        if parts == ["alarms", "generic"]:
            self.rang = body
            self.ring(body["summary"])
            return 202, {
                "incidents": [{"incident": NAME, "coalesced": False}],
                "ignored": [],
            }
        if parts == ["incidents"]:
            return 200, [{"incident": name, "phase": "open", "captain": None} for name in self.names]
        if parts[1] != NAME:
            return 404, {"detail": f"there is no incident {parts[1]}"}
        if parts[2:] == ["same-fire"]:
            return 200, {"incidents": [{"incident": name} for name in self.near]}
        if method == "GET":
            self.before_picture()
            return 200, picture(self.incident, tuple(self.record)).model_dump(mode="json")
        return self._act(parts[2], person, body)

    def _tasks(self, path: str, task: str, person: str, body: Any) -> tuple[int, Any]:
        """The tasks that the incident has left, by the real rules; kept for the test in `course`."""
        now = datetime.now(UTC)
        if body is not None:
            word = Finish(by=person, task=task, reason=body["reason"])
            self.fires.append(body["fire"])
            missing = cannot_finish(self.course, word)
            if missing:
                return 409, {"rule": 0, "title": "the order of things", "missing": missing, "detail": missing}
            self.course = finished(self.course, word, now)
            return 200, {"accepted": True, "task": task, "missing": None}
        shown = [] if self.course.over and "open=true" in path else [follow_picture(self.course, now)]
        data = [each.model_dump(mode="json") for each in shown]
        return 200, {"incidents": data, "not_shown": self.not_shown}

    def _act(self, kind: str, person: str, body: dict[str, Any]) -> tuple[int, Any]:
        if "action" in body:
            known = [each.digest for each in self.incident.firebreaks]
            body["action"] = next((each for each in known if each.startswith(body["action"])), "0" * 64)
        if kind in {"release", "withhold"}:
            waits = [each.digest for each in waiting(self.incident)]
            body["word"] = next((each for each in waits if each.startswith(body["word"])), "0" * 64)
        try:
            self.act(kind, person, **body)
        except ValidationError as error:
            field = ".".join(str(step) for step in error.errors()[0]["loc"])
            return 422, {
                "errors": [{"field": field, "problem": error.errors()[0]["msg"], "fix": "Write a text."}]
            }
        except Refused as error:
            return 409, {
                "rule": error.rule,
                "title": error.title,
                "missing": error.missing,
                "detail": str(error),
            }
        return 200, {"accepted": True, "phase": self.incident.phase}


def handler(station: Station) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            raw_body = self.headers.get("Content-Type") == "application/octet-stream"
            body = sent if raw_body else json.loads(sent) if length else None
            person = TOKENS.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            if station.outages:
                station.outages -= 1
                status, raw = 503, b'{"detail": "Temporal is away"}'
            elif self.path == "/readyz" and not station.override:
                status, raw = (
                    200,
                    json.dumps({"status": "spooling" if station.spooling else "ready"}).encode(),
                )
            elif station.override:
                status, raw = station.override
            else:
                status, data = station.answer(self.command, self.path, person, body)
                raw = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = answer  # noqa: N815 - names given by http.server

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - a name given by http.server
            pass

    return Handler


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture
def url(station: Station) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(station)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def run(url: str) -> Callable[..., Result]:
    """Run `firestation` against the station as ana, at 80 columns."""

    def call(*words: str, env: dict[str, str] | None = None, **more: Any) -> Result:
        surroundings = {
            "FIRESTATION_TOKEN": "token-ana",
            "FIRESTATION_URL": url,
            "COLUMNS": "80",
            **(env or {}),
        }
        return CliRunner().invoke(app, list(words), env=surroundings, **more)

    return call
